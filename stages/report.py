"""Stage `report`: tables, figures and a page from the result files of a study."""

import argparse
import json
from functools import partial
from pathlib import Path

from stages.errors import UserError, command_line
from stages.files import write_atomically, write_text
from stages.reporting import figures, markdown, records, tables

STALE = (("figures", "accuracy-*.svg"), ("figures", "accuracy-*.png"), ("tables", "*.csv"))


def render(settings, root: Path) -> dict[str, str | bytes]:
    """Everything the stage writes, in memory.

    Args:
        settings: as of `stages.settings.load`.
        root: folder that holds `reports/`, `splits/` and `data/`.

    Returns:
        Path under `reports/` (with forward slashes) -> text or bytes.

    Raises:
        UserError: for missing or damaged result files.
    """
    rounds = records.read_rounds(settings, root)
    full = records.read_full(settings, root)
    fingerprints = records.read_fingerprints(settings, root)
    manifests = records.read_manifests(settings, root)
    made = tables.build(rounds, full, settings)
    outputs: dict[str, str | bytes] = {
        # An empty cell is what plotting tools take for a gap.
        str(tables.csv_path(name)): tables.to_csv(
            table, missing="" if name == "curve" else tables.NOT_AVAILABLE
        )
        for name, table in (made | {"fingerprints": fingerprints}).items()
    }
    outputs["metrics.json"] = json.dumps(tables.metrics(made["summary"]), indent=1) + "\n"
    for task in settings.tasks:
        accuracies = full.loc[full["task"] == task, "accuracy"]
        count = len(settings.seeds)
        title = f"{task}: mean of {count} seeds, band ± 1 std" if count > 1 else f"{task}: 1 seed"
        drawn = figures.render(
            partial(
                figures.accuracy_figure,
                made["curve"].query("task == @task"),
                float(accuracies.mean()) if len(accuracies) else None,
                title=title,
                strategies=list(settings.strategies),
                baseline=settings.report.baseline,
            )
        )
        outputs |= {f"figures/accuracy-{task}.{kind}": data for kind, data in drawn.items()}
    outputs["report.md"] = markdown.page(made, fingerprints, manifests, settings)
    return outputs


def report(settings, root: Path | str) -> None:
    """Write the report of a study under `root`/reports; nothing is written if anything fails.

    Args:
        settings: as of `stages.settings.load`.
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


@command_line
def main() -> None:
    """Command line: `python -m stages.report [--params params.yaml] [--root .]`."""
    from stages.settings import load

    parser = argparse.ArgumentParser(prog="python -m stages.report", description=__doc__)
    parser.add_argument("--params", default="params.yaml", help="settings of the study")
    parser.add_argument("--root", default=".", help="folder of the study")
    arguments = parser.parse_args()
    report(load(path=arguments.params), arguments.root)
    print((Path(arguments.root) / "reports" / "report.md").as_posix())


if __name__ == "__main__":
    main()
