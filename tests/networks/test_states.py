"""Weights by name: in the order that their names or shapes tell, or in the one that is asked for; never guessed."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors.numpy import load_file, save_file
from torch import nn

from modlib.errors import DataError, InputError
from modlib.graphs import neuron_graph
from modlib.networks import load_network, ordered_weights


class Coder(nn.Module):
    """Layers that are registered in another order than they are called in, all of them square."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.hidden, self.encoder = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.hidden(self.encoder(x).relu()).relu())


def same_edges(weights: object, model: nn.Module) -> bool:
    ours, theirs = neuron_graph(weights), neuron_graph(model)
    return all(np.array_equal(ours.edges[pair], theirs.edges[pair]) for pair in theirs.edges)


def test_of_square_layers_the_order_is_asked_for_and_then_kept() -> None:
    model = Coder()
    with pytest.raises(InputError, match=r"decoder \(5, 5\).* more than one order makes a chain; expected order="):
        ordered_weights(model.state_dict())
    assert same_edges(ordered_weights(model.state_dict(), ["encoder", "hidden", "decoder"]), model)
    with pytest.raises(InputError, match=r"no layer 'encodr' among .* did you mean encoder"):
        ordered_weights(model.state_dict(), ["encodr"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=14), st.randoms(use_true_random=False))
def test_names_that_differ_by_numbers_have_their_order_whatever_that_of_the_mapping(widths: list[int], random) -> None:
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    model = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))
    state = list(model.state_dict().items())
    random.shuffle(state)
    for found, layer in zip(ordered_weights(dict(state)), layers, strict=True):
        np.testing.assert_array_equal(found, layer.weight.detach().T)


def test_shapes_tell_the_order_where_one_makes_a_chain() -> None:
    tree = {
        "head": {"kernel": np.ones((3, 2))},
        "stem": {"kernel": np.ones((7, 5))},
        "mid": {"kernel": np.ones((5, 3))},
    }
    assert [weight.shape for weight in ordered_weights(tree)] == [(7, 5), (5, 3), (3, 2)]
    with pytest.raises(InputError, match="no order makes a chain"):
        ordered_weights({**tree, "other": {"kernel": np.ones((9, 9))}})
    assert [weight.shape for weight in ordered_weights(tree, ["stem", "mid"])] == [(7, 5), (5, 3)]


def test_kernels_of_flax_and_torch_are_the_same_network() -> None:
    first, second, last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), nn.Conv2d(6, 2, 1)
    model = nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), second, nn.ReLU(), last)
    params: dict[str, object] = {
        f"Conv_{number}": {"kernel": layer.weight.detach().permute(2, 3, 1, 0).numpy(), "bias": layer.bias.detach()}
        for number, layer in enumerate((first, second, last))
    }
    flax = {"params": params | {"BatchNorm_0": {"scale": np.ones(4), "bias": np.zeros(4)}}}
    by_flax, by_torch = ordered_weights(flax), ordered_weights(model.state_dict(), ["0", "3", "5"])
    for ours, theirs in zip(by_flax, by_torch, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert neuron_graph(by_torch).sizes == (3, 4, 6, 2)


def test_safetensors_are_read_by_name_and_files_of_perceptrons_too(tmp_path: Path) -> None:
    model, path = Coder(), tmp_path / "weights.safetensors"
    save_file({name: value.numpy() for name, value in model.state_dict().items()}, path)
    order = ["encoder", "hidden", "decoder"]
    assert same_edges(ordered_weights(load_file(path), order), model)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    for name in ("weights.safetensors", "weights.pt"):
        with pytest.raises(InputError, match="expected order="):
            load_network(tmp_path / name)
        network = load_network(tmp_path / name, order=order)
        x = torch.rand(3, 5)
        torch.testing.assert_close(network.module(x), model(x))
    np.savez(tmp_path / "weights.npz", **{"kernel/0": np.eye(2)})
    with pytest.raises(InputError, match="whose arrays are numbered"):
        load_network(tmp_path / "weights.npz", order=["0"])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"fc": {"weight_orig": np.eye(2), "weight_mask": np.eye(2)}}, "from which a weight is computed"),
        ({"fc.parametrizations.weight.original0": np.eye(2)}, "from which a weight is computed"),
        ({"fc.weight": np.eye(2, dtype=np.int8)}, "of type int8 arrived; expected floating point"),
        ({"fc.weight": np.array(["a"])}, "expected floating point"),
        ({"fc.weight": torch.ones(2, 2, device="meta")}, r"fc.weight = tensor.* expected an array of real numbers"),
        ({"fc.weight": [[1.0, 2.0], [3.0]]}, "expected an array of real numbers"),
        ({"fc.weight": torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8)}, "expected floating point"),
        ({"norm.weight": np.ones(3)}, "expected at least one layer of weights"),
        ({}, "expected at least one layer of weights"),
        ([np.eye(2)], "expected a mapping of arrays by name"),
    ],
)
def test_what_holds_no_weights_themselves_is_refused(state: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ordered_weights(state)  # type: ignore[arg-type]


def test_half_precision_and_a_single_layer_are_read() -> None:
    layer = nn.Linear(3, 2).to(torch.bfloat16)
    (found,) = ordered_weights(layer.state_dict())
    np.testing.assert_array_equal(found, layer.weight.detach().float().T)


def test_sparse_weights_are_read_as_the_numbers_that_they_stand_for() -> None:
    weight = torch.tensor([[0.0, 2.0], [0.5, 0.0]])
    for held in (weight.to_sparse(), weight.to_sparse_csr()):
        (found,) = ordered_weights({"fc.weight": held})
        np.testing.assert_array_equal(found, weight.T)


@pytest.mark.parametrize("layer", [nn.Embedding(4, 4), nn.ConvTranspose1d(4, 4, 3), nn.ConvTranspose2d(4, 4, 3)])
def test_weights_that_have_inputs_first_are_said_to_as_shapes_do_not_tell(layer: nn.Module) -> None:
    nn.init.normal_(layer.weight)
    state = nn.Sequential(layer).state_dict()
    (found,) = ordered_weights(state, input_first=["0"])
    window = layer.weight.detach().movedim((0, 1), (-2, -1)).numpy()
    np.testing.assert_array_equal(found, window)
    (turned,) = ordered_weights(state)
    np.testing.assert_array_equal(turned, window.swapaxes(-1, -2))
    with pytest.raises(InputError, match="a layer of input_first = '1' arrived; expected one of 0"):
        ordered_weights(state, input_first=["1"])


@pytest.mark.parametrize("suffix", ["pt", "pth", "safetensors", "npz"])
def test_an_empty_file_is_said_to_be_damaged(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"empty.{suffix}"
    path.touch()
    with pytest.raises(DataError, match=rf"empty.{suffix} does not read as"):
        load_network(path)


def test_weights_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match=r"0.weight = .* not finite arrived; expected finite weights"):
        ordered_weights({"0.weight": np.array([[0.0, np.nan]])})


@pytest.mark.parametrize(
    "widths",
    [
        [(5, 5)] * 8 + [(6, 6)] * 8,  # in two pieces
        [(9, 4), (4, 5), (5, 4), (4, 3)] + [(3, 9)] * 6,  # more ways into 9 than out of it
        [(n, n + 1) for n in range(1, 30)] + [(40, 41)],
    ],
)
def test_layers_that_fit_nowhere_are_refused_without_trying_all_orders(widths: list[tuple[int, int]]) -> None:
    names = [f"{'abcdefghijklmnopqrstuvwxyz'[i % 26]}{'x' * (i // 26)}.weight" for i in range(len(widths))]
    state = {name: np.ones(ends[::-1]) for name, ends in zip(names, widths, strict=True)}
    with pytest.raises(InputError, match="of which no order makes a chain"):
        ordered_weights(state)


@pytest.mark.parametrize("name", ["emb", "embedding", "encoder.wte", "token_embed", "Embedding_0"])
def test_an_embedding_is_asked_about(name: str, tmp_path: Path) -> None:
    state = {f"{name}.weight": torch.ones(9, 8), "lin.weight": torch.ones(8, 8)}
    torch.save(state, tmp_path / "weights.pt")
    for read in (lambda: ordered_weights(state), lambda: load_network(tmp_path / "weights.pt")):
        with pytest.raises(InputError, match="is an embedding by its name"):
            read()
    assert [weight.shape for weight in ordered_weights(state, input_first=[name])] == [(9, 8), (8, 8)]
    assert [weight.shape for weight in ordered_weights(state, order=["lin"])] == [(8, 8)]
