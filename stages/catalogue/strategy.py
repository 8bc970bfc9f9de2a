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
        source: the paper, and the equation where it has one.
        family: uncertainty, diversity, hybrid or baseline.
        cost: of scoring and selecting, beyond one pass of the network over the pool, in N
            (candidates), L (labeled), b (selected), D (embedding size), C (classes), T (passes or
            members), e (epochs of a model of its own).
        settings: its settings and their defaults; each is passed by name to the learner, scorer
            or selector that has a parameter of that name.
        needs_dropout: whether the model must have a dropout layer.
        least: the smallest value of a number, where that is not 0.
        most: the largest value of a number, where there is one.
        choices: the values of a word.
    """

    learner: str
    scorer: str
    selector: str
    source: str
    family: str
    cost: str
    settings: dict[str, Any] = field(default_factory=dict)
    needs_dropout: bool = False
    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
