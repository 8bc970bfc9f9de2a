"""What a task asks of its training: averages, the epoch, weights handed on, progress."""

from __future__ import annotations

import copy
import dataclasses
import io
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from halves import problem, same, weights
from torch import nn

from stages.learners import ceal, committee, supervised
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose
from stages.models import state
from stages.models.averaging import EMA, MeanOfSteps, renew_statistics
from stages.models.batches import batches_of, classify, embed
from stages.models.fit import cross_entropy, fit, fresh, steps_an_epoch

RESNET = {"name": "resnet18", "stem": "7x7"}


def trained(given, *args, **changes) -> dict[str, np.ndarray]:
    network = fresh(given)
    fit(network, given, *args, **changes)
    return {name: value.copy() for name, value in state(network).items()}


class Noted:
    """A hook that keeps a copy of the network after each epoch and each step."""

    def __init__(self) -> None:
        self.epochs, self.steps = [], []

    def after_step(self, network):
        self.steps.append({name: value.copy() for name, value in state(network).items()})

    def after_epoch(self, network, _epoch):
        self.epochs.append({name: value.copy() for name, value in state(network).items()})


def judged(given):
    """The same round with the last ten of its images as validation rows."""
    rows = np.arange(50, 60)
    return dataclasses.replace(
        given, unlabeled=np.arange(20, 50), validation=rows, validation_labels=rows % 2
    )


# rates


@pytest.mark.parametrize(("schedule", "rows"), [("cosine", 20), ("one_cycle", 5), ("fixmatch", 20)])
@pytest.mark.parametrize("by", ["epoch", "step"])
def test_a_schedule_ends_with_the_training(schedule, rows, by):
    rates = []

    class Still:
        def step(self, gradients, rate):
            rates.append(rate)

    given = problem(rows=rows, schedule=schedule, schedule_by=by, epochs=6, learning_rate=0.1)
    trained(given, optimizer=Still())
    an_epoch = steps_an_epoch(rows, 8)
    total = 6 * an_epoch if by == "step" else 6
    assert len(rates) == 6 * an_epoch and len(set(rates)) == total
    if schedule == "fixmatch":
        at = np.arange(total)
        assert sorted(set(rates))[::-1] == pytest.approx(0.1 * np.cos(7 * np.pi * at / 16 / total))
    if schedule == "cosine":
        assert max(rates) == 0.1
        assert rates[-1] == pytest.approx(0.05 * (1 + np.cos(np.pi * (total - 1) / total)))
    if schedule == "one_cycle":
        assert rates[-1] == pytest.approx(0.1 / 250_000)


def test_milestones_by_step():
    rates = []

    class Still:
        def step(self, gradients, rate):
            rates.append(rate)

    given = problem(schedule_by="step", milestones=[2, 5], decay=0.5, learning_rate=1.0, epochs=3)
    trained(given, optimizer=Still())
    assert rates == [1.0] * 2 + [0.5] * 3 + [0.25] * 4


# averages


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_ema_as_a_setting_is_the_hooks_network(how):
    given = problem(how=how, averaging="ema", ema_decay=0.9)
    network = fresh(given)
    hook = EMA(network, 0.9)
    fit(network, given, hooks=[hook], averaging="none")
    assert same(trained(given), state(hook.network))
    assert not same(trained(given), state(network))


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_swa_is_the_mean_of_every_second_step_of_a_further_training(how):
    settings = {"averaging": "swa", "swa_epochs": 2, "swa_every": 2, "swa_learning_rate": 0.02}
    given = problem(how=how, optimizer="sgd", learning_rate=0.1, momentum=0.9, **settings)
    noted = Noted()
    found = trained(given, hooks=[noted])
    assert len(noted.steps) == 9 + 6  # three epochs of three, two of three
    plain = Noted()
    trained(dataclasses.replace(given, task=problem(optimizer="sgd").task), averaging="none")
    fit(fresh(given), given, hooks=[plain], averaging="none")
    assert all(same(a, b) for a, b in zip(noted.steps[:9], plain.steps, strict=True))
    for name, value in found.items():
        wanted = np.mean([noted.steps[at][name] for at in (10, 12, 14)], axis=0)
        np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-15 if how == "portable" else 1e-6)


def test_swa_trains_on_at_its_own_rate_by_an_optimizer_begun_anew():
    log = []

    class Still:
        def step(self, gradients, rate):
            log.append(rate)

        def restart(self):
            log.append("restart")

    given = problem(learning_rate=0.1, averaging="swa", swa_epochs=2, swa_every=2)
    trained(given, optimizer=Still())
    assert log == [0.1] * 9 + ["restart"] + [5e-4] * 6


def test_swa_goes_on_from_the_best_epoch():
    settings = {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.01, "averaging": "swa"}
    given = judged(problem(choose_epoch="best", swa_epochs=1, swa_every=3, **settings))
    seen, noted = [], Noted()

    class First(Noted):
        def after_step(self, network):
            super().after_step(network)
            if len(self.steps) == 10:
                seen.append(self.steps[9])

    trained(given, hooks=[First(), noted])
    best = max(range(3), key=lambda at: right_of(given, noted.epochs[at]))
    name = "classifier.weight"
    steps = [np.abs(seen[0][name] - noted.epochs[at][name]).max() for at in range(3)]
    assert best != 2 and steps[best] < 1e-3 < min(steps[:best] + steps[best + 1 :])


def test_swa_is_torchs_average():
    given = problem(how="machine", averaging="swa", swa_epochs=2, swa_every=2)
    network = fresh(given)
    theirs, mean = torch.optim.swa_utils.AveragedModel(network), MeanOfSteps(network, 2)

    class Hook(Noted):
        def after_step(self, network):
            super().after_step(network)
            if len(self.steps) % 2 == 0:
                theirs.update_parameters(network)

    fit(network, given, hooks=[Hook(), mean], averaging="none")
    for one, other in zip(mean.network.parameters(), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_the_mean_of_a_constant_is_the_constant(how):
    given = problem(how=how, averaging="swa", swa_epochs=3, swa_every=1)

    class Still:
        def step(self, gradients, rate):
            pass

        def restart(self):
            pass

    begin = state(fresh(given))
    for name, value in trained(given, optimizer=Still()).items():
        np.testing.assert_allclose(value, begin[name], rtol=1e-6 if how == "machine" else 1e-14)


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_running_statistics_are_the_means_over_batches(how):
    given = problem(how=how, model=RESNET, epochs=1)
    network = fresh(given)
    first, seen = network.body.bn1, []
    network.body.conv1.register_forward_hook(lambda *args: seen.append(args[2].detach().clone()))
    renew_statistics(network, given.batches, given.labeled, 8)
    assert [len(one) for one in seen] == [8, 8, 4] and first.momentum == 0.1
    tolerance = 1e-12 if how == "portable" else 1e-5
    means = torch.stack([maps.mean((0, 2, 3)) for maps in seen]).mean(0)
    variances = torch.stack([maps.var((0, 2, 3)) for maps in seen]).mean(0)
    torch.testing.assert_close(first.running_mean, means, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(first.running_var, variances, rtol=tolerance, atol=tolerance)
    assert not any(module.training for module in network.modules())


def test_renewed_statistics_are_torchs():
    given = problem(how="machine", model=RESNET, augmentation="crop", padding=2)
    network = fresh(given)
    other = copy.deepcopy(network)
    renew_statistics(network, given.batches, given.labeled, 8)
    images = [given.batches.normalise(given.batches.raw(r)) for r in batches_of(given.labeled, 8)]
    torch.optim.swa_utils.update_bn(images, other)
    assert same(state(network), state(other))


def test_swa_renews_the_statistics_of_what_it_gives():
    given = problem(
        how="machine", model=RESNET, epochs=1, averaging="swa", swa_epochs=1, swa_every=2
    )
    network = fresh(given)
    fit(network, given)
    again = copy.deepcopy(network)
    renew_statistics(again, given.batches, given.labeled, 8)
    assert same(state(network), state(again))


def test_too_few_steps_for_a_mean_are_named():
    given = problem(averaging="swa", swa_epochs=1, swa_every=4)
    with pytest.raises(UserError, match="swa makes 3 steps in round 0, fewer than swa_every 4"):
        trained(given)


# the epoch


def right_of(given, arrays) -> int:
    network = fresh(given)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    logits = classify(network, embed(network, given.batches, given.validation), given.compute)
    return int((logits.argmax(1) == given.validation_labels).sum())


@pytest.mark.parametrize("averaging", ["none", "ema"])
def test_the_best_epoch_is_the_first_with_the_most_right_answers(averaging):
    settings = {"epochs": 6, "optimizer": "sgd", "learning_rate": 0.01, "averaging": averaging}
    given = judged(problem(choose_epoch="best", ema_decay=0.95, **settings))
    noted, network = Noted(), fresh(given)
    follower = EMA(network, 0.95)

    class Averaged(Noted):
        def after_epoch(self, _network, epoch):
            super().after_epoch(follower.network, epoch)

    averaged = Averaged()
    fit(
        network,
        given,
        hooks=[noted, follower, averaged],
        averaging="none",
        choose_epoch="last",
    )
    epochs = averaged.epochs if averaging == "ema" else noted.epochs
    right = [right_of(given, one) for one in epochs]
    assert len(set(right)) > 1 and right.count(max(right)) > 1, "the test sees nothing"
    found = trained(given)
    assert same(found, epochs[right.index(max(right))])


def test_looking_at_validation_rows_changes_no_draw():
    settings = {"augmentation": "crop", "model": {"name": "small_cnn", "dropout": 0.3}}
    given = judged(problem(**settings))
    plain, looked = Noted(), Noted()
    trained(given, hooks=[plain])
    trained(given, hooks=[looked], choose_epoch="best")
    assert all(same(a, b) for a, b in zip(plain.steps, looked.steps, strict=True))


def test_modules_beside_are_those_of_the_best_epoch():
    given, heads = judged(problem(choose_epoch="best", epochs=4)), []
    head = nn.Linear(1, 1, bias=False).double()

    class Hook(Noted):
        def after_epoch(self, network, epoch):
            super().after_epoch(network, epoch)
            heads.append(head.weight.item())

    hook = Hook()
    fit(
        network := fresh(given),
        given,
        lambda batch, network: cross_entropy(batch, network) + head.weight.sum(),
        beside=[head],
        hooks=[hook],
    )
    best = next(at for at, one in enumerate(hook.epochs) if same(one, state(network)))
    assert head.weight.item() == heads[best]


def test_the_best_epoch_needs_validation_rows():
    with pytest.raises(UserError, match="choose_epoch: best needs validation rows"):
        trained(problem(choose_epoch="best"))


# weights handed on


def test_a_fresh_start_hands_nothing_on():
    for train in (supervised.train, committee.train):
        assert not train(problem(epochs=1)).carry
    assert set(ceal.train(problem(epochs=1)).carry) == {"rows", "labels"}


def test_going_on_is_going_on_by_hand_in_plain_torch():
    """Bit for bit: torch's own loss, gradient and arithmetic on the same batches."""
    settings = {"how": "machine", "optimizer": "sgd", "learning_rate": 0.25, "initialise": "last"}
    before = problem(round_n=0, **settings)
    learned = supervised.train(before)
    by_hand = copy.deepcopy(learned.network)
    carry = {"learner": {name: value.copy() for name, value in learned.carry.items()}}
    after = dataclasses.replace(problem(rows=30, round_n=1, **settings), carry=carry)
    found = supervised.train(after)

    order = after.generator(Purpose.BATCHES)
    by_hand.train()
    for _ in range(3):
        for rows in batches_of(order.permutation(30), 8):
            images = after.batches.normalise(after.batches.raw(rows))
            loss = F.cross_entropy(by_hand(images), torch.from_numpy(after.labels[rows]))
            by_hand.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in by_hand.parameters():
                    parameter -= 0.25 * parameter.grad
    assert same(weights(found), state(by_hand))
    assert not same(weights(found), weights(supervised.train(problem(rows=30, round_n=1))))


def test_members_go_on_each_from_its_own_weights():
    settings = {"initialise": "last", "epochs": 1, "optimizer": "sgd", "learning_rate": 1e-9}
    first = committee.train(problem(**settings), members=2)
    carry = {"learner": first.carry}
    second = committee.train(
        dataclasses.replace(problem(round_n=1, **settings), carry=carry), members=2
    )
    for one, other in zip(
        (first.network, *first.parts["members"]),
        (second.network, *second.parts["members"]),
        strict=True,
    ):
        for name, value in state(one).items():
            np.testing.assert_allclose(state(other)[name], value, atol=1e-7)


def test_ceal_hands_on_both():
    first = ceal.train(problem(initialise="last"), delta=5.0)
    assert len(first.carry["rows"]) == 40 and len(first.carry) > 3
    second = ceal.train(
        dataclasses.replace(
            problem(initialise="last", round_n=1, learning_rate=1e-9),
            carry={"learner": first.carry},
        ),
        delta=5.0,
    )
    assert len(second.parts["pseudo_labeled"]["rows"]) == 40
    for name, value in state(first.network).items():
        np.testing.assert_allclose(state(second.network)[name], value, atol=1e-6)


# the rest


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_a_labeled_set_smaller_than_a_batch_trains(rows):
    given, noted = problem(rows=rows, batch_size=8, epochs=4), Noted()
    trained(given, hooks=[noted])
    assert len(noted.steps) == 4 and not same(noted.steps[0], state(fresh(given)))


def test_the_bar_tells_the_loss_of_the_last_epoch_and_the_time_left(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    given, losses = problem(epochs=2), []

    def loss(batch, network):
        losses.append(value := cross_entropy(batch, network))
        return value

    monkeypatch.setattr(sys, "stderr", Terminal())
    trained(given, loss)
    said = sys.stderr.getvalue()
    mean = float(sum(losses[3:]).detach() / 3)
    assert f"loss {mean:.4f}" in said and "train on 20" in said and "<" in said
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    trained(given)
    assert sys.stderr.getvalue() == ""


def test_compile_compiles_what_draws_no_masks(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    network = fresh(problem(how="off", compile=True))
    assert compiled == [type(network.body).__name__]
    compiled.clear()
    fresh(problem(how="off"))
    assert not compiled
