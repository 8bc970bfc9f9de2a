"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path

from stages.reporting.figures import charts
from stages.reporting.numbers import count
from stages.reporting.read import provenance
from stages.reporting.write import html, sections
from stages.reporting.write.findings import limits, main_findings
from stages.reporting.write.sections import Material
from stages.statistics.comparisons import NOT_AVAILABLE

HERE = Path(__file__).parent
NAVIGATION = (
    ("findings", "Findings"),
    ("curves", "Curves"),
    ("pairs", "Pairs"),
    ("first", "First images"),
    ("tables", "Tables"),
    ("provenance", "Provenance"),
    ("cite", "Cite"),
)


def _header(settings) -> str:
    seeds = ", ".join(map(str, settings.seeds[:10])) + (" …" if len(settings.seeds) > 10 else "")
    facts = (
        ("Tasks", ", ".join(settings.tasks)),
        ("Strategies", str(len(settings.strategies))),
        ("Seeds", f"{len(settings.seeds)} ({seeds})"),
        ("Rounds", str(len(settings.rounds))),
        ("Baseline", settings.report.baseline),
        ("Level of the tests", f"{settings.report.alpha:g}"),
        ("Margin of a win", f"{settings.report.margin:g} AUBC"),
        ("Reproducible", settings.reproducible),
    )
    items = "".join(f"<div><dt>{key}</dt><dd>{escape(value)}</dd></div>" for key, value in facts)
    return (
        "<h1>Active-learning report</h1>\n"
        '<p class="lead">'
        f"{count(len(settings.strategies), 'strategy')} on {count(len(settings.tasks), 'task')}, "
        f"{count(len(settings.seeds), 'seed')} each: how test accuracy grows with the number of "
        "labeled images.</p>\n"
        f'<dl class="facts">{items}</dl>'
    )


def _findings(material: Material, settings) -> str:
    notes = limits(material.tables, settings)
    # A paragraph for each task.
    found = re.sub(r" (?=(?:On|Over all) )", "\n\n", main_findings(material.tables, settings))
    cautions = "".join(f"<li>{html.inline(note)}</li>" for note in notes)
    left_out = "".join(f"<p>{html.inline(line)}</p>\n" for line in material.coverage)
    return (
        f'<section id="findings">{left_out}<h2>Main findings</h2>\n<div class="findings">'
        f"{html.blocks(found)}</div>\n"
        + (f"<h3>Cautions</h3><ul>{cautions}</ul>\n" if notes else "")
        + "</section>"
    )


def _provenance(material: Material, settings, fingerprint: str | None) -> str:
    rows = []
    for task in settings.tasks:
        manifest = material.manifests[task] or {}
        cells = [manifest.get(key, NOT_AVAILABLE) for key in ("name", "train", "test")]
        texts = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        digest = escape(str(manifest.get("digest", NOT_AVAILABLE)))
        rest = "".join(
            f'<td class="wrap">{escape(str(manifest.get(key, NOT_AVAILABLE)))}</td>'
            for key in ("source", "license")
        )
        rows.append(
            f'<tr><th scope="row">{escape(task)}</th>{texts}'
            f'<td class="wrap"><code>{digest}</code></td>{rest}</tr>'
        )
    head = "".join(
        f'<th scope="col">{title}</th>'
        for title in ("Task", "Data set", "Training images", "Test images", "Digest (SHA-256)",
                      "Source", "License")
    )  # fmt: skip
    versions = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(version)}</td></tr>'
        for name, version in provenance.pinned_versions()
    )
    chains = material.shown["fingerprints"]
    return (
        '<section id="provenance"><h2>Provenance</h2>\n<p>Every number comes from the files of '
        "the rounds, which rest on chains of index sets; each link of a chain pins the bytes of "
        "the one before, and the first pins the data. This page holds no date and nothing of the "
        "machine that wrote it: the same files give the same bytes.</p>\n"
        "<h3>Verify</h3><pre><code>python -m stages.verify --committed --list   # every index set\n"
        "python -m stages.report                       # every number, from the files alone"
        "</code></pre>\n"
        f"<p>Fingerprint of the study: <code>{fingerprint or NOT_AVAILABLE}</code>. It is the "
        "SHA-256 over all seals: <code>LC_ALL=C sha256sum splits/*/*/seed-*/round-end.txt | "
        "sha256sum</code>.</p>\n"
        '<h3>Data</h3><div class="scroll" tabindex="0" role="region" aria-label="Data sets">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>\n"
        "<h3>Study settings</h3><details data-short><summary>Settings of the study</summary>"
        f"<pre><code>{escape(provenance.settings_text(settings))}</code></pre></details>\n"
        "<h3>Chains</h3><details data-short><summary>Fingerprint of every run "
        f'<span class="unit">{count(chains.total, "run")}</span></summary>'
        f"{html.table(chains)}{html.notes(chains)}</details>\n"
        + (
            "<h3>Versions</h3><details data-short><summary>Pinned in requirements.lock</summary>"
            '<div class="scroll"><table><thead><tr><th scope="col">Package</th><th scope="col">'
            f"Version</th></tr></thead><tbody>{versions}</tbody></table></div></details>"
            if versions
            else ""
        )
        + "</section>"
    )


def _cite(fingerprint: str | None) -> str:
    return (
        '<section id="cite"><h2>Cite this</h2>\n<p>The fingerprint says which study is meant: '
        "another selection, data set or seed gives another one.</p>"
        f'<pre id="bibtex">{escape(provenance.citation(fingerprint))}</pre>'
        '<button type="button" data-copy="bibtex" hidden>Copy BibTeX</button></section>'
    )


def page(material: Material, settings) -> str:
    """The whole page.

    Args:
        material: what it is made of.
        settings: with `tasks`, `strategies`, `seeds`, `rounds`, `report`, `reproducible`.

    Returns:
        HTML text; the same for the same input, to the byte.
    """
    style = (HERE / "page.css").read_text(encoding="utf-8")
    script = (HERE / "page.js").read_text(encoding="utf-8")
    fingerprint = provenance.study_fingerprint(material.tables["fingerprints"])
    drawn: list[dict] = []
    parts = [
        _findings(material, settings),
        sections.curves(material, settings, drawn),
        sections.pairs(material, settings),
        sections.first(material, settings),
        sections.tables(material),
        _provenance(material, settings, fingerprint),
        _cite(fingerprint),
    ]
    names = charts.lines(material.tables["curve"], list(settings.strategies))
    data = {
        "strategies": names,
        "looks": charts.looks(names, settings.report.baseline),
        "best": charts.best(material.tables["summary"], names, settings.report.baseline),
        "alpha": settings.report.alpha,
        "charts": drawn,
        "pairs": charts.pairs(material.tables["games_howell"], names),
    }
    links = "".join(
        f'<a href="#{name}">{title}</a>'
        for name, title in NAVIGATION
        if name != "first" or material.first
    )
    # Only this script may run, and nothing may be fetched.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>Active-learning report: {escape(', '.join(settings.tasks))}</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="hidden skip" href="#findings">Skip to the findings</a>\n'
        f"<header>{_header(settings)}"
        '<button type="button" id="theme" hidden>Theme</button></header>\n'
        f'<nav aria-label="Sections"><div>{links}</div></nav>\n'
        "<main>\n" + "\n".join(filter(None, parts)) + "\n</main>\n"
        '<footer><p class="small">Written by aledger. The same report as text: '
        '<a href="report.md">report.md</a>.</p></footer>\n'
        f'<script type="application/json" id="data">{html.data(data)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )
