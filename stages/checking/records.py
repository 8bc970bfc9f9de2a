"""A record (a result file) held against itself, its path, its chain and its data.

A record that was edited by hand contradicts one of them, unless whoever edited it kept all in step:
counts by class add up, what a chain labeled is what its record says, and so on.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.checking import metrics
from stages.machine.errors import UserError
from stages.machine.reading import read_json, shown

FORMAT = 1
IDENTITY = ("task", "strategy", "seed", "round")
COUNTS = ("labeled", "test", "correct", "selected")
BY_CLASS = ("labeled_per_class", "per_class_test", "per_class_correct")
SELECTION = ("diversity", "uncertainty", "inconsistency")
MEASURED = ("labeled_per_class", "test", "correct", "accuracy", "per_class_test",
            "per_class_correct", "nll", "ece")  # fmt: skip
CORE = ("format", *IDENTITY, "labeled", "test", "correct", "accuracy")
OF_PROBLEM = ("mislabeled", "none_of_these")
KNOWN = {*CORE, *MEASURED, "selected", "selection", "first_selected", "groups", "pseudo_labeled",
         "search", "signature", *OF_PROBLEM, *metrics.FIELDS}  # fmt: skip
FULL = "full"
SHOWN = 10  # thumbnails
LARGEST_SIDE = 64  # of a thumbnail
PNG = b"\x89PNG\r\n\x1a\n"
LN2 = math.log(2)


@dataclass(frozen=True)
class Data:
    """What a task's manifest says; counts by class are in the order of the labels.

    Without a manifest, what ``path`` says of the data set's identity and rows, and test is 0.
    ``pictures``: whether they can be shown; features of a network cannot.
    """

    path: Path
    identity: str
    train: int
    test: int = 0
    train_per_class: tuple[int, ...] = ()
    test_per_class: tuple[int, ...] = ()
    pictures: bool = True

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.train_per_class)


@dataclass(frozen=True)
class Place:
    """What is known of a record before it is read; None: not known.

    Attributes:
        task, strategy, seed, round: what its path says; round None: training on everything.
        data: its task's manifest.
        labeled: rows that its chain had labeled when the round began.
        selected: rows that the round chose, by its chain.
        labeled_per_class: those labeled rows by class, by the labels themselves.
        of_problem: what pool and oracle make a record say, of mislabeled and none_of_these, and
            the number where it is known.
        measures: those that the settings ask for beside what every record has.
        complete: whether everything must be there that a round writes today.
    """

    task: str
    strategy: str
    seed: int
    round: int | None
    data: Data | None = None
    labeled: int | None = None
    selected: int | None = None
    labeled_per_class: tuple[int, ...] | None = None
    complete: bool = False
    of_problem: Mapping[str, int | None] | None = None
    measures: tuple[str, ...] | None = None


def read(path: Path, place: Place, name: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """A record and its faults, each in one line that begins with ``name`` (default: ``path``).

    Raises:
        UserError: it cannot be read as a record at all.
    """
    name = name or str(path)
    try:
        record = read_json(path)
    except UserError as fault:
        raise type(fault)(str(fault).replace(str(path), name, 1)) from None
    if not _same(record.get("format"), FORMAT):
        raise UserError(f"{name}: not a result file of format {FORMAT}")
    return record, [f"{name}: {fault}" for fault in faults(record, place)]


def faults(record: dict[str, Any], place: Place) -> list[str]:
    """What is wrong with ``record``: a line for each fault, the field's name first."""
    found = [*_missing(record, place), *_identity(record, place), *_types(record)]
    # Sums of what are no numbers would only repeat the fault.
    return found or [
        *_sums(record),
        *_measures(record),
        *_groups(record),
        *_selection(record, place),
        *_of_problem(record, place),
        *metrics.faults(record, place.measures),
        *_against_data(record, place),
        *_against_chain(record, place),
    ]


def _missing(record: dict[str, Any], place: Place) -> Iterator[str]:
    expected = list(CORE)
    if place.complete:
        expected += MEASURED
        if place.round is not None:
            expected.append("selected")
    for key in dict.fromkeys(expected):
        if key not in record:
            yield f"lacks the key {key!r}"
    if place.complete:
        for key in record:
            if key not in KNOWN:
                yield f"{shown(repr(key), 60)} is no field of a record"


def _identity(record: dict[str, Any], place: Place) -> Iterator[str]:
    for key in IDENTITY:
        value = getattr(place, key)
        if key in record and not _same(record[key], value):
            yield f"{key} is {_show(record[key])}, but its path says {value!r}"


def _types(record: dict[str, Any]) -> Iterator[str]:
    for key in (*COUNTS, *OF_PROBLEM):
        if key in record and not _count(record[key]):
            yield f"{key} is {_show(record[key])}, allowed: a count"
    for key in BY_CLASS:
        values = record.get(key)
        if key in record and not (isinstance(values, list) and values and all(map(_count, values))):
            yield f"{key} is {_show(values)}, allowed: a list with a count for each class"
    for key, most, word in (
        ("accuracy", 1, "a fraction in [0, 1]"),
        ("ece", 1, "a fraction in [0, 1]"),
        ("nll", math.inf, "0 or more"),
    ):
        if key in record and not _number(record[key], most):
            yield f"{key} is {_show(record[key])}, allowed: {word}"
    if "selection" in record:
        chosen = record["selection"]
        if not isinstance(chosen, dict):
            yield f"selection is {_show(chosen)}, allowed: {', '.join(SELECTION)}"
        else:
            for key, value in chosen.items():
                if key not in SELECTION:
                    yield f"selection.{shown(key, 60)} is no field of a record"
                elif not _number(value, math.inf if key == "diversity" else 1):
                    word = "0 or more" if key == "diversity" else "a fraction in [0, 1]"
                    yield f"selection.{key} is {_show(value)}, allowed: {word}"
    if "first_selected" in record:
        images = record["first_selected"]
        if not isinstance(images, list) or not all(map(_is_thumbnail, images)):
            side = f"{LARGEST_SIDE} x {LARGEST_SIDE} pixels at most"
            yield f"first_selected is not a list of PNG images in base64, {side}"
    if "groups" in record:
        yield from _group_types(record["groups"])
    if "pseudo_labeled" in record:
        yield from _pseudo_labeled(record["pseudo_labeled"])
    if "search" in record:
        yield from _search(record["search"])
    if "signature" in record:
        yield from _signature(record["signature"])
    yield from metrics.types(record)


def _search(found: object) -> Iterator[str]:
    """Trials, and which of those that came to their end was right most often, the first of all."""
    trials = found.get("trials") if isinstance(found, dict) and len(found) == 2 else None
    ends = ("complete", "pruned", "diverged")
    if (
        not isinstance(trials, list)
        or not trials
        or not all(isinstance(one, dict) and one.get("ended") in ends for one in trials)
        or not all(_count(one.get("right")) for one in trials)
    ):
        yield f"search is {_show(found)}, allowed: trials, each with right and ended, and chosen"
        return
    right = [one["right"] if one["ended"] == ends[0] else -1 for one in trials]
    if max(right) < 0 or found.get("chosen") != right.index(max(right)):
        yield f"search.chosen is {_show(found.get('chosen'))}, allowed: the first best trial"


def _signature(found: object) -> Iterator[str]:
    """What a learner says of its own training."""
    if not isinstance(found, dict) or not found:
        yield f"signature is {_show(found)}, allowed: numbers by name"
        return
    for name, value in found.items():
        if type(value) not in (int, float) or not math.isfinite(value):
            yield f"signature.{shown(name, 60)} is {_show(value)}, allowed: a finite number"


def _pseudo_labeled(found: object) -> Iterator[str]:
    """Rows that were trained on without a bought label, and how many had a wrong one."""
    counts = [found.get(key) for key in ("count", "wrong")] if isinstance(found, dict) else []
    if not counts or len(found) != 2 or not all(map(_count, counts)):
        yield f"pseudo_labeled is {_show(found)}, allowed: count and wrong, counts"
    elif counts[1] > counts[0]:
        yield f"pseudo_labeled.wrong is {counts[1]}, more than count, which is {counts[0]}"


def _group_types(groups: object) -> Iterator[str]:
    if not isinstance(groups, dict):
        yield f"groups is {_show(groups)}, allowed: test and correct of each group"
        return
    for name, group in groups.items():
        right = (
            isinstance(group, dict)
            and set(group) <= {"test", "correct", "mismatch"}
            and all(_count(group.get(key)) for key in ("test", "correct"))
            and isinstance(group.get("mismatch", False), bool)
        )
        if not right:
            yield f"groups.{shown(name, 60)} is {_show(group)}, allowed: test and correct, counts"


def _sums(record: dict[str, Any]) -> Iterator[str]:
    test, correct = record["test"], record["correct"]
    if test < 1:
        yield "test is 0, allowed: 1 or more"
    if correct > test:
        yield f"correct is {correct}, more than the {test} of test"
    for key, total in zip(BY_CLASS, ("labeled", "test", "correct"), strict=True):
        due = record[total] - (record.get("none_of_these", 0) if total == "labeled" else 0)
        if key in record and sum(record[key]) != due:
            without = " without none_of_these" if due != record[total] else ""
            yield f"{key} adds up to {sum(record[key])}, but {total}{without} is {due}"
    lengths = {key: len(record[key]) for key in BY_CLASS if key in record}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {count}" for key, count in lengths.items())
        yield f"classes differ in number: {said}"
    elif "per_class_test" in record:
        pairs = zip(record.get("per_class_correct", ()), record["per_class_test"], strict=False)
        for at, (right, tested) in enumerate(pairs):
            if right > tested:
                yield f"per_class_correct[{at}] is {right}, more than the {tested} of the class"


def _measures(record: dict[str, Any]) -> Iterator[str]:
    test, correct, accuracy = record["test"], record["correct"], record["accuracy"]
    # The file rounds to six decimals; anything beyond that was edited.
    if test and accuracy != round(correct / test, 6):
        yield f"accuracy {accuracy} is not {correct} correct of {test}"
    for key in ("nll", "ece"):
        if key in record and round(record[key], 6) != record[key]:
            yield f"{key} is {record[key]}, allowed: six decimals"
    # Whoever errs gives the true class 1/2 at most.
    least = (1 - accuracy) * LN2
    if "nll" in record and record["nll"] < least - 2e-6:
        yield (
            f"nll is {record['nll']}, but errors alone make it {least:.6f} or more at an "
            f"accuracy of {accuracy}"
        )


def _groups(record: dict[str, Any]) -> Iterator[str]:
    for name, group in record.get("groups", {}).items():
        if group["correct"] > group["test"]:
            right, tested = group["correct"], group["test"]
            yield f"groups.{shown(name, 60)}: correct is {right}, more than the {tested} of test"
    for key in ("test", "correct"):
        total = sum(group[key] for group in record.get("groups", {}).values())
        if record.get("groups") and total != record[key]:
            yield f"groups: {key} adds up to {total}, but {key} is {record[key]}"


def _selection(record: dict[str, Any], place: Place) -> Iterator[str]:
    """What a round selected; the images first chosen are kept of round 0 alone."""
    if record["round"] is None:
        for key in ("selected", "selection", "first_selected"):
            if key in record:
                yield f"{key} stands in a record of no selection"
        return
    images = record.get("first_selected")
    if images is not None and record["round"] != 0:
        yield f"first_selected stands in round {record['round']}, allowed: in round 0"
    if "selected" not in record:
        return
    # Rounds of the first days have no `selection`; whatever has it has all of it.
    if place.complete and "selection" in record:
        for key in SELECTION:
            if key not in record["selection"]:
                yield f"lacks the key 'selection.{key}'"
        if record["round"] == 0 and images is None:
            yield "lacks the key 'first_selected'"
    if record["selected"] == 0 and "selection" in record:
        yield "selection is there, but selected is 0"
    pictures = place.data is None or place.data.pictures
    wanted = min(SHOWN, record["selected"]) if pictures else 0
    if images and len(images) != wanted:  # none: their owner shows none
        yield f"first_selected has {len(images)} images, but selected asks for {wanted}"


def _of_problem(record: dict[str, Any], place: Place) -> Iterator[str]:
    """Counts of wrong labels and of images of no class that is asked for, where they are due."""
    for key in OF_PROBLEM:
        if key in record and record[key] > record["labeled"]:
            yield f"{key} is {record[key]}, more than labeled, which is {record['labeled']}"
    due = place.of_problem
    if due is None:
        return
    for key in OF_PROBLEM:
        if (key in record) != (key in due):
            there = "is there, but no setting asks for it" if key in record else "is missing"
            yield f"{key} {there}"
        elif key in record and due[key] not in (None, record[key]):
            yield f"{key} is {record[key]}, but the labels and the seed make it {due[key]}"


def _against_data(record: dict[str, Any], place: Place) -> Iterator[str]:
    data = place.data
    if data is None:
        return
    if record["test"] != data.test:
        yield f"test is {record['test']}, {data.path} says {data.test}"
    if record.get("per_class_test", list(data.test_per_class)) != list(data.test_per_class):
        yield f"per_class_test is not test_per_class of {data.path}"
    if record["labeled"] > data.train:
        yield f"labeled is {record['labeled']}, {data.path} has {data.train} training rows"
    labeled = record.get("labeled_per_class", [])
    if labeled and len(labeled) != data.classes:
        yield f"labeled_per_class has {len(labeled)} classes, {data.path} has {data.classes}"
    for at, (own, most) in enumerate(zip(labeled, data.train_per_class, strict=False)):
        if own > most:
            yield f"labeled_per_class[{at}] is {own}, {data.path} has {most} of the class"
    uncertainty = record.get("selection", {}).get("uncertainty", 0)
    if uncertainty > 1 - 1 / data.classes + 1e-6:
        yield (
            f"selection.uncertainty is {uncertainty}, allowed: up to 1 - 1/{data.classes}, "
            f"since the likeliest of {data.classes} classes has 1/{data.classes} or more"
        )


def _against_chain(record: dict[str, Any], place: Place) -> Iterator[str]:
    if place.labeled is not None and record["labeled"] != place.labeled:
        yield f"labeled is {record['labeled']}, its chain has {place.labeled}"
    if place.selected is not None and record.get("selected", place.selected) != place.selected:
        yield f"selected is {record['selected']}, its chain has {place.selected}"
    known = place.labeled_per_class
    if known is not None and record.get("labeled_per_class", list(known)) != list(known):
        yield f"labeled_per_class is not what the labels say: {_show(list(known))}"


def _same(value: object, expected: object) -> bool:
    """Equal and of one type: JSON's true is no 1."""
    return type(value) is type(expected) and value == expected


def _count(value: object) -> bool:
    return type(value) is int and value >= 0


def _number(value: object, most: float) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= most


def _show(value: object) -> str:
    return shown(repr(value), 80)


def _is_thumbnail(text: object) -> bool:
    """Whether ``text`` is a whole small PNG: signature, sound chunks, a header of few pixels."""
    try:
        data = base64.b64decode(text, validate=True)  # type: ignore[arg-type]
    except (binascii.Error, TypeError, ValueError):
        return False
    if not data.startswith(PNG):
        return False
    names, at = [], len(PNG)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunk = data[at + 4 : at + 8 + size]
        sound = data[at + 8 + size : at + 12 + size] == zlib.crc32(chunk).to_bytes(4, "big")
        if not sound:
            return False
        names.append(chunk[:4])
        at += 12 + size
    if at != len(data) or names[:1] != [b"IHDR"] or names[-1:] != [b"IEND"] or b"IDAT" not in names:
        return False
    sides = [int.from_bytes(data[at : at + 4], "big") for at in (16, 20)]
    return all(0 < side <= LARGEST_SIDE for side in sides)
