"""Weights by name, as state dicts and parameter trees hold them: put in the order of the network.

A state dict does not say in which order its layers are called, and of square matrices shapes do not tell. Names that
differ by their numbers do; otherwise the reader of the network must say. Chapter: ``clusterability``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modlib.checks import arrived, choice, items, real_numbers
from modlib.errors import InputError, nearest

TORCH, FLAX = "weight", ("kernel", "w")  # names of kernels, (out, in, ...) and (..., in, out)
COMPUTED = ("weight_orig", "weight_g", "weight_v", "original", "original0", "original1")  # weights are made of these
WAY_OUT = "load them into their model and pass that"


def ordered_weights(
    state: Mapping[Any, Any], order: Sequence[str] | None = None, input_first: Sequence[str] = ()
) -> list[np.ndarray]:
    """Weights of a state dict or a tree of parameters, one a layer, in order, as ``neuron_graph`` takes them.

    Args:
        state: a mapping of arrays by name, perhaps with mappings within: a state dict of PyTorch, what safetensors
            reads, or parameters of flax or haiku. ``weight`` is (out, in, ...), ``kernel`` and ``w`` are
            (..., in, out). What is no matrix or kernel, such as biases and norms, is left out.
        order: names of layers, those before ``weight`` or ``kernel``, from input to output; others are left out. It may
            be missing where names differ by their numbers alone, or only one order of the shapes makes a chain.
        input_first: names of layers whose ``weight`` is (in, out, ...), as that of ConvTranspose and Embedding is in
            PyTorch. A state dict does not say so, and shapes do not tell where both are alike.

    Returns:
        Kernels (fan-in, fan-out), or (..., in, out) of convolutions.

    Raises:
        InputError: if there is no such layer, the order is not known, or a weight is computed from others.

    Chapter: ``clusterability``.

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> [weight.shape for weight in ordered_weights(model.state_dict())]
    [(4, 3), (3, 2)]
    >>> tree = {"encoder": {"kernel": np.ones((4, 4))}, "decoder": {"kernel": np.zeros((4, 4))}}
    >>> [weight.sum() for weight in ordered_weights(tree, order=["encoder", "decoder"])]
    [np.float64(16.0), np.float64(0.0)]
    """
    if not isinstance(state, Mapping):
        raise InputError(f"state = {arrived(state)} arrived; expected a mapping of arrays by name, as a state dict")
    input_first = items(input_first, "input_first", least=0)
    kernels: dict[str, np.ndarray] = {}
    for name, value in _flat(state):
        layer, _, kind = name.rpartition(".")
        if kind in COMPUTED:
            raise InputError(f"{name} arrived, from which a weight is computed; expected weights themselves: {WAY_OUT}")
        if kind == TORCH or kind in FLAX:
            kernel = weight_array(value, name)
            if not np.isfinite(kernel).all():
                raise InputError(f"{name} = {arrived(kernel)} arrived; expected finite weights")
            if kernel.ndim > 1:
                axes = (0, 1) if layer in input_first else (1, 0)
                kernels[layer] = kernel.transpose(*range(2, kernel.ndim), *axes) if kind == TORCH else kernel
        elif (
            order is None and len(shape := _shape(value)) > 1
        ):  # a recurrent layer's, an attention's or a parameter of its own
            raise InputError(
                f"{name} of shape {shape} arrived, a matrix that is no layer's {TORCH}, "
                f"{' or '.join(FLAX)}; name the layers that make the graph in order=, or {WAY_OUT}"
            )
    for name in input_first:
        choice(name, kernels, "a layer of input_first")
    if order is None:
        refuse_embeddings(set(kernels) - set(input_first), "name it in input_first=")
    return [kernels[name] for name in order_of({n: k.shape[-2:] for n, k in kernels.items()}, order)]


def refuse_embeddings(names: Collection[str], remedy: str) -> None:
    """Refuse layers that are embeddings by their names: their weights are (in, out), where those of others are turned.

    Raises:
        InputError: if there is one; the message has the remedy.

    >>> refuse_embeddings(["remembered", "members"], "")
    """
    for name in names:
        if re.search(r"(^|[._])(emb|embed|embedding|embeddings|wte|wpe)\d*([._]|$)", name, re.IGNORECASE):
            raise InputError(
                f"the layer {name!r} is an embedding by its name, whose weight PyTorch keeps as (in, out); expected to "
                f"be told: {remedy}, or name the layers that make the graph in order="
            )


def order_of(shapes: Mapping[str, tuple[int, ...]], order: Sequence[str] | None = None) -> list[str]:
    """Names of layers in the order of the network.

    Args:
        shapes: (in, out) of every layer by name.
        order: the names themselves, if they are known.

    Raises:
        InputError: if a name is not there, or the order is not known.
    """
    shown = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if not shapes:
        raise InputError("no weight, kernel or w of two or more axes arrived; expected at least one layer of weights")
    if order is not None:
        names = items(order, "order")
        for name in names:
            if not isinstance(name, str) or name not in shapes:
                raise InputError(f"no layer {name!r} among {shown}; {nearest(str(name), shapes)}")
        return names
    if len({re.sub(r"\d+", "#", name) for name in shapes}) == 1:
        return sorted(shapes, key=natural)
    chains = _chains(shapes, []) if _may_chain(shapes) else iter(())
    first, second = next(chains, None), next(chains, None)
    if first is None or second is not None:
        many = "more than one order makes a chain" if first else "no order makes a chain"
        raise InputError(f"layers {shown} arrived, of which {many}; expected order=, their names from input to output")
    return first


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts fc2 before fc10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _may_chain(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether some order of all layers is a chain: whether a graph of widths, joined by layers, has an Euler path."""
    surplus: Counter[int] = Counter()
    pieces: list[set[int]] = []
    for ends in shapes.values():
        surplus.subtract(ends[:1])
        surplus.update(ends[1:])
        joined = [piece for piece in pieces if piece & set(ends)]
        pieces = [*(piece for piece in pieces if piece not in joined), set(ends).union(*joined)]
    return len(pieces) == 1 and sum(map(abs, surplus.values())) <= 2


def _chains(shapes: Mapping[str, tuple[int, ...]], begun: list[str]) -> Iterator[list[str]]:
    """Orders of all layers in which each takes what the one before gives."""
    if len(begun) == len(shapes):
        yield begun
    for name, (fan_in, _) in shapes.items():
        if name not in begun and (not begun or shapes[begun[-1]][1] == fan_in):
            yield from _chains(shapes, [*begun, name])


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of what a state holds; none of what has no one shape."""
    try:
        return tuple(np.shape(value))
    except ValueError:  # lists of several lengths
        return ()


def _flat(state: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in state.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def weight_array(value: Any, name: str) -> np.ndarray:
    """An array or tensor of floating point numbers as an array; eight-bit weights have scales of their own.

    Raises:
        InputError: if it holds something else, or has no values.

    >>> weight_array([[1.0, 2.0]], "first.weight").shape
    (1, 2)
    """
    found = None if hasattr(value, "dtype") else real_numbers(value, name)
    kind = str((value if found is None else found).dtype)
    if "float" not in kind:
        raise InputError(f"{name} of type {kind} arrived; expected floating point weights: {WAY_OUT}")
    found = real_numbers(value, name) if found is None else found
    with np.errstate(over="ignore"):  # what becomes infinite is refused by who reads it
        return found if "float64" in kind else found.astype(np.float32)
