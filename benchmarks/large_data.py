"""Time and memory of a study on data that are large: prepare, split, one round; a look at a folder.

    python -m benchmarks.large_data --rows 697932 --shape 1 28 28
    python -m benchmarks.large_data --rows 50000 --shape 3 224 224
    python -m benchmarks.large_data --files 1000000

Images are noise, written a block at a time as the readers of data sets do. Each stage is a process
of its own; every 20 ms its memory is looked at: that of its own (RssAnon), and with the pages of
files that it has touched and that the system takes back when it needs them (VmRSS). The round
trains a small perceptron on 1,000 images for an epoch, scores the whole pool by entropy, and tests
it.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from stages.datasets.images import Images
from stages.datasets.room import room
from stages.machine.errors import UserError, command_line

BLOCK = 2**22  # bytes of noise at a time
TEST = 1000


def noise(root: Path | None, *, rows: int = 1000, side: int = 28, channels: int = 1) -> Images:
    """A data set of noise, ten classes; blocks repeat, but for a number in the first pixels."""
    rng = np.random.default_rng(0)
    parts = []
    for part, count in (("train", rows), ("test", TEST)):
        images = room(f"{part}_images", (count, channels, side, side))
        step = max(1, BLOCK // (channels * side * side))
        block = rng.integers(0, 256, (step, channels, side, side)).astype(np.uint8)
        for start in range(0, count, step):
            images[start : start + step] = block[: min(step, count - start)]
        marks = np.arange(count, dtype=">u4").view(np.uint8).reshape(count, 1, 1, 4)
        images[:, :1, :1, :4] = marks
        parts += [images, np.arange(count, dtype=np.int64) % 10]
    return Images(*parts, tuple("0123456789"), "noise", "made", "none")


def study(root: Path, rows: int, shape: tuple[int, int, int]) -> None:
    """params.yaml of one run of one round."""
    settings = {
        "reproducible": "machine",
        "device": "cpu",
        "threads": 1,
        "tasks": ["noise"],
        "strategies": ["entropy"],
        "seeds": [0],
        "full": [],
        "tuned": [],
        "code": [],
        "rounds": [{"n": 0, "next": 1}, {"n": 1, "next": "end"}],
        "task": {
            "noise": {
                "dataset": {
                    "name": "benchmarks.large_data:noise",
                    "rows": rows,
                    "side": shape[1],
                    "channels": shape[0],
                },
                "split": {"initial": min(1000, rows // 10)},
                "query_size": 100,
                "model": {"name": "mlp", "units": 64},
                "epochs": 1,
                "batch_size": 100,
                "optimizer": "sgd",
                "learning_rate": 0.01,
            }
        },
    }
    (root / "params.yaml").write_text(yaml.safe_dump(settings))


def memory(process: int) -> tuple[int, int]:
    """Bytes of its own, and with touched pages of files; (0, 0) once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    said = dict(line.split(":", 1) for line in lines)
    return tuple(int(said.get(key, "0 kB").split()[0]) * 1024 for key in ("RssAnon", "VmRSS"))


def measured(root: Path, *arguments: str) -> str:
    """Run a stage under ``root``; time, memory."""
    command = [sys.executable, "-m", *arguments, "--root", str(root)]
    began, before, most = time.monotonic(), used(), (0, 0)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        while running.poll() is None:
            most = tuple(map(max, most, memory(running.pid)))
            time.sleep(0.02)
    if running.returncode:
        raise UserError(f"{' '.join(arguments)} failed")
    name = arguments[0].partition(".")[2]
    own, touched = (f"{size / 2**20:,.0f} MiB" for size in most)
    wall, cpu = time.monotonic() - began, used() - before
    return f"{name}: {wall:.1f} s, {cpu:.1f} s of the CPU, {own} of its own, {touched} with files"


def used() -> float:
    """Seconds of the CPU of processes that have ended."""
    said = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said.ru_utime + said.ru_stime


def stages(root: Path, rows: int, shape: tuple[int, int, int]) -> None:
    """All stages to the end of a round."""
    study(root, rows, shape)
    one = ("--task", "noise", "--seed", "0")
    run = (*one, "--strategy", "entropy")
    print(f"{rows:,} images of {'x'.join(map(str, shape))}", flush=True)
    for arguments in (
        ("stages.recipes",),
        ("stages.prepare", "--task", "noise"),
        ("stages.protocol", "--task", "noise"),
        ("stages.split", *one),
        ("stages.start", *run),
        ("stages.round", *run, "--round", "0", "--next", "1"),
    ):
        print(measured(root, *arguments), flush=True)
    size = (root / "data/noise/train_images.npy").stat().st_size
    print(f"train_images.npy: {size / 2**30:.2f} GiB")


def look(root: Path, count: int) -> None:
    """A folder of ``count`` files: the first look, one in which nothing happened, one file more."""
    from stages.datasets import watched

    for part in ("train", "test"):
        for at in range(100):
            (root / part / f"{at:03d}").mkdir(parents=True)
    for at in range(count):
        (root / "train" / f"{at % 100:03d}" / f"{at:07d}.png").touch()
    folders = [root / "train", root / "test"]

    def timed(what: str) -> None:
        began, cpu = time.monotonic(), time.process_time()
        said = watched.content(root / "study", "t", folders)
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        print(f"{what}: {said['files']:,} files, {wall:.1f} s, {cpu:.1f} s of the CPU", flush=True)

    timed("first look")
    timed("nothing happened")
    (root / "train/000/more.png").touch()
    timed("one file more")


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--shape", type=int, nargs=3, default=(1, 28, 28))
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--place", type=Path, help="a folder with room; default: the system's own")
    options = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(dir=options.place))
    try:
        if options.rows:
            stages(root, options.rows, tuple(options.shape))
        if options.files:
            look(root, options.files)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
