"""What layers, networks and traces hold is checked where they are made."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from modlib.errors import InputError
from modlib.networks import BatchNorm, Layer, Network, UnitLayer, Weights, as_network, from_arrays, trace
from modlib.networks.units import Units

KERNEL, NORM = np.ones((4, 3)), BatchNorm(np.ones(3), np.zeros(3), np.zeros(3), np.ones(3), 1e-3)
IDENTITY = nn.Identity()
READS = sp.eye_array(4, format="csr")


def weights(**other: object) -> Weights:
    given = {"layer": 1, "kernel": KERNEL, "groups": 1, "unit": np.arange(3), "reads": {0: READS}, "gain": None}
    return Weights(**{**given, **other})  # type: ignore[arg-type]


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "norm of numbers": (lambda: BatchNorm(1, 0, 0, 1, 0.1), "gamma = 1 arrived"),
    "norm of two lengths": (lambda: BatchNorm(np.ones(3), np.ones(2), np.ones(3), np.ones(3), 0), r"beta .* \(3\)"),
    "variance": (lambda: BatchNorm(np.ones(1), np.ones(1), np.ones(1), -np.ones(1), 0), "variance .* at least 0"),
    "not finite": (lambda: BatchNorm(np.ones(1), np.ones(1), np.full(1, np.nan), np.ones(1), 0), "mean .* finite"),
    "epsilon": (lambda: BatchNorm(np.ones(1), np.ones(1), np.ones(1), np.ones(1), -1), "epsilon = -1"),
    "name": (lambda: Layer(3, KERNEL, None), "name = 3 arrived"),  # type: ignore[arg-type]
    "vector": (lambda: Layer("a", np.ones(3), None), r"kernel .* \(in, out\) or \(height, width, in, out\)"),
    "text": (lambda: Layer("a", "x", None), "kernel of layer 'a' = 'x' arrived"),  # type: ignore[arg-type]
    "infinite": (lambda: Layer("a", np.full((2, 2), np.inf), None), "kernel .* 4 not finite"),
    "bias": (lambda: Layer("a", KERNEL, np.ones(4)), r"bias .* \(3\)"),
    "activation": (lambda: Layer("a", KERNEL, None, "rel"), "activation = 'rel' arrived; .*relu"),
    "norm of a layer": (lambda: Layer("a", KERNEL.T, None, batch_norm=NORM), "batch_norm of 3 features .* of 4"),
    "no layer": (lambda: Network((), IDENTITY), r"layers = \(\) arrived"),
    "other layers": (lambda: Network((1,), IDENTITY), "a layer = 1 arrived; expected a Layer"),  # type: ignore[arg-type]
    "no module": (lambda: Network((Layer("a", KERNEL, None),), None), "module = None arrived"),  # type: ignore[arg-type]
    "no chain": (
        lambda: Network((Layer("a", KERNEL, None), Layer("b", KERNEL, None)), IDENTITY),
        "'b' reads 4 features of",
    ),
    "first norm": (lambda: Network((Layer("a", KERNEL, None),), IDENTITY, NORM), "input_norm of 3 features"),
    "size": (lambda: UnitLayer("a", 0, "dense", False), "size of layer 'a' = 0 arrived"),
    "kind": (lambda: UnitLayer("a", 1, "dens", False), "kind = 'dens' arrived; .*dense"),
    "positions": (lambda: UnitLayer("a", 1, "dense", 2), "positions = 2 arrived"),  # type: ignore[arg-type]
    "axis": (lambda: UnitLayer("a", 1, "dense", True, axis=0.5), "axis = 0.5 arrived"),  # type: ignore[arg-type]
    "unit": (lambda: weights(unit=np.arange(4)), r"unit .* \(3,\)"),
    "groups": (lambda: weights(groups=0), "groups = 0 arrived"),
    "reads": (lambda: weights(reads={0: READS[:, :2]}), r"reads\[0\] .* \(units, 4\)"),
    "reads dense": (lambda: weights(reads={0: np.eye(4)}), r"expected a sparse matrix"),
    "gain": (lambda: weights(gain=-np.ones(3)), "gain .* at least 0"),
    "matrix": (lambda: weights(kernel=np.ones(3)), r"expected one of shape \(..., features, outputs\)"),
    "units": (
        lambda: Units(torch.zeros(1, 3), torch.ones(1, 2)),
        r"shape \(1, 2\) arrived for units of shape \(1, 3\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_where_it_is_made(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        make()


def test_what_is_read_from_models_is_what_these_hold() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 3)
    )
    network = as_network(module)
    assert Network(network.layers, network.module).layers == network.layers
    assert [layer.kind for layer in network.layers] == ["conv", "dense", "dense"]
    assert weights().kernel is KERNEL
    assert from_arrays([KERNEL]).layers[0].kernel.dtype == np.float32
    assert trace(module, np.zeros((2, 1, 4, 4))).weights[0].gain is not None
