"""Stage `report`: tables, figures and a page from the result files of a study.

`--published NAME` runs the statistics on published tables instead, `--compare A B` compares two
studies (folders, commits or DVC experiments), `--cost` prints what the selections and trainings
took, `--format` gives the results to other software. These four print, or write to the file of
`--output`, and leave `reports/` as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pandas as pd

from stages.machine.errors import UserError, command_line
from stages.machine.files import write_atomically, write_text
from stages.reporting import gathered
from stages.reporting.figures import gallery
from stages.reporting.read import cautions, coverage, images, records
from stages.reporting.shown import Shown, present
from stages.reporting.table import Table
from stages.reporting.write import latex, markdown, markdown_tables, page, tidy

FIGURES = ("accuracy", "difference", "pairs", "overlap", "balance", "critical-difference")
STALE = (
    tuple(("figures", f"{name}-*.{kind}") for name in FIGURES for kind in ("svg", "pdf", "png"))
    + tuple(("tables", f"*.{kind}") for kind in ("csv", "tex", "md"))
    + (("plots", "*.png"),)
)
MOST_LATEX = 400  # rows; nobody prints more, and the CSV file has all
MOST_MARKDOWN = 200
MOST_HTML = 150
MOST_CHAINS = 1000


def render(settings, root: Path) -> dict[str, str | bytes]:
    """Everything the stage writes, in memory.

    Args:
        settings: as of `stages.study.settings.load`.
        root: folder that holds `reports/`, `splits/` and `data/`.

    Returns:
        Path under `reports/` (with forward slashes) -> text or bytes.

    Raises:
        UserError: for missing or damaged result files.
    """
    settings, said = coverage.covered(settings, root)
    whole, (settings, bounds, about) = settings, coverage.without_bounds(settings)
    drawn = records.read_rounds(whole, root)
    first_of_all, last_of_all = cautions.of(drawn, settings)
    said = said + first_of_all
    full = records.read_full(settings, root)
    manifests = records.read_manifests(settings, root)
    first = images.read_first_selected(settings, root)
    rounds = drawn[~drawn["strategy"].isin(bounds)]
    made = gathered.build(rounds, full, settings, root, drawn=drawn, whole=whole)
    outputs: dict[str, str | bytes] = {
        "metrics.json": json.dumps(gathered.metrics(made, settings.report.baseline), indent=1)
        + "\n"
    }
    shown = {}
    for name, frame in made.items():
        table = gathered.TABLES[name]
        outputs[table.csv] = gathered.to_csv(frame, table)
        cut = _cut(table, frame)
        outputs[f"tables/{name}.tex"] = latex.latex(cut(MOST_LATEX))
        outputs[f"tables/{name}.md"] = markdown_tables.whole(cut(MOST_MARKDOWN))
        shown[name] = cut(MOST_CHAINS if name == "fingerprints" else MOST_HTML)
    balance = gallery.balance_lines(made, settings)
    squares = gallery.overlap_squares(made, settings)
    figures, captions = gallery.gallery(made, full, settings, balance, squares)
    pictures = gallery.draw_all(figures)
    for name, kinds in pictures.items():
        outputs |= {f"figures/{name}.{kind}": data for kind, data in kinds.items()}
        outputs[f"plots/{name}.png"] = kinds["png"]  # what `dvc plots` shows without a network
    outputs["report.md"] = markdown.page(
        made, manifests, settings, shown, captions, said + about, last_of_all
    )
    outputs["index.html"] = page.page(
        page.Material(
            tables=made,
            shown=shown,
            manifests=manifests,
            figures=pictures,
            titles=captions,
            rounds=drawn,
            balance=balance,
            overlap=squares,
            first=first,
            coverage=said + about,
            cautions=last_of_all,
        ),
        settings,
    )
    return outputs


def _cut(table: Table, frame: pd.DataFrame) -> Callable[[int], Shown]:
    """A table as shown with at most so many rows; a short one is made once for all formats."""
    made = cache(partial(present, table, frame))
    return lambda most: made(most if len(frame) > most else None)


def report(settings, root: Path | str) -> None:
    """Write the report of a study under `root`/reports; nothing is written if anything fails.

    Args:
        settings: as of `stages.study.settings.load`.
        root: folder that holds `reports/`, `splits/` and `data/`.

    Raises:
        UserError: for missing or damaged result files, or a folder that cannot be written.
    """
    root = Path(root)
    outputs = render(settings, root)
    target = root / "reports"
    try:
        for name, data in outputs.items():
            if isinstance(data, str):
                write_text(target / name, data)
            else:
                write_atomically(target / name, lambda stream, data=data: stream.write(data))
        for folder, pattern in STALE:
            for path in sorted((target / folder).glob(pattern)):
                if f"{folder}/{path.name}" not in outputs:
                    path.unlink()
    except OSError as error:
        raise UserError(f"cannot write the report: {error}") from None


def _compare(first: str, second: str, root: str) -> str:
    from stages.reporting import compare

    with compare.resolve(first, Path(root)) as a, compare.resolve(second, Path(root)) as b:
        return compare.compare(a, b)


def _export(name: str, settings, root: Path, output: str | None) -> None:
    """Write the results in a format to a file, or to the standard output."""
    content = tidy.write(name, settings, root)
    if output is None and name in tidy.BINARY:
        raise UserError(f"--format {name} is not text; say where to write it: --output FILE")
    if output is None:
        sys.stdout.write(content.decode())
        return
    try:
        write_atomically(Path(output), lambda stream: stream.write(content))
    except OSError as error:
        raise UserError(f"cannot write {output}: {error}") from None


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Command line: see `python -m stages.report --help`."""
    from stages.study.settings import load

    parser = argparse.ArgumentParser(
        prog="python -m stages.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--params", help="settings of the study; default: ROOT/params.yaml")
    parser.add_argument("--root", default=".", help="folder of the study; default: this one")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--published", metavar="NAME", help="test a published study's tables")
    which.add_argument("--compare", nargs=2, metavar=("A", "B"), help="compare two studies")
    which.add_argument("--cost", action="store_true", help="print seconds of the runs")
    which.add_argument(
        "--format", choices=tuple(tidy.FORMATS), help="print the results for other software"
    )
    parser.add_argument("--output", metavar="FILE", help="with --format: where to write them")
    options = parser.parse_args(arguments)
    if options.output and not options.format:
        raise UserError("--output is for --format; the report itself is written to reports/")
    if options.published:
        from stages.reporting.literature import published

        print(published.report(options.published))
        return
    if options.compare:
        print(_compare(*options.compare, options.root))
        return
    settings = load(path=options.params or Path(options.root) / "params.yaml")
    if options.cost:
        from stages.reporting import cost

        print(cost.report(settings, Path(options.root)))
        return
    if options.format:
        _export(options.format, settings, Path(options.root), options.output)
        return
    report(settings, options.root)
    for name in ("report.md", "index.html"):
        print((Path(options.root) / "reports" / name).as_posix())


if __name__ == "__main__":
    main()
