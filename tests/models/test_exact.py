"""Exact arithmetic: close to float64, and the same bits whatever the order of a sum."""

from __future__ import annotations

import copy
import math
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from study import REPO
from torch import nn

from stages.machine.errors import UserError
from stages.models import exact

# Below 2^-900 the grid of exact sums ends.
FLOATS = st.floats(-1e6, 1e6).map(lambda value: value if abs(value) > 1e-200 else 0.0)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def assert_close(got: torch.Tensor, wanted: torch.Tensor, bits: float) -> None:
    """Within 2^-bits of the largest magnitude of what is wanted."""
    assert got.shape == wanted.shape
    assert (got - wanted).abs().max() <= 2.0**-bits * wanted.abs().max()


# one operation at a time


@given(st.lists(FLOATS, min_size=1, max_size=200))
def test_a_sum_is_close_to_the_true_one(values):
    total = exact.exact_sum(torch.tensor(values, dtype=torch.float64), (0,)).item()
    largest = max(map(abs, values))
    assert abs(total - math.fsum(values)) <= 2.0**-44 * len(values) * largest


@given(st.lists(FLOATS, min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_the_order_of_a_sum_makes_no_difference(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    one, other = (
        exact.exact_sum(torch.tensor(part, dtype=torch.float64), (0,))
        for part in (values, shuffled)
    )
    assert one.item() == other.item()


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 2**31))
def test_the_order_of_a_product_makes_no_difference(terms, outputs, seed):
    inputs, weight = normal(3, terms, seed=seed), normal(outputs, terms, seed=seed + 1)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(terms))
    one = exact._Product.apply(inputs, weight)
    other = exact._Product.apply(inputs[:, order].contiguous(), weight[:, order].contiguous())
    assert torch.equal(one, other)


def on_grid(values, bits: int) -> list[Fraction]:
    """Numbers below 1 in multiples of 2^-bits."""
    return [Fraction(round(float(value) * 2**bits), 2**bits) for value in values]


@pytest.mark.parametrize("terms", [3, 100, 1000])
def test_sums_use_all_the_bits_that_no_order_can_round(terms):
    """53 less log2 of the terms; one bit more, and a sum of the largest terms is rounded."""
    values = 1 - 1e-3 * np.random.default_rng(terms).random((2, terms))
    bits = 53 - math.ceil(math.log2(terms))
    wanted = float(sum(on_grid(values[0], bits)))
    assert exact.exact_sum(torch.from_numpy(values[0]), (0,)).item() == wanted
    one, other = (on_grid(each, bits // 2) for each in values)
    wanted = float(sum(a * b for a, b in zip(one, other, strict=True)))
    found = exact.product(*(torch.from_numpy(each[None]) for each in values))
    assert found.item() == wanted


def test_an_ordinary_sum_does_depend_on_the_order():
    values = normal(1000)
    assert values.cumsum(0)[-1] != values.flip(0).cumsum(0)[-1]


@pytest.mark.parametrize("terms", [1, 2, 3, 4, 5, 8, 9, 1023, 1024, 1025])
def test_bits_of_is_the_rounded_up_logarithm(terms):
    assert exact.bits_of(terms) == max(1, math.ceil(math.log2(terms)))


@given(st.lists(FLOATS, min_size=1, max_size=50), st.integers(8, 50))
def test_quantise_rounds_to_the_grid(values, bits):
    values = torch.tensor(values, dtype=torch.float64)
    rounded = exact.quantise(values, bits)
    top = values.abs().max().item()
    step = math.ldexp(1.0, math.frexp(top)[1] - bits) if top else 1.0
    assert (rounded - values).abs().max() <= step / 2
    multiples = rounded / step
    assert torch.equal(multiples, multiples.round())
    assert torch.equal(exact.quantise(rounded, bits), rounded)


@pytest.mark.parametrize("scale", [0.0, 1e-250, 1e-30, 1.0, 1e30, 1e250])
def test_quantise_serves_every_magnitude(scale):
    values = normal(50) * scale
    assert_close(exact.quantise(values, 40), values, 39)


def test_exp_is_the_exponential():
    values = torch.linspace(-690, 690, 20_001, dtype=torch.float64)
    assert ((exact.exp(values) / values.exp()) - 1).abs().max() < 5e-15
    assert exact.exp(torch.zeros(1, dtype=torch.float64)).item() == 1


def test_softmax():
    logits = 5 * normal(40, 10)
    assert_close(exact.softmax(logits), logits.softmax(1), 44)
    extreme = torch.tensor([[1000.0, 0.0, -1000.0]], dtype=torch.float64)
    assert exact.softmax(extreme).tolist() == [
        [1.0, pytest.approx(0, abs=1e-300), pytest.approx(0, abs=1e-300)]
    ]


def test_cross_entropy_and_its_gradient():
    logits, labels = (3 * normal(12, 5)).requires_grad_(), torch.arange(12) % 5
    loss = exact.cross_entropy(logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    twin = logits.detach().clone().requires_grad_()
    wanted = F.cross_entropy(twin, labels)
    (wanted_gradient,) = torch.autograd.grad(wanted, twin)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)
    assert_close(gradient, wanted_gradient, 42)


def test_cross_entropy_of_a_hopeless_sample_is_finite():
    logits = torch.tensor([[1e5, -1e5]], dtype=torch.float64, requires_grad=True)
    loss = exact.cross_entropy(logits, torch.tensor([1]))
    assert loss.isfinite() and torch.autograd.grad(loss, logits)[0].isfinite().all()


# layers: forward and gradients against torch in float64


LAYERS = {
    "convolution": (nn.Conv2d(3, 4, 3, padding=1), (5, 3, 8, 7)),
    "stride": (nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), (5, 3, 8, 7)),
    "groups": (nn.Conv2d(4, 4, 3, groups=2), (5, 4, 8, 7)),
    "dilation": (nn.Conv2d(3, 4, 3, dilation=2), (2, 3, 8, 8)),
    "one_by_one": (nn.Conv2d(3, 4, 1, stride=2), (2, 3, 8, 8)),
    "transposed": (nn.ConvTranspose2d(3, 4, 4, 2, 1, output_padding=(1, 0)), (5, 3, 8, 7)),
    "transposed_groups": (nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2), (5, 4, 8, 7)),
    "linear": (nn.Linear(30, 6), (9, 30)),
    "linear_of_one": (nn.Linear(1, 1), (1, 1)),
    "batch_norm": (nn.BatchNorm2d(3), (5, 3, 8, 7)),
    "max_pool": (nn.MaxPool2d(2), (5, 3, 8, 7)),
    "overlapping_pool": (nn.MaxPool2d(3, stride=2, padding=1), (5, 3, 8, 7)),
    "mean_of_map": (nn.AdaptiveAvgPool2d((1, 1)), (5, 3, 8, 7)),
}


def run_layer(layer: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """Outputs, gradients of the inputs and of the parameters for one random upstream gradient."""
    inputs = inputs.clone().requires_grad_()
    outputs = layer(inputs)
    upstream = normal(*outputs.shape, seed=9)
    gradients = torch.autograd.grad(outputs, [inputs, *layer.parameters()], upstream)
    return [outputs.detach(), *gradients]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_and_its_gradients_are_close_to_torch(name):
    layer, shape = LAYERS[name]
    plain = copy.deepcopy(layer).double()
    for at, parameter in enumerate(plain.parameters()):
        parameter.data.copy_(normal(*parameter.shape, seed=100 + at))
    own = exact.make_exact(nn.Sequential(copy.deepcopy(plain)))[0]
    assert type(own) is not type(plain)
    inputs = 2 + 3 * normal(*shape)
    for got, wanted in zip(run_layer(own, inputs), run_layer(plain, inputs), strict=True):
        # An operand keeps 16 bits or more; sums and differences of a few lose some of them.
        assert_close(got, wanted, 13)
    for got, wanted in zip(own.buffers(), plain.buffers(), strict=True):
        assert_close(got.double(), wanted.double(), 40)
    own.eval(), plain.eval()
    assert_close(own(inputs), plain(inputs), 13)


WEIGHTED = [name for name, (layer, _) in LAYERS.items() if list(layer.parameters())]


@pytest.mark.parametrize("name", WEIGHTED)
def test_the_order_of_a_batch_makes_no_difference_to_gradients(name):
    layer, shape = LAYERS[name]
    own = exact.make_exact(nn.Sequential(copy.deepcopy(layer).double()))
    inputs, order = normal(*shape), torch.from_numpy(np.random.default_rng(1).permutation(shape[0]))
    results = []
    for part in (torch.arange(shape[0]), order):
        outputs = own(inputs[part])
        upstream = normal(*outputs.shape, seed=3)[part]
        results.append(torch.autograd.grad(outputs, list(own.parameters()), upstream))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(4),
        nn.GELU(),
        nn.Sigmoid(),
        nn.Dropout(0.5),
        nn.ConvTranspose1d(3, 3, 3),
        nn.AdaptiveAvgPool2d(2),
        nn.Linear(3, 3, bias=False),
        nn.AvgPool2d(2),
        nn.LSTM(3, 3),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_without_an_exact_version_is_refused(layer):
    with pytest.raises(UserError, match="layer 1 .* has no exact version; use reproducible: mac"):
        exact.make_exact(nn.Sequential(nn.ReLU(), layer))


# the same bytes on every processor


def test_the_number_of_threads_changes_no_byte():
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 10)
    ).double()
    images, labels = normal(64, 1, 16, 16), torch.arange(64) % 10
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            own = exact.make_exact(copy.deepcopy(network))
            loss = exact.cross_entropy(own(images), labels)
            found.append(torch.autograd.grad(loss, list(own.parameters())))
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


TRAIN = """
import hashlib, sys
import numpy as np
from stages.models.compute import configure
from stages.rounds.context import Round
from stages.learners.supervised import train
from stages.models import state
from stages.models.batches import Batches, classify, embed
from stages.study.settings import Task

model, reproducible, threads = sys.argv[1:]
shape, rows = ((1, 8, 8), 40) if model == "small_cnn" else ((3, 8, 8), 4)
rng = np.random.default_rng(0)
task = Task(
    dataset={"name": "digits"}, split={"initial": 1}, query_size=1,
    model={"name": model, "dropout": 0.2}, epochs=6 if model == "small_cnn" else 2,
    batch_size=16, optimizer="sgd", momentum=0.9,
    learning_rate=0.05, weight_decay=1e-4, augmentation="crop_flip", padding=1)
compute = configure(reproducible, "cpu", int(threads))
images = rng.integers(0, 256, (rows, *shape)).astype(np.uint8)
batches = Batches(images, [0.5] * shape[0], [0.3] * shape[0], compute)
labels = rng.integers(0, 4, rows)
learned = train(Round(batches=batches, labeled=np.arange(rows), labels=labels,
                      unlabeled=np.empty(0, np.int64), classes=4, shape=shape, task=task, seed=0,
                      n=0, compute=compute))
total = hashlib.sha256()
for name, value in state(learned.network).items():
    total.update(name.encode() + np.ascontiguousarray(value).tobytes())
total.update(classify(learned.network, embed(learned.network, batches, np.arange(rows)),
                      compute).tobytes())
print(total.hexdigest())
"""

CAPS = [
    ({}, 2),
    ({"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}, 1),
    ({"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "SSE41"}, 2),
]


def hashes_of_training(model: str, reproducible: str, caps: list) -> set[str]:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, model, reproducible, str(threads)],
            cwd=REPO,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **cap},
            stdout=subprocess.PIPE,
            text=True,
        )
        for cap, threads in caps
    ]
    said = [process.communicate()[0].strip() for process in running]
    assert all(process.returncode == 0 for process in running)
    assert all(len(digest) == 64 for digest in said)
    return set(said)


@pytest.mark.parametrize(
    ("model", "caps"),
    [
        ("small_cnn", CAPS),
        ("resnet18", CAPS[:2]),
        pytest.param("shake_shake", CAPS[:2], marks=pytest.mark.slow),
        pytest.param("resnext50", CAPS[:2], marks=pytest.mark.slow),
    ],
)
def test_threads_and_instruction_sets_change_no_byte(model, caps):
    assert len(hashes_of_training(model, "portable", caps)) == 1


def test_in_float32_they_do():
    """So the test above can fail."""
    assert len(hashes_of_training("small_cnn", "machine", CAPS[:2])) > 1


def test_square_roots_are_correctly_rounded() -> None:
    from decimal import Decimal, localcontext

    values = np.random.default_rng(0).lognormal(0, 20, 2000)
    with localcontext() as context:
        context.prec = 60
        expected = [float(Decimal(value).sqrt()) for value in values.tolist()]
    assert exact.sqrt(torch.from_numpy(values)).tolist() == expected
