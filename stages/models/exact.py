"""Arithmetic whose result does not depend on the processor: the same bits everywhere.

A floating-point sum depends on the order of its terms, and the order depends on the number of
threads, on the width of the vector unit and on the library. Here no sum is ever rounded. Before
each sum of K products both operands are rounded to a grid (multiples of a power of two, a 2^-n part
of the largest magnitude), with n + m + ceil(log2 K) <= 53, so that every product and every partial
sum is a whole multiple of the grid below 2^53: float64 holds it exactly, whatever the order, with
or without fused multiply-add. (The idea is the error-free splitting of Ozaki et al. 2012, Numerical
Algorithms 59, 95-118, with one slice.) What is left is one elementwise operation at a time: +, -,
*, / and square root, which IEEE 754 defines to the last bit; exp is built from these.

The price is precision: an operand keeps 16 to 21 bits below its tensor's largest magnitude.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from stages.machine.errors import UserError
from stages.models.dropout import Dropout

MANTISSA = 53
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # their sum is ln 2


def bits_of(terms: int) -> int:
    """ceil(log2 terms)."""
    return max(1, (terms - 1).bit_length())


def _power_of_two(exponent: Tensor) -> Tensor:
    """2 to an int64 exponent, by its bits: pow() may be off by one unit in the last place."""
    return ((exponent + 1023) << 52).view(torch.float64)


def quantise(values: Tensor, bits: int) -> Tensor:
    """Round float64 values to multiples of 2^(e - bits), where 2^e is their magnitude or above."""
    exponent = torch.frexp(values.detach().abs().amax())[1].to(torch.int64).clamp(-900, 900)
    scaled = values * _power_of_two(bits - exponent)
    return scaled.round_().mul_(_power_of_two(exponent - bits))


def exact_sum(values: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Sum over ``dims``, the same in any order."""
    terms = math.prod(values.shape[dim] for dim in dims)
    return quantise(values, MANTISSA - bits_of(terms)).sum(dims)


def sqrt(values: Tensor) -> Tensor:
    """Square root, correctly rounded.

    torch hands float64 on the CPU to a vector library whose last bit differs between processors;
    NumPy uses the processor's own instruction, which IEEE 754 defines.
    """
    if values.device.type != "cpu":
        return torch.sqrt(values)
    result = torch.empty_like(values)
    np.sqrt(values.detach().numpy(), out=result.numpy())
    return result


def exp(values: Tensor) -> Tensor:
    """e^x in float64 to about 1e-15, from +, * and powers of two alone (Taylor, degree 13)."""
    whole = torch.round(values * LOG2_E).clamp_(-1000, 1000)
    rest = values - whole * LN2_HIGH
    rest = (rest - whole * LN2_LOW).clamp_(-1, 1)
    result = torch.full_like(rest, 1 / math.factorial(13))
    for degree in range(12, -1, -1):
        result.mul_(rest).add_(1 / math.factorial(degree))
    return result * _power_of_two(whole.to(torch.int64))


def softmax(logits: Tensor) -> Tensor:
    """Probabilities (B, C) of float64 logits (B, C)."""
    powers = exp(logits - logits.amax(1, keepdim=True))
    return powers / exact_sum(powers, (1,))[:, None]


def _gradient_bits(operand_bits: int, terms: int) -> int:
    return MANTISSA - operand_bits - bits_of(terms)


class _Convolution(Function):
    @staticmethod
    def forward(ctx, images, weight, stride, padding, dilation, groups):
        bits = (MANTISSA - bits_of(weight[0].numel())) // 2
        images, weight = quantise(images, bits), quantise(weight, bits)
        ctx.save_for_backward(images, weight)
        ctx.geometry, ctx.bits = (stride, padding, dilation, groups), bits
        return F.conv2d(images, weight, None, *ctx.geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        images, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry

        def backward(terms, wanted):
            rounded = quantise(gradient, _gradient_bits(ctx.bits, terms))
            return torch.ops.aten.convolution_backward(
                rounded,
                images,
                weight,
                None,
                stride,
                padding,
                dilation,
                False,
                [0, 0],
                groups,
                wanted,
            )

        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = backward(weight[:, 0].numel(), [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            of_weight = backward(gradient[:, 0].numel(), [False, True, False])[1]
        return of_images, of_weight, None, None, None, None


class _TransposedConvolution(Function):
    @staticmethod
    def forward(ctx, images, weight, stride, padding, output_padding, groups, dilation):
        bits = (MANTISSA - bits_of(weight[:, 0].numel())) // 2
        images, weight = quantise(images, bits), quantise(weight, bits)
        ctx.save_for_backward(images, weight)
        ctx.geometry, ctx.bits = (stride, padding, dilation, True, output_padding, groups), bits
        return F.conv_transpose2d(
            images, weight, None, stride, padding, output_padding, groups, dilation
        )

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        images, weight = ctx.saved_tensors

        def backward(terms, wanted):
            rounded = quantise(gradient, _gradient_bits(ctx.bits, terms))
            return torch.ops.aten.convolution_backward(
                rounded, images, weight, None, *ctx.geometry, wanted
            )

        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = backward(weight[0].numel(), [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            of_weight = backward(images[:, 0].numel(), [False, True, False])[1]
        return of_images, of_weight, None, None, None, None, None


class _Product(Function):
    @staticmethod
    def forward(ctx, inputs, weight):
        bits = (MANTISSA - bits_of(weight.shape[1])) // 2
        inputs, weight = quantise(inputs, bits), quantise(weight, bits)
        ctx.save_for_backward(inputs, weight)
        ctx.bits = bits
        return inputs @ weight.T

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        inputs, weight = ctx.saved_tensors
        batch, outputs = gradient.shape
        of_inputs = of_weight = None
        if ctx.needs_input_grad[0]:
            of_inputs = quantise(gradient, _gradient_bits(ctx.bits, outputs)) @ weight
        if ctx.needs_input_grad[1]:
            of_weight = quantise(gradient, _gradient_bits(ctx.bits, batch)).T @ inputs
        return of_inputs, of_weight


class _Bias(Function):
    """``values + bias`` over dimension 1; its gradient is a sum over all others."""

    @staticmethod
    def forward(_ctx, values, bias):
        return values + bias.view(-1, *([1] * (values.dim() - 2)))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        dims = (0, *range(2, gradient.dim()))
        return gradient, exact_sum(gradient, dims) if ctx.needs_input_grad[1] else None


class _Standardise(Function):
    """Batch normalisation with the batch's own statistics (Ioffe & Szegedy 2015, Algorithm 1)."""

    @staticmethod
    def forward(ctx, values, weight, bias, eps):
        dims, count = (0, 2, 3), values[:, 0].numel()
        mean = exact_sum(values, dims) / count
        centred = values - _wide(mean)
        variance = exact_sum(centred * centred, dims) / count
        scale = 1 / sqrt(variance + eps)
        standard = centred * _wide(scale)
        ctx.save_for_backward(standard, weight, scale)
        ctx.mark_non_differentiable(mean, variance)
        return standard * _wide(weight) + _wide(bias), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, *_):
        standard, weight, scale = ctx.saved_tensors
        dims, count = (0, 2, 3), gradient[:, 0].numel()
        of_bias = exact_sum(gradient, dims)
        of_weight = exact_sum(gradient * standard, dims)
        rest = gradient - _wide(of_bias / count) - standard * _wide(of_weight / count)
        return rest * _wide(weight * scale), of_weight, of_bias, None


class _RoundGradient(Function):
    """Identity; rounds the gradient, so that adding up a few of them later is exact."""

    @staticmethod
    def forward(_ctx, values):
        return values.view_as(values)

    @staticmethod
    @once_differentiable
    def backward(_ctx, gradient):
        return quantise(gradient, MANTISSA - 6)


class _MapMean(Function):
    @staticmethod
    def forward(ctx, values):
        ctx.shape = values.shape
        return exact_sum(values, (2, 3))[:, :, None, None] / values[0, 0].numel()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return (gradient / math.prod(ctx.shape[2:])).expand(ctx.shape)


class _CrossEntropy(Function):
    @staticmethod
    def forward(ctx, logits, targets):
        chances = softmax(logits)
        if targets.dim() == 1:
            targets = F.one_hot(targets, chances.shape[1])
        ctx.save_for_backward(chances, targets)
        return -(targets * chances.clamp_min(1e-300).log()).sum(1).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        chances, targets = ctx.saved_tensors
        return (chances - targets) / len(targets) * gradient, None


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of logits (B, C) and labels (B,), or chances that add up to 1 (B, C).

    The gradient is the same everywhere; the value itself, used for display only, holds to about
    1e-15.
    """
    return _CrossEntropy.apply(logits, targets)


def product(inputs: Tensor, weight: Tensor) -> Tensor:
    """``inputs @ weight.T`` of (B, K) and (M, K) with exact sums."""
    return _Product.apply(inputs, weight)


def add_bias(values: Tensor, bias: Tensor) -> Tensor:
    """``values`` (B, M, ...) + ``bias`` (M,) over dimension 1; its gradient is an exact sum."""
    return _Bias.apply(values, bias)


def _wide(per_channel: Tensor) -> Tensor:
    return per_channel[:, None, None]


class Conv2d(nn.Conv2d):
    """:class:`torch.nn.Conv2d` with exact sums."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps of images (B, C, H, W)."""
        # cuDNN may pick a transform-based algorithm; the native one only multiplies and adds.
        with torch.backends.cudnn.flags(enabled=False):
            maps = _Convolution.apply(
                images, self.weight, self.stride, self.padding, self.dilation, self.groups
            )
        return maps if self.bias is None else _Bias.apply(maps, self.bias)


class ConvTranspose2d(nn.ConvTranspose2d):
    """:class:`torch.nn.ConvTranspose2d` with exact sums."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps of images (B, C, H, W)."""
        with torch.backends.cudnn.flags(enabled=False):
            maps = _TransposedConvolution.apply(
                images,
                self.weight,
                self.stride,
                self.padding,
                self.output_padding,
                self.groups,
                self.dilation,
            )
        return maps if self.bias is None else _Bias.apply(maps, self.bias)


class Linear(nn.Linear):
    """:class:`torch.nn.Linear` with exact sums."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (B, M) of inputs (B, K)."""
        return _Bias.apply(_Product.apply(inputs, self.weight), self.bias)


class BatchNorm2d(nn.BatchNorm2d):
    """:class:`torch.nn.BatchNorm2d` with exact sums."""

    def forward(self, values: Tensor) -> Tensor:
        """Normalised maps; in training by their own statistics, which the running ones follow."""
        if not self.training:
            scale = self.weight / sqrt(self.running_var + self.eps)
            return (values - _wide(self.running_mean)) * _wide(scale) + _wide(self.bias)
        result, mean, variance = _Standardise.apply(values, self.weight, self.bias, self.eps)
        count = values[:, 0].numel()
        with torch.no_grad():
            unbiased = variance * (count / max(count - 1, 1))
            for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                running.mul_(1 - self.momentum).add_(new * self.momentum)
            self.num_batches_tracked += 1
        return result


class MaxPool2d(nn.MaxPool2d):
    """:class:`torch.nn.MaxPool2d`; where windows overlap, gradients add up exactly."""

    def forward(self, values: Tensor) -> Tensor:
        """The largest value of each window."""
        return _RoundGradient.apply(super().forward(values))


class MapMean(nn.AdaptiveAvgPool2d):
    """:class:`torch.nn.AdaptiveAvgPool2d` to one value a map, with exact sums."""

    def forward(self, values: Tensor) -> Tensor:
        """Means of maps (B, C, H, W), shape (B, C, 1, 1)."""
        return _MapMean.apply(values)


EXACT: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: Conv2d,
    nn.ConvTranspose2d: ConvTranspose2d,
    nn.Linear: Linear,
    nn.BatchNorm2d: BatchNorm2d,
    nn.MaxPool2d: MaxPool2d,
    nn.AdaptiveAvgPool2d: MapMean,
}
ELEMENTWISE = (nn.ReLU, nn.Flatten, nn.Identity, Dropout)


def make_exact(network: nn.Module) -> nn.Module:
    """Give every layer of a float64 network its exact version, in place.

    Raises:
        UserError: a layer that has none: its result may differ between processors.
    """
    for name, module in network.named_modules():
        if type(module) in EXACT:
            _check(name, module)
            module.__class__ = EXACT[type(module)]
        elif not list(module.children()) and not isinstance(module, ELEMENTWISE):
            raise UserError(
                f"layer {name} ({type(module).__name__}) has no exact version; "
                f"use reproducible: machine or off"
            )
    return network


def _check(name: str, module: nn.Module) -> None:
    pooled = isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1))
    bare = isinstance(module, nn.Linear) and module.bias is None
    if pooled or bare or getattr(module, "padding_mode", "zeros") != "zeros":
        raise UserError(
            f"layer {name} ({module}) has no exact version; use reproducible: machine or off"
        )
