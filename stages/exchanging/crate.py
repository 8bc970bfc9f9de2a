"""ro-crate-metadata.json: a Workflow Run RO-Crate with one CreateAction for each stage that ran.

The workflow is dvc.yaml. An action names the stage's code (instrument), what it read (object) and
wrote (result), with the SHA-256 of every file that is in the deposit, and when it ran, where this
machine still knows: the seconds of a round and when they were written (``artifacts/``), which are
in no hashed file. What is not in the deposit (weights, arrays) is named with DVC's MD5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from stages.exchanging.metadata import About, as_json, license_url
from stages.farm.without_dvc import Stage
from stages.machine.errors import UserError, nearest
from stages.study import ledger
from stages.study.layout import Layout
from stages.study.settings import Settings

NAME = "ro-crate-metadata.json"
PROFILE = "0.5"
PROFILES = ("0.5",)  # of Workflow Run RO-Crate, on RO-Crate 1.1; 0.6 is another model
RUN = "https://w3id.org/ro/wfrun"
WORKFLOW = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
TERMS = {
    term: f"https://w3id.org/ro/terms/workflow-run#{term}" for term in ("sha256", "environment")
}
MODULE = re.compile(r"python -m (stages\.[\w.]+)")
TYPES = {".json": "application/json", ".txt": "text/plain", ".csv": "text/csv",
         ".md": "text/markdown", ".html": "text/html", ".py": "text/x-python", ".svg":
         "image/svg+xml", ".png": "image/png", ".pdf": "application/pdf", ".yaml":
         "application/yaml", ".npy": "application/octet-stream", ".css": "text/css", ".js":
         "text/javascript"}  # fmt: skip
MAIN = "dvc.yaml"
LANGUAGE = "#dvc"


@dataclass(frozen=True)
class Material:
    """What a crate is made of.

    Attributes:
        root: of the study, for the times of its rounds.
        files: of the deposit.
        ran: the stages that did.
        entries: dvc.lock's, by stage.
        profile: version of Workflow Run RO-Crate.
    """

    root: Path
    study: Settings
    files: dict[str, bytes]
    ran: list[Stage]
    entries: dict[str, dict[str, Any]]
    about: About
    profile: str


def check_profile(profile: str) -> None:
    """Raise unless crates of this version of the profile can be written."""
    if profile not in PROFILES:
        raise UserError(f"--profile is {profile!r}; {nearest(profile, PROFILES)}")


def crate(material: Material) -> bytes:
    """ro-crate-metadata.json.

    Raises:
        UserError: the package rocrate is not installed.
    """
    try:
        from rocrate.model.contextentity import ContextEntity
        from rocrate.model.data_entity import DataEntity
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise UserError(
            "a deposit needs the package 'rocrate', which is not installed; pip install rocrate"
        ) from None
    made = ROCrate(version="1.1")
    root = made.root_dataset
    made.metadata["conformsTo"] = _refer(["https://w3id.org/ro/crate/1.1", WORKFLOW])
    for entity in _root(material):
        kind = DataEntity if _is_data(entity) else ContextEntity
        identity = entity.pop("@id")
        made.add(kind(made, identity, properties=entity))
    for key, value in _about_root(material).items():
        root[key] = value
    graph = made.metadata.generate()
    graph["@context"] = [graph["@context"], TERMS]
    first = (NAME, "./")
    graph["@graph"].sort(key=lambda one: (one["@id"] not in first, one["@id"]))
    return as_json(graph)


def _is_data(entity: dict[str, Any]) -> bool:
    kinds = entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]
    return "File" in kinds or "Dataset" in kinds


def _refer(names: list[str]) -> Any:
    """References to entities; a single one stands alone, as RO-Crate wants it."""
    found = [{"@id": name} for name in dict.fromkeys(names)]
    return found[0] if len(found) == 1 else found


def _about_root(material: Material) -> dict[str, Any]:
    about, profiles = material.about, [*_profiles(material.profile), WORKFLOW]
    return {
        "name": about.title,
        "description": "A deep active-learning study: index sets as verifiable chains, results, "
        "report, code, and how each stage ran. `python check.py` checks it without a network.",
        "datePublished": about.date,
        "license": {"@id": license_url(about.license)},
        "author": _refer([one["@id"] for one in about.people]),
        "publisher": _refer([about.people[0]["@id"]]),
        "conformsTo": _refer(profiles),
        "mainEntity": {"@id": MAIN},
        "mentions": _refer(["#study", *(f"#{stage.name}" for stage in material.ran)]),
    }


def _profiles(version: str) -> list[str]:
    return [f"{RUN}/{kind}/{version}" for kind in ("process", "workflow")]


def _root(material: Material) -> Iterator[dict[str, Any]]:
    """All entities but the root and the descriptor."""
    folders = sorted({f"{item}/" for stage in material.ran for item in _folders(material, stage)})
    for name in folders:
        yield {"@id": name, "@type": "Dataset", "name": name.rstrip("/")}
    code = {_code(material, stage) for stage in material.ran}
    for name, content in sorted(material.files.items()):
        yield _file(material, name, content, code)
    for version, name in ((material.profile, "Process Run Crate"),
                          (material.profile, "Workflow Run Crate")):  # fmt: skip
        kind = name.split()[0].lower()
        yield {"@id": f"{RUN}/{kind}/{version}", "@type": "CreativeWork", "name": name,
               "version": version}  # fmt: skip
    yield {"@id": WORKFLOW, "@type": "CreativeWork", "name": "Workflow RO-Crate", "version": "1.0"}
    yield {
        "@id": license_url(material.about.license),
        "@type": "CreativeWork",
        "name": material.about.license,
        "description": "License of code, index sets and results",
    }
    yield {"@id": LANGUAGE, "@type": ["ComputerLanguage", "SoftwareApplication"], "name": "DVC",
           "url": {"@id": "https://dvc.org"}, "version": ">=3.67"}  # fmt: skip
    yield from map(dict, material.about.people)
    yield from _settings(material)
    absent: dict[str, dict[str, Any]] = {}
    for stage in material.ran:
        yield _action(material, stage, absent)
    yield from absent.values()
    yield _whole(material)


def _folders(material: Material, stage: Stage) -> list[str]:
    """What a stage read or wrote that is a folder of the deposit."""
    return [
        item
        for item in (*stage.deps, *stage.kept)
        if item not in material.files
        and any(name.startswith(f"{item}/") for name in _tops(material, item))
    ]


def _tops(material: Material, item: str) -> list[str]:
    return [name for name in material.files if name.startswith(f"{item}/")]


def _file(material: Material, name: str, content: bytes, code: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@id": name,
        "@type": "File",
        "name": name,
        "contentSize": str(len(content)),
        "sha256": ledger.digest(content),
    }
    found["encodingFormat"] = TYPES.get(Path(name).suffix, "text/plain")
    if name == MAIN:
        found |= {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": "The pipeline: how a study grows",
            "programmingLanguage": {"@id": LANGUAGE},
            "version": material.about.version,
            "license": {"@id": license_url(material.about.license)},
            "creator": _refer([one["@id"] for one in material.about.people]),
        }
    elif name in code:
        found["@type"] = ["File", "SoftwareSourceCode"]
        found["version"] = material.about.version
    elif name == "DEPOSIT.md":
        found["about"] = {"@id": "./"}
    return found


def _settings(material: Material) -> Iterator[dict[str, Any]]:
    for key in ("reproducible", "device", "threads"):
        value = getattr(material.study, key)
        yield {"@id": f"#setting-{key}", "@type": "PropertyValue", "name": key, "value": str(value)}


def _code(material: Material, stage: Stage) -> str:
    """The file that a stage runs."""
    module = MODULE.search(stage.command)
    name = f"{module[1].replace('.', '/')}.py" if module else MAIN
    return name if name in material.files else MAIN


def _action(material: Material, stage: Stage, absent: dict[str, dict[str, Any]]) -> dict[str, Any]:
    begun, ended = times(material, stage)
    found: dict[str, Any] = {
        "@id": f"#{stage.name}",
        "@type": "CreateAction",
        "name": stage.name,
        "description": stage.command,
        "instrument": {"@id": _code(material, stage)},
        "object": _refer([_known(material, stage, item, absent) for item in stage.deps]),
        "result": _refer(
            [_known(material, stage, item, absent) for item in (*stage.kept, *stage.cached)]
        ),
        "agent": _refer([material.about.people[0]["@id"]]),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "environment": _refer([f"#setting-{key}" for key in ("reproducible", "device", "threads")]),
    }
    if ended:
        found |= {"startTime": begun, "endTime": ended}
    return found


def _known(material: Material, stage: Stage, item: str, absent: dict[str, dict[str, Any]]) -> str:
    """The entity of a path: a file or folder of the deposit, or a note of what is not in it."""
    if item in material.files:
        return item
    if _tops(material, item):
        return f"{item}/"
    entry = material.entries.get(stage.name, {})
    for one in [*(entry.get("deps") or []), *(entry.get("outs") or [])]:
        if one["path"] == item:
            said = f"not in the deposit; MD5 by DVC {one['md5']}"
            break
    else:
        said = "not in the deposit"
    identity = f"#{item}"
    absent.setdefault(
        identity, {"@id": identity, "@type": "PropertyValue", "name": item, "value": said}
    )
    return identity


def times(material: Material, stage: Stage) -> tuple[str, str]:
    """When a stage began and ended, ISO 8601 in UTC; empty where it is not recorded."""
    layout, words = Layout(material.root), dict(re.findall(r"--(\w+) (\S+)", stage.command))
    group = stage.name.partition("@")[0]
    if group == "round":
        path = layout.seconds(
            words["task"], words["strategy"], int(words["seed"]), int(words["round"])
        )
    elif group == "full":
        path = layout.full_seconds(words["task"], int(words["seed"]))
    else:
        return "", ""
    try:
        took = sum(float(value) for value in json.loads(path.read_bytes()).values())
        end = path.stat().st_mtime
    except (OSError, ValueError, AttributeError, TypeError):
        return "", ""
    return _iso(end - took), _iso(end)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _whole(material: Material) -> dict[str, Any]:
    """The study as one run of the workflow."""
    known = [times(material, stage) for stage in material.ran]
    known = [one for one in known if one[1]]
    found: dict[str, Any] = {
        "@id": "#study",
        "@type": "CreateAction",
        "name": "The study",
        "description": "python -m stages.grow: all stages of dvc.yaml, with params.yaml",
        "instrument": {"@id": MAIN},
        "object": _refer(["params.yaml"]),
        "result": _refer([name for name in ("reports/report.md", "seals.txt", "results.csv",
                                            "index_sets.csv") if name in material.files]),
        "agent": _refer([material.about.people[0]["@id"]]),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }  # fmt: skip
    if known:
        found |= {"startTime": min(one[0] for one in known), "endTime": max(e for _, e in known)}
    return found
