"""Adversarial attacks on whole batches: how far an image is from the nearest decision boundary.

Images are perturbed as the network sees them, after normalisation, and are not clipped. An image
stops where its prediction flips; what happens to the rest of its batch no longer moves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.machine.errors import UserError
from stages.models import Network
from stages.models.compute import Compute
from stages.models.exact import exact_sum, softmax, sqrt

# Of two logits, as a share of the largest: from nearer the boundary a step is lost in rounding.
LEAST_GAP = 1e-5

# images, logits (with a graph), first prediction -> the perturbation to add, shape of the images
Step = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Attack:
    """What became of a batch.

    Attributes:
        perturbations: r, added up over the steps, shape (B, C, H, W).
        flipped: whether the prediction changed within the cap, bool, shape (B,).
    """

    perturbations: Tensor
    flipped: Tensor


def iterate(
    network: Network, images: Tensor, step: Step, iterations: int, overshoot: float = 0.0
) -> Attack:
    """Add ``step`` to each image until the network's prediction changes.

    The network sees x + (1 + overshoot) r.

    Args:
        images: normalised, shape (B, C, H, W).
        iterations: steps at most.
    """
    network.eval()
    total = torch.zeros_like(images)
    flipped = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    active = torch.arange(len(images), device=images.device)
    with _frozen(network), torch.enable_grad():
        first = None
        for left in range(iterations, -1, -1):
            seen = (images[active] + total[active] * (1 + overshoot)).requires_grad_(left > 0)
            logits = network(seen)
            predicted = logits.argmax(1)
            first = predicted if first is None else first
            same = predicted == first[active]
            flipped[active[~same]] = True
            if left == 0 or not same.any():
                break
            moves = step(seen, logits, predicted)
            total[active[same]] += moves[same]
            active = active[same]
    return Attack(total, flipped)


@contextmanager
def _frozen(network: Network) -> Iterator[None]:
    """Gradients of the images alone: those of the weights would be computed for nothing."""
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, flag in zip(network.parameters(), wanted, strict=True):
            parameter.requires_grad_(flag)


def basic_iterative(size: float, compute: Compute) -> Step:
    """The step of the basic iterative method (Kurakin et al. 2017): ``size`` sign(gradient).

    The gradient is that of the cross-entropy against the predicted class y, divided by 1 - p_y: the
    sign is the same, and it does not vanish where p_y rounds to 1.
    """

    def step(images: Tensor, logits: Tensor, predicted: Tensor) -> Tensor:
        values = logits.detach().scatter(1, predicted[:, None], -torch.inf)
        if values.shape[1] < 2:
            return torch.zeros_like(images)
        upstream = softmax(values) if compute.exact else torch.softmax(values, 1)
        upstream = upstream.scatter(1, predicted[:, None], -1)
        (gradient,) = torch.autograd.grad(logits, images, upstream)
        return gradient.sign_() * size

    return step


def deep_fool(top_classes: int, compute: Compute) -> Step:
    """The step of DeepFool (Moosavi-Dezfooli et al. 2016, Algorithm 2).

    With f_k the difference of the logits of class k and the predicted one and w_k its gradient, the
    step is |f_l| / |w_l|^2 w_l of the class l with the smallest |f_l| / |w_l|.

    Args:
        top_classes: how many of the largest logits are looked at, the predicted one among them (10
            in the authors' code); 0 for all.

    Raises:
        UserError: a single class is no choice.
    """
    if top_classes == 1:
        raise UserError("top_classes is 1; allowed: 0 for all, or 2 or more")

    def step(images: Tensor, logits: Tensor, predicted: Tensor) -> Tensor:
        values = logits.detach()
        count = min(top_classes or values.shape[1], values.shape[1])
        order = values.scatter(1, predicted[:, None], torch.inf).argsort(
            dim=1, descending=True, stable=True
        )
        least = LEAST_GAP * values.abs().amax(1)
        nearest = torch.full_like(values[:, 0], torch.inf)
        best = torch.zeros_like(images)
        for place in range(1, count):
            rival = order[:, place : place + 1]
            upstream = torch.zeros_like(values).scatter_(1, rival, 1)
            upstream.scatter_(1, predicted[:, None], -1)
            (slope,) = torch.autograd.grad(logits, images, upstream, retain_graph=True)
            gap = (values.gather(1, predicted[:, None]) - values.gather(1, rival))[:, 0]
            gap = torch.maximum(gap, least)
            length = norms(slope, compute)
            distance = torch.where(length > 0, gap / length, torch.inf)
            closer = distance < nearest
            nearest = torch.where(closer, distance, nearest)
            scale = torch.where(closer, distance / length, 0)
            best = torch.where(_wide(closer), slope * _wide(scale), best)
        return best

    return step


def norms(values: Tensor, compute: Compute) -> Tensor:
    """Euclidean length of each image, shape (B,)."""
    largest = values.abs().flatten(1).amax(1)
    parts = (values / _wide(torch.where(largest > 0, largest, 1))).flatten(1)
    squares = parts * parts
    total = sqrt(exact_sum(squares, (1,))) if compute.exact else squares.sum(1).sqrt()
    return total * largest


def _wide(per_image: Tensor) -> Tensor:
    return per_image[:, None, None, None]
