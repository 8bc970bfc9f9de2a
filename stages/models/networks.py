"""The networks: ``embed`` gives the representation before the classifier, ``classify`` the logits.

Dropout is no layer with a state of its own: whoever wants it draws a mask from a generator of the
study and passes it to ``classify``. A body that draws (``nin``, ``shake_shake``) is given the
generator instead; ``stages.models.batches`` serves both kinds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from stages import catalogue
from stages.machine.errors import UserError
from stages.models.dropout import Body
from stages.models.shaking import Shaken

if TYPE_CHECKING:
    from stages.study.settings import Model

OWN = "initialise"  # a module's method that fills its own parameters
UNIFORM = (nn.modules.conv._ConvNd, nn.Linear)
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)  # they begin as 1 and 0


class Network(nn.Module):
    """A body and a linear classifier.

    Args:
        body: maps images (B, C, H, W) to embeddings (B, D).
        embedding_size: D.
        classes: number of classes.
        dropout: rate of the dropout before the classifier, 0 for none.
        blocks: names of the modules of the body whose outputs are maps (B, C_i, H_i, W_i) that
            :meth:`embed_with_blocks` gives, first to last; four or fewer.
    """

    def __init__(
        self,
        body: nn.Module,
        embedding_size: int,
        classes: int,
        dropout: float,
        blocks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.body = body
        self.classifier = nn.Linear(embedding_size, classes)
        self.embedding_size = embedding_size
        self.dropout = dropout
        self.block_names = tuple(blocks)

    @property
    def drops_inside(self) -> bool:
        """Whether units are dropped inside the body."""
        return isinstance(self.body, Body) and self.body.drops

    @property
    def draws_inside(self) -> bool:
        """Whether anything is drawn inside the body in training: masks, or shares of branches."""
        return self.drops_inside or isinstance(self.body, Shaken)

    def embed(self, images: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """Embeddings, shape (B, D). ``masks``: of what is drawn inside the body; None for none."""
        return self.body(images, masks) if self.draws_inside else self.body(images)

    def embed_with_blocks(
        self, images: Tensor, masks: np.random.Generator | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Embeddings (B, D) as :meth:`embed`, and the maps of each block, from one pass.

        Maps are of shape (B, C_i, H_i, W_i), first block to last; gradients flow through them.

        Raises:
            UserError: an architecture that names no blocks.
        """
        with self._listening() as maps:
            return self.embed(images, masks), maps

    def block_channels(self, shape: tuple[int, int, int]) -> list[int]:
        """Number of maps C_i of each block, for images of ``shape`` (C, H, W).

        Raises:
            UserError: an architecture that names no blocks.
        """
        training, like = self.training, next(self.parameters())
        try:
            with torch.no_grad():  # of an evaluation, which leaves batch norm as it is
                _, maps = self.eval().embed_with_blocks(like.new_zeros(1, *shape))
        finally:
            self.train(training)
        return [each.shape[1] for each in maps]

    @contextmanager
    def _listening(self) -> Iterator[list[Tensor]]:
        """A list that gets the output of each block as it is computed."""
        if not self.block_names:
            raise UserError(
                "this model names no blocks, whose maps are asked for; allowed with it: learners "
                "that need embeddings alone"
            )
        maps: list[Tensor] = []
        hooks = [
            self.body.get_submodule(name).register_forward_hook(lambda *ends: maps.append(ends[-1]))
            for name in self.block_names
        ]
        try:
            yield maps
        finally:
            for hook in hooks:
                hook.remove()

    def classify(self, embeddings: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits, shape (B, classes). ``mask``: 0 or 1 / (1 - rate) for each unit, shape (B, D)."""
        return self.classifier(embeddings if mask is None else embeddings * mask)

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits, shape (B, classes)."""
        return self.classify(self.embed(images), mask)


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """The network for images of ``shape`` (C, H, W); :func:`initialise` gives it its weights.

    Raises:
        UserError: images too small, or too large, for it; an architecture of somebody's own that
            gives no Network, or whose result could not be repeated.
    """
    architecture = catalogue.find_architecture(model.name)
    if found := architecture.misfit(*shape[1:]):
        raise UserError(f"model {model.name} {found}")
    # torch's own initial values are replaced: leave no trace
    with torch.random.fork_rng(devices=[]):
        network = catalogue.bind(architecture.build, model.settings)(shape, classes)
    _check(model.name, network)
    return network


def _check(name: str, network: object) -> None:
    """Raise unless all that is drawn for a network comes from the study's generators."""
    if not isinstance(network, Network):
        raise UserError(
            f"model {name} is a {type(network).__name__}; allowed: a stages.models.Network"
        )
    for part, module in network.named_modules():
        kind = type(module).__name__
        if isinstance(module, nn.modules.dropout._DropoutNd):
            raise UserError(
                f"model {name}: {part} is a {kind}, whose masks no seed of the study decides; "
                f"allowed: the dropout of stages.models.Network, or stages.models.dropout.Dropout"
            )
        if list(module.parameters(recurse=False)) and not _is_initialised(module):
            raise UserError(
                f"model {name}: {part or 'network'} is a {kind}, and nothing says how its weights "
                f"begin; allowed: convolutions, linear layers, norms, and modules that have "
                f"initialise(rng)"
            )


def _is_initialised(module: nn.Module) -> bool:
    return isinstance(module, (*UNIFORM, *NORMS)) or hasattr(module, OWN)


def initialise(network: nn.Module, rng: np.random.Generator) -> None:
    """Fill every parameter from ``rng``, in the order of their names, and reset norms.

    Weights are U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default (He et al. 2015 with
    a = sqrt(5)); biases likewise with the fan-in of their weights; norms are 1 and 0. Values
    are float32 numbers in every precision, so that all precisions start from the same network.
    A module that has ``initialise(rng)`` fills its own parameters by it.
    """
    for _, module in sorted(network.named_modules()):
        if hasattr(module, OWN):
            getattr(module, OWN)(rng)
        elif isinstance(module, UNIFORM):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in (module.weight, module.bias):
                if parameter is not None:
                    values = rng.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32)
                    with torch.no_grad():
                        parameter.copy_(torch.from_numpy(values))
        elif isinstance(module, NORMS):
            module.reset_parameters()


def state(network: Network) -> dict[str, np.ndarray]:
    """Parameters and buffers by name, on the CPU."""
    return {name: value.cpu().numpy() for name, value in network.state_dict().items()}


def restore(network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Put back what :func:`state` gave."""
    network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
