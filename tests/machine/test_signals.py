"""A program that is interrupted says one line and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from study import REPO

from stages.machine import signals
from stages.machine.errors import command_line
from stages.machine.files import write_atomically

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


def interrupted(command: list[str], number: int, **variables: str) -> tuple[int, str, str]:
    """Start, wait for its first line, send a signal: exit code, stdout, stderr."""
    process = subprocess.Popen(
        command,
        cwd=REPO,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = process.stdout.readline()
    assert first == "here\n", process.communicate()
    process.send_signal(number)
    said, errors = process.communicate(timeout=60)
    return process.returncode, said, errors


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_is_one_line_and_half_a_file_is_removed(
    number: int, code: int, tmp_path: Path
) -> None:
    script = f"""
import time
from pathlib import Path
from stages.machine.errors import command_line
from stages.machine.files import write_atomically

@command_line
def main():
    def fill(stream):
        print("here", flush=True)
        time.sleep(60)
    write_atomically(Path({str(tmp_path / "file")!r}), fill)

main()
"""
    found = interrupted([sys.executable, "-c", script], number)
    assert found == (code, "", f"interrupted ({signal.Signals(number).name})\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), CODES)
def test_so_is_one_that_comes_while_modules_are_imported(
    number: int, code: int, tmp_path: Path
) -> None:
    slow = "import time\nprint('here', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "numpy.py").write_text(slow)
    command = [sys.executable, "-m", "stages.verify"]
    found = interrupted(command, number, PYTHONPATH=str(tmp_path))
    assert found == (code, "", f"interrupted ({signal.Signals(number).name})\n")


def test_the_wrong_python_is_one_line() -> None:
    command = [sys.executable, "-S", "-m", "stages.round", "--task", "digits"]  # no site-packages
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sys.executable} has no 'numpy'; activate the env")
    assert done.stderr.count("\n") == 1


def test_a_module_of_ours_that_is_missing_is_a_fault_of_ours() -> None:
    code = "import sys; sys.argv[0] = '-m'; import stages; import stages.nothing"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert "Traceback" in done.stderr and "stages.nothing" in done.stderr


def test_importing_the_package_changes_no_handler() -> None:
    code = (
        "import signal; import stages.machine.errors; print(signal.getsignal(signal.SIGTERM).name)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.stdout == "SIG_DFL\n"


def test_handlers_are_put_back_and_what_is_ignored_stays_so() -> None:
    before = signal.getsignal(signal.SIGTERM)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raising():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(signals.Ended) as ended:
                os.kill(os.getpid(), signal.SIGTERM)
        assert ended.value.code == 143
        with signals.noted() as came:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        assert came == [signal.SIGTERM, signal.SIGINT]
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGHUP, hangup)


def test_command_line_works_beside_the_main_thread(capsys: pytest.CaptureFixture[str]) -> None:
    thread = threading.Thread(target=command_line(lambda: print("done")))
    thread.start()
    thread.join()
    assert capsys.readouterr().out == "done\n"


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    def fill(stream) -> None:
        stream.write(b"half")
        assert [path.name.endswith(".part") for path in tmp_path.iterdir()] == [True]
        raise signals.Ended(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", fill)
    assert list(tmp_path.iterdir()) == []
