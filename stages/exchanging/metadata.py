"""Who made it, how to cite it, and what may be used how: CITATION.cff, CodeMeta, licenses."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from stages.exchanging.listed import manifest
from stages.machine.errors import UserError
from stages.study.settings import Settings

ANONYMOUS = "Anonymous"
NOT_STATED = "not stated"
NAMING = ("orcid", "email", "affiliation", "website", "address", "fax", "tel")
POINTING = ("repository", "repository-code", "repository-artifact", "url", "doi", "contact",
            "identifiers", "preferred-citation", "references")  # fmt: skip


@dataclass(frozen=True)
class About:
    """What CITATION.cff and pyproject.toml say.

    Attributes:
        title, version, date, license: of the study's software; the date is year-month-day.
        authors: a mapping each, as in CITATION.cff.
        citation: all of CITATION.cff.
        project: ``name``, ``description``, ``version``, ``requires-python``, ``dependencies``.
    """

    title: str
    version: str
    date: str
    license: str
    authors: list[dict[str, Any]]
    citation: dict[str, Any]
    project: dict[str, Any]

    @property
    def people(self) -> list[dict[str, str]]:
        """The authors as schema.org has them: a Person, or an Organization."""
        return [_person(author, at) for at, author in enumerate(self.authors)]


def about(files: dict[str, bytes], anonymous: bool = False) -> About:
    """See :class:`About`.

    Raises:
        UserError: CITATION.cff is not YAML, or no mapping.
    """
    try:
        known = yaml.safe_load(files.get("CITATION.cff", b"{}").decode("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"CITATION.cff: not valid YAML ({error})") from None
    if not isinstance(known, dict):
        raise UserError("CITATION.cff: expected 'key: value' lines")
    if anonymous:
        known = {key: value for key, value in known.items() if key not in POINTING}
        known["authors"] = [{"name": ANONYMOUS}]
    authors = [author for author in known.get("authors", []) if isinstance(author, dict)]
    project = _project(files.get("pyproject.toml", b"").decode("utf-8", "replace"))
    return About(
        str(known.get("title", "deep active-learning study")),
        str(known.get("version", project.get("version", ""))),
        str(known.get("date-released", "1980-01-01")),
        str(known.get("license", project.get("license", NOT_STATED))),
        authors or [{"name": ANONYMOUS if anonymous else "not stated"}],
        known,
        project,
    )


def _project(text: str) -> dict[str, Any]:
    """The plain values of ``[project]``; Python 3.10 has no reader of TOML."""
    section = re.search(r"(?ms)^\[project\]\n(.*?)(?=^\[|\Z)", text)
    found: dict[str, Any] = dict(
        re.findall(r'(?m)^([\w-]+) = "([^"\n]*)"$', section[1] if section else "")
    )
    listed = re.search(r"(?ms)^dependencies = \[(.*?)^\]", section[1] if section else "")
    found["dependencies"] = re.findall(r'(?m)^\s*"([^"\n]+)"', listed[1] if listed else "")
    return found


def _person(author: dict[str, Any], at: int) -> dict[str, str]:
    if "name" in author:
        return {"@id": f"#author-{at}", "@type": "Organization", "name": str(author["name"])}
    given, family = str(author.get("given-names", "")), str(author.get("family-names", ""))
    found = {"@id": str(author.get("orcid", f"#author-{at}")), "@type": "Person"}
    found |= {"givenName": given, "familyName": family, "name": f"{given} {family}".strip()}
    return found


def citation(about: About, fingerprint: str) -> bytes:
    """CITATION.cff with the fingerprint of the study among its identifiers."""
    mine = {
        "type": "other",
        "value": f"sha256:{fingerprint}",
        "description": "Fingerprint of the study: SHA-256 over all seals (seals.txt)",
    }
    known = {"cff-version": "1.2.0", "message": "If you use this study, please cite it.",
             "title": about.title, "type": "software"} | about.citation  # fmt: skip
    known["authors"] = about.authors
    others = [one for one in known.get("identifiers", []) if one.get("value") != mine["value"]]
    known["identifiers"] = [*others, mine]
    return yaml.safe_dump(known, sort_keys=False, allow_unicode=True).encode()


def codemeta(about: About) -> bytes:
    """codemeta.json (CodeMeta 3.0), from pyproject.toml and CITATION.cff."""
    project = about.project
    people = [{key: value for key, value in one.items() if key != "@id"} for one in about.people]
    found = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": project.get("name", about.title),
        "description": project.get("description", about.title),
        "version": project.get("version", about.version),
        "license": license_url(about.license),
        "author": people,
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {project.get('requires-python', '')}".strip(),
        "softwareRequirements": project.get("dependencies", []),
    }
    if keywords := about.citation.get("keywords"):
        found["keywords"] = keywords
    return as_json(found)


def license_url(name: str) -> str:
    """The address of an SPDX license; what is no such name stays as it is."""
    return f"https://spdx.org/licenses/{name}" if re.fullmatch(r"[A-Za-z0-9.+-]+", name) else name


def licenses(files: dict[str, bytes], study: Settings, about: About) -> bytes:
    """licenses.md: of code, index sets and results, and of each task's data."""
    lines = ["# Licenses", "", f"Code, index sets and results: {about.license} (LICENSE).", "",
             "| task | data set | license | source |", "|---|---|---|---|"]  # fmt: skip
    for task in study.tasks:
        said = manifest(files, task)
        cells = [str(said.get(key, NOT_STATED)) for key in ("name", "license", "source")]
        lines.append(f"| {task} | " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    arrays = any(name.endswith("_images.npy") for name in files)
    where = (
        "The prepared arrays are in this deposit."
        if arrays
        else "The images are not in this deposit; the stage prepare reads them at their source."
    )
    lines += ["", where]
    return ("\n".join(lines) + "\n").encode()


def as_json(value: Any) -> bytes:
    """JSON as a deposit has it."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
