"""A study, or the beginning of one, in this one process and without DVC.

Run as a file (``python benchmarks/inprocess.py``) with PYTHONPATH naming the folder whose
``stages`` are to be used. With ``--processes`` the stages are processes of their own, as under DVC,
but nothing watches over them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def commands(study: dict[str, Any], first: int | None) -> Iterator[list[str]]:
    """Stage and arguments of all there is to do, in order: the ``first`` rounds of each run."""
    yield ["recipes"]
    for task in map(str, study["tasks"]):
        yield ["prepare", "--task", task]
        yield ["protocol", "--task", task]
        for seed in map(str, study["seeds"]):
            yield ["split", "--task", task, "--seed", seed]
            if int(seed) in study["full"]:
                yield ["full", "--task", task, "--seed", seed]
            for strategy in study["strategies"]:
                names = ["--task", task, "--strategy", strategy, "--seed", seed]
                yield ["start", *names]
                for item in study["rounds"][:first]:
                    n, following = str(item["n"]), str(item["next"])
                    yield ["round", *names, "--round", n, "--next", following]
    yield ["report"]


def seen() -> str:
    """What torch, numpy and BLAS make of this processor and of the environment."""
    import torch
    from numpy._core import _multiarray_umath as numpy

    on = [name for name in numpy.__cpu_dispatch__ if numpy.__cpu_features__.get(name)]
    parts = [
        f"torch {torch.backends.cpu.get_cpu_capability()} x{torch.get_num_threads()}",
        f"numpy {on[-1] if on else 'baseline'}",
    ]
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return ", ".join(parts)
    found = {
        item.get("architecture") for item in threadpool_info() if item["internal_api"] == "openblas"
    }
    return ", ".join([*parts, f"OpenBLAS {'/'.join(sorted(filter(None, found))) or 'not loaded'}"])


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."), help="folder of params.yaml")
    parser.add_argument("--stages", nargs="+", help="only these")
    parser.add_argument("--first", type=int, help="only so many rounds of each run")
    parser.add_argument("--processes", action="store_true", help="each stage in a process")
    parser.add_argument("--seen", action="store_true", help="write seen.json")
    options = parser.parse_args()
    study = yaml.safe_load((options.root / "params.yaml").read_text())
    for name, *arguments in commands(study, options.first):
        if options.stages and name not in options.stages:
            continue
        arguments += ["--root", str(options.root)]
        if options.processes:
            command = [sys.executable, "-m", f"stages.{name}", *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        elif name == "report":
            from stages import report
            from stages.study import settings

            report.report(settings.load(options.root / "params.yaml"), options.root)
        else:
            _call(name, arguments)
    if options.seen:
        (options.root / "seen.json").write_text(json.dumps(seen()))


def _call(name: str, arguments: list[str]) -> None:
    import importlib

    importlib.import_module(f"stages.{name}").main(arguments)


if __name__ == "__main__":
    main()
