"""Seconds and peak memory of selection at pool size: python -m benchmarks.selection.

Each measurement has a process of its own. Columns of the table (and of --csv):

seconds   median of --repeats calls, wall clock; cpu: processor seconds of all threads
above     peak memory above the inputs, and total of the process, in MiB
floor     what no plain version undercuts: its multiplications at the speed of a large matrix
          product in the precision of the inputs, or reading the inputs once, whichever is longer;
          both speeds are measured here. x floor: seconds over it (a lazy method may be below 1)

Options for common uses:
  --large     the largest pool, N = 697,000 with 62 classes
  --compare   against scikit-activeml (needs the package), at a size that it can finish
  --figure P  cost over N and b into P.svg, P.png and P.csv
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.selection_methods import COMPARED, DEFAULT, METHODS, Size, make

COLUMNS = [
    *("method", "dtype", "n", "d", "c", "b", "labeled"),
    *("seconds", "least", "cpu", "above_mib", "total_mib", "floor", "times_floor"),
]
WARM = {"n": 300, "b": 10, "labeled": 20}  # a first call, so that imports are not counted
LARGE = Size(697_000, 512, 62, 500, 1000)
SMALL = Size(10_000, 512, 10, 200, 1000)
OVER_N = (5_000, 10_000, 25_000, 49_000, 100_000)
OVER_B = (50, 100, 200, 500, 1000, 2000)


def measure_one(name: str, size: Size, dtype: str, repeats: int) -> dict[str, Any]:
    """In this process: one method on one size."""
    method = METHODS[name]
    function = method.load()
    small = method.build(make(replace(size, **WARM), dtype))
    function(small, WARM["b"], np.random.default_rng(), **method.options)
    inputs = make(size, dtype)
    scored = method.build(inputs)
    held = _reset_peak()
    seconds, spent = [], []
    for repeat in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        picks = function(scored, size.b, np.random.default_rng(repeat), **method.options)
        seconds.append(time.perf_counter() - started)
        spent.append(time.process_time() - used)
    picks = getattr(picks, "positions", picks)  # of a selector that hands something on
    assert len(set(np.asarray(picks).tolist())) == size.b
    peak = _memory("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    given = inputs.pool.nbytes + inputs.labeled.nbytes + inputs.probabilities.nbytes
    return {
        "seconds": median(seconds),
        "least": min(seconds),
        "cpu": median(spent),
        "above_mib": peak - held,
        "total_mib": peak,
        "bytes": given,
    }


def _memory(key: str) -> float:
    """A line of /proc/self/status in MiB; 0 where there is none."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith(key + ":"))


def _reset_peak() -> float:
    """Memory held now, in MiB, from where the peak counts (the peak of making inputs does not)."""
    if _memory("VmHWM"):
        gc.collect()
        # What making the inputs has left free would hide as much of the peak.
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return _memory("VmRSS")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_machine(dtype: str) -> dict[str, float]:
    """Multiplications a second of a large matrix product; bytes a second of a large copy."""
    side = np.random.default_rng(0).random((4096, 4096)).astype(dtype)
    source = np.ones(50_000_000)
    target = np.zeros_like(source)
    product = _fastest(lambda: side @ side)
    copy = _fastest(lambda: np.copyto(target, source))
    return {"products": len(side) ** 3 / product, "bytes": 2 * source.nbytes / copy}


def _fastest(call: Any, repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def in_a_process(threads: int, **what: Any) -> dict[str, Any]:
    """What :func:`measure_one` or :func:`measure_machine` gives in a fresh process."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    command = [sys.executable, "-m", "benchmarks.selection", "--one", json.dumps(what)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{what}: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


class Bench:
    """Measurements under one set of options."""

    def __init__(self, threads: int, repeats: int) -> None:
        self.threads, self.repeats = threads, repeats
        self.speed: dict[str, dict[str, float]] = {}

    def row(self, name: str, size: Size, dtype: str) -> dict[str, Any]:
        """One line of the table."""
        if dtype not in self.speed:
            self.speed[dtype] = in_a_process(self.threads, dtype=dtype)
            print(
                f"{dtype}: matrix product {2 * self.speed[dtype]['products'] / 1e9:.0f} GFlop/s, "
                f"copy {self.speed[dtype]['bytes'] / 1e9:.0f} GB/s",
                file=sys.stderr,
            )
        found = in_a_process(
            self.threads, name=name, size=asdict(size), dtype=dtype, repeats=self.repeats
        )
        speed = self.speed[dtype]
        floor = max(
            METHODS[name].products(size) / speed["products"], found.pop("bytes") / speed["bytes"]
        )
        times = found["seconds"] / floor
        return {
            "method": name, "dtype": dtype, **asdict(size), **found, "floor": floor,
            "times_floor": times,
        }  # fmt: skip


def cell(value: Any) -> str:
    """A number as a table shows it."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table."""
    heads = [name.replace("_mib", " MiB").replace("times_floor", "x floor") for name in COLUMNS]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell(row[name]) for name in COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def csv(rows: list[dict[str, Any]]) -> str:
    """The table as CSV."""
    lines = [",".join(COLUMNS)]
    for row in rows:
        values = (row[name] for name in COLUMNS)
        lines.append(",".join(f"{v:.4f}" if isinstance(v, float) else str(v) for v in values))
    return "\n".join(lines) + "\n"


def curves(bench: Bench, methods: list[str], dtype: str) -> list[dict[str, Any]]:
    """Rows over N and over b."""
    sizes = [*(replace(Size(), n=n) for n in OVER_N), *(replace(Size(), b=b) for b in OVER_B)]
    return [bench.row(name, size, dtype) for name in methods for size in dict.fromkeys(sizes)]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.selection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sizes", nargs="+", metavar="N:D:C:b:labeled", default=["49000", "49000:512:100"])
    add("--methods", nargs="+", choices=METHODS, default=DEFAULT, metavar="METHOD",
        help=", ".join(METHODS))  # fmt: skip
    add("--dtypes", nargs="+", choices=("float32", "float64"), default=["float32", "float64"])
    add("--repeats", type=int, default=3)
    add("--threads", type=int, default=os.cpu_count())
    add("--large", action="store_true")
    add("--compare", action="store_true")
    add("--csv", type=Path)
    add("--markdown", type=Path)
    add("--figure", type=Path)
    add("--from-csv", type=Path, help="draw --figure from this file of an earlier run")
    add("--one", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what = options.one
        if "name" in what:
            what["size"] = Size(**what["size"])
        print(json.dumps(measure_one(**what) if "name" in what else measure_machine(**what)))
        return
    bench = Bench(options.threads, options.repeats)
    if options.figure:
        from benchmarks.selection_figure import draw, read

        if options.from_csv:
            rows = read(options.from_csv)
        else:
            rows = curves(bench, options.methods, options.dtypes[0])
        draw(rows, options.figure)
    else:
        sizes, methods = [Size.read(text) for text in options.sizes], options.methods
        if options.large:
            sizes = [LARGE]
        if options.compare:
            sizes, methods = [SMALL], COMPARED
        cases = [(m, s, t) for s in sizes for t in options.dtypes for m in methods]
        rows = [bench.row(*case) for case in cases]
    machine = f"{platform.machine()}, {options.threads} threads, numpy {np.__version__}"
    print(f"{machine}, median of {options.repeats}\n\n{markdown(rows)}")
    path = options.csv or (options.figure and options.figure.with_suffix(".csv"))
    if path and not options.from_csv:
        path.write_text(csv(rows), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
