"""The larger architectures: as published, and as torchvision computes them."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pools import pool_of
from study import REPO
from torch import nn
from torchvision import models

from stages import catalogue
from stages.machine.errors import UserError
from stages.models import Network, build, exact, initialise, shaking
from stages.models.batches import Batches, logits_in_training
from stages.models.compute import configure
from stages.study.settings import Model

CIFAR = (3, 32, 32)
IMAGENET = {"stem": "7x7", "max_pool": True}
THEIRS = {
    "resnet18": (models.resnet18, IMAGENET),
    "resnet50": (models.resnet50, IMAGENET),
    "resnext50": (models.resnext50_32x4d, IMAGENET),
    "vgg16": (models.vgg16_bn, {"units": 4096}),
}


@pytest.fixture(autouse=True)
def _one_thread():
    configure("machine", "cpu", 1)


def network_of(name: str, shape=CIFAR, classes: int = 10, **settings) -> Network:
    network = build(Model(name=name, **settings), shape, classes)
    initialise(network, np.random.default_rng(0))
    return network


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """Running statistics and norms that are not 0 and 1, so that forgetting them shows."""
    rng = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.bias.data):
                values.copy_(0.1 * torch.randn(values.shape, generator=rng))
            for values in (module.running_var, module.weight.data):
                values.copy_(0.5 + torch.rand(values.shape, generator=rng))
    return network


# torchvision's


@pytest.mark.parametrize("name", THEIRS)
def test_as_many_parameters_as_torchvisions(name):
    make, settings = THEIRS[name]
    with torch.device("meta"):
        wanted = size(make(num_classes=7))
        found = size(build(Model(name=name, **settings), (3, 224, 224), 7))
    assert found == wanted


@pytest.mark.parametrize("name", [name for name in THEIRS if name != "vgg16"])
def test_the_same_numbers_as_torchvisions(name):
    make, settings = THEIRS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = lively(make(num_classes=3)).eval()
    entry, arrays = catalogue.ARCHITECTURES[name], theirs.state_dict()
    ours = build(Model(name=name, **settings), (3, 64, 64), 3).eval()
    renamed = {}
    for key, value in arrays.items():
        prefix = next(prefix for prefix in entry.keys if key.startswith(prefix))
        renamed[entry.keys[prefix] + key.removeprefix(prefix)] = value
    ours.load_state_dict(renamed)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


def test_vggs_maps_are_torchvisions():
    theirs = lively(models.vgg.make_layers(models.vgg.cfgs["D"], batch_norm=True)).eval()
    ours = build(Model(name="vgg16"), (3, 64, 64), 3).eval()
    ours.body.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours.embed(images), theirs(images).mean((2, 3)))


def test_published_files_are_torchvisions():
    enums = {
        "resnet18": models.ResNet18_Weights,
        "resnet50": models.ResNet50_Weights,
        "resnext50": models.ResNeXt50_32X4D_Weights,
        "vgg16": models.VGG16_BN_Weights,
    }
    for name, entry in catalogue.ARCHITECTURES.items():
        known = enums.get(name, ())
        assert dict(entry.published) == {one.name: one.url.rsplit("/", 1)[1] for one in known}


@pytest.mark.parametrize("name", ["resnet50", "resnext50"])
def test_small_images_keep_their_pixels(name):
    """Stem 3x3 with stride 1, and no pooling: the first stage sees all of 16x16 pixels."""
    network, images = network_of(name).eval(), torch.rand(1, 3, 16, 16)
    _, maps = network.embed_with_blocks(images)
    assert [each.shape[2] for each in maps] == [16, 8, 4, 2]
    assert [each.shape[1] for each in maps] == [256, 512, 1024, 2048]


def test_resnext_has_32_groups_of_4_maps():
    layers = [m for m in network_of("resnext50").body.layer1.modules() if isinstance(m, nn.Conv2d)]
    assert [one.groups for one in layers if one.kernel_size == (3, 3)] == [32] * 3
    assert layers[1].weight.shape == (128, 4, 3, 3)


def test_vgg_has_thirteen_convolutions_and_dropout_on_both_sides_of_the_second_units():
    network = network_of("vgg16", units=16, dropout=0.5)
    kinds = [type(layer).__name__ for layer in network.body]
    assert kinds.count("Conv2d") == kinds.count("BatchNorm2d") == 13
    assert kinds[-7:] == ["Flatten", *["Linear", "ReLU", "Dropout"] * 2]
    assert network.drops_inside and network.dropout == 0 and network.embedding_size == 16
    plain = network_of("vgg16", dropout=0.5)
    assert not plain.drops_inside and plain.dropout == 0.5 and plain.embedding_size == 512


# WRN-28-2


def test_wrn_is_of_the_published_size():
    """1.5 M (Zagoruyko & Komodakis 2016); 1,467,610 for CIFAR-10 (Oliver et al. 2018's network)."""
    network = network_of("wrn28_2")
    assert size(network) == 1_467_610
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(layers) + 1 + 2 + 1 == 29  # 25 and the classifier, and 3 of shortcuts: 28 deep


def test_wrn_by_hand():
    network = lively(network_of("wrn28_2")).eval()
    arrays = network.state_dict()

    def normed(x, at):
        names = ("running_mean", "running_var", "weight", "bias")
        return F.relu(F.batch_norm(x, *(arrays[f"{at}.{name}"] for name in names)))

    images = torch.rand(2, 3, 16, 16)
    x = F.conv2d(images, arrays["body.0.weight"], padding=1)
    for group in (1, 2, 3):
        for at in range(4):
            block, stride = f"body.{group}.{at}", 2 if group > 1 and at == 0 else 1
            first = normed(x, f"{block}.norm1")
            inner = F.conv2d(first, arrays[f"{block}.conv1.weight"], stride=stride, padding=1)
            inner = normed(inner, f"{block}.norm2")
            inner = F.conv2d(inner, arrays[f"{block}.conv2.weight"], padding=1)
            if at == 0:
                x = F.conv2d(first, arrays[f"{block}.shortcut.weight"], stride=stride)
            x = x + inner
    embeddings = normed(x, "body.4").mean((2, 3))
    torch.testing.assert_close(network.embed(images), embeddings)
    assert embeddings.shape == (2, 128)


# shake-shake


def draws(images: int, seed: int = 0) -> list[torch.Tensor]:
    """alpha and beta as a generator of this seed gives them, shape (B, 1, 1, 1)."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.random((images, 1, 1, 1))) for _ in range(2)]


def test_branches_are_added_in_shares_and_gradients_in_other_shares():
    one, other = (torch.randn(6, 2, 3, 3, dtype=torch.float64).requires_grad_() for _ in range(2))
    alpha, beta = draws(6)
    total = shaking.shake(one, other, np.random.default_rng(0))
    torch.testing.assert_close(total, alpha * one + (1 - alpha) * other)
    upstream = torch.randn_like(total)
    gradients = torch.autograd.grad(total, [one, other], upstream)
    torch.testing.assert_close(gradients[0], beta * upstream)
    torch.testing.assert_close(gradients[1], (1 - beta) * upstream)
    assert len(set(alpha.flatten().tolist()) | set(beta.flatten().tolist())) == 12


def test_shares_are_uniform():
    ones = torch.ones(20_000, 1, 1, 1, dtype=torch.float64)
    shares = shaking.shake(ones, 0 * ones, np.random.default_rng(3)).flatten().numpy()
    assert np.abs(np.quantile(shares, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.02


def test_shake_shake_is_of_the_published_size():
    network = network_of("shake_shake")
    assert round(size(network) / 1e6, 1) == 2.9  # Gastaldi 2017, Table 1
    assert sum(isinstance(one, shaking.Block) for one in network.modules()) == 12  # 24 + 2 layers


def shake_by_hand(network: Network, images: torch.Tensor, share: float) -> torch.Tensor:
    """Embeddings in evaluation, with ``share`` of each first branch, from torch's functions."""
    arrays = network.state_dict()

    def norm(x, at):
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(arrays[f"{at}.{name}"] for name in names))

    x = norm(F.conv2d(images, arrays["body.0.weight"], padding=1), "body.1")
    for stage in (2, 3, 4):
        for at in range(4):
            here, stride = f"body.{stage}.{at}", 2 if stage > 2 and at == 0 else 1
            branches = []
            for name in ("one", "other"):
                y = F.conv2d(F.relu(x), arrays[f"{here}.{name}.1.weight"], None, stride, 1)
                y = F.relu(norm(y, f"{here}.{name}.2"))
                y = F.conv2d(y, arrays[f"{here}.{name}.4.weight"], padding=1)
                branches.append(norm(y, f"{here}.{name}.5"))
            if at == 0:
                x, shifted = F.relu(x), torch.zeros_like(x)
                shifted[:, :, 1:, 1:] = x[:, :, :-1, :-1]
                halves = [
                    F.conv2d(
                        F.avg_pool2d(seen, 1, stride), arrays[f"{here}.shortcut.{name}.weight"]
                    )
                    for name, seen in (("plain", F.relu(x)), ("shifted", F.relu(shifted)))
                ]
                x = norm(torch.cat(halves, 1), f"{here}.shortcut.norm")
            x = x + share * branches[0] + (1 - share) * branches[1]
    return F.relu(x).mean((2, 3))


def test_evaluation_adds_halves():
    network, images = lively(network_of("shake_shake")).eval(), torch.rand(2, 3, 16, 16)
    embeddings = network.embed(images)
    torch.testing.assert_close(embeddings, shake_by_hand(network, images, 0.5))
    assert not torch.allclose(embeddings, shake_by_hand(network, images, 0.6))
    assert torch.equal(embeddings, network.embed(images, np.random.default_rng(0)))


def test_the_study_draws_the_shares_and_torch_does_not():
    network, images = network_of("shake_shake").train(), torch.rand(4, 3, 16, 16)
    state = torch.random.get_rng_state()
    passes = [network.embed(images, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert torch.equal(passes[0], passes[1]) and not torch.allclose(passes[0], passes[2])
    assert torch.equal(torch.random.get_rng_state(), state)
    rng = np.random.default_rng(1)
    network.embed(images, rng)
    expected = np.random.default_rng(1)
    expected.random(12 * 2 * 4)  # blocks, alpha and beta, images
    assert rng.bit_generator.state == expected.bit_generator.state


def test_shaking_without_a_generator_is_refused():
    network = network_of("shake_shake").train()
    with pytest.raises(UserError, match="adds branches in random shares, and the learner draws no"):
        network.embed(torch.rand(2, *CIFAR))


def test_dropout_passes_of_a_shaken_network_vary_by_dropout_alone():
    network = network_of("shake_shake", (3, 8, 8), dropout=0.5)
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8)).astype(np.uint8)
    batches = Batches(images, [0.5] * 3, [0.3] * 3, configure("machine", "cpu", 1))
    pool = pool_of(network, batches, np.arange(4), np.arange(4, 6), np.arange(2), 10, query_size=1)
    chances = pool.dropout_probabilities(3)
    assert chances.shape == (3, 4, 10) and (chances.std(0) > 0).any()
    network.dropout = 0
    pool = pool_of(network, batches, np.arange(4), np.arange(4, 6), np.arange(2), 10, query_size=1)
    assert (np.ptp(pool.dropout_probabilities(3), axis=0) == 0).all()


# reproducible: portable

SIDES = {"wrn28_2": 8, "shake_shake": 8, "resnext50": 8, "vgg16": 32}


@pytest.mark.parametrize("name", SIDES)
def test_exact_layers_compute_the_same_network(name):
    plain = lively(network_of(name, (3, SIDES[name], SIDES[name]))).double().eval()
    own = exact.make_exact(copy.deepcopy(plain))
    images = torch.rand(2, 3, SIDES[name], SIDES[name], dtype=torch.float64)
    with torch.no_grad():
        wanted = plain(images)
        assert (own(images) - wanted).abs().max() < 2e-3 * wanted.abs().max()
    convolutions = [one for one in own.modules() if isinstance(one, nn.Conv2d)]
    assert all(isinstance(one, exact.Conv2d) for one in convolutions)


@pytest.mark.parametrize(
    "name", ["wrn28_2", "shake_shake", pytest.param("resnext50", marks=pytest.mark.slow)]
)
def test_the_number_of_threads_changes_no_byte_of_a_step(name):
    network = exact.make_exact(network_of(name, (3, 8, 8)).double()).train()
    images, labels = torch.rand(2, 3, 8, 8, dtype=torch.float64), torch.arange(2)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            own = copy.deepcopy(network)
            logits = logits_in_training(own, images, np.random.default_rng(0))
            loss = exact.cross_entropy(logits, labels)
            found.append(torch.autograd.grad(loss, list(own.parameters())))
    finally:
        torch.set_num_threads(before)
    assert all(map(torch.equal, *found))


def test_vggs_maps_of_seven_a_side_have_no_exact_version():
    with pytest.raises(UserError, match=r"body.44 \(AdaptiveAvgPool2d.* has no exact version"):
        exact.make_exact(network_of("vgg16", units=8).double())


# docs

TABLE = re.findall(
    r"^\| `(\w+)` \| [^|]*\| ([\d,]+) \| ([^|]*) \| ([^|]*) \| (\d+)(?: pixels)?(?:, to "
    r"(\d+))? \|$",
    (REPO / "docs/settings.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_the_table_of_models_has_them_all():
    assert {row[0] for row in TABLE} == set(catalogue.ARCHITECTURES)


@pytest.mark.parametrize(("name", "count", "width", "blocks", "least", "most"), TABLE)
def test_the_table_of_models_is_right(name, count, width, blocks, least, most):
    entry = catalogue.ARCHITECTURES[name]
    with torch.device("meta"):
        network = build(Model(name=name), CIFAR, 10)
    assert f"{size(network):,}" == count
    assert (entry.smallest, entry.largest) == (int(least), int(most) if most else None)
    if width.split(",")[0].isdigit():
        assert network.embedding_size == int(width.split(",")[0])
    channels = build(Model(name=name), CIFAR, 10).block_channels(CIFAR) if blocks != "none" else []
    assert ", ".join(map(str, channels)) == blocks.replace("none", "")
