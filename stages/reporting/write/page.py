"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib

from markupsafe import Markup

from stages.reporting.figures import charts
from stages.reporting.gathered import methods
from stages.reporting.read import provenance
from stages.reporting.read.images import First
from stages.reporting.write import heat, sections, templates
from stages.reporting.write.findings import limits, main_findings
from stages.reporting.write.sections import Material
from stages.statistics.comparisons import NOT_AVAILABLE

__all__ = ["Material", "page"]

MOST_SEEDS = 10
NAVIGATION = (
    ("findings", "Findings"),
    ("curves", "Curves"),
    ("tables", "Questions"),
    ("provenance", "Provenance"),
    ("cite", "Cite"),
)


def page(material: Material, settings) -> str:
    """The whole page.

    Args:
        material: what it is made of.
        settings: with `tasks`, `strategies`, `seeds`, `rounds`, `report`, `reproducible`.

    Returns:
        HTML text; the same for the same input, to the byte.
    """
    script = templates.file("page.js")
    # Only this script may run, and nothing may be fetched.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    drawn: list[dict] = []
    curves = sections.curves(material, settings, drawn)
    balance = sections.balance(material, settings, drawn)
    opened = sections.opened(material)
    fingerprint = provenance.study_fingerprint(material.tables["fingerprints"])
    template = templates.environment().get_template("page.html.j2")
    return template.render(
        settings=settings,
        policy=Markup(policy),
        style=templates.file("page.css"),
        script=script,
        data=templates.data(_data(material, settings, curves["names"], drawn)),
        navigation=NAVIGATION,
        coverage=material.coverage,
        findings=main_findings(material.tables, settings),
        cautions=limits(material.tables, settings),
        standing=material.shown["standing"],
        curves=curves,
        balance=balance,
        pairs=sections.pairs(material, settings),
        overlaps=sections.overlaps(material, settings),
        first=[_first(task, rows, material) for task, rows in material.first.items()],
        opened=opened,
        questions=sections.questions(material, opened),
        methods=methods(material.tables),
        facts=_facts(settings),
        fingerprint=fingerprint,
        data_sets=[_data_set(task, material.manifests[task] or {}) for task in settings.tasks],
        settings_text=provenance.settings_text(settings),
        versions=provenance.pinned_versions(),
        citation=provenance.citation(fingerprint),
    )


def _data(material: Material, settings, names: list[str], drawn: list[dict]) -> dict:
    """What the script draws."""
    tables, baseline = material.tables, settings.report.baseline
    shown = {
        name
        for task in settings.tasks
        for name in charts.ordered(tables["summary"], task)[: heat.MOST]
    }
    return {
        "strategies": names,
        "baseline": baseline,
        "looks": charts.looks(names, baseline),
        "best": charts.best(tables["summary"], names, baseline),
        "alpha": settings.report.alpha,
        "charts": drawn,
        "pairs": charts.pairs(tables["games_howell"], names, shown | {baseline}),
        "runs": charts.runs(material.rounds, names),
    }


def _first(task: str, rows: list[First], material: Material) -> dict:
    names = (material.manifests[task] or {}).get("classes") or []
    found = []
    for row in rows:
        named = names if len(names) == len(row.counts) else range(len(row.counts))
        own = [f"{name} × {n}" for name, n in zip(named, row.counts, strict=True) if n]
        found.append({"strategy": row.strategy, "images": row.images, "classes": ", ".join(own)})
    return {"name": task, "rows": found}


def _facts(settings) -> list[tuple[str, str]]:
    seeds = ", ".join(map(str, settings.seeds[:MOST_SEEDS]))
    return [
        ("Tasks", ", ".join(settings.tasks)),
        ("Strategies", str(len(settings.strategies))),
        (
            "Seeds",
            f"{len(settings.seeds)} ({seeds}{' …' if len(settings.seeds) > MOST_SEEDS else ''})",
        ),
        ("Rounds", str(len(settings.rounds))),
        ("Baseline", settings.report.baseline),
        ("Level of the tests", f"{settings.report.alpha:g}"),
        ("Margin", f"{settings.report.margin:g} AUBC"),
        ("Reproducible", settings.reproducible),
    ]


def _data_set(task: str, manifest: dict) -> dict:
    keys = ("name", "train", "test", "digest", "source", "license")
    return {"task": task} | {key: str(manifest.get(key, NOT_AVAILABLE)) for key in keys}
