"""The forward pass of any chain network with lesions, in two parts: what comes before them is computed once.

Behind a lesion, a batch of lesions goes through the network at once. Where a convolution comes next, its sums change
only by what the lesioned channels gave it: a convolution of a few channels in place of all. Chapter: ``importance``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.func import vmap
from torch.nn.functional import conv2d

from modlib.networks.modules import LayerTracer, largest
from modlib.networks.network import Network, check_vectors

IMAGES_AT_ONCE = 1000
VALUES_AT_ONCE = 2_000_000  # of the activations of one layer, all lesions of a batch together: they stay in the cache


def answers(
    network: Network,
    images: np.ndarray,
    layer: int,
    masks: np.ndarray,
    common: Mapping[int, np.ndarray],
    zero_biases: bool,
) -> Iterator[np.ndarray]:
    """``modlib.lesions.damage.Answers`` for any network."""
    for found in outputs(network, images, layer, masks, common, zero_biases):
        yield largest(found).numpy()


def outputs(
    network: Network,
    images: np.ndarray,
    layer: int,
    masks: np.ndarray,
    common: Mapping[int, np.ndarray],
    zero_biases: bool,
) -> Iterator[Tensor]:
    """All outputs with each of many lesions, (sets, images, classes), for a block of images after the other.

    Arguments are those of ``modlib.lesions.damage.Answers``.

    Raises:
        InputError: if the network gives other than one vector an image.
    """
    forward = _Forward(network, zero_biases)
    lesions, tensors = torch.as_tensor(masks), {at: torch.as_tensor(mask) for at, mask in common.items()}
    route = forward.by_changes if forward.feeds_convolution(layer) else forward.in_batches
    with torch.no_grad():
        values = forward.until(_tensor(images[:1]), layer, tensors)[-1].numel()
        step = min(IMAGES_AT_ONCE, max(1, VALUES_AT_ONCE // values))
        for start in range(0, len(images), step):
            before = forward.until(_tensor(images[start : start + step]), layer, tensors)
            found = torch.cat(list(route(before, layer, lesions, tensors)))
            check_vectors(found.shape[1:])
            yield found


class _Forward:
    """The steps of a network, with lesions. Values are those of all steps so far; masks are lesions by layer."""

    def __init__(self, network: Network, zero_biases: bool) -> None:
        self.graph = fx.GraphModule(network.module, LayerTracer().trace(network.module))
        self.nodes = list(self.graph.graph.nodes)
        weights = [node for node in self.nodes if node.op == "call_module" and self._layer_of(node)]
        self.place = {layer: self.nodes.index(node) for layer, node in enumerate(weights, start=1)}
        self.rest = {}  # pre-activation of a lesioned unit, by layer
        for number, (node, layer) in enumerate(zip(weights, network.layers, strict=True), start=1):
            bias = self._layer_of(node).bias
            value = torch.zeros(layer.kernel.shape[-1]) if bias is None or zero_biases else bias.detach()
            self.rest[number] = value[:, None, None] if layer.kind == "conv" else value

    def feeds_convolution(self, layer: int) -> bool:
        """Whether a convolution is the next layer, and every channel goes there on its own."""
        between = map(self._kind, self.nodes[self.place[layer] : self.place[layer + 1]])
        following = self._layer_of(self.nodes[self.place[layer + 1]])
        return (
            isinstance(following, torch.nn.Conv2d)
            and following.padding_mode == "zeros"
            and not any("softmax" in kind or kind in ("view", "reshape") for kind in between)
        )

    def until(self, images: Tensor, layer: int, masks: Mapping[int, Tensor]) -> list[Any]:
        """Values of all steps up to the pre-activations of a layer."""
        return self._go([images], self.place[layer] + 1, masks)

    def in_batches(
        self, before: Sequence[Any], layer: int, lesions: Tensor, masks: Mapping[int, Tensor]
    ) -> Iterable[Tensor]:
        """Outputs (lesions, n, classes) of a batch of lesions after the other, from what ``until`` gave."""
        *others, sums = before
        end = vmap(lambda mask: self._end([*others, self._lesion(sums, layer, mask)], masks))
        batches = -(-len(lesions) * sums.numel() // VALUES_AT_ONCE)
        return map(end, lesions.tensor_split(min(batches, len(lesions))))

    def by_changes(
        self, before: Sequence[Any], layer: int, lesions: Tensor, masks: Mapping[int, Tensor]
    ) -> Iterator[Tensor]:
        """The same for a layer that feeds a convolution, a lesion at a time."""
        following = self.place[layer + 1]
        convolution = self._layer_of(self.nodes[following])
        *others, sent, sums = self._go(before, following + 1, {})
        every = self._lesion(before[-1][:1], layer, torch.ones_like(lesions[0]))
        lesioned = self._go([*before[:-1], every], following, {})[-1]
        for mask in lesions:
            units, value = mask.nonzero()[:, 0], sums
            if len(units):
                change = (lesioned[:, units] - sent[:, units]).contiguous(memory_format=torch.channels_last)
                weight = convolution.weight[:, units]
                value = sums + conv2d(
                    change, weight, None, convolution.stride, convolution.padding, convolution.dilation
                )
            if layer + 1 in masks:
                value = self._lesion(value, layer + 1, masks[layer + 1])
            yield self._end([*others, sent, value], masks)[None]

    def _end(self, values: list[Any], masks: Mapping[int, Tensor]) -> Tensor:
        return self._go(values, len(self.nodes), masks)[-1]

    def _go(self, values: Sequence[Any], stop: int, masks: Mapping[int, Tensor]) -> list[Any]:
        """Values of all steps before ``stop``, from those of the first ones."""
        layer_at = {place: layer for layer, place in self.place.items()}
        steps = fx.Interpreter(self.graph, garbage_collect_values=False)
        steps.env = dict(zip(self.nodes, values, strict=False))
        found = list(values)
        for place in range(len(found), stop):
            value = steps.run_node(self.nodes[place])
            layer = layer_at.get(place, 0)  # 0 is no layer
            if layer in masks:
                value = self._lesion(value, layer, masks[layer])
            steps.env[self.nodes[place]] = value
            found.append(value)
        return found

    def _lesion(self, value: Tensor, layer: int, mask: Tensor) -> Tensor:
        rest = self.rest[layer]
        return torch.where(mask.reshape(rest.shape), rest, value)

    def _kind(self, node: fx.Node) -> str:
        """Name of the class or the function of a step, in lower case."""
        called = type(self.graph.get_submodule(str(node.target))) if node.op == "call_module" else node.target
        return str(getattr(called, "__name__", called)).lower()

    def _layer_of(self, node: fx.Node) -> Any:
        module = self.graph.get_submodule(str(node.target))
        return module if type(module).__name__ in ("Linear", "Conv2d") else None


def _tensor(images: np.ndarray) -> Tensor:
    return torch.as_tensor(np.asarray(images, dtype=np.float32))
