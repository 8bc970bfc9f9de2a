"""What contradicts what among the settings of a task's training."""

from __future__ import annotations

from collections.abc import Iterator

from stages.machine.errors import shown
from stages.study.schema import Task


def faults(name: str, task: Task) -> Iterator[tuple[str, list[str]]]:
    """A line, and the keys (within the task) that it is about."""
    yield from _of_schedule(name, task)
    yield from _of_optimizer(name, task)
    if task.choose_epoch == "best" and task.split.validation == 0:
        yield (
            f"task.{name}.choose_epoch is 'best', by the validation rows, but task.{name}.split."
            f"validation is 0; allowed: 1 or more, or choose_epoch: last",
            ["choose_epoch", "split"],
        )
    if task.averaging == "swa":
        yield from _of_swa(name, task)
    yield from _of_problem(name, task)


def _of_schedule(name: str, task: Task) -> Iterator[tuple[str, list[str]]]:
    if list(task.milestones) != sorted(set(task.milestones)):
        said = shown(list(task.milestones))
        yield f"task.{name}.milestones must rise; got {said}", ["milestones"]
    if task.milestones and task.schedule != "steps":
        yield (
            f"task.{name}.milestones are of schedule: steps, not {task.schedule!r}; "
            f"allowed with it: []",
            ["milestones", "schedule"],
        )


def _of_optimizer(name: str, task: Task) -> Iterator[tuple[str, list[str]]]:
    if task.nesterov and task.momentum == 0:
        yield f"task.{name}.nesterov needs a momentum above 0", ["nesterov", "momentum"]
    if task.weight_decay_on == "kernels" and task.weight_decay == 0:
        yield (
            f"task.{name}.weight_decay_on: kernels needs a weight_decay above 0",
            ["weight_decay_on", "weight_decay"],
        )


def _of_swa(name: str, task: Task) -> Iterator[tuple[str, list[str]]]:
    """The smallest labeled set, that of round 0, must give the mean something."""
    steps = task.swa_epochs * max(1, -(-(task.split.initial - 1) // task.batch_size))
    if steps < task.swa_every:
        yield (
            f"task.{name}: averaging: swa makes {steps} steps in {task.swa_epochs} epochs over "
            f"{task.split.initial} rows, fewer than swa_every {task.swa_every}; allowed: up to "
            f"{steps}, or more swa_epochs",
            ["averaging", "swa_every", "swa_epochs", "batch_size", "split"],
        )


def _of_problem(name: str, task: Task) -> Iterator[tuple[str, list[str]]]:
    """Noise that cannot be, and a start that is given twice."""
    if task.oracle.noise_as == "munjal" and task.oracle.validation == "noisy":
        yield (
            f"task.{name}.oracle.validation is 'noisy', but noise_as: munjal is noise of the "
            f"newest batch alone; allowed with it: clean",
            ["oracle"],
        )
    if task.oracle.validation == "noisy" and task.split.validation == 0:
        yield (
            f"task.{name}.oracle.validation is 'noisy', but task.{name}.split.validation is 0; "
            f"allowed: 1 or more, or validation: clean",
            ["oracle", "split"],
        )
    if task.split.imported and (task.split.balanced or task.split.start is not None):
        yield (
            f"task.{name}.split.imported brings the initial set, and balanced or start say how to "
            f"draw it; allowed: one of them",
            ["split"],
        )
    if task.split.balanced and task.split.start is not None:
        yield (
            f"task.{name}.split.balanced and start both say how the initial set is drawn; "
            f"allowed: one of them",
            ["split"],
        )
