"""A deposit opened where nothing else is: checked by NumPy alone, and a run of it made again.

``python -m benchmarks.deposit [--root STUDY] [--run TASK STRATEGY SEED]``: writes the deposit of a
study, unpacks it into a fresh folder, and works there with the deposit's own code: ``check.py`` in
Python's isolated mode, the stage prepare, and one run from start to seal without DVC. Processes
have no network where the machine lets a user make a namespace of her own (``unshare -rn``). Prints
what was equal.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from stages.exchanging import deposit
from stages.study.settings import load

ALONE = ["unshare", "--map-root-user", "--net"]


def without_network() -> list[str]:
    """What a command begins with that is to have no network; nothing where that cannot be."""
    if shutil.which(ALONE[0]) is None:
        return []
    return ALONE if not subprocess.run([*ALONE, "true"], capture_output=True).returncode else []


def timed(what: str, command: list[str], folder: Path, home: Path) -> str:
    began = time.perf_counter()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{what}: {done.stderr.strip() or done.stdout.strip()}")
    print(f"{what}: {time.perf_counter() - began:.1f} s")
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--run", nargs=3, metavar=("TASK", "STRATEGY", "SEED"))
    options = parser.parse_args()
    study = load(options.root / "params.yaml")
    task, strategy, seed = options.run or (study.tasks[0], study.strategies[-1], study.seeds[0])
    prefix = without_network()
    with tempfile.TemporaryDirectory(prefix="aledger-deposit-") as name:
        top = Path(name)
        began = time.perf_counter()
        count = deposit.export(options.root, top / "a.zip", deposit.Asked())
        content = (top / "a.zip").read_bytes()
        print(
            f"deposit: {count} files, {len(content)} bytes, {time.perf_counter() - began:.1f} s, "
            f"SHA-256 {hashlib.sha256(content).hexdigest()[:12]}"
        )
        deposit.export(options.root, top / "b.zip", deposit.Asked())
        print(f"written again: {'equal' if content == (top / 'b.zip').read_bytes() else 'OTHER'}")
        folder = top / "opened"
        with zipfile.ZipFile(top / "a.zip") as archive:
            archive.extractall(folder)
        print(f"network: {'none' if prefix else 'could not be taken away'}")
        python = [*prefix, sys.executable]
        print(timed("check.py", [*python, "-I", "check.py"], folder, top))
        timed("prepare", [*python, "-m", "stages.prepare", "--task", task], folder, top)
        run = ["--task", task, "--strategy", strategy, "--seed", str(seed)]
        where = ["--root", "again", "--inputs", "."]
        print(timed("chain", [*python, "-m", "stages.chain", *run, *where], folder, top))
        names = [
            path.relative_to(folder / "again").as_posix()
            for place in ("splits", "reports/rounds")
            for path in sorted((folder / "again" / place / task / strategy).rglob("*"))
            if path.is_file()
        ]
        same = [
            path for path in names
            if (folder / path).read_bytes() == (folder / "again" / path).read_bytes()
        ]  # fmt: skip
        print(
            f"{task}/{strategy}/seed-{seed}: {len(same)} of {len(names)} files equal, to the byte"
        )
        if len(same) < len(names) or not names:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
