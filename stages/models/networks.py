"""The networks: ``embed`` gives the representation before the classifier, ``classify`` the logits.

Dropout is no layer with a state of its own: whoever wants it draws a mask from a generator of the
study and passes it to ``classify``. A body with dropout of its own (``nin``) is given the generator
instead; ``stages.models.batches`` serves both kinds.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from stages.machine.errors import UserError
from stages.models.dropout import Body, Dropout
from stages.study.data import misfit
from stages.study.settings import Model


class Network(nn.Module):
    """A body and a linear classifier.

    Args:
        body: maps images (B, C, H, W) to embeddings (B, D).
        embedding_size: D.
        classes: number of classes.
        dropout: rate of the dropout before the classifier, 0 for none.
    """

    def __init__(self, body: nn.Module, embedding_size: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.classifier = nn.Linear(embedding_size, classes)
        self.embedding_size = embedding_size
        self.dropout = dropout

    @property
    def drops_inside(self) -> bool:
        """Whether units are dropped inside the body."""
        return isinstance(self.body, Body) and self.body.drops

    def embed(self, images: Tensor, masks: np.random.Generator | None = None) -> Tensor:
        """Embeddings, shape (B, D). ``masks``: of the dropout inside the body; None for none."""
        return self.body(images, masks) if self.drops_inside else self.body(images)

    def classify(self, embeddings: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits, shape (B, classes). ``mask``: 0 or 1 / (1 - rate) for each unit, shape (B, D)."""
        return self.classifier(embeddings if mask is None else embeddings * mask)

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits, shape (B, classes)."""
        return self.classify(self.embed(images), mask)


def _pooled(side: int, times: int) -> int:
    """Side of a square map after ``times`` 2x2 max-poolings."""
    return side >> times


def _small_cnn(shape: tuple[int, int, int], model: Model) -> tuple[nn.Module, int]:
    """Two 3x3 convolutions (32 and 64 maps), each with ReLU and 2x2 max-pooling; 128 units."""
    channels, height, width = shape
    maps = 64 * _pooled(height, 2) * _pooled(width, 2)
    body = nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(maps, 128),
        nn.ReLU(),
    )
    return body, 128


def _lenet(shape: tuple[int, int, int], model: Model) -> tuple[nn.Module, int]:
    """LeNet-5 (LeCun et al. 1998) as today's code has it: ReLU and max-pooling; 84 units.

    Images of 28x28 are padded by 2, as in the paper (32x32 inputs).
    """
    channels, height, width = shape
    pad = 2 if min(height, width) < 32 else 0
    rows, columns = ((_pooled(side + 2 * pad - 4, 1) - 4) >> 1 for side in (height, width))
    body = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=pad),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * rows * columns, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
    )
    return body, 84


def _resnet18(shape: tuple[int, int, int], model: Model) -> tuple[nn.Module, int]:
    """torchvision's ResNet-18 (He et al. 2016); the stem is 7x7 stride 2 or 3x3 stride 1."""
    from torchvision.models import resnet18

    net = resnet18(weights=None)
    kernel, stride = (7, 2) if model.stem == "7x7" else (3, 1)
    net.conv1 = nn.Conv2d(shape[0], 64, kernel, stride, padding=kernel // 2, bias=False)
    if not model.max_pool:
        net.maxpool = nn.Identity()
    size, net.fc = net.fc.in_features, nn.Identity()
    return net, size


def _nin(shape: tuple[int, int, int], model: Model) -> tuple[nn.Module, int]:
    """Network in Network (Lin et al. 2013) of five layers, as Li et al. 2022 (hybrid) have it.

    3x3 convolution to 64 maps (padding 3), 4x4 max-pooling, 3x3 convolution to 128 maps, 4x4
    max-pooling; each convolution with batch norm, ReLU and dropout. The fifth layer, a 2x2
    convolution over what are now 2x2 maps, is the classifier.
    """
    layers = [*_dropped(shape[0], 64, 3, model.dropout), nn.MaxPool2d(4)]
    layers += [*_dropped(64, 128, 1, model.dropout), nn.MaxPool2d(4)]
    return Body(*layers, nn.Flatten()), 128 * 2 * 2


def _nin_10(shape: tuple[int, int, int], model: Model, classes: int) -> tuple[nn.Module, int]:
    """The same paper's ten layers: 3x3 convolutions to 64, 128, 256, 512 maps and one a class.

    Each with batch norm, ReLU, dropout and 2x2 max-pooling, the last one too, so the logits are
    not negative. What comes out is both the embedding and the logits.
    """
    layers, channels = [], shape[0]
    for maps in (64, 128, 256, 512, classes):
        layers += [*_dropped(channels, maps, 1, model.dropout), nn.MaxPool2d(2)]
        channels = maps
    return Body(*layers, nn.Flatten()), classes


def _dropped(channels: int, maps: int, padding: int, rate: float) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, maps, 3, padding=padding)
    return [convolution, nn.BatchNorm2d(maps), nn.ReLU(), Dropout(rate)]


BODIES = {"small_cnn": _small_cnn, "lenet": _lenet, "resnet18": _resnet18, "nin": _nin}


def build(model: Model, shape: tuple[int, int, int], classes: int) -> Network:
    """The network for images of ``shape`` (C, H, W).

    Raises:
        UserError: images too small, or too large, for it.
    """
    if found := misfit(model.name, *shape[1:]):
        raise UserError(f"model {model.name} {found}")
    with torch.random.fork_rng(
        devices=[]
    ):  # torch's own initial values are replaced: leave no trace
        if model.name == "nin_10":
            network = Network(*_nin_10(shape, model, classes), classes, dropout=0)
            network.classifier = nn.Identity()
            return network
        body, size = BODIES[model.name](shape, model)
        return Network(body, size, classes, 0 if isinstance(body, Body) else model.dropout)


def initialise(network: Network, rng: np.random.Generator) -> None:
    """Fill every parameter from ``rng``, in the order of their names, and reset batch norm.

    Weights are U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default (He et al. 2015 with
    a = sqrt(5)); biases likewise with the fan-in of their weights; batch norm is 1 and 0. Values
    are float32 numbers in every precision, so that all precisions start from the same network.
    """
    for _, module in sorted(network.named_modules()):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in (module.weight, module.bias):
                if parameter is not None:
                    values = rng.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32)
                    with torch.no_grad():
                        parameter.copy_(torch.from_numpy(values))
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def state(network: Network) -> dict[str, np.ndarray]:
    """Parameters and buffers by name, on the CPU."""
    return {name: value.cpu().numpy() for name, value in network.state_dict().items()}


def restore(network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Put back what :func:`state` gave."""
    network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
