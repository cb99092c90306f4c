"""Lesions of networks of any shape are what a hook on one layer does, one lesion at a time."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchvision
from shapes import Attentive, Autoencoder, Deep, LSTMClassifier, ResidualMLP, UNet, built
from torch import Tensor, nn

from modlib.errors import InputError
from modlib.graphs.subclusters import SubCluster
from modlib.lesions import damages, double_lesions
from modlib.networks import as_network, trace


class Exported(Deep):
    """Its forward pass asks what shape arrives, which torch.fx cannot follow: weights stand in a list."""

    def forward(self, steps: Tensor) -> Tensor:
        return super().forward(steps if steps.shape[1] > 1 else steps.repeat(1, 2, 1))


class Cells(nn.Module):
    """Two recurrent cells in turn, whose weights stand alone."""

    def __init__(self, kind: type[nn.RNNCellBase]) -> None:
        super().__init__()
        self.first, self.second, self.out = kind(3, 4), kind(3, 4), nn.Linear(4, 3)

    def forward(self, steps: Tensor) -> Tensor:
        state = self.second(steps[:, 1], self.first(steps[:, 0] if steps.shape[1] > 1 else steps))
        return self.out(state[0] if isinstance(state, tuple) else state)


# Made when the file is read, by a generator of their own: the global one depends on what was read before.
DRAWN = torch.Generator().manual_seed(0)
IMAGES, COLOURED = (torch.rand(6, depth, side, side, generator=DRAWN) for depth, side in ((1, 8), (3, 32)))
FLAT, STEPS, WORDS, SQUARES = (
    torch.randn(shape, generator=DRAWN) for shape in ((40, 6), (30, 5, 3), (30, 5, 8), (30, 1, 8, 8))
)
TOKENS = torch.randint(11, (30, 5), generator=DRAWN)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "resnet18": (lambda: torchvision.models.resnet18(weights=None, num_classes=4), COLOURED),
    "u-net": (
        lambda: nn.Sequential(UNet(), nn.Flatten(), nn.Linear(64, 4)),
        4 * SQUARES,
    ),
    "autoencoder": (lambda: nn.Sequential(Autoencoder(), nn.Flatten()), torch.rand(12, 1, 28, 28, generator=DRAWN)),
    "residual perceptron": (ResidualMLP, FLAT),
    "lstm classifier": (LSTMClassifier, TOKENS),
    "deep lstm": (lambda: Deep(nn.LSTM), STEPS),
    "deep gru": (lambda: Deep(nn.GRU), STEPS),
    "exported lstm": (lambda: Exported(nn.LSTM), STEPS),
    "exported gru": (lambda: Exported(nn.GRU), STEPS),
    "lstm cells": (lambda: Cells(nn.LSTMCell), STEPS),
    "gru cells": (lambda: Cells(nn.GRUCell), STEPS),
    "attention": (Attentive, WORDS),
}
HEADS, GATES = 2, {nn.LSTM: 4, nn.GRU: 3, nn.LSTMCell: 4, nn.GRUCell: 3}


def without(module: nn.Module, name: str, kind: str, units: list[int], x: Tensor, zero_biases: bool) -> Tensor:
    """Answers of a network, some units of which have weights of zero, by editing these weights themselves."""
    module = copy.deepcopy(module).eval()
    with torch.no_grad():
        for weight, rows in rows_of(module, name, kind, units):
            if weight is not None and (weight.ndim > 1 or zero_biases):
                weight[rows] = 0
        return module(x).argmax(1)


def rows_of(module: nn.Module, name: str, kind: str, units: list[int]) -> list[tuple[Tensor, list[int]]]:
    """Weights and biases of a layer, and their rows for some units."""
    if kind == "recurrent":
        path, _, layer = name.partition(".l")
        suffix = f"_l{layer.replace(' reverse', '_reverse')}" if layer else ""
        rnn = module.get_submodule(path)
        rows = [gate * rnn.hidden_size + unit for gate in range(GATES[type(rnn)]) for unit in units]
        return [(getattr(rnn, f"{part}{suffix}"), rows) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    if kind == "attention":
        path, part = name.rsplit(".", 1)
        attention = module.get_submodule(path)
        each, first = attention.head_dim, ["queries", "keys", "heads"].index(part) * attention.embed_dim
        rows = [first + unit * each + i for unit in units for i in range(each)]
        return [(attention.in_proj_weight, rows), (attention.in_proj_bias, rows)]
    layer = module.get_submodule(name)
    if isinstance(layer, nn.Embedding):
        return [(layer.weight.T, units)]
    return [(layer.weight.transpose(0, 1) if "Transpose" in type(layer).__name__ else layer.weight, units),
            (layer.bias, units)]  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_lesions_are_those_of_edited_weights(name: str) -> None:
    build, x = NETWORKS[name]
    module = built(build).eval()
    with torch.no_grad():
        for path, weight in module.named_parameters():  # answers that depend on more than biases
            weight *= 1 if "bias" in path or name == "resnet18" else 5
    found, changed = trace(module, x), 0
    with torch.no_grad():
        y = module(x).argmax(1).numpy()
    for layer in found.hidden[:: 6 if name == "resnet18" else 1]:
        what = found.layers[layer]
        sets = [[0], list(range(max(1, what.size - 1))), list(range(what.size))]
        zero_biases = bool(layer % 2)
        for units, damage in zip(sets, damages(found, x.numpy(), y, layer, sets, zero_biases=zero_biases), strict=True):
            wrong = without(module, what.name, what.kind, units, x, zero_biases).numpy() != y
            assert damage.drop == pytest.approx(wrong.mean()), (what, units)
            changed += wrong.sum()
    assert changed


def test_of_a_chain_they_are_those_of_the_engines_for_chains() -> None:
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten()
    module = built(lambda: nn.Sequential(*layers, nn.Linear(80, 3)))
    x, y = IMAGES.numpy(), np.arange(6) % 3
    for layer in (1, 2):
        for common in ({}, {1: [2]}, {2: [0, 3]}):
            chain, traced = (
                damages(network, x, y, layer, [[0], [1, 2]], common)
                for network in (as_network(module), trace(module, IMAGES))
            )
            assert [one.drop for one in chain] == [one.drop for one in traced]
            assert [one.class_drops.tolist() for one in chain] == [one.class_drops.tolist() for one in traced]


def test_two_directions_of_one_step_can_be_lesioned_together() -> None:
    build, x = NETWORKS["deep lstm"]
    module = built(build)
    found = trace(module, x)
    numbers = {found.layers[layer].name: layer for layer in found.hidden}
    first, second = (
        SubCluster(numbers[name], 0, np.array([0, 1]), np.arange(4), 4) for name in ("rnn.l1", "rnn.l1 reverse")
    )
    y = module(x).argmax(1).numpy()
    pairs = double_lesions(found, x.numpy(), y, [first, second], 3, np.random.default_rng(0))
    both = copy.deepcopy(module)
    with torch.no_grad():
        for name in ("rnn.l1", "rnn.l1 reverse"):
            for weight, rows in rows_of(both, name, "recurrent", [0, 1]):
                weight[rows] *= weight.ndim == 1
        alone = (without(module, "rnn.l1", "recurrent", [0, 1], x, False).numpy() == y).mean()
        assert pairs[0].delta == pytest.approx(alone - (both(x).argmax(1).numpy() == y).mean())


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shared, self.out = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.shared(self.shared(x).relu()).relu())


def test_of_a_layer_that_is_called_twice_every_call_is_lesioned_alone() -> None:
    module = built(Twice)
    with torch.no_grad():
        for layer in (module.shared, module.out):
            layer.weight *= 5
    found = trace(module, FLAT)
    assert [found.layers[layer].name for layer in found.hidden] == ["shared", "shared (2)"]
    y = module(FLAT).argmax(1).numpy()
    for call, layer in enumerate(found.hidden):
        seen: list[int] = []

        def hook(part: nn.Linear, _: object, output: Tensor, call: int = call, seen: list[int] = seen) -> Tensor:
            seen.append(len(seen))
            gone = torch.arange(6) < 3
            return torch.where(gone, part.bias, output) if seen[-1] == call else output

        handle = module.shared.register_forward_hook(hook)  # type: ignore[arg-type]
        wrong = module(FLAT).argmax(1).numpy() != y
        handle.remove()
        (damage,) = damages(found, FLAT.numpy(), y, layer, [[0, 1, 2]])
        assert damage.drop == pytest.approx(wrong.mean())
        assert wrong.any()


def test_what_cannot_be_lesioned_is_refused_by_name() -> None:
    found = trace(ResidualMLP(), FLAT)
    with pytest.raises(InputError, match="'end', an input or output"):
        damages(found, FLAT.numpy(), np.zeros(40, dtype=int), len(found.layers) - 1, [[0]])
    with pytest.raises(InputError, match=r"\(n, 6\)"):
        damages(found, FLAT.numpy()[:, :5], np.zeros(40, dtype=int), 1, [[0]])
    with pytest.raises(InputError, match=r"\(n, classes\)"):
        damages(trace(UNet(), IMAGES), IMAGES.numpy(), np.zeros(6, dtype=int), 1, [[0]])
