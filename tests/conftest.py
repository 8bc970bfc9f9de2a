"""Studies that several test files use; made once, copied by whoever changes them."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

REPO = Path(__file__).resolve().parents[1]
if str(REPO) not in sys.path:
    sys.path.insert(0, str(REPO))
os.environ.pop("ALEDGER_DATA", None)

hypothesis_settings.register_profile("calm", deadline=None, max_examples=50, derandomize=True)
hypothesis_settings.load_profile("calm")


@pytest.fixture(scope="session", autouse=True)
def no_flush_to_disk() -> Iterator[None]:
    """Files of a test need not survive a power cut; flushing takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def prepared_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits after prepare and split, seeds 0 and 1. Read only: copy it to change it."""
    from study import tree, write_params

    from stages.prepare import prepare
    from stages.split import split
    from stages.study import settings

    root = tmp_path_factory.mktemp("prepared")
    study = settings.load(write_params(root, tree()))
    prepare(study, root, "digits")
    for seed in study.seeds:
        split(study, root, "digits", seed)
    return root


@pytest.fixture
def study_copy(prepared_study: Path, tmp_path: Path) -> Path:
    """A copy of the prepared study that a test may change."""
    root = tmp_path / "study"
    shutil.copytree(prepared_study, root)
    return root


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the very end what was not tested here, and what it takes."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "?"
        for report in terminalreporter.stats.get("skipped", [])
    )
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"not tested here ({count} tests): {reason}", yellow=True)
