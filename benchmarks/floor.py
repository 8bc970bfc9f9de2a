"""The floor under a training: the same passes on ready tensors, and nothing else.

What a learner asks of the network is recorded once: batches that go forward, with gradient or
without, and when a gradient is taken. The floor repeats it: torch's own layers and
``torch.optim.SGD``, on normalised batches that lie ready in memory. Modules other than the network
(a critic, a VAE) are no part of it; what they cost counts as the learner's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.models import Network
from stages.study.settings import Task

STEP = 0  # an event; others are numbers of images: with gradient, or negative without


@contextmanager
def recorded() -> Iterator[list[int]]:
    """The events of what runs inside."""
    events: list[int] = []
    embed, grad = Network.embed, torch.autograd.grad

    def noted(self: Network, images: Tensor, *arguments: object) -> Tensor:
        events.append(len(images) if torch.is_grad_enabled() else -len(images))
        return embed(self, images, *arguments)

    def stepped(*arguments: object, **settings: object) -> tuple[Tensor, ...]:
        events.append(STEP)
        return grad(*arguments, **settings)

    with patch.object(Network, "embed", noted), patch("torch.autograd.grad", stepped):
        yield events


class Floor:
    """Repeats events on ready batches.

    Args:
        network: with torch's own layers, in float32; trained in place.
        images, labels: of one batch as large as any, ready on the device.
    """

    def __init__(self, network: nn.Module, task: Task, images: Tensor, labels: Tensor) -> None:
        self.network, self.task, self.images, self.labels = network, task, images, labels

    def forward(self, count: int) -> Tensor:
        """Logits of ``count`` ready images."""
        with torch.autocast(self.images.device.type, torch.bfloat16, enabled=self.task.amp):
            return self.network(self.images[:count])

    def run(self, events: list[int]) -> None:
        """Do what was recorded."""
        optimizer = torch.optim.SGD(
            self.network.parameters(),
            self.task.learning_rate,
            self.task.momentum,
            weight_decay=self.task.weight_decay,
        )
        losses: list[Tensor] = []
        for event in events:
            if event < 0:
                with torch.no_grad():
                    self.forward(-event)
            elif event == STEP and not losses:
                continue  # a critic's, say
            elif event == STEP:
                optimizer.zero_grad()
                torch.stack(losses).sum().backward()
                optimizer.step()
                losses = []
            else:
                self.network.train()
                losses.append(F.cross_entropy(self.forward(event).float(), self.labels[:event]))

    def way(self, learner: Callable[[], object]) -> Callable[[], None]:
        """A function that repeats what ``learner`` asks of the network."""
        with recorded() as events:
            learner()
        return lambda: self.run(events)
