"""How alike the channels of convolutions are: by what reaches them, and by what they do to outputs and loss.

``modlib.communities.similarity`` has the paper's measures at every position of a map, which takes a pass for each. Here
a channel is one unit with one number, as in ``hidden_activities``: the sum over its map. What reaches it is the
gradient of that sum; what it does is what follows if its whole map rises by one. Chapter: ``do-the-measures-agree``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from modlib.checks import instance, whole
from modlib.errors import InputError
from modlib.networks.network import Network
from modlib.responses.activations import hidden_activities, relu_names

TOGETHER = 50  # inputs of which gradients are taken at once


@torch.enable_grad()
def channel_measures(network: Network, inputs: np.ndarray, n_upstream: int = 100) -> list[dict[str, np.ndarray]]:
    """Covariance, input and output sensitivity and loss Hessian between the channels of every convolution.

    With s the sums of ReLUs over maps, t a number added everywhere in a map, and p the softmax of the outputs y, they
    are the absolute values of

    - covariance: sum_x (s - mean)(s - mean)^T / (K - 1),
    - input sensitivity: mean_x J J^T, J = ds/dx,
    - output sensitivity: mean_x J^T J, J = dy/dt,
    - loss Hessian: mean_x J^T (diag p - p p^T) J, which is d^2 loss / dt^2, as the network is piecewise linear.

    Args:
        network: a chain of layers that begins with convolutions, with ReLU after all but the last.
        inputs: (K, channels, height, width), K at least 2.
        n_upstream: how many of the inputs, from the first, the input sensitivity is a mean over: every channel takes
            a backward pass of each.

    Returns:
        For every convolution the four matrices (channels, channels), symmetric and not negative, by name.

    Raises:
        InputError: if the network or inputs are of another kind, or there is one input only.

    Source: upstream-downstream 3.1, equations 1 to 4, for units that are channels. Chapter: ``do-the-measures-agree``.

    >>> from modlib.networks import as_network, small_cnn
    >>> network = as_network(small_cnn(np.random.default_rng(0), side=8))
    >>> found = channel_measures(network, np.random.default_rng(1).random((5, 1, 8, 8)), n_upstream=2)
    >>> [of_layer["loss Hessian"].shape for of_layer in found]
    [(64, 64), (64, 64), (64, 64)]
    """
    network = instance(network, Network, "network", "pass modlib.networks.as_network(model)")
    names = relu_names(network)[: n_convolutions(network)]
    inputs, n_upstream = network.inputs(inputs, at_least=2), whole(n_upstream, "n_upstream")
    activities = hidden_activities(network, inputs)[: len(names)]
    given = inputs[:n_upstream]
    upstream, outputs, hessians = (
        [np.zeros((layer.kernel.shape[-1],) * 2) for layer in network.layers[: len(names)]] for _ in range(3)
    )
    for x, maps, _ in _passes(network, names, given):
        for layer, values in enumerate(maps):
            sums = values.flatten(2).sum(2)
            rows = [torch.autograd.grad(sums[:, i].sum(), x, retain_graph=True)[0] for i in range(sums.shape[1])]
            jacobian = torch.stack(rows, 1).flatten(2)  # (inputs, channels, pixels)
            upstream[layer] += _sum_of_products(jacobian.transpose(1, 2))
    for _, maps, y in _passes(network, names, inputs):
        gradients = [torch.autograd.grad(y[:, i].sum(), maps, retain_graph=True) for i in range(y.shape[1])]
        p = y.detach().softmax(1)
        for layer in range(len(names)):
            jacobian = torch.stack(
                [each[layer].flatten(2).sum(2) for each in gradients], 1
            )  # (inputs, outputs, channels)
            centred = jacobian - torch.einsum("no,nou->nu", p, jacobian)[:, None]
            outputs[layer] += _sum_of_products(jacobian)
            hessians[layer] += _sum_of_products(p.sqrt()[:, :, None] * centred)
    return [
        {
            "covariance": np.abs(np.atleast_2d(np.cov(activity.T.astype(float)))),
            "input sensitivity": np.abs(upstream[layer]) / len(given),
            "output sensitivity": np.abs(outputs[layer]) / len(inputs),
            "loss Hessian": np.abs(hessians[layer]) / len(inputs),
        }
        for layer, activity in enumerate(activities)
    ]


def n_convolutions(network: Network) -> int:
    """Number of convolutions of a network that has them first, then dense layers, and a last one that is linear.

    Raises:
        InputError: if it has another form.
    """
    kinds = "".join(layer.kind[0] for layer in network.layers)  # as in "cccdd"
    if not re.fullmatch("c+d+", kinds) or network.layers[-1].activation != "linear":
        raise InputError(f"{network!r} arrived; expected convolutions, then dense layers, the last one linear")
    return kinds.count("c")


def _passes(
    network: Network, names: Sequence[str], inputs: np.ndarray
) -> Iterator[tuple[Tensor, list[Tensor], Tensor]]:
    """Inputs, maps behind the ReLU of every convolution, and outputs, with gradients, some inputs at a time."""
    maps: list[Tensor] = []
    hooks = [
        network.module.get_submodule(name).register_forward_hook(lambda *given: maps.append(given[2])) for name in names
    ]
    try:
        for batch in torch.as_tensor(inputs).split(TOGETHER):
            x = batch.clone().requires_grad_()
            maps.clear()
            outputs = network.module(x)
            if any(values.ndim != 4 for values in maps):
                raise InputError("a ReLU behind the flattening arrived; expected one right behind every convolution")
            yield x, list(maps), outputs
    finally:
        for hook in hooks:
            hook.remove()


def _sum_of_products(jacobian: Tensor) -> np.ndarray:
    """Sum of J^T J over inputs, of (inputs, outputs, units)."""
    flat = jacobian.detach().flatten(0, 1)
    return (flat.T @ flat).double().numpy()
