"""Which runs a report is about, and which it leaves out: unfinished ones, ones nobody asks for."""

from __future__ import annotations

import copy
from pathlib import Path

from stages.machine.errors import UserError
from stages.reporting.numbers import listing
from stages.study.layout import END, Layout

MOST_NAMED = 12  # runs in one sentence
MOST_SETS = 1000  # of seeds that are tried


def covered(settings, root: Path) -> tuple[object, list[str]]:
    """The settings of what is finished, and a sentence for everything that is left out.

    Of an unfinished study those strategies and seeds are kept that make the largest number of
    finished runs with every seed for every strategy, over all tasks: statistics are paired by seed.

    Args:
        settings: with `tasks`, `strategies`, `seeds`, `rounds` and `report.baseline`.
        root: folder that holds `reports/` and `splits/`.

    Returns:
        settings with the finished strategies and seeds (the same object where all are finished, or
        none is), and sentences in Markdown.
    """
    layout = Layout(root)
    asked = [(t, x, s) for t in settings.tasks for x in settings.strategies for s in settings.seeds]
    done = {run for run in asked if _finished(layout, run, settings)}
    strategies, seeds = _largest(settings, done)
    said = []
    if len(done) < len(asked) and strategies:
        kept = _with(settings, strategies=strategies, seeds=seeds)
        missing = [run for run in asked if run not in done]
        dropped = sorted(done - {run for run in done if run[1] in strategies and run[2] in seeds})
        said.append(
            f"**Unfinished study: {len(done)} of {len(asked)} runs are finished.** This report is "
            f"about {len(strategies)} strategies with {len(seeds)} seeds each. Not finished: "
            f"{_named(missing)}."
        )
        if dropped:
            said.append(
                "Finished, but left out, since not every strategy of this report has the seed: "
                f"{_named(dropped)}."
            )
        settings = kept
    others = sorted(_on_disk(root) - set(asked))
    known = set(settings.tasks), set(settings.strategies)
    gone = sorted({x for t, x, _ in others if t in known[0]} - known[1])
    if gone:
        said.append(
            "**Dropped strategies:** results lie in `reports/rounds` for "
            f"{listing(gone)}, which the settings name no longer; they are in no table, no ranking "
            "and no count of tests."
        )
    others = [run for run in others if run[1] not in gone]
    if others:
        said.append(f"Left out, since the settings do not name them: {_named(others)}.")
    unsealed = [run for run in asked if run in done and not layout.link(*run, END).is_file()]
    if unsealed:
        said.append(f"Without a seal, so that nothing pins their results: {_named(unsealed)}.")
    return settings, said


def without_bounds(settings) -> tuple[object, list[str], list[str]]:
    """The settings without bounds, their labels, and a sentence about them.

    A bound sees labels that no strategy may: it has a curve, and is in no ranking and no test.

    Args:
        settings: with `strategies`, and `chosen` where there may be a bound.

    Raises:
        UserError: there is nothing but bounds.
    """
    chosen = getattr(settings, "chosen", None)
    bounds = [label for label in settings.strategies if chosen and chosen(label)[0].bound]
    if not bounds:
        return settings, [], []
    left = [label for label in settings.strategies if label not in bounds]
    if not left:
        raise UserError(f"nothing to report: {', '.join(bounds)} are bounds, not strategies")
    said = (
        f"Bounds, not strategies: {', '.join(f'`{label}`' for label in bounds)}. They choose by "
        "labels of the pool and of the test set; their curves are drawn, and they are in no "
        "ranking and no test."
    )
    return _with(settings, strategies=left), bounds, [said]


def _with(settings, **changes):
    """A copy of the settings with some of them changed."""
    if hasattr(settings, "model_copy"):
        return settings.model_copy(update=changes)
    kept = copy.copy(settings)
    vars(kept).update(changes)
    return kept


def _finished(layout: Layout, run: tuple[str, str, int], settings) -> bool:
    return all(layout.result(*run, item.n).is_file() for item in settings.rounds)


def _largest(settings, done: set[tuple[str, str, int]]) -> tuple[list[str], list[int]]:
    """The strategies and seeds, in the settings' order, of the largest part that is all done."""
    seeds_of = {
        name: {s for s in settings.seeds if all((t, name, s) in done for t in settings.tasks)}
        for name in settings.strategies
    }
    # The best set of seeds is what some strategies have in common.
    tried = {frozenset(own): None for own in seeds_of.values()}
    for own in map(frozenset, seeds_of.values()):
        tried |= {own & other: None for other in list(tried)[:MOST_SETS]}
    best: list[str] = []
    common: frozenset[int] = frozenset()
    for seeds in tried:
        names = [name for name in settings.strategies if seeds <= seeds_of[name]]
        if len(names) * len(seeds) > len(best) * len(common):
            best, common = names, seeds
    return best, [seed for seed in settings.seeds if seed in common]


def _on_disk(root: Path) -> set[tuple[str, str, int]]:
    """Runs that have result files, whatever the settings say."""
    found = set()
    for path in (root / "reports/rounds").glob("*/*/seed-*"):
        digits = path.name.removeprefix("seed-")
        if digits.isdecimal() and any(path.glob("round-*.json")):
            found.add((path.parent.parent.name, path.parent.name, int(digits)))
    return found


def _named(runs: list[tuple[str, str, int]]) -> str:
    names = [f"`{task}/{strategy}/seed-{seed}`" for task, strategy, seed in runs[:MOST_NAMED]]
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return ", ".join(names) + more
