"""Outputs of some modules inside a network, as they are computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def caught(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """A list that gets the output of each of ``modules`` when it is called; gradients flow."""
    outputs: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda *ends: outputs.append(ends[-1])) for module in modules
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
