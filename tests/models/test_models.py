"""Networks: shapes, dropout by mask, and evaluation that leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.models import build, initialise, restore, state
from stages.models.batches import Batches, classify, dropout_mask, embed, over_rows
from stages.models.compute import configure
from stages.study.settings import Model

CPU = {name: configure(name, "cpu", 1) for name in ("portable", "machine", "off")}


def network(name: str = "small_cnn", shape=(1, 8, 8), classes: int = 5, seed: int = 0, **settings):
    net = build(Model(name=name, **settings), shape, classes)
    initialise(net, generator(seed, Purpose.INITIALISATION))
    return net


def pictures(shape=(1, 8, 8), rows: int = 30, how: str = "portable") -> Batches:
    images = np.random.default_rng(0).integers(0, 256, (rows, *shape)).astype(np.uint8)
    return Batches(images, [0.4] * shape[0], [0.2] * shape[0], CPU[how])


@pytest.mark.parametrize(
    ("name", "shape", "size", "settings"),
    [
        ("small_cnn", (1, 8, 8), 128, {}),
        ("small_cnn", (3, 4, 4), 128, {}),
        ("small_cnn", (1, 9, 14), 128, {"dropout": 0.5}),
        ("lenet", (1, 28, 28), 84, {}),
        ("lenet", (3, 32, 32), 84, {}),
        ("lenet", (1, 12, 12), 84, {}),
        ("lenet", (1, 40, 12), 84, {}),
        ("lenet", (1, 12, 40), 84, {}),
        ("resnet18", (3, 8, 8), 512, {"stem": "3x3"}),
        ("resnet18", (1, 8, 8), 512, {"stem": "7x7"}),
        ("resnet18", (3, 32, 20), 512, {"stem": "7x7", "max_pool": True}),
        ("resnet18", (3, 16, 16), 512, {"stem": "3x3", "max_pool": True}),
    ],
)
@pytest.mark.parametrize("how", ["portable", "machine"])
def test_logits_and_embeddings_have_their_shapes(name, shape, size, settings, how):
    if how == "portable" and name == "resnet18" and settings["stem"] == "3x3":
        how = "off"  # slow in float64, and the stem is no matter of precision
    net = CPU[how].place(network(name, shape, 7, **settings)).eval()
    images = torch.zeros((2, *shape), dtype=CPU[how].dtype)
    embeddings = net.embed(images)
    assert embeddings.shape == (2, size) == (2, net.embedding_size)
    assert net.classify(embeddings).shape == (2, 7)
    assert torch.equal(net(images), net.classify(embeddings))


@pytest.mark.parametrize(("stem", "kernel", "stride"), [("7x7", 7, 2), ("3x3", 3, 1)])
def test_the_stem_of_a_resnet(stem, kernel, stride):
    first = network("resnet18", (3, 32, 32), stem=stem).body.conv1
    assert (first.kernel_size, first.stride) == ((kernel, kernel), (stride, stride))
    pool = {
        cased: network("resnet18", (3, 32, 32), max_pool=cased).body.maxpool
        for cased in (True, False)
    }
    assert isinstance(pool[True], nn.MaxPool2d) and isinstance(pool[False], nn.Identity)


@pytest.mark.parametrize(
    ("name", "shape"), [("small_cnn", (1, 3, 8)), ("lenet", (1, 11, 28)), ("resnet18", (3, 7, 7))]
)
def test_images_too_small_are_refused(name, shape):
    with pytest.raises(UserError, match=f"model {name} needs images of .* pixels or more"):
        build(Model(name=name), shape, 10)


@pytest.mark.parametrize("name", ["small_cnn", "lenet", "resnet18"])
def test_initial_weights_fill_torchs_default_range(name):
    net = network(name, (3, 32, 32))
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            bound = module.weight[0].numel() ** -0.5
            parts = [module.weight] + ([] if module.bias is None else [module.bias])
            for values in parts:
                assert values.abs().max() <= bound * (1 + 1e-6)
            assert module.weight.abs().max() > 0.8 * bound
            spread = module.weight.detach().double().std().item()
            assert spread == pytest.approx(bound / 3**0.5, rel=0.15)
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()
            assert (module.running_mean == 0).all() and (module.running_var == 1).all()


def test_initial_weights_depend_on_the_generator_alone():
    torch.manual_seed(1)
    one = state(network(seed=3))
    torch.manual_seed(2)
    same, other = state(network(seed=3)), state(network(seed=4))
    assert all((one[name] == same[name]).all() for name in one)
    assert not any((one[name] == other[name]).all() for name in one)


def test_every_precision_starts_from_the_same_numbers():
    double = state(CPU["portable"].place(network()))
    single = state(CPU["machine"].place(network()))
    assert all((double[name] == single[name].astype(np.float64)).all() for name in double)


def test_building_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    network("resnet18", (3, 8, 8))
    assert torch.equal(before, torch.get_rng_state())


def test_state_and_restore_are_each_others_inverse():
    one, other = network(seed=1), network(seed=2)
    restore(other, state(one))
    images = torch.rand(3, 1, 8, 8)
    assert torch.equal(one(images), other(images))


# dropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_a_mask_drops_at_its_rate_and_keeps_the_mean(rate):
    like = torch.zeros(400, 500, dtype=torch.float64)
    mask = dropout_mask(like, rate, np.random.default_rng(0))
    assert mask.shape == like.shape and mask.dtype == like.dtype
    assert set(mask.unique().tolist()) == {0.0, 1 / (1 - rate)}
    error = 4 * (rate * (1 - rate) / mask.numel()) ** 0.5
    assert (mask == 0).double().mean() == pytest.approx(rate, abs=error)
    assert mask.mean() == pytest.approx(1, abs=error / (1 - rate))


def test_a_mask_differs_from_row_to_row_and_from_unit_to_unit():
    mask = dropout_mask(torch.zeros(20, 60), 0.5, np.random.default_rng(0))
    assert len(mask.unique(dim=0)) == 20 and len(mask.unique(dim=1).T) == 60


def test_passes_with_dropout_differ_and_without_agree():
    net, batches = CPU["portable"].place(network(dropout=0.4)), pictures()
    embeddings = embed(net, batches, np.arange(30))
    plain = [classify(net, embeddings, CPU["portable"]) for _ in range(2)]
    rng = np.random.default_rng(0)
    drawn = [classify(net, embeddings, CPU["portable"], rng) for _ in range(2)]
    assert (plain[0] == plain[1]).all()
    assert not (drawn[0] == drawn[1]).any() and not (drawn[0] == plain[0]).any()


def test_the_mask_is_on_the_embedding():
    net = network(dropout=0.5)
    embeddings, mask = (
        torch.rand(3, 128),
        dropout_mask(torch.zeros(3, 128), 0.5, np.random.default_rng(0)),
    )
    assert torch.equal(net.classify(embeddings, mask), net.classifier(embeddings * mask))


# evaluation


@pytest.mark.parametrize("how", ["portable", "machine"])
def test_scoring_uses_running_statistics_and_changes_none(how):
    net = CPU[how].place(network("resnet18", (3, 8, 8), dropout=0.3)).train()
    batches = pictures((3, 8, 8), 12, how)
    before = state(net)
    before = {name: value.copy() for name, value in before.items()}
    rows = np.arange(12)
    together = embed(net, batches, rows)
    assert not net.training
    classify(net, together, CPU[how], np.random.default_rng(0))
    alone = np.concatenate([embed(net, batches, rows[at : at + 1]) for at in rows])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-3 * np.abs(together).max())
    after = state(net)
    assert all((before[name] == after[name]).all() for name in before)


def test_outputs_come_in_the_order_of_the_rows(monkeypatch):
    monkeypatch.setattr("stages.models.batches.INFERENCE_BATCH", 7)
    batches = pictures()
    rows = np.random.default_rng(1).permutation(30)[:23]
    firsts = over_rows(batches, rows, lambda images: images[:, 0, 0, 0])
    wanted = (batches.images[rows, 0, 0, 0].numpy() / 255 - 0.4) / 0.2
    np.testing.assert_allclose(firsts, wanted, rtol=1e-12)


def test_images_are_normalised_by_channel():
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 5)).astype(np.uint8)
    mean, std = [0.1, 0.5, 0.9], [0.2, 0.3, 0.0]
    got = Batches(images, mean, std, CPU["portable"]).normalise(torch.from_numpy(images)).numpy()
    divisor = np.array([0.2, 0.3, 1.0]).reshape(1, 3, 1, 1)
    wanted = (images / 255 - np.array(mean).reshape(1, 3, 1, 1)) / divisor
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_normalising_leaves_the_images_alone():
    batches = pictures(how="machine")
    before = batches.images.clone()
    batches.normalise(batches.raw(np.arange(30)))
    assert torch.equal(before, batches.images)


@pytest.mark.parametrize(
    ("how", "kind"),
    [("portable", torch.float64), ("machine", torch.float32), ("off", torch.float32)],
)
def test_precision_follows_the_setting(how, kind):
    assert CPU[how].dtype == kind
    assert {value.dtype for value in CPU[how].place(network()).parameters()} == {kind}
    assert pictures(how=how).normalise(torch.zeros(1, 1, 8, 8)).dtype == kind


def test_a_missing_gpu_is_an_error_not_a_fallback(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device is 'cuda', but torch sees no CUDA device"):
        configure("portable", "cuda")
    assert configure("portable", "auto").device.type == "cpu"
