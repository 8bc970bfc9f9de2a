"""The keys of params.yaml, the kinds of their values and their bounds.

A bound is where no machine can follow, or where a number no longer means what it says; the comment
beside it says why.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_serializer

from stages import catalogue
from stages.catalogue.kinds import STEEP, Amount, LearningRate, Pixels, Rate
from stages.catalogue.kinds import Steps as Step
from stages.machine.errors import UserError, nearest, shown
from stages.study.posed import METRICS, Metrics, Oracle, Pool, Sizes, Start, said_if_given
from stages.study.problem import Problem, of_settings
from stages.study.sections import Augmentation, Dataset, Model, Section

ROWS = 10**9  # as many of the smallest images, 28x28, are 800 GB in one array
EPOCHS = 10**6  # of one image each at a millisecond: a quarter of an hour, for each labeled row
THREADS = 1024  # more than any machine has cores; libraries crash at some multiple
SEED = 2**63 - 1  # tables of results hold seeds as int64
ROUND = 100_000  # of a study; each is a stage of DVC, which reads and writes all of them
FOLDER = r"^[A-Za-z0-9_]+$"
CANDIDATES = 1000  # combinations of a tuned strategy's settings; each is a run of its own

Number = Annotated[int, Field(ge=1, le=ROWS)]  # of rows
Epoch = Annotated[int, Field(ge=1, le=EPOCHS)]
Seed = Annotated[int, Field(ge=0, le=SEED)]


class Split(Section):
    """What is drawn once per (task, seed) and shared by all strategies (stage split)."""

    initial: Number
    validation: Annotated[int, Field(ge=0, le=ROWS)] = 0
    balanced: bool = False
    start: Start = None  # whose classes the initial set has; None: as balanced says
    # The import whose validation and initial sets are taken; None: they are drawn.
    imported: Annotated[str, Field(pattern=FOLDER, max_length=64)] | None = None

    said_if_given = model_serializer(mode="wrap")(said_if_given("start", "imported"))


class Task(Section):
    """A data set, a model and a protocol."""

    dataset: Dataset
    split: Split
    query_size: Sizes  # of every round, or a list with one for each
    model: Model
    epochs: Epoch
    batch_size: Number
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"]
    learning_rate: Annotated[float, Field(gt=0, le=STEEP)]
    momentum: Rate = 0.0
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0, le=STEEP)] = 0.0
    weight_decay_on: Literal["all", "kernels"] = "all"  # kernels: of convolutions, dense layers
    schedule: Literal["steps", "cosine", "one_cycle", "fixmatch"] = "steps"
    schedule_by: Literal["epoch", "step"] = "epoch"
    milestones: Annotated[tuple[Epoch, ...], Field(strict=False)] = ()
    decay: Annotated[float, Field(gt=0, le=1)] = 0.1
    clip_norm: Amount = 0.0  # of the gradient; 0: never clipped
    label_smoothing: Rate = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    initialise: Literal["fresh", "last"] = "fresh"  # weights that a round's training starts from
    choose_epoch: Literal["last", "best"] = "last"  # best: on the validation set
    averaging: Literal["none", "ema", "swa"] = "none"
    ema_decay: Rate = 0.999
    swa_epochs: Epoch = 50
    swa_learning_rate: LearningRate = 5e-4
    swa_every: Step = 50  # steps
    augmentation: Augmentation = "none"
    padding: Pixels = 4  # of the random crop, pixels
    amp: bool = False  # bfloat16 autocast; only with reproducible: off
    channels_last: bool = False  # only with reproducible: off
    compile: bool = False  # torch.compile; only with reproducible: off
    oracle: Oracle = Oracle()
    pool: Pool = Pool()
    metrics: Metrics = ()  # of the test set, beside what every record has
    # Whether results hold small pictures of what was selected first; auto: of public data alone.
    thumbnails: Literal["auto", True, False] = "auto"

    said_if_given = model_serializer(mode="wrap")(
        said_if_given("oracle", "pool", "metrics", "thumbnails")
    )

    @property
    def problem(self) -> Problem:
        """What pool and oracle are."""
        return of_settings({"oracle": self.oracle.given, "pool": self.pool.given})

    def selects(self, n: int) -> int:
        """How many rows round ``n`` selects."""
        sizes = self.query_size
        return sizes if isinstance(sizes, int) else sizes[min(n, len(sizes) - 1)]

    def budget(self, selections: int) -> int:
        """How many rows that many rounds select together."""
        return sum(map(self.selects, range(selections)))

    @property
    def largest_query(self) -> int:
        """The most rows that a round selects."""
        sizes = self.query_size
        return sizes if isinstance(sizes, int) else max(sizes)

    @property
    def shows_pixels(self) -> bool:
        """Whether anything that git holds may show images of the data set."""
        return self.dataset.public if self.thumbnails == "auto" else bool(self.thumbnails)


class Round(Section):
    """One round: its number, and the link it writes."""

    n: Annotated[int, Field(ge=0, le=ROUND)]
    next: Annotated[int, Field(ge=1, le=ROUND)] | Literal["end"]


class Report(Section):
    """Settings of the report stage."""

    margin: Annotated[float, Field(ge=0, le=1)] = 0.005  # AUBC difference that counts as a win
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    baseline: str = "random"
    primary: Literal["auto", "paired", "blocked", "flips"] = "auto"  # the test that decides
    metric: Literal[METRICS] = "accuracy"  # what curves, AUBC and verdicts are about


class Settings(Section):
    """params.yaml as a whole."""

    reproducible: Literal["portable", "machine", "off"]
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=0, le=THREADS)] = 0
    tasks: list[str]
    strategies: list[str]
    seeds: list[Seed]
    full: list[Seed] | None = None  # seeds of which a model is trained on everything; None: all
    keep: Literal["last", "all", "none"] = "last"  # weights; carry.npz stays, results do not change
    tuned: list[str] = []  # strategies of which the stage tune chooses settings
    code: list[Annotated[str, Field(pattern=FOLDER, max_length=200)]] = []  # folders with one's own
    rounds: list[Round]
    task: dict[str, Task]
    strategy: dict[str, dict[str, Any] | None] = {}  # a catalogue's name needs no entry
    report: Report = Report()

    @property
    def budget_rounds(self) -> int:
        """How many times a run selects."""
        return len(self.rounds) - 1

    @property
    def full_seeds(self) -> list[int]:
        """The seeds of which a model is trained on the whole training set."""
        return self.seeds if self.full is None else self.full

    def keeps(self, following: int | str) -> bool:
        """Whether the weights of the round that writes the link ``following`` are kept."""
        return self.keep == "all" or (self.keep == "last" and following == "end")

    def chosen(self, label: str) -> tuple[catalogue.Strategy, dict[str, Any]]:
        """The catalogue's entry behind a strategy's label, and its settings with defaults.

        A setting with several candidates (:meth:`grid`) has its default here.
        """
        entry, given, lists = self._given(label)
        faults = [
            f"strategy.{label}.{key} is []; allowed: a value, or candidates"
            for key, values in lists.items()
            if not values
        ]
        faults += [
            f"strategy.{label}.{key}: {shown(values[at])} stands there twice"
            for key, values in lists.items()
            for at in range(min(len(values), CANDIDATES))
            if values[at] in values[:at]
        ]
        if (count := math.prod(map(len, lists.values()))) > CANDIDATES:
            faults.append(
                f"strategy.{label} has {count} combinations of candidates; "
                f"allowed: up to {CANDIDATES}"
            )
        if faults:
            raise UserError(*faults)
        complete = []
        for tried in _product(lists):
            try:
                complete.append(catalogue.complete(label, entry, given | tried))
            except UserError as error:
                faults += error.faults
        if faults:
            raise UserError(*dict.fromkeys(faults))
        return entry, complete[0] | {key: entry.settings.get(key, 0) for key in lists}

    def grid(self, label: str) -> list[dict[str, Any]]:
        """All combinations of the settings that ``label`` gives as lists, in the order written.

        ``{alpha: [0.1, 0.5]}`` gives ``[{"alpha": 0.1}, {"alpha": 0.5}]``; no list gives ``[{}]``.
        """
        return _product(self._given(label)[2])

    def _given(self, label: str) -> tuple[catalogue.Strategy, dict[str, Any], dict[str, list[Any]]]:
        """Entry, single settings as written, and lists of candidates where one value is due."""
        entry, given = catalogue.composed(label, self.strategy.get(label))
        kinds = entry.kinds
        lists = {
            key: given.pop(key)
            for key, value in list(given.items())
            if isinstance(value, list) and key in kinds and kinds[key].base is not list
        }
        return entry, given, lists

    def check_names(self, task: str, strategy: str | None = None, seed: int | None = None) -> None:
        """Raise unless params.yaml names this task, strategy and seed."""
        faults = [
            f"{kind} {shown(value)} is not in params.yaml; {nearest(value, allowed)}"
            for kind, value, allowed in (
                ("task", task, self.tasks),
                ("strategy", strategy, self.strategies),
                ("seed", seed, self.seeds),
            )
            if value is not None and value not in allowed
        ]
        if faults:
            raise UserError(*faults)


def _product(lists: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
