"""What contradicts what in a study whose every key is right by itself."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from stages import catalogue
from stages.machine.errors import UserError, nearest, shown
from stages.study import data, training
from stages.study.faults import Faults
from stages.study.schema import ROUND, Model, Round, Settings, Task

RESERVED = re.compile(r"seed-.*|full|data")
NAME = re.compile(r"[A-Za-z0-9_]+")
LONGEST_NAME = 64  # characters: names of two and a seed make one file name, of 255 bytes at most
K_DPP = "stages.strategies.kdpp:sample"
DROPOUT = "dropout"  # a model's setting: the rate at which it drops units
DEVICES = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])", re.IGNORECASE)  # of Windows


def check(settings: Settings, faults: Faults) -> None:
    """Add to ``faults`` what is wrong with the study as a whole."""
    tasks, strategies = _names(settings, faults)
    _rounds(settings.rounds, faults)
    _stages(settings, faults)
    known = {**catalogue.STRATEGIES, **settings.strategy}
    if settings.report.baseline not in known:
        faults.add(
            f"report.baseline is {shown(settings.report.baseline)}, which is no strategy; "
            f"{nearest(settings.report.baseline, known)}",
            ("report", "baseline"),
        )
    for name in tasks:
        _task(name, settings.task[name], settings, faults)
        _measured(name, settings.task[name], settings, faults)
    _strategies(strategies, tasks, settings, faults)
    _tuned(strategies, tasks, settings, faults)


def _names(settings: Settings, faults: Faults) -> tuple[list[str], list[str]]:
    """The lists of names and seeds; gives the tasks and strategies that are right."""
    right: dict[str, list[str]] = {"tasks": [], "strategies": []}
    for at, kind, entries in (
        ("task", "tasks", settings.task),
        ("strategy", "strategies", settings.strategy),
    ):
        names = getattr(settings, kind)
        known = [*entries, *(catalogue.STRATEGIES if kind == "strategies" else ())]
        _listed(kind, names, faults)
        places: dict[str, str] = {}
        for position, name in enumerate(dict.fromkeys(names)):
            if faults.enough:
                break
            if name not in known:
                faults.add(
                    f"{kind}: {shown(name)} has no entry under '{at}:'; {nearest(name, known)}",
                    (kind, position),
                )
            elif problem := _bad_name(name):
                faults.add(f"{kind}: {shown(name)} {problem}", (kind, position))
            elif (other := places.setdefault(name.lower(), name)) != name:
                faults.add(
                    f"{kind}: {name!r} and {other!r} are one folder where file names ignore case",
                    (kind, position),
                )
            else:
                right[kind].append(name)
    _listed("seeds", settings.seeds, faults)
    _full(settings, faults)
    return right["tasks"], right["strategies"]


def _listed(kind: str, items: list[Any], faults: Faults) -> None:
    if not items:
        faults.add(f"{kind} is []; allowed: a list of one or more", (kind,))
    for item, count in Counter(items).items():
        if count > 1 and not faults.enough:
            faults.add(f"{kind}: {shown(item)} stands there twice", (kind, "twice", item))


def _full(settings: Settings, faults: Faults) -> None:
    counts = Counter(settings.full_seeds)
    for seed, count in counts.items() if settings.full else ():
        if count > 1 and not faults.enough:
            faults.add(f"full: {shown(seed)} stands there twice", ("full", "twice", seed))
        if seed not in settings.seeds and not faults.enough:
            faults.add(
                f"full: {shown(seed)} is not among the seeds; {nearest(seed, settings.seeds)}",
                ("full", "seed", seed),
                ("seeds",),
                wrong=False,
            )


def _bad_name(name: str) -> str | None:
    """Why a name cannot be a folder's everywhere; None if it can."""
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name):
        return (
            "cannot be a name; allowed: letters, digits and '_', but not 'full', 'data' or "
            "'seed-...'"
        )
    if len(name) > LONGEST_NAME:
        return f"is {len(name)} characters long; allowed: up to {LONGEST_NAME}"
    if DEVICES.fullmatch(name):
        return "cannot be a name: Windows keeps it for a device"
    return None


def _rounds(rounds: list[Round], faults: Faults) -> None:
    if not rounds:
        faults.add("rounds is []; allowed: a list of one or more", ("rounds",))
    for at, item in enumerate(rounds):
        last = at == len(rounds) - 1
        if item.n != at:
            faults.add(
                f"rounds: entry {at} has n: {item.n}, but rounds count from 0 without "
                f"gaps; expected n: {at}",
                ("rounds",),  # all that follows is wrong with it
            )
        if last and item.next != "end":
            faults.add(
                f"rounds: they have no end; the last entry (n: {item.n}) must say "
                f"next: end, not next: {item.next}",
                ("rounds",),
            )
        if not last and item.next != at + 1:
            faults.add(
                f"rounds: they do not chain: n: {item.n} says next: {item.next}; "
                f"expected next: {at + 1}",
                ("rounds",),
            )


def _stages(settings: Settings, faults: Faults) -> None:
    tasks, strategies, seeds, rounds = (
        len(getattr(settings, key)) for key in ("tasks", "strategies", "seeds", "rounds")
    )
    if (count := tasks * strategies * seeds * rounds) > ROUND:
        faults.add(
            f"{tasks} tasks, {strategies} strategies, {seeds} seeds and {rounds} rounds are "
            f"{count} stages; allowed: up to {ROUND} in one study",
            *((key,) for key in ("tasks", "strategies", "seeds", "rounds")),
        )


def _task(name: str, task: Task, settings: Settings, faults: Faults) -> None:
    def add(line: str, *keys: str) -> None:
        faults.add(line, *(("task", name, key) for key in keys))

    if settings.reproducible != "off" and not faults.spoilt(("reproducible",)):
        for key in ("amp", "channels_last", "compile"):
            if getattr(task, key):
                add(
                    f"task.{name}.{key} needs 'reproducible: off', not {settings.reproducible!r}",
                    key,
                )
    for line, keys in training.faults(name, task):
        add(line, *keys)
    if (wanted := task.dataset.entry.root) and task.dataset.root is None:
        add(f"task.{name}.dataset.root must name {wanted}", "dataset")
    if task.dataset.root is not None and (problem := _bad_path(task.dataset.root)):
        add(f"task.{name}.dataset.root is {shown(task.dataset.root)}: {problem}", "dataset")
    if found := _weights(task.model):
        add(f"task.{name}.model.{found}", "model")
    for key, inner in task.dataset.inside.items():
        if isinstance(inner, Model) and (found := _weights(inner)):
            add(f"task.{name}.dataset.{key}.{found}", "dataset")
    if found := task.dataset.entry.faults(task.dataset.settings, task.dataset.root):
        add(f"task.{name}.dataset{found}", "dataset")
    if settings.reproducible == "portable" and not data.known(task.dataset).portable:
        add(
            f"task.{name}.dataset.exact is False, which needs 'reproducible: machine' or 'off', "
            f"not 'portable'",
            "dataset",
        )
    if faults.spoilt(("rounds",)):
        return
    for line, keys in data.faults(name, task, settings.budget_rounds, data.known(task.dataset)):
        add(line, *keys)


def _measured(name: str, task: Task, settings: Settings, faults: Faults) -> None:
    """What the report is about must be in the records; and each seed needs its start."""
    metric = settings.report.metric
    if metric in ("macro_f1", "auroc") and metric not in task.metrics:
        faults.add(
            f"report.metric is {metric!r}, but task.{name}.metrics does not name it; add it there",
            ("report", "metric"),
            ("task", name, "metrics"),
        )
    start = task.split.start
    digests = start.get("sha256") if isinstance(start, dict) else None
    if isinstance(digests, list) and len(digests) != len(settings.seeds):
        faults.add(
            f"task.{name}.split.start.sha256 has {len(digests)} digests, but there are "
            f"{len(settings.seeds)} seeds; allowed: one for each, in their order",
            ("task", name, "split"),
            ("seeds",),
            wrong=False,
        )


def _weights(model: Model) -> str | None:
    """What is wrong with the pre-trained weights that a model names; None if nothing is."""
    if model.weights is None:
        return None if model.sha256 is None else "sha256 stands there without weights"
    if model.weights in model.entry.published:
        return None
    if problem := _bad_path(model.weights):
        return f"weights is {shown(model.weights)}: {problem}"
    if model.sha256 is None:
        names = ", ".join(model.entry.published) or "none"
        return (
            f"weights is {shown(model.weights)}; allowed: weights of {model.name} by torchvision's "
            f"name ({names}), or a file's path, and its SHA-256 as sha256"
        )
    return None


def _bad_path(root: str) -> str | None:
    """Why a path can be none on any machine."""
    if not root.isprintable():
        return "a character that cannot be printed"
    if any(len(part.encode()) > 255 for part in Path(root).parts):
        return "a name of more than 255 bytes"
    return None


def _strategies(labels: list[str], tasks: list[str], settings: Settings, faults: Faults) -> None:
    samplers = []
    for label in labels:
        if faults.enough:
            return
        try:
            entry, options = settings.chosen(label)
        except UserError as error:
            for line in error.faults:
                faults.add(line)
            faults.wrong.add(("strategy", label))
            continue
        involved = [
            one
            for tried in settings.grid(label)
            for one in catalogue.involved(entry, options | tried)
        ]
        if any(one.draws_masks() for one in involved):
            samplers.append(label)
        _drawn(label, involved, tasks, settings, faults)
        _taught(label, entry.learner, tasks, settings, faults)
        if entry.selector == K_DPP:
            key = entry.name("selector", "kernel")
            _linear_kernel(label, key, options, tasks, settings, faults)
    for name in tasks if samplers else []:
        model = settings.task[name].model
        if model.settings.get(DROPOUT, 0) == 0:
            one = len(samplers) == 1
            has = "is 0; allowed: above 0 and below 1"
            if DROPOUT not in model.settings:
                has = f"is no setting of {model.name}"
            faults.add(
                f"{'strategy' if one else 'strategies'} {', '.join(map(repr, samplers))} "
                f"{'samples' if one else 'sample'} by dropout, but task.{name}.model.dropout {has}",
                ("task", name, "model", DROPOUT),
            )


def _drawn(
    label: str,
    involved: list[catalogue.Involved],
    tasks: list[str],
    settings: Settings,
    faults: Faults,
) -> None:
    """Numbers of candidates must have room for a query of every task."""
    for key, drawn in dict.fromkeys(pair for one in involved for pair in one.drawn()):
        for name in tasks:
            wanted = settings.task[name].largest_query
            if 0 < drawn < wanted:
                faults.add(
                    f"strategy.{label}.{key} is {drawn}, but task.{name}.query_size is "
                    f"{wanted}; allowed: 0, or {wanted} or more",
                    ("strategy", label, key, drawn),
                    ("task", name, "query_size"),
                    wrong=False,
                )


def _taught(label: str, path: str, tasks: list[str], settings: Settings, faults: Faults) -> None:
    """What a learner can do, and what it needs, of every task."""
    learner = catalogue.load(path)
    for name in tasks:
        task = settings.task[name]
        if task.initialise == "last" and not getattr(learner, "continues", False):
            faults.add(
                f"strategy {label!r} trains by {path}, which starts afresh in each round, but "
                f"task.{name}.initialise is 'last'; allowed with it: fresh",
                ("task", name, "initialise"),
                wrong=False,
            )
        if task.split.validation == 0 and getattr(learner, "validates", False):
            faults.add(
                f"strategy {label!r} trains by {path}, which looks at validation rows, but "
                f"task.{name}.split.validation is 0; allowed with it: 1 or more",
                ("task", name, "split", "validation"),
                wrong=False,
            )


def _linear_kernel(
    label: str,
    key: str,
    options: dict[str, Any],
    tasks: list[str],
    settings: Settings,
    faults: Faults,
) -> None:
    """A k-DPP with a linear kernel has no set of more points than an embedding has numbers."""
    if "linear" not in [values.get(key, options[key]) for values in settings.grid(label)]:
        return
    for name in tasks:
        task = settings.task[name]
        width = data.width(task)
        if width is not None and task.largest_query > width:
            faults.add(
                f"strategy.{label}.{key} is 'linear', but task.{name}.query_size is "
                f"{task.largest_query} and embeddings of {task.model.name} have {width} numbers; "
                f"allowed: rbf, or a query_size up to {width}",
                ("task", name, "query_size"),
                ("task", name, "model"),
                wrong=False,
            )


def _tuned(labels: list[str], tasks: list[str], settings: Settings, faults: Faults) -> None:
    """``tuned`` names exactly those strategies that give a setting as a list of candidates."""
    chosen, unclear = set(settings.tuned), faults.spoilt(("strategies",))
    for label, count in Counter(settings.tuned).items():
        if faults.enough:
            return
        if count > 1:
            faults.add(f"tuned: {shown(label)} stands there twice")
        if label not in labels:
            if not unclear or label not in settings.strategy:
                faults.add(
                    f"tuned: {shown(label)} is not in 'strategies'; "
                    f"{nearest(label, settings.strategies)}"
                )
            continue
        if faults.spoilt(("strategy", label)):
            continue
        if settings.chosen(label)[0].bound:
            faults.add(f"tuned: {label!r} is a bound, and bounds are not tuned")
        if settings.chosen(label)[0].replays:
            faults.add(f"tuned: {label!r} is a replay, and replays are not tuned")
        if settings.grid(label) == [{}]:
            faults.add(
                f"tuned: strategy.{label} has nothing to tune; give a setting as a list, "
                f"such as alpha: [0.1, 0.5, 0.9]"
            )
        for name in tasks:
            if settings.task[name].split.validation == 0:
                faults.add(
                    f"tuned: {label!r} is tuned on validation rows, but task.{name}.split."
                    f"validation is 0; allowed: 1 or more",
                    ("task", name, "split", "validation"),
                )
    if faults.spoilt(("tuned",)):
        return
    for label in labels:
        if label in chosen or faults.spoilt(("strategy", label)):
            continue
        if (grid := settings.grid(label)) != [{}]:
            faults.add(
                f"strategy.{label}.{next(iter(grid[0]))} is a list of candidates, but {label!r} "
                f"is not in 'tuned'; add it there, or give one value"
            )
