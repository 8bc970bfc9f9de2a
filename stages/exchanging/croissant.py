"""croissant.json: the tables of a deposit as record sets (MLCommons Croissant 1.1)."""

from __future__ import annotations

import csv
import io

from stages.exchanging.listed import DATA, RESULTS, SETS, manifest
from stages.exchanging.metadata import About, as_json, license_url
from stages.study import ledger
from stages.study.settings import Settings

VERSION = "http://mlcommons.org/croissant/1.1"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
WHOLE = {"seed", "position", "row", "round", "labeled", "correct", "test", "train", "classes"}
ABOUT = {
    "index_sets": (
        SETS,
        "Which training rows each run selected, in order: of its validation set, its initial set, "
        "and what each round selected (part round-n: by round n - 1).",
    ),
    "results": (RESULTS, "What each round's model achieved on the test set."),
    "data": (DATA, "The data set behind each task, with the SHA-256 over its prepared arrays."),
}


def croissant(files: dict[str, bytes], study: Settings, about: About, fingerprint: str) -> bytes:
    """croissant.json of a deposit's files, among which are its tables."""
    owners = sorted({str(manifest(files, task).get("license", "")) for task in study.tasks} - {""})
    found = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": f"active-learning-study-{fingerprint[:12]}",
        "description": f"Index sets and results of a deep active-learning study: tasks "
        f"{', '.join(study.tasks)}; strategies {', '.join(study.strategies)}; {len(study.seeds)} "
        f"seeds, {len(study.rounds)} rounds.",
        "conformsTo": VERSION,
        "version": "1.0.0",
        "datePublished": about.date,
        "url": "https://w3id.org/ro/crate",
        "license": [license_url(about.license), *owners],
        "creator": [
            {key: value for key, value in one.items() if key != "@id"} for one in about.people
        ],
        "citeAs": f"{about.title}, study fingerprint sha256:{fingerprint}",
        "distribution": [_file(f"{name}.csv", files[f"{name}.csv"]) for name in ABOUT],
        "recordSet": [
            _records(name, heads, words)
            for name, (heads, words) in ABOUT.items()
            if _rows(files[f"{name}.csv"])
        ],
    }
    return as_json(found)


def _file(name: str, content: bytes) -> dict[str, str]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": "text/csv",
        "contentSize": f"{len(content)} B",
        "sha256": ledger.digest(content),
    }


def _records(name: str, heads: tuple[str, ...], words: str) -> dict[str, object]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{head}",
            "name": head,
            "dataType": _type(head),
            "source": {"fileObject": {"@id": f"{name}.csv"}, "extract": {"column": head}},
        }
        for head in heads
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": words,
        "field": fields,
    }


def _type(head: str) -> str:
    if head == "accuracy":
        return "sc:Float"
    return "sc:Integer" if head in WHOLE else "sc:Text"


def _rows(content: bytes) -> int:
    return sum(1 for _ in csv.reader(io.StringIO(content.decode()))) - 1
