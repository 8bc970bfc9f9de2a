"""What is handed out when, and what a failure or a signal stops."""

from __future__ import annotations

import signal
from collections import deque
from pathlib import Path

import pytest

from stages.farm import engines
from stages.farm.engines import Options, Serial
from stages.farm.loop import Growth
from stages.farm.work import Halt, Jobs
from stages.machine.errors import UserError


class Chains:
    """Two chains of three rounds after a stage that both need, and a report."""

    def __init__(self, fresh: tuple[str, ...] = ()) -> None:
        self.needs: dict[str, set[str]] = {"first": set()}
        for chain in "ab":
            for at in range(3):
                self.needs[f"{chain}{at}"] = {f"{chain}{at - 1}" if at else "first"}
        self.needs["report"] = {"a2", "b2"}
        self.names, self._fresh = list(self.needs), fresh
        self.said: list[str] = []
        self.bad: dict[str, Exception] = {}
        self.unreadable: tuple[str, ...] = ()

    def fresh(self, name: str) -> bool:
        if name in self.unreadable:
            raise UserError("not to be read")
        return name in self._fresh

    def begin(self, name: str) -> tuple[str, ...]:
        self.said.append(f"begin {name}")
        if isinstance(self.bad.get(name), UserError):
            raise self.bad[name]
        return (f"run {name}",)

    def record(self, name: str) -> None:
        if name in self.bad:
            raise self.bad[name]
        self.said.append(f"record {name}")

    def outputs(self, name: str) -> list[Path]:
        return []

    def rest(self) -> None:
        self.said.append("rest")


class Fake:
    """An engine whose jobs end in the order in which they came, but for those that fail."""

    def __init__(self, slots: int, failing: tuple[str, ...] = ()) -> None:
        self.slots, self.failing, self.closed = slots, failing, 0
        self.taken: deque[str] = deque()
        self.most = 0

    def submit(self, job) -> None:
        assert job.commands == (f"run {job.name}",)
        self.taken.append(job.name)
        self.most = max(self.most, len(self.taken))

    def finished(self, patience: float) -> list[engines.Outcome]:
        if not self.taken:
            return []
        name = self.taken.popleft()
        return [(name, 1.0, "broken" if name in self.failing else "")]

    def close(self) -> None:
        self.closed += 1


class Seen:
    def __init__(self) -> None:
        self.kept_, self.done_, self.failed_ = [], [], {}

    def began(self, name: str) -> None: ...

    def kept(self, name: str) -> None:
        self.kept_.append(name)

    def done(self, name: str, seconds: float) -> None:
        self.done_.append(name)

    def failed(self, name: str, why: str) -> None:
        self.failed_[name] = why

    def tick(self) -> None: ...


def grow(work: Chains, engine: Fake, stopped=lambda: False) -> Seen:
    seen = Seen()
    Growth(work, Jobs(Path("/r"), 0), lambda: engine, seen, stopped).run()
    return seen


def test_one_at_a_time_is_depth_first() -> None:
    seen = grow(Chains(), engine := Fake(1))
    assert seen.done_ == ["first", "a0", "a1", "a2", "b0", "b1", "b2", "report"]
    assert engine.most == engine.closed == 1


def test_several_run_side_by_side_and_each_after_what_it_needs() -> None:
    seen = grow(work := Chains(), engine := Fake(2))
    assert engine.most == 2 and set(seen.done_) == set(work.names) and seen.done_[-1] == "report"
    for name, needs in work.needs.items():
        assert all(
            work.said.index(f"record {need}") < work.said.index(f"begin {name}") for need in needs
        )


def test_what_has_nothing_to_do_starts_no_engine() -> None:
    work = Chains(fresh=tuple(Chains().names))
    seen = grow(work, engine := Fake(1))
    assert seen.kept_ == ["first", "a0", "a1", "a2", "b0", "b1", "b2", "report"]
    assert engine.closed == 0 and "begin first" not in work.said


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_a_failure_stops_its_own_chain_alone(slots: int) -> None:
    seen = grow(Chains(), Fake(slots, failing=("a1",)))
    assert seen.failed_ == {"a1": "broken"} and set(seen.done_) == {"first", "a0", "b0", "b1", "b2"}


def test_so_does_one_that_cannot_begin_or_be_recorded() -> None:
    work = Chains()
    work.bad = {"b1": UserError("needs x")}
    assert grow(work, Fake(2)).failed_ == {"b1": "needs x"}
    work = Chains()
    work.unreadable = ("a1",)
    seen = grow(work, Fake(2))
    assert seen.failed_ == {"a1": "not to be read"} and "b2" in seen.done_


def test_what_concerns_all_ends_all() -> None:
    work, engine = Chains(), Fake(2)
    work.bad = {"a1": Halt("full")}
    with pytest.raises(Halt):
        grow(work, engine)
    assert engine.closed == 1
    with pytest.raises(Halt, match="No space"):
        engine = Fake(1, failing=("a0",))
        engine.finished = lambda patience: [("first", 0.0, "x: No space left on device")]
        grow(Chains(), engine)


def test_a_signal_keeps_what_has_ended_and_hands_out_nothing() -> None:
    work, engine = Chains(), Fake(2)
    seen = grow(work, engine, stopped=lambda: "record b0" in work.said)
    assert seen.done_ == ["first", "a0", "b0", "a1"] and engine.closed == 1


def test_a_signal_within_a_run_of_this_process_is_noted(monkeypatch) -> None:
    from stages.machine.signals import Ended

    def ended(job) -> float:
        raise Ended(signal.SIGTERM)

    monkeypatch.setattr(engines, "call", ended)
    came: list[int] = []
    grow(work := Chains(), Serial(came), stopped=lambda: bool(came))
    assert came == [signal.SIGTERM] and "record first" not in work.said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "serial", "limit": 3.0}, "--limit needs workers"),
        ({"engine": "slurm", "address": "tls://a:1"}, "--address is for --engine dask"),
        ({"address": "tcp://a:1"}, "allowed: tls://HOST:PORT"),
        ({"key": "k.pem"}, "go with --address"),
    ],
)
def test_options_that_do_not_go_together(options: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Options(**options).check()
