"""A coordinator that is killed before an operation that lasts leaves what the next goes on from.

The operations are those that make, rename and remove files or flush them to disk: all that a kill
can fall between. Each is tried in a process of its own, which kills itself there.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages import mend
from stages.farm import with_dvc
from stages.farm.engines import Serial
from stages.farm.loop import Growth
from stages.farm.watch import Watch
from stages.farm.work import Jobs

pytestmark = pytest.mark.slow
LASTING = ("fsync", "replace", "rename", "link", "unlink", "remove", "rmdir", "mkdir", "chmod")
EACH = 7  # of so many operations one is tried


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two chains of three stages: folders in the cache, files that git holds."""
    root, stages = tmp_path / "study", {}
    for name in "ab":
        for at in range(3):
            before = f"{name}{at - 1}.txt" if at else "in.txt"
            stages[f"{name}{at}"] = {
                "cmd": f"mkdir -p d/{name}{at} && cat {before} {before} | tee {name}{at}.txt "
                f"> d/{name}{at}/x",
                "deps": [before],
                "outs": [{f"{name}{at}.txt": {"cache": False}}, f"d/{name}{at}"],
            }
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (root / "params.yaml").write_text("{}\n")
    (root / "in.txt").write_text("x\n")
    return root


def grow(root: Path) -> None:
    """What `make repro` does in one process; dvc.lock is written after every stage."""
    mend.mend(root)
    with with_dvc.opened(root, []) as work:
        work.rest = work.write
        watch = Watch(root, work, "serial", 1)
        Growth(work, Jobs(root, 0), lambda: Serial([]), watch, lambda: False).run()
        assert watch.failures == {}
    mend.keep(root)


def settled(root: Path) -> None:
    """Whether DVC itself has nothing to do."""
    with with_dvc.opened(root, []) as work:
        assert not any(stage.changed() for stage in work.stages.values())


def grow_until(last: int, root: Path) -> None:
    """Grow, but for SIGKILL before the operation with this number."""
    count = 0

    def counting(call: Callable) -> Callable:
        def wrapped(*args, **kwargs):
            nonlocal count
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapped

    for name in LASTING:
        setattr(os, name, counting(getattr(os, name)))
    grow(root)
    settled(root)
    (root / "count").write_text(str(count))
    (root / "modules").write_text("\n".join(sys.modules))


def forked(work: Callable[[], None]) -> int:
    """The exit code of a process that does this; minus a signal's number if one ended it."""
    if (child := os.fork()) == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def content(root: Path) -> dict[str, str]:
    """What has been grown."""
    paths = [root / "dvc.lock", *root.glob("*.txt"), *root.glob("d/*/*")]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def test_a_kill_before_any_lasting_operation_costs_nothing(study: Path) -> None:
    whole = Path(shutil.copytree(study, study.with_name("whole")))
    assert forked(lambda: grow_until(0, whole)) == 0
    expected, count = content(whole), int((whole / "count").read_text())
    for name in (whole / "modules").read_text().split():  # once, and not in each process
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    assert len(expected) == 1 + 7 + 6 and count > 60
    for at in range(1, count, EACH):
        root = Path(shutil.copytree(study, study.with_name(f"killed-{at}")))
        if (code := forked(lambda at=at, root=root: grow_until(at, root))) == 0:
            assert at > 0.8 * count  # of the first time, some were of imports
            break
        assert code == -signal.SIGKILL, code
        assert forked(lambda root=root: grow(root)) == 0, at
        assert content(root) == expected, at
        assert forked(lambda root=root: settled(root)) == 0, at
        shutil.rmtree(root)
