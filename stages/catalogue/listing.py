"""The catalogue in Markdown: an overview, and an entry for each strategy."""

from __future__ import annotations

from stages.catalogue import STRATEGIES
from stages.catalogue.strategy import Strategy

HEADS = ("strategy", "family", "cost", "settings")


def overview() -> str:
    """A table of all strategies: family, cost, settings with their defaults."""
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    for name, entry in STRATEGIES.items():
        options = ", ".join(f"{key}: {value}" for key, value in entry.settings.items())
        lines.append(f"| [`{name}`](#{name}) | {entry.family} | {entry.cost} | {options} |")
    return "\n".join(lines) + "\n"


def entries() -> str:
    """What each strategy selects by, who proposed it, and where its code is."""
    return "\n".join(_entry(name, entry) for name, entry in STRATEGIES.items())


def _entry(name: str, entry: Strategy) -> str:
    return (
        f'- <a id="{name}"></a>**`{name}`**: `{entry.formula}`\n'
        f"  {entry.source}.\n"
        f"  Learner `{entry.learner}`, scorer `{entry.scorer}`,\n"
        f"  selector `{entry.selector}`.\n"
    )


def page() -> str:
    """Both, as ``python -m stages.catalogue`` prints them."""
    return f"{overview()}\n{entries()}"
