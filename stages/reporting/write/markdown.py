"""The report as one page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import pandas as pd

from stages.reporting.gathered import TABLES, methods
from stages.reporting.numbers import count, listing, spread
from stages.reporting.read.frames import FULL_ROW
from stages.reporting.shown import Shown, legend
from stages.reporting.write import markdown_tests
from stages.reporting.write.findings import assumption_sentence, limits, main_findings
from stages.reporting.write.markdown_tables import generic, table
from stages.statistics.comparisons import NOT_AVAILABLE

MOST_SEEDS = 6
MOST_ROWS = 40
FINGERPRINT_DIGITS = 12
TREATED = (
    "curve", "aubc", "summary", "primary", "win_tie_loss", "assumptions", "kruskal_wallis",
    "games_howell", "verdicts", "fingerprints",
)  # fmt: skip


def _more(shown: dict[str, Shown], captions: dict[str, str]) -> list[str]:
    """Tables and figures that have no section of their own."""
    parts = []
    for name, item in shown.items():
        if name in TREATED:
            continue
        parts += [f"### {item.table.title}", item.table.note]
        if len(item.rows) <= MOST_ROWS:
            parts += [generic(item), legend(item)]
        parts.append(
            f"{count(item.total, 'row')}: [CSV]({item.table.csv}), "
            f"[Markdown](tables/{name}.md), [LaTeX](tables/{name}.tex)."
        )
    figures = [
        f"- {title}: " + ", ".join(
            f"[{kind.upper()}](figures/{quote(name)}.{kind})" for kind in ("png", "svg", "pdf")
        )
        for name, title in captions.items()
    ]  # fmt: skip
    found = ["## More tables", *filter(None, parts)] if parts else []
    return [*found, "## Figures", "\n".join(figures)]


def _what_was_run(tables: dict, settings, manifests: dict) -> list[str]:
    rounds = len(settings.rounds)
    lines = [
        f"- **Strategies** ({len(settings.strategies)}): "
        f"{listing(settings.strategies, most=len(settings.strategies))}; "
        f"baseline `{settings.report.baseline}`.",
        f"- **Seeds** ({len(settings.seeds)}): {', '.join(map(str, settings.seeds))}. A run is one "
        "strategy with one seed on one task.",
        f"- **Rounds**: {rounds}, numbered {settings.rounds[0].n} to {settings.rounds[-1].n}.",
        f"- **Reproducible** setting: `{settings.reproducible}`.",
        f"- **Level** alpha = {settings.report.alpha:g}; **margin** of a win = "
        f"{settings.report.margin:g} in AUBC.",
    ]
    if "tuned" in tables:
        lines.append(
            f"- **Tuned** ({len(settings.tuned)}): "
            f"{listing(settings.tuned, most=len(settings.tuned))}; see *{TABLES['tuned'].title}*."
        )
    rows = []
    for task in settings.tasks:
        counts = sorted(tables["curve"].query("task == @task")["labeled"].unique())
        manifest = manifests[task] or {}
        classes = manifest.get("classes")
        rows.append(
            [
                f"`{task}`",
                settings.task[task].dataset.name,
                len(classes) if classes else NOT_AVAILABLE,
                manifest.get("train", NOT_AVAILABLE),
                manifest.get("test", NOT_AVAILABLE),
                ", ".join(map(str, counts))
                if len(counts) <= 12
                else f"{counts[0]}, {counts[1]}, … {counts[-1]} ({len(counts)} budgets)",
            ]
        )
    return [
        "\n".join(lines),
        table(
            [
                "Task",
                "Data set",
                "Classes",
                "Training images",
                "Test images",
                "Labeled images at each round",
            ],
            rows,
            right=2,
        ),
    ]


def _summary(tables: dict, task: str) -> str:
    rows = []
    summary = tables["summary"]
    for row in summary[summary["task"] == task].itertuples(index=False):
        full = row.strategy == FULL_ROW
        rows.append(
            [
                "*Full*" if full else f"`{row.strategy}`",
                spread(row.aubc_mean, row.aubc_std),
                "" if full else row.aubc_rank,
                spread(row.final_mean, row.final_std),
                "" if full else row.final_rank,
                row.n,
            ]
        )
    return table(["Strategy", "AUBC", "Rank", "Final accuracy", "Rank", "Seeds"], rows)


def _task(tables: dict, task: str, settings) -> list[str]:
    alpha = settings.report.alpha
    picture = f"figures/accuracy-{quote(task)}"
    seeds = count(len(settings.seeds), "seed")
    rows = tables["assumptions"].query("task == @task")
    return [
        f"## Task `{task}`",
        f"![Test accuracy against labeled images on {task}, mean of {seeds}]({picture}.png)",
        (
            "One seed, so no bands. "
            if len(settings.seeds) == 1
            else f"Mean over {seeds}; bands are ± one standard deviation. "
        )
        + f"Vector versions: [SVG]({picture}.svg), [PDF]({picture}.pdf); "
        "numbers: [curve.csv](curve.csv).",
        "### Summary",
        _summary(tables, task),
        "As CSV: [tables/summary.csv](tables/summary.csv); run by run: "
        "[tables/aubc.csv](tables/aubc.csv).",
        f"### Primary analysis: against `{settings.report.baseline}`, paired by seed",
        *markdown_tests.primary(tables, task, settings),
        "Everything below is secondary: the same runs from other sides, which decide nothing.",
        "### Assumptions",
        assumption_sentence(rows, alpha)
        + " All p values: [tables/assumptions.csv](tables/assumptions.csv).",
        "### Do the strategies differ at all? (Kruskal-Wallis)",
        *markdown_tests.kruskal(tables, task),
        f"### Verdicts against `{settings.report.baseline}` (Games-Howell)",
        *markdown_tests.verdicts(tables, task, settings),
        "### Pairs of strategies (Games-Howell on AUBC)",
        *markdown_tests.games_howell(tables, task, settings),
    ]


def _win_tie_loss(tables: dict, settings) -> list[str]:
    ordered = tables["win_tie_loss"].sort_values("rank", kind="stable")
    rows = [
        [f"`{row.strategy}`", row.wins, row.ties, row.losses, row.points, row.rank]
        for row in ordered.itertuples(index=False)
    ]
    return [
        "## Across tasks: win, tie, loss",
        f"Every strategy against every other on the mean AUBC of "
        f"{count(len(settings.tasks), 'task')}. A win is a difference of more than "
        f"{settings.report.margin:g}, compared in whole units of 0.0001; points are "
        "2 × wins + ties. This count looks at means only, not at their spread.",
        table(["Strategy", "Wins", "Ties", "Losses", "Points", "Rank"], rows),
        "As CSV: [tables/win_tie_loss.csv](tables/win_tie_loss.csv).",
    ]


def _provenance(fingerprints: pd.DataFrame, manifests: dict, settings) -> list[str]:
    rows = []
    for task in settings.tasks:
        manifest = manifests[task]
        keys = ("name", "digest", "source", "license")
        rows.append(
            [
                f"`{task}`",
                *(
                    ["no manifest"] * 4
                    if manifest is None
                    else [manifest.get(key, NOT_AVAILABLE) for key in keys]
                ),
            ]
        )
    seeds = settings.seeds[:MOST_SEEDS]
    cells = {
        (row.task, row.strategy, row.seed): row.fingerprint
        for row in fingerprints.itertuples(index=False)
    }
    chains = []
    for task in settings.tasks:
        for strategy in settings.strategies:
            own = [cells[task, strategy, seed] for seed in seeds]
            chains.append(
                [
                    f"`{task}`",
                    f"`{strategy}`",
                    *(x if " " in x else f"`{x[:FINGERPRINT_DIGITS]}`" for x in own),
                ]
            )
    return [
        "## Provenance",
        "### Data",
        table(["Task", "Data set", "Digest", "Source", "License"], rows, right=5),
        "### Chains",
        f"The fingerprint of a run is the SHA-256 of the seal of its chain "
        f"(`round-end.txt`, first {FINGERPRINT_DIGITS} digits here); it pins every index "
        "that was selected.",
        table(
            ["Task", "Strategy", *(f"seed {seed}" for seed in seeds)], chains, right=2 + len(seeds)
        ),
        *markdown_tests.shortened(len(seeds), len(settings.seeds), "fingerprints", "seeds"),
    ]


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
    notes = limits(tables, settings)
    blocks = [
        "# Active-learning report",
        "With curves to switch on and off and tables to sort: [index.html](index.html).",
        *coverage,
        "## Main findings",
        *main_findings(tables, settings),
        "## What was run",
        *_what_was_run(tables, settings, manifests),
    ]
    for task in settings.tasks:
        blocks += _task(tables, task, settings)
    blocks += _win_tie_loss(tables, settings)
    blocks += _more(shown, captions)
    blocks += [
        "## What could not be computed, and cautions",
        "\n".join(f"- {note}" for note in notes) or "Everything could be computed.",
        "## Measures and tests",
        methods(tables),
        *_provenance(tables["fingerprints"], manifests, settings),
    ]
    return "\n\n".join(blocks) + "\n"
