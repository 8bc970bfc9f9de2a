"""The report as one page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stages.reporting.gathered import TABLES, methods
from stages.reporting.numbers import spread
from stages.reporting.read.frames import FULL_ROW
from stages.reporting.shown import Shown
from stages.reporting.table import QUESTIONS
from stages.reporting.write import markdown_tests
from stages.reporting.write.findings import assumption_sentence, limits, main_findings
from stages.reporting.write.markdown_tables import Markdown, code, environment, table
from stages.statistics.comparisons import NOT_AVAILABLE

MOST_SEEDS = 6
MOST_ROWS = 40
MOST_COUNTS = 12
FINGERPRINT_DIGITS = 12
TREATED = (
    "standing", "curve", "aubc", "summary", "primary", "win_tie_loss", "assumptions",
    "kruskal_wallis", "games_howell", "verdicts", "fingerprints",
)  # fmt: skip


def _what_was_run(tables: dict, settings, manifests: dict) -> Markdown:
    rows = []
    for task in settings.tasks:
        counts = sorted(tables["curve"].query("task == @task")["labeled"].unique())
        manifest = manifests[task] or {}
        classes = manifest.get("classes")
        rows.append(
            [
                code(task),
                settings.task[task].dataset.name,
                len(classes) if classes else NOT_AVAILABLE,
                manifest.get("train", NOT_AVAILABLE),
                manifest.get("test", NOT_AVAILABLE),
                ", ".join(map(str, counts))
                if len(counts) <= MOST_COUNTS
                else f"{counts[0]}, {counts[1]}, … {counts[-1]} ({len(counts)} budgets)",
            ]
        )
    heads = ["Task", "Data set", "Classes", "Training images", "Test images",
             "Labeled images at each round"]  # fmt: skip
    return table(heads, rows, right=2)


def _summary(tables: dict, task: str) -> Markdown:
    rows = []
    summary = tables["summary"]
    for row in summary[summary["task"] == task].itertuples(index=False):
        full = row.strategy == FULL_ROW
        rows.append(
            [
                Markdown("*Full*") if full else code(row.strategy),
                spread(row.aubc_mean, row.aubc_std),
                "" if full else row.aubc_rank,
                spread(row.final_mean, row.final_std),
                "" if full else row.final_rank,
                row.n,
            ]
        )
    return table(["Strategy", "AUBC", "Rank", "Final accuracy", "Rank", "Seeds"], rows)


def _task(tables: dict, task: str, settings) -> dict:
    """What the section of one task is made of."""
    assumed = tables["assumptions"]
    parts = {
        "primary": markdown_tests.primary(tables, task, settings),
        "kruskal": markdown_tests.kruskal(tables, task),
        "verdicts": markdown_tests.verdicts(tables, task, settings),
        "pairs": markdown_tests.games_howell(tables, task, settings),
    }
    words = assumption_sentence(assumed[assumed["task"] == task], settings.report.alpha)
    return {
        "name": task,
        "differences": "along" in tables,
        "summary": _summary(tables, task),
        "assumptions": Markdown(words),
    } | {name: Markdown("\n\n".join(lines)) for name, lines in parts.items()}


def _wins(tables: dict) -> Markdown:
    ordered = tables["win_tie_loss"].sort_values("rank", kind="stable")
    rows = [
        [code(row.strategy), row.wins, row.ties, row.losses, row.points, row.rank]
        for row in ordered.itertuples(index=False)
    ]
    return table(["Strategy", "Wins", "Ties", "Losses", "Points", "Rank"], rows)


def _data_sets(manifests: dict, settings) -> Markdown:
    rows = []
    for task in settings.tasks:
        manifest = manifests[task]
        keys = ("name", "digest", "source", "license")
        known = (
            ["no manifest"] * len(keys)
            if manifest is None
            else [manifest.get(key, NOT_AVAILABLE) for key in keys]
        )
        rows.append([code(task), *known])
    return table(["Task", "Data set", "Digest", "Source", "License"], rows, right=5)


def _chains(fingerprints: pd.DataFrame, settings) -> Markdown:
    seeds = settings.seeds[:MOST_SEEDS]
    cells = {
        (row.task, row.strategy, row.seed): row.fingerprint
        for row in fingerprints.itertuples(index=False)
    }
    rows = []
    for task in settings.tasks:
        for strategy in settings.strategies:
            own = [cells[task, strategy, seed] for seed in seeds]
            shown = (x if " " in x else code(x[:FINGERPRINT_DIGITS]) for x in own)
            rows.append([code(task), code(strategy), *shown])
    heads = ["Task", "Strategy", *(f"seed {seed}" for seed in seeds)]
    more = markdown_tests.shortened(len(seeds), len(settings.seeds), "fingerprints", "seeds")
    return Markdown("\n\n".join([table(heads, rows, right=2 + len(seeds)), *more]))


def _more(shown: dict[str, Shown]) -> list[tuple[str, list[Shown]]]:
    """The tables that have no section of their own, by question."""
    rest = [item for name, item in shown.items() if name not in TREATED]
    found = [
        (question, [item for item in rest if item.table.question == question])
        for question in QUESTIONS
    ]
    return [(question, own) for question, own in found if own]


def page(
    tables: dict[str, pd.DataFrame],
    manifests: dict,
    settings,
    shown: dict[str, Shown],
    captions: dict[str, str],
    coverage: Sequence[str] = (),
) -> str:
    """The whole report.

    Args:
        tables: as of `gathered.build`.
        manifests: as of `records.read_manifests`.
        settings: with `tasks`, `strategies`, `seeds`, `rounds`, `report`, `reproducible`, `task`.
        shown: the tables as they are shown.
        captions: name -> title of every figure.
        coverage: as of `coverage.covered`.

    Returns:
        Markdown text; links are relative to `reports/`.
    """
    text = (
        environment()
        .get_template("report.md.j2")
        .render(
            settings=settings,
            coverage=list(map(Markdown, coverage)),
            findings=list(map(Markdown, main_findings(tables, settings))),
            standing=shown["standing"],
            tuned=TABLES["tuned"].title if "tuned" in tables else "",
            was_run=_what_was_run(tables, settings, manifests),
            tasks=[_task(tables, task, settings) for task in settings.tasks],
            wins=_wins(tables),
            more=_more(shown),
            most_rows=MOST_ROWS,
            captions=captions,
            cautions=list(map(Markdown, limits(tables, settings))),
            methods=Markdown(methods(tables)),
            data_sets=_data_sets(manifests, settings),
            chains=_chains(tables["fingerprints"], settings),
            digits=FINGERPRINT_DIGITS,
        )
    )
    return text.rstrip() + "\n"
