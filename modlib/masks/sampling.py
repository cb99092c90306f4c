"""Draws of binary masks, and the straight-through gradient of their logits.

Sampling is most of what learning a mask costs. For float32 weights on a processor, compiled loops pass over them once,
with sixteen random bits a weight and sample; elsewhere the same is written in torch. Chapter: ``weight-masks``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modlib.processor import ANY_ORDER, compiled
from modlib.training.replay import seeded

LARGEST = 60.0  # size of a logit beyond which its odds are not told apart, and never overflow
LEVELS = 2**16  # of a uniform number: (k + 1/2) / LEVELS
# Division without a test for zero lets the compiler use vector instructions, too.
_loop = compiled(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)


class Sampler:
    """Draws the weights of masked parameters, always into the same memory.

    With u uniform in (0, 1), s = u / (u + (1 - u) exp(-l)) and b = 1 if s > 0.5 else 0, a sample is w b. The gradient
    takes db / dl to be ds / dl = s (1 - s). Weights that require a gradient get theirs, which is that of the samples
    where b is 1.

    Args:
        weights: w, one dense tensor a parameter, see ``laid_out``.
        logits: l, of the same shapes and layouts; ``dtype_of`` says of which type.
        samples: how many masks are drawn at once.
        rng: draws them.

    Source: weight-masks A.1 to A.3. Chapter: ``weight-masks``.
    """

    def __init__(
        self, weights: Sequence[Tensor], logits: Sequence[Tensor], samples: int, rng: np.random.Generator
    ) -> None:
        self.weights, self.logits, self.samples, self.rng = weights, logits, samples, rng
        self.out = [_samples_like(weight, samples) for weight in weights]

    def seeded(self) -> AbstractContextManager[None]:
        """For the time of the draws: on a GPU they come from PyTorch's generator there, which a replayed step knows."""
        device = self.weights[0].device
        return seeded(device, self.rng) if device.type == "cuda" else nullcontext()

    def draw(self) -> list[Tensor]:
        """Samples of every parameter, ``(samples, *shape)``."""
        return [
            (_Compiled if _compiles(weight) else _Written).apply(logits, weight, self._numbers(weight), out)
            for logits, weight, out in zip(self.logits, self.weights, self.out, strict=True)
        ]

    def _numbers(self, weight: Tensor) -> np.ndarray | Tensor:
        """Random numbers of a draw: whole ones below ``LEVELS`` for compiled loops, otherwise uniform ones."""
        shape = (self.samples, *weight.shape)
        if _compiles(weight):
            n = math.prod(shape)
            words = self.rng.integers(2**64, size=math.ceil(n / 4), dtype=np.uint64)  # four numbers a word
            return words.view(np.uint16)[:n].reshape(self.samples, -1)
        if weight.is_cuda:
            return torch.rand(shape, dtype=dtype_of(weight), device=weight.device)
        generator = torch.Generator(weight.device).manual_seed(int(self.rng.integers(2**63)))
        return torch.rand(shape, dtype=dtype_of(weight), device=weight.device, generator=generator)


def laid_out(weight: Tensor) -> Tensor:
    """The weight in the layout in which gradients of its samples come: a matrix transposed, as a product takes it."""
    return weight.t().contiguous().t() if weight.ndim == 2 else weight.contiguous()


def dtype_of(weight: Tensor) -> torch.dtype:
    """Type of the logits of a weight: single precision at least."""
    return torch.promote_types(weight.dtype, torch.float32)


def _compiles(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32


class _Written(torch.autograd.Function):
    """Samples and their gradient from uniform numbers, on any device."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, weight: Tensor, uniforms: Tensor, out: Tensor) -> Tensor:
        ctx.save_for_backward(logits, weight, uniforms)
        return torch.where(uniforms > torch.sigmoid(-logits), weight, weight.new_zeros(()), out=out)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        logits, weight, uniforms = ctx.saved_tensors
        soft = uniforms / torch.lerp(_odds(logits), torch.ones_like(logits), uniforms)
        of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = (gradient * (uniforms > torch.sigmoid(-logits))).sum(0)
        return (gradient.to(soft.dtype) * soft * (1 - soft)).sum(0) * weight, of_weight, None, None


class _Compiled(torch.autograd.Function):
    """The same from whole numbers k, which stand for u = (k + 1/2) / LEVELS."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, weight: Tensor, numbers: np.ndarray, out: Tensor) -> Tensor:
        odds = _odds(logits)
        ctx.save_for_backward(weight, odds)
        ctx.numbers = numbers
        _sample(_flat(weight), _flat(odds), numbers, _lines(out))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        weight, odds = ctx.saved_tensors
        if gradient[0].stride() != weight.stride() or gradient[0].numel() != gradient.stride(0):
            gradient = _samples_like(weight, len(gradient)).copy_(gradient)
        total = torch.empty_like(weight)
        _slope(_lines(gradient), _flat(weight), _flat(odds), ctx.numbers, _flat(total))
        of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = torch.empty_like(weight)
            _through(_lines(gradient), _flat(odds), ctx.numbers, _flat(of_weight))
        return total, of_weight, None, None


def _odds(logits: Tensor) -> Tensor:
    """exp(-l), of a size that does not overflow."""
    return logits.clamp(-LARGEST, LARGEST).neg_().exp_()


def _samples_like(weight: Tensor, samples: int) -> Tensor:
    """Memory for samples of a weight, each laid out as the weight is."""
    return torch.empty_strided(
        (samples, *weight.shape), (weight.numel(), *weight.stride()), dtype=weight.dtype, device=weight.device
    )


def _flat(tensor: Tensor) -> np.ndarray:
    """A view of a dense tensor, in the order of its memory."""
    return tensor.detach().as_strided((tensor.numel(),), (1,)).numpy()


def _lines(samples: Tensor) -> np.ndarray:
    """The same of samples, a line each."""
    n = samples[0].numel()
    return samples.detach().as_strided((len(samples), n), (n, 1)).numpy()


@_loop
def _sample(weight, odds, numbers, out):  # type: ignore[no-untyped-def]
    """Weights where s > 0.5, which is u > odds / (1 + odds), and zero elsewhere."""
    one, half, levels = np.float32(1), np.float32(0.5), np.float32(LEVELS)
    for s in range(numbers.shape[0]):
        for i in range(weight.size):
            limit = levels - levels / (one + odds[i]) - half
            out[s, i] = weight[i] if numbers[s, i] > limit else np.float32(0)


@_loop
def _slope(gradient, weight, odds, numbers, out):  # type: ignore[no-untyped-def]
    """Sum over samples of gradient w s (1 - s)."""
    one, half, unit = np.float32(1), np.float32(0.5), np.float32(1 / LEVELS)
    for i in range(weight.size):
        out[i] = 0
    for s in range(numbers.shape[0]):
        for i in range(weight.size):
            u = (np.float32(numbers[s, i]) + half) * unit
            soft = u / (u + (one - u) * odds[i])
            out[i] += gradient[s, i] * soft * (one - soft) * weight[i]


@_loop
def _through(gradient, odds, numbers, out):  # type: ignore[no-untyped-def]
    """Sum over samples of the gradient where the weight was kept."""
    one, half, levels = np.float32(1), np.float32(0.5), np.float32(LEVELS)
    for i in range(odds.size):
        out[i] = 0
    for s in range(numbers.shape[0]):
        for i in range(odds.size):
            limit = levels - levels / (one + odds[i]) - half
            out[i] += gradient[s, i] if numbers[s, i] > limit else np.float32(0)
