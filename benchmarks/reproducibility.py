"""Whether a study gives the same bytes everywhere: ``python -m benchmarks.reproducibility``.

Runs the rounds of one seed again and again, each time in a process that is made to compute
another way: with other numbers of threads, other instruction sets in torch, MKL, oneDNN, OpenBLAS
and numpy, and, where ``qemu-x86_64`` is installed, on an emulated processor without AVX2. Index
sets (splits/), results (reports/rounds/) and weights (the arrays of every model.npz) are compared
by SHA-256 with the native run's. Before that, ``portable``, ``machine`` and ``off`` run natively in
alternation: the price of portability. Such variables that are set from outside hold for all runs
but the emulated ones, whose processor they are not meant for. Seconds are those of the phases
(train, evaluate, score, select).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from statistics import median

from numpy._core import _multiarray_umath as numpy

from benchmarks.common import alternate, machine, ratio, show
from benchmarks.overhead import work
from benchmarks.study import (
    INPROCESS,
    REPOSITORY,
    add_study_options,
    compare,
    digests,
    environment,
    write_study,
)

COMPARED = {
    "index sets": ("splits/**/*",),
    "results": ("reports/rounds/**/*",),
    "weights": ("artifacts/**/model.npz",),
}
EMULATOR = "qemu-x86_64"
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
)


def conditions() -> dict[str, dict[str, str]]:
    """Name -> environment variables. All but THREADS are read by the libraries as they load."""
    off = " ".join(name for name in numpy.__cpu_dispatch__ if numpy.__cpu_features__.get(name))
    single = [
        *(("THREADS", str(n)) for n in (1, 2, 4)),
        ("ATEN_CPU_CAPABILITY", "default"),
        ("ATEN_CPU_CAPABILITY", "avx2"),
        ("MKL_CBWR", "COMPATIBLE"),
        ("MKL_CBWR", "AVX2"),
        ("ONEDNN_MAX_CPU_ISA", "SSE41"),
        ("OPENBLAS_CORETYPE", "Nehalem"),
        ("OPENBLAS_CORETYPE", "Haswell"),
        ("NPY_DISABLE_CPU_FEATURES", off),
    ]
    if numpy.__cpu_features__.get("AVX512F"):
        single.append(("OPENBLAS_CORETYPE", "SkylakeX"))
    lowest = {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": off,
        "THREADS": "1",
    }
    return {f"{key}={value}": {key: value} for key, value in single} | {
        "all the lowest, 1 thread": lowest
    }


class Runner:
    """Runs the study's rounds under a condition, each time in a folder of its own."""

    def __init__(self, base: Path, options: argparse.Namespace) -> None:
        self.base, self.options, self.count = base, options, 0
        write_study(base, options)
        self._call(base, ["--stages", "prepare"], {}, [sys.executable])

    def run(
        self,
        condition: dict[str, str],
        python: list[str] | None = None,
        first: int | None = None,
        **more: object,
    ) -> Path:
        """The folder of a finished run. ``more`` replaces settings of the study."""
        self.count += 1
        root = self.base / str(self.count)
        root.mkdir()
        (root / "data").symlink_to(self.base / "data")
        variables = dict(condition)
        threads = variables.pop("THREADS", None)
        if threads:
            more["threads"] = int(threads)
            variables |= {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        write_study(root, self.options, **more)
        arguments = ["--stages", "split", "start", "round", "--seen"]
        if first:
            arguments += ["--first", str(first)]
        self._call(root, arguments, variables, python or [sys.executable])
        return root

    def _call(
        self, root: Path, arguments: list[str], variables: dict[str, str], python: list[str]
    ) -> None:
        # The installed packages by name: an emulator starts the real Python, outside any venv.
        paths = os.pathsep.join([str(REPOSITORY), sysconfig.get_path("purelib")])
        command = [*python, str(INPROCESS), "--root", str(root), *arguments]
        variables = environment(PYTHONPATH=paths, **variables)
        if python[0] == EMULATOR:
            variables = {key: value for key, value in variables.items() if key not in VARIABLES}
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
            raise RuntimeError(last)


def row(name: str, root: Path, native: Path) -> list[str]:
    """A line of the table: what is equal, the price, and what the libraries said they use."""
    cells = [name]
    for patterns in COMPARED.values():
        cells.append(compare(digests(root, patterns), digests(native, patterns)))
    here = [path.relative_to(root) for path in root.rglob("seconds-*.json")]
    same = sum(sum(json.loads((native / path).read_text()).values()) for path in here)
    return [
        *cells,
        f"{work(root):.1f}",
        f"{work(root) / same:.2f}",
        json.loads((root / "seen.json").read_text()),
    ]


def price(runner: Runner, repeats: int) -> None:
    """Print the table of the three settings, natively and in alternation."""
    kinds = ("portable", "machine", "off")
    found = alternate(
        {kind: lambda kind=kind: work(runner.run({}, reproducible=kind)) for kind in kinds}, repeats
    )
    show(
        ["reproducible", "seconds", "to machine"],
        [
            (kind, f"{median(found[kind]):.1f}", f"{ratio(found[kind], found['machine']):.2f}")
            for kind in kinds
        ],
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reproducibility",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_options(parser, seeds=[0])
    parser.add_argument("--repeats", type=int, default=3, help="of the price; 0: leave it out")
    parser.add_argument("--only", nargs="+", default=[""], help="conditions with this in the name")
    parser.add_argument("--emulated-rounds", type=int, default=2, help="0: no emulator")
    parser.add_argument("--emulated-strategies", nargs="+", help="default: the first one")
    parser.add_argument("--cpu", nargs="+", default=["SandyBridge"], help="that are emulated")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="reproducibility-"))
    try:
        runner = Runner(base, options)
        study = write_study(base, options)
        runs = len(study["strategies"]) * len(study["seeds"]) * len(study["tasks"])
        present = [f"{key}={os.environ[key]}" for key in VARIABLES if key in os.environ]
        print(
            f"{machine()}; set from outside: {', '.join(present) or 'nothing'}\n"
            f"N = {runs} runs of {len(study['rounds'])} rounds; "
            f"reproducible: {study['reproducible']}; prices: medians of {options.repeats}\n"
        )
        if options.repeats:
            price(runner, options.repeats)
        native = runner.run({})
        rows = [row("native", native, native)]
        tried = [(name, variables, {}) for name, variables in conditions().items()]
        real = [os.path.realpath(sys.executable)]
        if options.emulated_rounds and shutil.which(EMULATOR):
            few = options.emulated_strategies or study["strategies"][:1]
            tried += [
                (
                    f"{EMULATOR} -cpu {cpu}",
                    {},
                    {
                        "python": [EMULATOR, "-cpu", cpu, *real],
                        "first": options.emulated_rounds,
                        "strategies": few,
                    },
                )
                for cpu in options.cpu
            ]
        for name, variables, more in tried:
            if not any(word in name for word in options.only):
                continue
            print(name, file=sys.stderr, flush=True)
            try:
                rows.append(row(name, runner.run(variables, **more), native))
            except RuntimeError as error:
                rows.append([name, f"failed: {error}", "", "", "", "", ""])
        show(["condition", *COMPARED, "seconds", "to native", "as the libraries see it"], rows)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
