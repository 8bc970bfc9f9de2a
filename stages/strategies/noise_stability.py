"""NoiseStability: candidates whose prediction small noise on the weights moves far, and apart."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Positive
from stages.catalogue.strategy import Strategy
from stages.geometry.farthest import farthest_first
from stages.geometry.grid import blocks, exact_sum
from stages.geometry.probabilities import softmax
from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.machine.randomness import Purpose

if TYPE_CHECKING:
    from stages.models import Network
    from stages.rounds.context import Pool

ENTRIES = {
    "noise_stability": Strategy(
        scorer="stages.strategies.noise_stability:shifts",
        selector="stages.strategies.noise_stability:spread",
        source="Li et al. 2024 (NoiseStability)",
        family="hybrid",
        cost="perturbations passes of the network, and N b perturbations C",
        candidates=25_000,
        formula="argmax_i min_j |v_i - v_j|, j taken or the origin, b times; v_i the shifts of p_i "
        "by each noise on the weights, one after another, divided by |p_i|",
    ),
}
BLOCK = 1000

Times = Annotated[int, Field(ge=1, le=10_000)]
Output = Literal["probabilities", "embedding"]
Shifts = np.ndarray  # of each candidate, float, shape (N, perturbations K)


def shifts(
    pool: Pool,
    *,
    perturbations: Times = 30,
    magnitude: Positive = 0.001,
    output: Output = "probabilities",
) -> Shifts:
    """How each noise on the weights moves each candidate's output, divided by its length.

    Memory: N perturbations K numbers, K the size of an output.

    Args:
        perturbations: K of the paper, 30.
        magnitude: length of the noise on a layer's weights, as a share of theirs; 0.001 in the
            authors' code.
        output: ``probabilities``, as the authors' code has it for classification, or ``embedding``.

    Returns:
        shape (N, perturbations K), float32 or float64 as the embeddings are.

    Raises:
        UserError: an unknown output.
    """
    if output not in get_args(Output):
        raise UserError(f"output is {output!r}; allowed: {', '.join(get_args(Output))}")
    rng = pool.generator(Purpose.SCORER)
    first = _outputs(pool, pool.network, output)
    length = np.sqrt(exact_sum(first * first, 1))[:, None]
    kind = np.float64 if pool.batches.compute.exact else np.float32
    result = np.empty((len(first), perturbations, first.shape[1]), kind)
    for at in progress(range(perturbations), "perturb", "time"):
        moved = _outputs(pool, noisy(pool.network, magnitude, rng), output) - first
        result[:, at] = moved / np.where(length > 0, length, 1)
    return result.reshape(len(first), -1)


def noisy(network: Network, magnitude: float, rng: np.random.Generator) -> Network:
    """A copy with Gaussian noise on the weights of each layer, of ``magnitude`` times their length.

    Of layers and norms alike; biases stay as they are.
    """
    import torch

    result = copy.deepcopy(network)
    for _, module in sorted(result.named_modules()):
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.nn.Parameter):
            continue
        noise = rng.normal(size=tuple(weight.shape)).astype(np.float32).astype(np.float64)
        own = weight.detach().cpu().double().numpy()
        lengths = [float(np.sqrt(exact_sum(one.ravel() ** 2))) for one in (own, noise)]
        noise *= magnitude * lengths[0] / (lengths[1] or 1.0)
        with torch.no_grad():
            weight.copy_(torch.from_numpy(own + noise))
    return result


def _outputs(pool: Pool, network: Network, output: str) -> np.ndarray:
    """float64, shape (N, K)."""
    from stages.models.batches import classify, embed

    parts = []
    for part in blocks(len(pool.candidates), BLOCK):
        found = embed(network, pool.batches, pool.candidates[part])
        if output == "probabilities":
            found = softmax(classify(network, found, pool.batches.compute))
        parts.append(found.astype(np.float64))
    return np.concatenate(parts)


def spread(shifts: Shifts, b: int, rng: np.random.Generator) -> np.ndarray:
    """Li et al. 2024, Algorithm 1: greedy k-center, the origin being the first centre.

    So the first pick is the candidate that noise moves most, and what noise does not move comes
    last.

    Returns:
        Positions, int64, shape (b,), in order of selection.

    Raises:
        UserError: a shift is not finite, or b is larger than N.
    """
    return farthest_first(shifts, np.zeros((1, shifts.shape[1]), shifts.dtype), b, rng)
