"""Steps of training on a GPU that are started as one: captured once, then replayed on other examples.

A step of a small network is a hundred short kernels, and starting them one by one takes longer than running them. A
CUDA graph starts all at once. On a processor steps are taken as they are. Chapters: ``convolutional-networks``,
``weight-masks``, ``class-removal``, ``transfer``.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, fx, nn

from modlib.networks.modules import device_of
from modlib.processor import seeded_torch

ORDINARY = 3  # steps before one is captured, in which libraries choose their kernels
WAITS = "synchronizing CUDA operation"  # PyTorch's words for what a captured step must not do


class Replay:
    """A step that is replayed, once it has been taken a few times on examples of one shape; others are taken as usual.

    What changes from step to step must be in tensors that the step reads, for a replay uses the same memory again, and
    Python code does not run again. So steps are only replayed on a GPU; if no number decides which way the forward pass
    takes, that is if ``torch.fx`` can trace it; and if the last ordinary step did not wait for a number.

    Args:
        step: takes inputs and targets, changes something in place, and returns a loss without a gradient.
        module: what the step computes with.

    Attributes:
        captured: whether steps are replayed by now.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], Tensor], module: nn.Module) -> None:
        self.step, self.taken, self.captured, self.waits = step, 0, False, False
        device = device_of(module)
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" and _one_way(module) else None
        self.shapes: tuple[torch.Size, torch.Size] | None = None  # of the first inputs and targets

    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Take a step; the loss that is returned is written over by the next one."""
        if self.stream is None:
            return self.step(inputs, targets)
        here = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            loss = self._taken(inputs, targets)
        here.wait_stream(self.stream)
        return loss

    def _taken(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.shapes = self.shapes or (inputs.shape, targets.shape)
        if self.waits or (inputs.shape, targets.shape) != self.shapes:
            return self.step(inputs, targets)
        self.taken += 1
        if self.taken < ORDINARY:
            return self.step(inputs, targets)
        if self.taken == ORDINARY:
            return self._watched(inputs, targets)
        if not self.captured:
            gc.collect()  # an earlier graph that is only held by a circle must not be freed during the capture
            self.inputs, self.targets, self.graph = inputs.clone(), targets.clone(), torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.loss = self.step(self.inputs, self.targets)
            self.captured = True
        self.inputs.copy_(inputs)
        self.targets.copy_(targets)
        self.graph.replay()
        return self.loss

    def _watched(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Take a step, and note whether it waits for a number: a capture would fail where nothing can be put right."""
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                loss = self.step(inputs, targets)
        finally:
            torch.cuda.set_sync_debug_mode(before)
        for warning in caught:
            if WAITS in str(warning.message):
                self.waits = True
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return loss


def _one_way(module: nn.Module) -> bool:
    try:
        fx.symbolic_trace(module)
    except Exception:  # tracing runs the model's own code, which may raise anything
        return False
    return True


@contextmanager
def seeded(device: torch.device, rng: np.random.Generator) -> Iterator[None]:
    """Seed PyTorch's global generators that training on a device draws from, for the time of the block."""
    with seeded_torch(int(rng.integers(2**63)), device if device.type == "cuda" else None):
        yield
