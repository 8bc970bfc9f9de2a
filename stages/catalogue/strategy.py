"""What a strategy is: data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SUPERVISED = "stages.learners.supervised:train"
UNCERTAINTY = "stages.scorers.uncertainty:"
FEATURES = "stages.scorers.features:"
TOP = "stages.selectors.top:top"


@dataclass(frozen=True)
class Strategy:
    """One way of choosing what to label.

    Attributes:
        learner: import path of how a model is trained in one round.
        scorer: import path of what is computed over the pool; higher is more wanted.
        selector: import path of which candidates are taken.
        source: the paper, and the place in it.
        family: uncertainty, diversity, hybrid or baseline.
        cost: of scoring and selecting, beyond one pass of the network over the pool, in N
            (candidates), L (labeled), b (selected), D (embedding size), C (classes), T (passes or
            members), e (epochs of a model of its own).
        settings: its settings and their defaults; each is passed by name to the learner, scorer
            or selector that has a parameter of that name.
        needs_dropout: whether the model must have a dropout layer.
        spared: values of settings with which it need not: (setting, value).
        least: the smallest value of a number, where that is not 0.
        most: the largest value of a number, where there is one.
        above: what a number must exceed, in place of ``least``.
        below: what a number must stay under, in place of ``most``.
        zero: numbers that may be 0 although that is outside their bounds.
        even: numbers that must be even.
        drawn: numbers of what a query is chosen from: 0, or the size of a query or more.
        ordered: pairs of settings of which the first is at most the second.
        choices: the values of a word.
        formula: what is selected, in symbols or words.
    """

    learner: str
    scorer: str
    selector: str
    source: str
    family: str
    cost: str
    settings: dict[str, Any] = field(default_factory=dict)
    needs_dropout: bool = False
    spared: tuple[tuple[str, Any], ...] = ()
    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    above: dict[str, float] = field(default_factory=dict)
    below: dict[str, float] = field(default_factory=dict)
    zero: tuple[str, ...] = ()
    even: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    ordered: tuple[tuple[str, str], ...] = ()
    formula: str = ""

    def samples_dropout(self, settings: dict[str, Any]) -> bool:
        """Whether it draws dropout masks with these settings."""
        return self.needs_dropout and not any(settings.get(k) == v for k, v in self.spared)
