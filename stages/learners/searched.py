"""Supervised training with hyper-parameters that a random search chooses on the validation set."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.catalogue.parts import makes, validates
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose

if TYPE_CHECKING:
    import optuna

    from stages.models import Network
    from stages.rounds.context import Learned, Round
    from stages.study.settings import Task

Trials = Annotated[int, Field(ge=1, le=10_000)]  # each is a training
RATES, DECAYS = (1e-5, 1e-2), (1e-8, 1e-3)
RANDAUGMENT, LEVELS = "randaugment", {"operations": (1, 15), "magnitude": (1, 8)}
BATCHES = tuple(2**power for power in range(3, 11))
DIGITS = 4  # of a rate that are kept: the last bits of a power differ between processors


@validates
@makes("search")
def train(round: Round, *, trials: Trials = 50, when: Literal["each", "first"] = "each") -> Learned:
    """Train ``trials`` networks, each by settings of its own, and take the best on validation rows.

    Munjal et al. 2022 (their AutoML): a random search whose trials are pruned by successive halving
    of their right answers after each epoch. Drawn are ``learning_rate``, log-uniform in
    [1e-5, 1e-2]; ``weight_decay``, log-uniform in [1e-8, 1e-3]; ``batch_size``, 8, 16, ... 1024;
    ``optimizer``, sgd or adam; and of a RandAugment of their variant ``operations``, 1 to 15, and
    ``magnitude``, 1 to 8. All else is the task's, and the initial weights are the same. A trial's
    draws are keyed by seed, round and its number, and by nothing of the strategy: all
    strategies have the same trials.

    Args:
        trials: how many are begun.
        when: ``each``: search in each round; ``first``: in round 0, on the initial set, and train
            with what was chosen there from then on.

    Returns:
        The network of the best trial, the first of equals; ``parts["search"]``: all trials in
        order, with their right answers (where they were pruned, if so), and which was chosen.

    Raises:
        UserError: there are no validation rows, or every trial diverged.
    """
    from stages.rounds.context import Learned

    if not len(round.validation_labels):
        raise UserError("learner searched needs validation rows; raise split.validation above 0")
    if when == "first" and round.n:
        settings = [{key: value.item() for key, value in round.carry["learner"].items()}]
    else:
        settings = [draw(round, number) for number in range(trials)]
    network, found = _best(round, settings)
    chosen = {key: np.array(value) for key, value in settings[found["chosen"]].items()}
    return Learned(network, {"search": found}, chosen if when == "first" else {})


def draw(round: Round, number: int) -> dict[str, Any]:
    """The settings of a trial, from a sampler of its own: what one draws depends on no other."""
    import optuna

    seed = round.generator(Purpose.SEARCH).integers(2**32, size=number + 1)[number]
    sampler = optuna.samplers.RandomSampler(seed=int(seed))
    trial = _study(sampler=sampler).ask()
    settings = {
        "learning_rate": _rounded(trial.suggest_float("learning_rate", *RATES, log=True)),
        "weight_decay": _rounded(trial.suggest_float("weight_decay", *DECAYS, log=True)),
        "batch_size": trial.suggest_categorical("batch_size", BATCHES),
        "optimizer": trial.suggest_categorical("optimizer", ("sgd", "adam")),
    }
    steps = [step for step in round.task.augmentation if isinstance(step, dict)]
    if any(step.get(RANDAUGMENT, {}).get("variant") == "munjal" for step in steps):
        settings |= {key: trial.suggest_int(key, *span) for key, span in LEVELS.items()}
    return settings


def task_of(task: Task, settings: dict[str, Any]) -> Task:
    """The task with the settings of a trial in place of its own."""
    levels = {key: settings[key] for key in LEVELS if key in settings}
    own = {key: value for key, value in settings.items() if key not in LEVELS}
    if levels:
        own["augmentation"] = tuple(
            {name: given | levels if name == RANDAUGMENT else given for name, given in step.items()}
            for step in task.augmentation
        )
    return task.model_copy(update=own)


def _study(**settings: Any) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every trial otherwise
    return optuna.create_study(direction="maximize", **settings)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


def _best(round: Round, settings: list[dict[str, Any]]) -> tuple[Network, dict[str, Any]]:
    """The network of the best trial, and what is told of all."""
    import optuna

    from stages.models.best import right_answers
    from stages.models.fit import Diverged

    study = _study(pruner=optuna.pruners.SuccessiveHalvingPruner())
    best, most, chosen, told = None, -1, -1, []
    for number, one in enumerate(settings):
        trial, right, ended = study.ask(), 0, "complete"
        try:
            network = _trained(round, one, trial if len(settings) > 1 else None)
            right = right_answers(network, round)
            study.tell(trial, right)
        except optuna.TrialPruned:
            right, ended = (
                int(study.tell(trial, state=optuna.trial.TrialState.PRUNED).value),
                "pruned",
            )
        except Diverged:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            ended = "diverged"
        told.append(one | {"right": right, "ended": ended})
        if ended == "complete" and right > most:
            best, most, chosen = network, right, number
    if best is None:
        where = f"round {round.n} of seed {round.seed}"
        raise UserError(f"learner searched: all {len(settings)} trials diverged in {where}")
    return best, {"trials": told, "chosen": chosen}


def _trained(round: Round, settings: dict[str, Any], trial: optuna.Trial | None) -> Network:
    """A network trained by ``settings`` in place of the task's."""
    from stages.models.fit import fit, fresh

    tried = dataclasses.replace(round, task=task_of(round.task, settings))
    network = fresh(tried)
    fit(network, tried, hooks=[_Halving(trial, round)] if trial else [])
    return network


@dataclasses.dataclass
class _Halving:
    """A hook that ends a trial which is not among the better ones so far."""

    trial: optuna.Trial
    round: Round

    def after_step(self, network: Network) -> None:
        """Nothing is looked at between epochs."""

    def after_epoch(self, network: Network, epoch: int) -> None:
        """Report, and raise if the pruner says so."""
        import optuna

        from stages.models.best import right_answers

        self.trial.report(right_answers(network, self.round), epoch + 1)
        if self.trial.should_prune():
            raise optuna.TrialPruned
