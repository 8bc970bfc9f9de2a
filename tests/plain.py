"""What a round should compute, by numpy and torch alone: nothing here is taken from ``stages``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

INITIALISATION, BATCHES, AUGMENTATION, DROPOUT, SELECT, INSPECT = 2, 3, 4, 5, 7, 9
CANDIDATES = 40

Arrays = dict[str, np.ndarray]
Keep = Callable[[Tensor], Tensor]


def stream(seed: int, purpose: int, n: int = 0, part: int = 0) -> np.random.Generator:
    """PCG64 of (seed, purpose, round), and of a part where it is not the first."""
    key = (purpose, n, part) if part else (purpose, n)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


@dataclass(frozen=True)
class Data:
    """A data set with its labels; images are uint8, (N, C, H, W)."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @staticmethod
    def read(folder: Path) -> Data:
        """The four arrays of a prepared task."""
        parts = ("train_images", "train_labels", "test_images", "test_labels")
        return Data(*(np.load(folder / f"{part}.npy") for part in parts))

    def normal(self, images: np.ndarray) -> Tensor:
        """(x / 255 - mean) / std of the training images' channels, float64."""
        scaled = self.images.astype(np.float64) / 255
        mean = scaled.mean((0, 2, 3), keepdims=True)[0]
        std = scaled.std((0, 2, 3), keepdims=True)[0]
        return torch.from_numpy((images.astype(np.float64) / 255 - mean) / std)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the defaults do nothing unusual."""

    model: str = "small_cnn"
    dropout: float = 0.0
    epochs: int = 2
    batch_size: int = 8
    optimizer: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    augmentation: str = "none"
    padding: int = 1

    def of(self, **changes: object) -> Recipe:
        """With some values changed."""
        return replace(self, **changes)


# networks: parameters by name, and functions of them


def small_cnn(images: Tensor, w: dict[str, Tensor], keep: Keep, training: bool) -> Tensor:
    """Embeddings (B, 128)."""
    maps = images
    for at in (0, 3):
        maps = F.conv2d(maps, w[f"body.{at}.weight"], w[f"body.{at}.bias"], padding=1)
        maps = F.max_pool2d(F.relu(maps), 2)
    return F.relu(F.linear(maps.flatten(1), w["body.7.weight"], w["body.7.bias"]))


def lenet(images: Tensor, w: dict[str, Tensor], keep: Keep, training: bool) -> Tensor:
    """Embeddings (B, 84)."""
    pad = 2 if min(images.shape[2:]) < 32 else 0
    maps = F.conv2d(images, w["body.0.weight"], w["body.0.bias"], padding=pad)
    maps = F.max_pool2d(F.relu(maps), 2)
    maps = F.conv2d(maps, w["body.3.weight"], w["body.3.bias"])
    units = F.max_pool2d(F.relu(maps), 2).flatten(1)
    for at in (7, 9):
        units = F.relu(F.linear(units, w[f"body.{at}.weight"], w[f"body.{at}.bias"]))
    return units


def nin(images: Tensor, w: dict[str, Tensor], keep: Keep, training: bool) -> Tensor:
    """Embeddings (B, 512); dropout inside, by ``keep``; batch norm's statistics move in ``w``."""
    maps = images
    for first, pad in ((0, 3), (5, 1)):
        maps = F.conv2d(maps, w[f"body.{first}.weight"], w[f"body.{first}.bias"], padding=pad)
        norm = f"body.{first + 1}"
        maps = F.batch_norm(
            maps,
            w[f"{norm}.running_mean"],
            w[f"{norm}.running_var"],
            w[f"{norm}.weight"],
            w[f"{norm}.bias"],
            training,
        )
        maps = F.max_pool2d(keep(F.relu(maps)), 4)
    return maps.flatten(1)


BODIES = {"small_cnn": small_cnn, "lenet": lenet, "nin": nin}


def logits_of(images: Tensor, w: dict[str, Tensor], model: str, keep: Keep | None = None) -> Tensor:
    """Logits; ``keep`` masks units while training, and None is evaluation."""
    inside = model == "nin"
    masked = keep if keep is not None else lambda values: values
    body = BODIES[model](images, w, masked, keep is not None)
    units = body if inside else masked(body)
    return F.linear(units, w["classifier.weight"], w["classifier.bias"])


def embeddings_of(images: Tensor, arrays: Arrays, model: str) -> np.ndarray:
    """In evaluation, float64."""
    w = {name: torch.from_numpy(value).double() for name, value in arrays.items()}
    return BODIES[model](images, w, lambda values: values, False).numpy()


def chances_of(images: Tensor, arrays: Arrays, model: str) -> np.ndarray:
    """Class probabilities in evaluation, float64, (N, C)."""
    w = {name: torch.from_numpy(value).double() for name, value in arrays.items()}
    return torch.softmax(logits_of(images, w, model), 1).numpy()


def initial(model: str, shape: tuple[int, int, int], classes: int, rng) -> dict[str, Tensor]:
    """Parameters U(-1/sqrt(fan in), 1/sqrt(fan in)), float32 numbers, layer by layer."""
    channels, height, width = shape
    if model == "small_cnn":
        layers = {"body.0": (32, channels, 3, 3), "body.3": (64, 32, 3, 3)}
        layers |= {"body.7": (128, 64 * (height // 4) * (width // 4)), "classifier": (classes, 128)}
    elif model == "lenet":
        pad = 2 if min(height, width) < 32 else 0
        sides = [((side + 2 * pad - 4) // 2 - 4) // 2 for side in (height, width)]
        layers = {"body.0": (6, channels, 5, 5), "body.3": (16, 6, 5, 5)}
        layers |= {"body.7": (120, 16 * sides[0] * sides[1]), "body.9": (84, 120)}
        layers |= {"classifier": (classes, 84)}
    else:
        layers = {"body.0": (64, channels, 3, 3), "body.5": (128, 64, 3, 3)}
        layers |= {"classifier": (classes, 512)}
    w = {}
    for name, size in layers.items():
        bound = 1 / np.sqrt(np.prod(size[1:]))
        for kind, of in (("weight", size), ("bias", size[:1])):
            values = rng.uniform(-bound, bound, of).astype(np.float32)
            w[f"{name}.{kind}"] = torch.from_numpy(values).double().requires_grad_()
    if model == "nin":
        for name, maps in (("body.1", 64), ("body.6", 128)):
            w[f"{name}.weight"] = torch.ones(maps).double().requires_grad_()
            w[f"{name}.bias"] = torch.zeros(maps).double().requires_grad_()
            w[f"{name}.running_mean"] = torch.zeros(maps).double()
            w[f"{name}.running_var"] = torch.ones(maps).double()
    return w


# training


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 (Salmon et al. 2011) in Python's own integers."""
    left, right, (k0, k1) = list(counter[:2]), list(counter[2:]), key
    for _ in range(10):
        one, other = 0xD2511F53 * left[0], 0xCD9E8D57 * right[0]
        left, right = (
            [other // 2**32 ^ left[1] ^ k0, other % 2**32],
            [one // 2**32 ^ right[1] ^ k1, one % 2**32],
        )
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return left + right


def cropped(
    images: np.ndarray,
    recipe: Recipe,
    rng: np.random.Generator,
    rows: np.ndarray,
    epoch: int = 0,
) -> np.ndarray:
    """Each image moved by its own offset within a black frame, and perhaps mirrored after."""
    if recipe.augmentation == "none":
        return images
    size, (_, _, height, width) = recipe.padding, images.shape
    frame = np.pad(images, ((0, 0), (0, 0), (size, size), (size, size)))
    result = np.empty_like(images)
    key = rng.bit_generator.seed_seq.generate_state(2).tolist()
    for at, row in enumerate(rows.tolist()):
        place, side = (philox([row, epoch, step, 0], key) for step in (0, 1))
        top, left = (word * (2 * size + 1) // 2**32 for word in place[:2])
        cut = frame[at, :, top : top + height, left : left + width]
        flip = side[0] < 2**31 and recipe.augmentation == "crop_flip"
        result[at] = cut[:, :, ::-1] if flip else cut
    return result


def pieces(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Batches; a last one of a single sample joins the one before."""
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


def masks(recipe: Recipe, rng: np.random.Generator) -> Keep:
    """What drops units while training."""

    def before_classifier(values: Tensor) -> Tensor:
        kept = rng.random(tuple(values.shape), dtype=np.float32) >= recipe.dropout
        return values * torch.from_numpy(kept) / (1 - recipe.dropout)

    def inside(values: Tensor) -> Tensor:
        draws = rng.integers(0, 2**64, -(-values.numel() // 4), dtype=np.uint64)
        units = np.frombuffer(draws.astype("<u8").tobytes(), "<u2")[: values.numel()]
        kept = units.reshape(tuple(values.shape)) >= round(recipe.dropout * 65536)
        return values * torch.from_numpy(kept) / (1 - recipe.dropout)

    if not recipe.dropout:
        return lambda values: values
    return inside if recipe.model == "nin" else before_classifier


def trained(
    data: Data, rows: np.ndarray, classes: int, recipe: Recipe, seed: int, n: int, part: int = 0
) -> Arrays:
    """Weights after training on ``rows``, by torch's own optimizers, schedule and layers."""
    streams = [stream(seed, purpose, n, part) for purpose in range(INITIALISATION, DROPOUT + 1)]
    w = initial(recipe.model, data.images.shape[1:], classes, streams[0])
    parameters = [value for value in w.values() if value.requires_grad]
    order, augmentation, keep = streams[1], streams[2], masks(recipe, streams[3])
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            parameters,
            recipe.learning_rate,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.nesterov,
        )
    else:
        optimizer = torch.optim.Adam(
            parameters, recipe.learning_rate, weight_decay=recipe.weight_decay
        )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, recipe.milestones, recipe.decay)
    for epoch in range(recipe.epochs):
        for batch in pieces(order.permutation(len(rows)), recipe.batch_size):
            pixels = cropped(data.images[rows[batch]], recipe, augmentation, rows[batch], epoch)
            logits = logits_of(data.normal(pixels), w, recipe.model, keep)
            optimizer.zero_grad()
            F.cross_entropy(logits, torch.from_numpy(data.labels[rows[batch]])).backward()
            optimizer.step()
        schedule.step()
    return {name: value.detach().numpy() for name, value in w.items()}


# measures


def measures(chances: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, object]:
    """The figures of a round's record from probabilities, by loops."""
    right = chances.argmax(1) == labels
    sure = chances.max(1)
    gap = 0.0
    for at in range(15):
        inside = (sure > at / 15) & (sure <= (at + 1) / 15)
        if inside.any():
            gap += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return {
        "test": len(labels),
        "correct": int(right.sum()),
        "accuracy": right.mean(),
        "per_class_test": [int((labels == c).sum()) for c in range(classes)],
        "per_class_correct": [int((right & (labels == c)).sum()) for c in range(classes)],
        "nll": float(-np.log(chances[np.arange(len(labels)), labels]).mean()),
        "ece": gap,
    }
