"""The graph of a network by perturbing one unit at a time: what tracing is tested against."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from modlib.graphs import NeuronGraph

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d, nn.LocalResponseNorm)
ATTENTION = ("MultiheadAttention", "ShiftedWindowAttention", "RelativePositionalMultiHeadAttention")


def weighted(module: nn.Module) -> dict[str, nn.Module]:
    """Layers of weights that are called as modules, those within attention left out."""
    within = [name for name, part in module.named_modules() if type(part).__name__ in ATTENTION]
    return {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear | nn.modules.conv._ConvNd)
        and not any(name.startswith(f"{one}.") for one in within)
    }


@contextmanager
def hooked(module: nn.Module, outputs: dict[str, Tensor], inputs: dict[str, Tensor]) -> Iterator[None]:
    """Layers give what ``outputs`` says, whatever they get, which goes to ``inputs``; norms pass all on.

    So a change of one layer's output reaches only the layers that read it at once.
    """
    hooks, layers = [], weighted(module)
    for name, part in module.named_modules():
        if isinstance(part, NORMS) or "LayerNorm" in type(part).__name__:
            hooks.append(part.register_forward_hook(lambda part, given, _: given[0]))
        if type(part).__name__ in ATTENTION:
            hooks.append(part.register_forward_hook(lambda part, given, output: frozen(output)))
        if name in layers:

            def note(part: nn.Module, given: tuple[Tensor, ...], output: Tensor, name: str = name) -> Tensor:
                inputs[name] = given[0].clone()
                return outputs.setdefault(name, output.uniform_(0.1, 0.9)).clone()

            hooks.append(part.register_forward_hook(note))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def frozen(output: Any) -> Any:
    """Attention that gives the same whatever it sees."""
    return (frozen(output[0]), *output[1:]) if isinstance(output, tuple) else torch.full_like(output, 0.5)


def axis_of(layer: nn.Module) -> int:
    return -1 if isinstance(layer, nn.Linear) else 1


def naive_edges(module: nn.Module, x: Tensor, source: str, unit: int) -> dict[str, np.ndarray]:
    """Edges of one unit: the absolute weights of all features that change with it, summed, for every layer."""
    layers = weighted(module)
    outputs: dict[str, Tensor] = {}
    before: dict[str, Tensor] = {}
    after: dict[str, Tensor] = {}
    with torch.no_grad(), hooked(module, outputs, before):
        module(x)
    axis = axis_of(layers[source])
    outputs[source] = outputs[source].clone()
    outputs[source].select(axis, unit).add_(torch.rand_like(outputs[source].select(axis, unit)) * 0.05 + 0.01)
    with torch.no_grad(), hooked(module, outputs, after):
        module(x)
    found = {}
    for name, layer in layers.items():
        changed = (before[name] - after[name]).abs().movedim(axis_of(layer), 0).flatten(1).amax(1) > 1e-6
        weight = dense_weight(layer)
        if changed.any():
            found[name] = weight[:, changed.numpy()].sum(1)
    return found


def dense_weight(layer: nn.Module) -> np.ndarray:
    """(outputs, inputs) absolute weights, summed over windows, those of all groups in one matrix."""
    weight = layer.weight.detach().abs().double()
    weight = weight.flatten(2).sum(2) if weight.ndim > 2 else weight
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        weight = weight.T
    groups = getattr(layer, "groups", 1)
    if groups == 1:
        return weight.numpy()
    return torch.block_diag(*weight.chunk(groups)).numpy()


def joined_as_perturbed(module: nn.Module, graph: NeuronGraph, x: Tensor, tries: int = 10, seed: int = 0) -> int:
    """Compare the edges of some units with what perturbing them shows; returns how many pairs of layers were joined."""
    rng = np.random.default_rng(seed)
    layers = [name for name in weighted(module) if name in graph.names]
    assert layers
    compared = 0
    for source in rng.permutation(layers)[:tries]:
        number = graph.names.index(source)
        unit = int(rng.integers(graph.sizes[number]))
        expected = naive_edges(module, x, source, unit)
        for target in layers:
            later = graph.names.index(target)
            if later > number:
                wanted = expected.get(target, np.zeros(graph.sizes[later]))
                what = f"{source}[{unit}] -> {target}"
                np.testing.assert_allclose(edges_of(graph, number, unit, later), wanted, rtol=1e-5, err_msg=what)
                compared += target in expected
    return compared


def edges_of(graph: NeuronGraph, layer: int, unit: int, later: int) -> np.ndarray:
    """Edge weights from one unit to all of a later layer."""
    found, block = np.zeros(graph.sizes[later]), graph.edges.get((layer, later))
    if block is not None and unit in graph.live[layer]:
        row = block[[int(np.searchsorted(graph.live[layer], unit))]]
        found[graph.live[later]] = np.ravel(row.toarray() if sp.issparse(row) else row)
    return found
