"""SGD, Adam, AdamW and RMSprop as single elementwise operations.

torch.optim fuses multiplications and additions where the processor can, so its last bits depend on
the processor; these do not, and that is the only reason for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from stages.models.exact import exact_sum, sqrt

KERNELS = (nn.modules.conv._ConvNd, nn.Linear)


class _Optimizer:
    """Parameters, and how their weights decay.

    Args:
        parameters: what is trained.
        weight_decay: of L2 regularisation (added to the gradient), or decoupled from it.
        decoupled: Loshchilov & Hutter 2019: w = (1 - lr weight_decay) w, then the step.
        decayed: of these alone among ``parameters``; None for all.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        weight_decay: float = 0.0,
        *,
        decoupled: bool = False,
        decayed: Iterable[Tensor] | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.weight_decay, self.decoupled = weight_decay, decoupled
        chosen = None if decayed is None else {id(parameter) for parameter in decayed}
        self.decays = [chosen is None or id(parameter) in chosen for parameter in self.parameters]
        self.restart()

    def restart(self) -> None:
        """Forget all earlier gradients."""

    def _zeros(self) -> list[Tensor]:
        return [torch.zeros_like(parameter) for parameter in self.parameters]

    def _decay(self, gradients: Sequence[Tensor], learning_rate: float) -> Sequence[Tensor]:
        """g + weight_decay w; or g, after the weights have become smaller by themselves."""
        if self.weight_decay == 0 or not any(self.decays):
            return gradients
        chosen = [one for one, decays in zip(self.parameters, self.decays, strict=True) if decays]
        if self.decoupled:
            torch._foreach_mul_(chosen, 1 - learning_rate * self.weight_decay)
            return gradients
        theirs = [one for one, decays in zip(gradients, self.decays, strict=True) if decays]
        sums = iter(torch._foreach_add(torch._foreach_mul(chosen, self.weight_decay), theirs))
        return [
            next(sums) if decays else gradient
            for gradient, decays in zip(gradients, self.decays, strict=True)
        ]


class SGD(_Optimizer):
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``.

    v = momentum v + (g + weight_decay w);  w = w - lr v  (with Nesterov: w - lr (g + momentum v)).
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        decoupled: bool = False,
        decayed: Iterable[Tensor] | None = None,
    ) -> None:
        self.momentum, self.nesterov = momentum, nesterov
        super().__init__(parameters, weight_decay, decoupled=decoupled, decayed=decayed)

    def restart(self) -> None:
        """Stand still."""
        self.velocity = self._zeros()

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update with ``gradients``, in the order of the parameters."""
        gradients = self._decay(gradients, learning_rate)
        direction = gradients
        if self.momentum:
            torch._foreach_mul_(self.velocity, self.momentum)
            torch._foreach_add_(self.velocity, gradients)
            direction = self.velocity
            if self.nesterov:
                ahead = torch._foreach_mul(self.velocity, self.momentum)
                direction = torch._foreach_add(ahead, gradients)
        torch._foreach_sub_(self.parameters, torch._foreach_mul(direction, learning_rate))


class Adam(_Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1), as ``torch.optim.Adam``; decoupled, as ``AdamW``.

    Args:
        betas: of the means of the gradients and of their squares.
    """

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(
        self,
        parameters: Iterable[Tensor],
        weight_decay: float = 0.0,
        *,
        decoupled: bool = False,
        decayed: Iterable[Tensor] | None = None,
        betas: tuple[float, float] = (BETA_1, BETA_2),
    ) -> None:
        self.beta_1, self.beta_2 = betas
        super().__init__(parameters, weight_decay, decoupled=decoupled, decayed=decayed)

    def restart(self) -> None:
        """As before the first step."""
        self.first, self.second = self._zeros(), self._zeros()
        self.power_1 = self.power_2 = 1.0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update with ``gradients``, in the order of the parameters."""
        gradients = self._decay(gradients, learning_rate)
        self.power_1 *= self.beta_1
        self.power_2 *= self.beta_2
        torch._foreach_mul_(self.first, self.beta_1)
        torch._foreach_add_(self.first, torch._foreach_mul(gradients, 1 - self.beta_1))
        torch._foreach_mul_(self.second, self.beta_2)
        squares = torch._foreach_mul(gradients, gradients)
        torch._foreach_add_(self.second, torch._foreach_mul(squares, 1 - self.beta_2))
        spread = [sqrt(value) for value in torch._foreach_div(self.second, 1 - self.power_2)]
        torch._foreach_add_(spread, self.EPSILON)
        update = torch._foreach_mul(self.first, learning_rate / (1 - self.power_1))
        torch._foreach_sub_(self.parameters, torch._foreach_div(update, spread))


class RMSprop(_Optimizer):
    """RMSprop (Tieleman & Hinton 2012, Lecture 6.5), as ``torch.optim.RMSprop``: alpha 0.99."""

    ALPHA, EPSILON = 0.99, 1e-8

    def restart(self) -> None:
        """As before the first step."""
        self.squares = self._zeros()

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """One update with ``gradients``, in the order of the parameters."""
        gradients = self._decay(gradients, learning_rate)
        torch._foreach_mul_(self.squares, self.ALPHA)
        squares = torch._foreach_mul(gradients, gradients)
        torch._foreach_add_(self.squares, torch._foreach_mul(squares, 1 - self.ALPHA))
        spread = [sqrt(value) for value in self.squares]
        torch._foreach_add_(spread, self.EPSILON)
        update = torch._foreach_mul(gradients, learning_rate)
        torch._foreach_sub_(self.parameters, torch._foreach_div(update, spread))


Optimizer = SGD | Adam | RMSprop


def kernels(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Weights of the convolutions and dense layers of ``modules``: no bias, no norm, no buffer."""
    layers = (layer for module in modules for layer in module.modules())
    return [layer.weight for layer in layers if isinstance(layer, KERNELS)]


@torch.no_grad()
def clipped(gradients: Sequence[Tensor], most: float, exact: bool) -> Sequence[Tensor]:
    """Gradients times min(1, most / (their norm + 1e-6)), as ``torch.nn.utils.clip_grad_norm_``.

    Args:
        most: what the norm of all of them together may be.
        exact: whether sums must not depend on the processor.
    """
    if exact:
        squares = torch._foreach_mul(gradients, gradients)
        parts = [exact_sum(values.flatten(), (0,)) for values in squares]
    else:
        parts = [norm * norm for norm in torch._foreach_norm(gradients)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    norm = sqrt(total) if exact else total.sqrt()
    return torch._foreach_mul(gradients, (most / (norm + 1e-6)).clamp(max=1.0))
