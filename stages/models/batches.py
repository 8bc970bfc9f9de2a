"""From uint8 arrays to batches of tensors, and from a network to outputs over many rows."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from stages.geometry.grid import blocks
from stages.machine.errors import UserError
from stages.models.compute import Compute
from stages.models.networks import Network

INFERENCE_BATCH = 1000
CLASSIFIED = 10 * INFERENCE_BATCH  # rows that are classified at once
MASKED_BATCH = 100  # images whose maps are masked at once


_ON_GPU: dict[tuple[str, int, int], Tensor] = {}  # files; a worker's next round has the same
MOST_HELD = 4  # files


def _held(images: np.ndarray) -> tuple[str, int, int]:
    """A memory-mapped file as it is now: its path, time and size. No path for any other array."""
    path = str(getattr(images, "filename", None) or "")
    found = os.stat(path) if path else None
    return (path, found.st_mtime_ns, found.st_size) if found else ("", 0, 0)


def _on_gpu(held: tuple[str, int, int], images: Tensor, device: torch.device) -> Tensor:
    """``images`` on the device; a file's stay there until others have taken their place."""
    if not held[0]:
        return images.to(device)
    if held not in _ON_GPU:
        for known in [known for known in _ON_GPU if known[0] == held[0]]:
            del _ON_GPU[known]  # of before the file was written anew
        while len(_ON_GPU) >= MOST_HELD:
            del _ON_GPU[next(iter(_ON_GPU))]
        _ON_GPU[held] = images.to(device)
    return _ON_GPU[held]


class Batches:
    """Images of a data set as normalised tensors on the device.

    The uint8 array lives on the GPU where it fits into half of the free memory, and stays there for
    the next round of this process; else it stays memory-mapped and batches travel.

    Args:
        images: uint8, shape (N, C, H, W); or features of a network, float32, (N, D, 1, 1).
        mean, std: of each channel, of images in [0, 1].
        shows: which image each row shows, int64, shape (rows,); None: row i shows image i.
    """

    def __init__(
        self,
        images: np.ndarray,
        mean: list[float],
        std: list[float],
        compute: Compute,
        shows: np.ndarray | None = None,
    ) -> None:
        self.compute = compute
        self.shows = shows
        self.images = torch.from_numpy(images)
        self.scale = 255 if self.pictures else 1  # features are as they are
        if compute.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(compute.device)
            held = _held(images)
            if held in _ON_GPU or images.nbytes < free // 2:
                self.images = _on_gpu(held, self.images, compute.device)
        shape = (1, -1, 1, 1)
        kind = {"dtype": compute.dtype, "device": compute.device}
        self.mean = torch.tensor(mean, **kind).view(shape)
        # A channel that never varies carries nothing; dividing by 1 keeps it finite.
        self.std = torch.tensor([value or 1.0 for value in std], **kind).view(shape)

    def raw(self, rows: np.ndarray) -> Tensor:
        """Images of these rows (int64, shape (B,)) as they are, (B, C, H, W), on the device."""
        rows = rows if self.shows is None else self.shows[rows]
        index = torch.from_numpy(np.ascontiguousarray(rows, np.int64))
        return self.images[index.to(self.images.device)].to(self.compute.device)

    def normalise(self, raw: Tensor) -> Tensor:
        """``(x / 255 - mean) / std`` in the precision of the study; features are not divided."""
        return raw.to(self.compute.dtype, copy=True).div_(self.scale).sub_(self.mean).div_(self.std)

    @property
    def pictures(self) -> bool:
        """Whether these are pictures: features of a network have no pixels."""
        return self.images.dtype == torch.uint8

    def __len__(self) -> int:
        return len(self.images) if self.shows is None else len(self.shows)


def batches_of(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """``order`` in pieces of ``size``, none dropped.

    A last piece of one joins the piece before it, and one that stands alone comes twice: batch
    norm has no variance of one sample.
    """
    ends = list(range(size, len(order), size)) + [len(order)]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    start = 0
    for end in ends:
        piece = order[start:end]
        yield np.repeat(piece, 2) if len(piece) == 1 else piece
        start = end


@torch.no_grad()
def over_rows(
    batches: Batches, rows: np.ndarray, function: Callable[[Tensor], Tensor]
) -> np.ndarray:
    """``function`` on normalised images of ``rows`` in batches: float, shape (len(rows), ...)."""
    parts = blocks(len(rows), INFERENCE_BATCH)
    return _gathered(
        (function(batches.normalise(batches.raw(rows[part]))).cpu() for part in parts), len(rows)
    )


def _gathered(parts: Iterable[Tensor], count: int) -> np.ndarray:
    """Consecutive rows, ``count`` in all, as one array, which alone is ever held whole."""
    result, start = np.empty(0), 0
    for part in parts:
        if not start:
            result = np.empty((count, *part.shape[1:]), part.numpy().dtype)
        result[start : start + len(part)] = part.numpy()
        start += len(part)
    return result


def embed(network: Network, batches: Batches, rows: np.ndarray) -> np.ndarray:
    """Embeddings of ``rows``, shape (len(rows), D), without augmentation, in evaluation mode."""
    network.eval()
    return over_rows(batches, rows, network.embed)


@torch.no_grad()
def classify(
    network: Network,
    embeddings: np.ndarray,
    compute: Compute,
    masks: np.random.Generator | None = None,
) -> np.ndarray:
    """Logits of embeddings (N, D), float64, shape (N, C).

    ``masks``: the generator of a dropout mask for each row; None for no dropout.

    Raises:
        UserError: masks for a network whose dropout is inside its body: :func:`passes_of` has them.
    """
    if masks is not None and network.drops_inside:
        raise UserError("this model has dropout inside its body, not before the classifier")
    network.eval()

    def logits(part: slice) -> Tensor:
        inputs = torch.from_numpy(embeddings[part]).to(compute.device)
        mask = None if masks is None else dropout_mask(inputs, network.dropout, masks)
        return network.classify(inputs, mask).double().cpu()

    parts = blocks(len(embeddings), CLASSIFIED)
    return _gathered((logits(part) for part in parts), len(embeddings))


def logits_in_training(network: Network, images: Tensor, masks: np.random.Generator) -> Tensor:
    """Logits (B, C) of normalised images (B, ...), with dropout wherever the network has it."""
    embeddings = network.embed(images, masks)
    mask = dropout_mask(embeddings, network.dropout, masks) if network.dropout else None
    return network.classify(embeddings, mask)


@torch.no_grad()
def passes_of(
    network: Network, batches: Batches, rows: np.ndarray, passes: int, masks: np.random.Generator
) -> Iterator[np.ndarray]:
    """Logits of ``passes`` passes with dropout inside the body, float64, (passes, n, C) at a time.

    In evaluation mode but for dropout. What comes before the first dropout is computed once. The
    blocks are consecutive rows.
    """
    network.eval()
    for part in blocks(len(rows), MASKED_BATCH):
        shared = network.body.before(batches.normalise(batches.raw(rows[part])))
        logits = [network.classify(network.body.after(shared, masks)) for _ in range(passes)]
        yield torch.stack(logits).double().cpu().numpy()


def masks_of_pass(at: int, values: int, rng: np.random.Generator) -> np.random.Generator:
    """A generator whose next draws of :func:`dropout_mask` are those of ``rng`` in pass ``at``.

    Args:
        values: units masked in one pass, N D.
        rng: of PCG64, which is left alone; float32 numbers take half a step each.
    """
    drawn = at * values
    source = copy.deepcopy(rng.bit_generator)
    result = np.random.Generator(source.advance(drawn // 2))
    if drawn % 2:
        result.random(dtype=np.float32)
    return result


def dropout_mask(like: Tensor, rate: float, rng: np.random.Generator) -> Tensor:
    """0 with probability ``rate``, else 1 / (1 - rate); shape, precision and device of ``like``."""
    kept = torch.from_numpy(rng.random(tuple(like.shape), dtype=np.float32) >= rate)
    return kept.to(device=like.device, dtype=like.dtype).div_(1 - rate)
