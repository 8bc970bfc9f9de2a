"""Take index sets of others, and give a study away: ``python -m stages.exchange import|export``.

``import SOURCE --name NAME`` makes a ledger in ``imported/NAME`` of another study (a folder, a zip
or tar archive, a git repository at a revision), of lists of row numbers (text, .npy), or of
TorchAL's lSet, uSet, valSet and activeSet. The strategy `replay` selects what it says.
``export OUT.zip`` writes a deposit that a stranger can check without a network. docs/exchange.md
has both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stages.exchanging import crate, deposit, imports
from stages.machine.errors import command_line


def _import(options: argparse.Namespace) -> None:
    asked = imports.Asked(
        options.source,
        options.name,
        options.task,
        options.strategy,
        options.revision,
        options.inside,
        options.seed,
        options.replace,
    )
    said = imports.bring(asked, options.root)
    names, several = said["strategies"], len(said["strategies"]) > 1
    print(
        f"imported/{options.name}: task {said['task']}, strategies {', '.join(names)}, seeds "
        f"{', '.join(map(str, said['seeds']))}, {said['selections']} selections of a run"
    )
    print("params.yaml may say now, under 'strategy:' (and the name under 'strategies'):")
    for name in names:
        of = f", of: {name}" if several else ""
        print(f"  {name}_of_{options.name}: {{use: replay, source: {options.name}{of}}}")
    print(f"and under 'task.<name>.split:', to begin with the same sets:  imported: {options.name}")


def _export(options: argparse.Namespace) -> None:
    asked = deposit.Asked(options.profile, options.anonymous, options.data)
    count = deposit.export(options.root, options.target, asked)
    print(f"{options.target}: {count} files, {options.target.stat().st_size} bytes")


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.exchange",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="import | export")
    one = commands.add_parser("import", help="index sets of others into imported/NAME")
    one.add_argument("source", help="folder, archive, file, or address of a git repository")
    one.add_argument("--name", required=True, help="what it is called here")
    one.add_argument("--task", help="of a ledger: the source's task; of lists: one of this study")
    one.add_argument("--strategy", help="of a ledger: this one alone; of lists: their name")
    one.add_argument("--revision", help="of a git repository; default: HEAD")
    one.add_argument("--inside", default="", metavar="FOLDER", help="look in this folder alone")
    one.add_argument("--seed", type=int, default=0, help="of lists in no folder seed-<k>")
    one.add_argument("--replace", action="store_true", help="in place of an import of this name")
    one.add_argument("--root", type=Path, default=Path("."), help="folder of the study")
    one.set_defaults(run=_import)
    other = commands.add_parser("export", help="a deposit of the study as a zip archive")
    other.add_argument("target", type=Path, metavar="OUT.zip")
    other.add_argument("--anonymous", action="store_true", help="for double-blind review")
    other.add_argument("--data", action="store_true", help="with the prepared arrays")
    other.add_argument("--profile", default=crate.PROFILE, help="of Workflow Run RO-Crate")
    other.add_argument("--root", type=Path, default=Path("."), help="folder of the study")
    other.set_defaults(run=_export)
    options = parser.parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    main()
