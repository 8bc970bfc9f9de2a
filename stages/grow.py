"""Grow a study: mend what a kill has left, then run what is missing, many runs side by side.

`make repro` runs this. One process, the coordinator, keeps the books: it holds DVC's lock, asks DVC
what has changed, and records what has been done as `dvc repro` would. Workers run the stages, each
in a process that has imported torch once. A stage that fails stops what depends on it, and nothing
else. Ended by SIGINT, SIGTERM or SIGHUP, or killed, it goes on from there when it is run again.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stages import mend, recipes
from stages.datasets import watched
from stages.farm import atwork, engines
from stages.farm.call import log_of
from stages.farm.loop import Growth
from stages.farm.watch import Watch, duration
from stages.farm.without_dvc import WithoutDvc
from stages.farm.work import Halt, Jobs, Work
from stages.machine import hardware, signals
from stages.machine.errors import UserError, command_line
from stages.study import settings

AGAIN = "`make repro` goes on from here"
OLD_IMAGES = (
    "without DVC they stay as prepared: python -m stages.prepare --task prepares them again"
)
GPUS = Path("/proc/driver/nvidia/gpus")
ON_A_GPU = 2  # workers that share one, unless --workers says how many


def workers_for(study: settings.Settings) -> int:
    """As many workers as there are cores for; where rounds run on GPUs, two a GPU at most."""
    cores = hardware.cores()
    workers = max(1, cores // study.threads) if study.threads else 1
    gpus = len(list(GPUS.iterdir())) if study.device != "cpu" and GPUS.is_dir() else 0
    return min(workers, ON_A_GPU * gpus) if gpus else workers


def repro(
    root: Path, options: engines.Options, targets: list[str] | None = None, dvc: bool = True
) -> int:
    """Bring the study under ``root`` up to date; the exit code.

    Raises:
        UserError: bad settings, or nothing can be recorded any more.
        signals.Ended: a signal has come.
    """
    study = settings.load(root / "params.yaml")
    root = root.resolve()
    with signals.noted() as came, atwork.alone(root, _say, lambda: bool(came)):
        _check(came)
        if dvc and importlib.util.find_spec("dvc") is None:
            raise UserError("DVC is not installed here; --without-dvc grows runs without it")
        for line in mend.mend(root) if dvc else mend.clear(root):
            _say(line)
        for folder in ("reports/tuned", "data/code"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for line in watched.changes(study, root, *([] if dvc else [OLD_IMAGES])):
            _say(line)
        recipes.recipes(study, root)  # code of one's own outside this folder is not DVC's to see
        with _opened(root, targets or [], dvc) as work:
            watch = _grown(root, work, options, came)
        if dvc and not came:
            mend.keep(root)
        _tell(root, watch)
        _check(came)
    return int(bool(watch.failures))


def _grown(root: Path, work: Work, options: engines.Options, came: list[int]) -> Watch:
    watch = Watch(root, work, options.engine, options.workers)
    jobs = Jobs(root, options.limit)
    os.environ[atwork.WORKER] = str(root)  # workers inherit it, and can be told by it

    def engine() -> engines.Engine:
        try:
            return engines.made(options, root, came)
        except Exception:
            _check(came)  # whoever is told to end need not say what went wrong meanwhile
            raise

    try:
        Growth(work, jobs, engine, watch, lambda: bool(came)).run()
    finally:
        os.environ.pop(atwork.WORKER, None)
        watch.end()
    return watch


@contextlib.contextmanager
def _opened(root: Path, targets: list[str], dvc: bool) -> Iterator[Work]:
    try:
        if not dvc:
            yield WithoutDvc(root, targets)
            return
        from stages.farm import with_dvc

        with with_dvc.opened(root, targets) as work:
            yield work
    except Halt as halt:
        raise UserError(f"{halt}; what was finished before is recorded, {AGAIN}") from None
    except signals.Ended as ended:
        raise signals.Ended(ended.number, AGAIN) from None


def _check(came: list[int]) -> None:
    if came:
        raise signals.Ended(came[0], AGAIN)


def _tell(root: Path, watch: Watch) -> None:
    """What has been done and what has not, in the end."""
    for name, why in watch.failures.items():
        log = log_of(root, name)
        where = f" (log: {log.relative_to(root)})" if log.exists() else ""
        _say(f"failed: {name}: {why}{where}")
    state = watch.state()
    waiting = state["total"] - state["done"] - len(watch.failures)
    parts = [f"{len(watch.ran)} stages ran", f"{watch.fresh} had nothing to do"]
    parts += [f"{len(watch.failures)} failed"] if watch.failures else []
    parts += [f"{waiting} not run"] if waiting else []
    _say(f"grown in {duration(time.time() - state['began'])}: {', '.join(parts)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.grow",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--root", type=Path, default=Path("."), help="folder of the study; default: this one")
    add(
        "--engine", choices=engines.NAMES, default="dask", help="who runs the stages; default: dask"
    )
    add("--workers", type=int, default=0, help="0: as many as there are cores for")
    add("--targets", nargs="+", default=[], help="these stages and what they need; default: all")
    add("--limit", type=float, default=0.0, metavar="SECONDS", help="for one stage; 0: any")
    add("--retries", type=int, default=3, help="of a stage whose worker has died; default: 3")
    add("--address", default="", help="of a dask scheduler, tls://HOST:PORT, that is there already")
    for what in ("ca", "cert", "key"):
        add(f"--tls-{what}", default="", metavar="FILE", help="PEM, for --address")
    add("--without-dvc", action="store_true", help="run what is not there; record nothing in DVC")
    given = parser.parse_args(arguments)
    for name in ("workers", "limit", "retries"):
        if getattr(given, name) < 0:
            raise UserError(f"--{name} is {getattr(given, name):g}; allowed: 0 or more")
    study = settings.load(given.root / "params.yaml")
    options = engines.Options(
        engine=given.engine,
        workers=given.workers or workers_for(study),
        address=given.address,
        ca=given.tls_ca,
        cert=given.tls_cert,
        key=given.tls_key,
        limit=given.limit,
        retries=given.retries,
    )
    options.check()
    if code := repro(given.root, options, given.targets, dvc=not given.without_dvc):
        raise SystemExit(code)


if __name__ == "__main__":
    main()
