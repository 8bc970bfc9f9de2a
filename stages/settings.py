"""The schema of params.yaml, and the only place that reads it.

Everything that can be wrong without looking at data is found here, before any computing.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages import catalogue
from stages.errors import UserError, nearest

RESERVED = re.compile(r"seed-.*|full|data")
NAME = re.compile(r"[A-Za-z0-9_]+")

Rate = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[tuple[Positive, Positive], Field(strict=False)]  # YAML has lists, not tuples


class Section(BaseModel):
    """A part of params.yaml: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Dataset(Section):
    """Where the images come from (stage prepare)."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "folder"]
    root: str | None = None  # folder of the files; None: $ALEDGER_DATA, else ~/.cache/aledger
    download: bool = True
    size: Size | None = None  # folder only: resize to height, width
    channels: Literal[1, 3] = 3  # folder only


class Split(Section):
    """What is drawn once per (task, seed) and shared by all strategies (stage split)."""

    initial: Positive
    validation: Count = 0
    balanced: bool = False


class Model(Section):
    """The network. ``dropout`` is the rate of the layer before the classifier (0: no layer); of
    ``nin`` and ``nin_10``, of the layer after each convolution of the body."""

    name: Literal["small_cnn", "lenet", "resnet18", "nin", "nin_10"]
    dropout: Rate = 0.0
    stem: Literal["7x7", "3x3"] = "3x3"  # resnet18 only
    max_pool: bool = False  # resnet18 only


class Task(Section):
    """A data set, a model and a protocol."""

    dataset: Dataset
    split: Split
    query_size: Positive
    model: Model
    epochs: Positive
    batch_size: Positive
    optimizer: Literal["sgd", "adam"]
    learning_rate: Annotated[float, Field(gt=0)]
    momentum: Rate = 0.0
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    milestones: Annotated[tuple[Positive, ...], Field(strict=False)] = ()
    decay: Annotated[float, Field(gt=0, le=1)] = 0.1
    augmentation: Literal["none", "crop", "crop_flip"] = "none"
    padding: Positive = 4  # of the random crop, pixels
    amp: bool = False  # bfloat16 autocast; only with reproducible: off
    channels_last: bool = False  # only with reproducible: off


class Round(Section):
    """One round: its number, and the link it writes."""

    n: Count
    next: Positive | Literal["end"]


class Report(Section):
    """Settings of the report stage."""

    margin: Annotated[float, Field(ge=0)] = 0.005  # AUBC difference that counts as a win
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    baseline: str = "random"


class Settings(Section):
    """params.yaml as a whole."""

    reproducible: Literal["portable", "machine", "off"]
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Count = 0
    tasks: Annotated[list[str], Field(min_length=1)]
    strategies: Annotated[list[str], Field(min_length=1)]
    seeds: Annotated[list[Count], Field(min_length=1)]
    tuned: list[str] = []  # strategies of which the stage tune chooses settings
    rounds: Annotated[list[Round], Field(min_length=1)]
    task: dict[str, Task]
    strategy: dict[str, dict[str, Any] | None]
    report: Report = Report()

    @property
    def budget_rounds(self) -> int:
        """How many times a run selects."""
        return len(self.rounds) - 1

    def chosen(self, label: str) -> tuple[catalogue.Strategy, dict[str, Any]]:
        """The catalogue's entry behind a strategy's label, and its settings with defaults.

        A setting with several candidates (:meth:`grid`) has its default here.
        """
        entry, given, lists = self._given(label)
        for key, values in lists.items():
            if not values:
                raise UserError(f"strategy.{label}.{key} is []; allowed: a value, or candidates")
        complete = [catalogue.complete(label, entry, given | tried) for tried in _product(lists)]
        return entry, complete[0] | {key: entry.settings[key] for key in lists}

    def grid(self, label: str) -> list[dict[str, Any]]:
        """All combinations of the settings that ``label`` gives as lists, in the order written.

        ``{alpha: [0.1, 0.5]}`` gives ``[{"alpha": 0.1}, {"alpha": 0.5}]``; no list gives ``[{}]``.
        """
        return _product(self._given(label)[2])

    def _given(self, label: str) -> tuple[catalogue.Strategy, dict[str, Any], dict[str, list[Any]]]:
        """Entry, single settings as written, and lists of candidates where one value is due."""
        given = dict(self.strategy[label] or {})
        name = given.pop("use", label)
        if not isinstance(name, str):
            raise UserError(
                f"strategy.{label}.use is {name!r}; allowed: a strategy's name, or 'module:name'"
            )
        entry = catalogue.find(name)
        lists = {
            key: given.pop(key)
            for key, value in list(given.items())
            if isinstance(value, list)
            and key in entry.settings
            and not isinstance(entry.settings[key], (list, tuple))
        }
        return entry, given, lists

    def check_names(self, task: str, strategy: str | None = None, seed: int | None = None) -> None:
        """Raise unless params.yaml names this task, strategy and seed."""
        for kind, value, allowed in (
            ("task", task, self.tasks),
            ("strategy", strategy, self.strategies),
            ("seed", seed, self.seeds),
        ):
            if value is not None and value not in allowed:
                raise UserError(
                    f"{kind} {value!r} is not in params.yaml; {nearest(value, allowed)}"
                )


def _product(lists: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def load(path: Path | str = "params.yaml") -> Settings:
    """Read and check params.yaml.

    Raises:
        UserError: naming the key, the value, what is allowed and the nearest valid name.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: expected settings as 'key: value' lines")
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{path}: {_explain(error)}") from None
    try:
        _check(settings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return settings


def _check(settings: Settings) -> None:
    _check_rounds(settings.rounds)
    for kind, names, defined in (
        ("tasks", settings.tasks, settings.task),
        ("strategies", settings.strategies, settings.strategy),
        ("seeds", settings.seeds, None),
    ):
        for name in names:
            if names.count(name) > 1:
                raise UserError(f"{kind}: {name!r} stands there twice")
            if defined is not None and name not in defined:
                key = {"tasks": "task", "strategies": "strategy"}[kind]
                raise UserError(
                    f"{kind}: {name!r} has no entry under '{key}:'; {nearest(name, defined)}"
                )
            if defined is not None and (not NAME.fullmatch(name) or RESERVED.fullmatch(name)):
                raise UserError(
                    f"{kind}: {name!r} cannot be a name; allowed: letters, digits "
                    f"and '_', but not 'full', 'data' or 'seed-...'"
                )
    known = {**catalogue.STRATEGIES, **settings.strategy}
    if settings.report.baseline not in known:
        raise UserError(
            f"report.baseline is {settings.report.baseline!r}, which is no strategy; "
            f"{nearest(settings.report.baseline, known)}"
        )
    for name in settings.tasks:
        _check_task(name, settings.task[name], settings)
    for label in settings.strategies:
        entry, options = settings.chosen(label)
        involved = [
            one
            for tried in settings.grid(label)
            for one in catalogue.involved(entry, options | tried)
        ]
        samples = any(one.samples_dropout() for one in involved)
        for name in settings.tasks:
            wanted = settings.task[name].query_size
            for key, drawn in (pair for one in involved for pair in one.drawn()):
                if 0 < drawn < wanted:
                    raise UserError(
                        f"strategy.{label}.{key} is {drawn}, but task.{name}.query_size is "
                        f"{wanted}; allowed: 0 (the whole pool), or {wanted} or more"
                    )
            if samples and settings.task[name].model.dropout == 0:
                raise UserError(
                    f"strategy {label!r} samples by dropout, but task.{name}.model."
                    f"dropout is 0; allowed: above 0 and below 1"
                )
    _check_tuned(settings)


def _check_tuned(settings: Settings) -> None:
    """``tuned`` names exactly those strategies that give a setting as a list of candidates."""
    for label in settings.tuned:
        if settings.tuned.count(label) > 1:
            raise UserError(f"tuned: {label!r} stands there twice")
        if label not in settings.strategies:
            raise UserError(
                f"tuned: {label!r} is not in 'strategies'; {nearest(label, settings.strategies)}"
            )
        if settings.grid(label) == [{}]:
            raise UserError(
                f"tuned: strategy.{label} has nothing to tune; give a setting as a list, "
                f"such as alpha: [0.1, 0.5, 0.9]"
            )
        for name in settings.tasks:
            if settings.task[name].split.validation == 0:
                raise UserError(
                    f"tuned: {label!r} is tuned on validation rows, but task.{name}.split."
                    f"validation is 0; allowed: 1 or more"
                )
    for label in settings.strategies:
        if label not in settings.tuned and settings.grid(label) != [{}]:
            key = next(iter(settings.grid(label)[0]))
            raise UserError(
                f"strategy.{label}.{key} is a list of candidates, but {label!r} is not in "
                f"'tuned'; add it there, or give one value"
            )


def _check_task(name: str, task: Task, settings: Settings) -> None:
    if settings.reproducible != "off":
        for key in ("amp", "channels_last"):
            if getattr(task, key):
                raise UserError(
                    f"task.{name}.{key} needs 'reproducible: off', not {settings.reproducible!r}"
                )
    if task.nesterov and task.momentum == 0:
        raise UserError(f"task.{name}.nesterov needs a momentum above 0")
    if list(task.milestones) != sorted(set(task.milestones)):
        raise UserError(f"task.{name}.milestones must rise; got {list(task.milestones)}")
    if task.dataset.name != "folder" and task.dataset.size is not None:
        raise UserError(f"task.{name}.dataset.size is for the data set 'folder' only")


def _check_rounds(rounds: list[Round]) -> None:
    for at, item in enumerate(rounds):
        last = at == len(rounds) - 1
        if item.n != at:
            raise UserError(
                f"rounds: entry {at} has n: {item.n}, but rounds count from 0 without "
                f"gaps; expected n: {at}"
            )
        if last and item.next != "end":
            raise UserError(
                f"rounds: they have no end; the last entry (n: {item.n}) must say "
                f"next: end, not next: {item.next}"
            )
        if not last and item.next != at + 1:
            raise UserError(
                f"rounds: they do not chain: n: {item.n} says next: {item.next}; "
                f"expected next: {at + 1}"
            )


def _explain(error: ValidationError) -> str:
    """The first fault in one line: key, value, what is allowed, nearest name."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"] if not _is_branch(part))
    if fault["type"] == "extra_forbidden":
        return (
            f"unknown key {where!r}; {nearest(str(fault['loc'][-1]), _keys_at(fault['loc'][:-1]))}"
        )
    if fault["type"] == "missing":
        return f"{where!r} is missing"
    if fault["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'|(\d+)", fault["ctx"]["expected"])
        return (
            f"{where} is {fault['input']!r}; "
            f"{nearest(fault['input'], [text or number for text, number in allowed])}"
        )
    return f"{where} is {fault['input']!r}; {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _is_branch(part: object) -> bool:
    """pydantic names the branch of a union in the location; that is no key of the user's."""
    return isinstance(part, str) and bool(re.match(r"constrained-|literal\[|function-", part))


def _keys_at(location: tuple[Any, ...]) -> list[str]:
    """The keys that are allowed at a place of params.yaml."""
    section: Any = Settings
    for part in location:
        fields = getattr(section, "model_fields", {})
        if part in fields:
            annotation = fields[part].annotation
            section = {"task": Task, "rounds": Round}.get(str(part), annotation)
    return sorted(getattr(section, "model_fields", {}))
