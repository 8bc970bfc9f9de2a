"""What a strategy is: data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.catalogue import parts
from stages.catalogue.kinds import DRAWN, NAMES, Drawn, Kind, kind_of

SUPERVISED = "stages.learners.supervised:train"
TOP = "stages.strategies.top:top"
CANDIDATES = "candidates"  # the one setting that belongs to no part


@dataclass(frozen=True)
class Strategy:
    """One way of choosing what to label.

    Attributes:
        learner: import path of how a model is trained in one round.
        scorer: import path of what is computed over the pool; higher is more wanted.
        selector: import path of which candidates are taken.
        source: the paper, and the place in it.
        family: uncertainty, diversity, hybrid or baseline; bound, of a bound.
        cost: of scoring and selecting, beyond one pass of the network over the pool, in N
            (candidates), L (labeled), b (selected), D (embedding size), C (classes), T (passes or
            members), e (epochs of a model of its own).
        candidates: how many unlabeled rows are drawn before they are scored; 0: all.
        ordered: pairs of settings of which the first is at most the second.
        formula: what is selected, in symbols or words.
        bound: whether it sees what no strategy may (:func:`stages.rounds.oracle.reveal`). Its curve
            is drawn; it is in no ranking and no test.
        replays: whether it selects what imported index sets say; the round looks them up.
    """

    learner: str = SUPERVISED
    scorer: str = ""
    selector: str = TOP
    source: str = ""
    family: str = ""
    cost: str = ""
    candidates: int = 0
    ordered: tuple[tuple[str, str], ...] = ()
    formula: str = ""
    bound: bool = False
    replays: bool = False

    @property
    def parts(self) -> dict[str, str]:
        """Import paths by role."""
        return {role: getattr(self, role) for role in parts.ROLES}

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each setting may be, by :meth:`name`."""
        return {
            self.name(role, key): kind
            for role, path in self.parts.items()
            for key, kind in parts.section(path).kinds.items()
        } | {CANDIDATES: kind_of(Drawn)}

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings that have a default, by :meth:`name`."""
        own = {
            self.name(role, key): value
            for role, path in self.parts.items()
            for key, value in parts.section(path).defaults.items()
        }
        return own | ({CANDIDATES: self.candidates} if self.candidates else {})

    def name(self, role: str, key: str) -> str:
        """A part's setting as the strategy's: its name alone, where no other part has it."""
        owners = [one for one, path in self.parts.items() if key in parts.section(path).kinds]
        return key if owners in ([], [role]) and key != CANDIDATES else f"{role}.{key}"

    def draws_masks(self, settings: dict[str, Any]) -> bool:
        """Whether it draws dropout masks with these settings."""
        return parts.draws_masks(self.scorer, settings)

    def drawn(self) -> list[str]:
        """Settings that are numbers of what a query is chosen from."""
        return [key for key, kind in self.kinds.items() if DRAWN in kind.markers]

    def consulted(self) -> list[str]:
        """Settings that are names of other strategies."""
        return [key for key, kind in self.kinds.items() if NAMES in kind.markers]
