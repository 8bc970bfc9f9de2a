"""A study, or the beginning of one, in this one process and without DVC.

What ``python -m stages.grow --without-dvc --engine serial`` does, for a folder that need not hold
the code, and for some of the stages. Run as a file (``python benchmarks/inprocess.py``) with
PYTHONPATH naming the folder whose ``stages`` are to be used. With ``--processes`` the stages are
processes of their own, as under DVC, but nothing watches over them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.farm.call import Job, call
from stages.farm.without_dvc import Stage, stages_of

PIPELINE = Path(__file__).resolve().parent.parent / "dvc.yaml"


def chosen(root: Path, kinds: list[str] | None, first: int | None) -> Iterator[Stage]:
    """The stages of these kinds, in order: the ``first`` rounds of each run."""
    for stage in stages_of(root, PIPELINE).values():
        kind, _, rest = stage.name.partition("@")
        late = first is not None and kind == "round" and int(rest.rpartition("round")[2]) >= first
        if kind != "code" and not late and kind in (kinds or [kind]):
            yield stage


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
    root = options.root.resolve()
    for stage in chosen(root, options.stages, options.first):
        if options.processes:
            command = [sys.executable, *shlex.split(stage.command)[1:]]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=root)
        else:
            token = f"{stage.name} {os.getpid()}-0"
            call(Job(stage.name, (stage.command,), str(root), str(root), token))
    if options.seen:
        (options.root / "seen.json").write_text(json.dumps(seen()))


if __name__ == "__main__":
    main()
