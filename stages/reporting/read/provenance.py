"""Where the numbers come from: settings, seals, pinned versions, and how to cite them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pandas as pd
import yaml

from stages.study.layout import END, Layout

CODE = Path(__file__).resolve().parents[3]
SHOWN_PACKAGES = (
    "torch", "torchvision", "numpy", "scipy", "scikit-learn", "faiss-cpu", "faiss-gpu", "pandas",
    "pillow", "matplotlib", "pydantic", "dvc",
)  # fmt: skip
SECTIONS = ("reproducible", "tasks", "strategies", "seeds", "report")


def study_fingerprint(fingerprints: pd.DataFrame) -> str | None:
    """SHA-256 over all seals of a study.

    It is the digest of what `sha256sum` prints for the seals in the order of their paths, so that
    `LC_ALL=C sha256sum splits/*/*/seed-*/round-end.txt | sha256sum` gives it too.

    Args:
        fingerprints: as of `records.read_fingerprints`.

    Returns:
        64 hexadecimal digits; None where a chain has no seal.
    """
    lines = []
    for row in fingerprints.itertuples(index=False):
        if " " in row.fingerprint:
            return None
        seal = Layout(Path()).link(row.task, row.strategy, row.seed, END)
        lines.append((seal.as_posix().encode(), row.fingerprint.encode()))
    text = b"".join(digest + b"  " + path + b"\n" for path, digest in sorted(lines))
    return hashlib.sha256(text).hexdigest()


def _plain(value):
    """Settings as what YAML can hold."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "__dict__"):
        return {key: _plain(item) for key, item in vars(value).items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def settings_text(settings) -> str:
    """The settings that the numbers depend on, as YAML: only the tasks and strategies in use.

    Args:
        settings: as of `stages.study.settings.load`.
    """
    found = {key: _plain(getattr(settings, key)) for key in SECTIONS if hasattr(settings, key)}
    found["rounds"] = f"{len(settings.rounds)} (numbered 0 to {len(settings.rounds) - 1})"
    for key, names in (("task", settings.tasks), ("strategy", settings.strategies)):
        entries = getattr(settings, key, {})
        found[key] = {name: _plain(entries[name]) or {} for name in names if name in entries}
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, default_flow_style=None)


def pinned_versions(code: Path = CODE) -> list[tuple[str, str]]:
    """(package, pinned version, with its condition) from requirements.lock; empty without it."""
    path = code / "requirements.lock"
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([\w.-]+)==(\S+?)(?:\s*;\s*(.*))?$", line)
        if match and match[1].lower() in SHOWN_PACKAGES:
            found.append((match[1].lower(), match[2] + (f" ({match[3]})" if match[3] else "")))
    return sorted(found, key=lambda item: SHOWN_PACKAGES.index(item[0]))


def citation(fingerprint: str | None, code: Path = CODE) -> str:
    """A BibTeX entry from CITATION.cff with the fingerprint of the study.

    Args:
        fingerprint: as of `study_fingerprint`.
        code: folder of CITATION.cff; without it the entry names the package alone.
    """
    path = code / "CITATION.cff"
    known = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    authors = " and ".join(
        f"{{{person['name']}}}"
        if "name" in person
        else f"{person.get('family-names', '')}, {person.get('given-names', '')}"
        for person in known.get("authors", [])
    )
    fields = {
        "title": f"{{{known.get('title', 'aledger')}}}",
        "author": authors,
        "version": str(known.get("version", "")),
        "year": str(known.get("date-released", ""))[:4],
        "doi": str(known.get("doi", "")),
        "url": str(known.get("repository-code", known.get("url", ""))),
        "note": "Study fingerprint " + (f"sha256:{fingerprint}" if fingerprint else "n/a"),
    }
    lines = [f"  {key:<7} = {{{value}}}" for key, value in fields.items() if value]
    return "@software{aledger,\n" + ",\n".join(lines) + "\n}\n"
