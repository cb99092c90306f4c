"""Graphs of networks that branch: equal to those of chains where they are chains, and to perturbations elsewhere."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import Phase, given, settings, strategies as st
from perturbed import joined_as_perturbed
from torch import Tensor, nn
from torch.nn import functional as F

from modlib.errors import GraphError, InputError
from modlib.graphs import NULLS, cluster, neuron_graph, shuffle_graph, spectral_embedding
from modlib.graphs.branching import traced_graph
from modlib.graphs.neurons import NeuronGraph
from modlib.networks import perceptron, simple_cnn, small_cnn, trace, vgg16
from modlib.networks.modules import FlattenChannelsLast


def normed() -> nn.Module:
    module = nn.Sequential(
        *(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 3))
    )
    with torch.no_grad():
        for norm in (module[1], module[5]):
            norm.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(0))
            norm.weight.uniform_(-2, 2, generator=torch.Generator().manual_seed(1))
    return module


CHAINS = {
    "perceptron": lambda: perceptron((12, 9, 7, 4), np.random.default_rng(0)),
    "colour CNN": lambda: simple_cnn(np.random.default_rng(0)),
    "small CNN": lambda: small_cnn(np.random.default_rng(0), side=8, dropout=True),
    "VGG": lambda: vgg16(np.random.default_rng(0), dropout=True),
    "normalised": normed,
}


@pytest.mark.parametrize("batch_norm", ["fold", "ignore"])
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_that_is_traced_has_the_graph_of_a_chain_bit_by_bit(name: str, batch_norm: str) -> None:
    module = CHAINS[name]()
    chain, traced = neuron_graph(module, batch_norm), traced_graph(trace(module), batch_norm)  # type: ignore[arg-type]
    assert (chain.sizes, chain.names, chain.batch_norm) == (traced.sizes, traced.names, traced.batch_norm)
    assert_same_edges(chain, traced)
    for null in NULLS[:1] if name == "VGG" else NULLS:  # of millions of weights the others take minutes
        ours, theirs = (shuffle_graph(graph, null, np.random.default_rng(3)) for graph in (chain, traced))  # type: ignore[arg-type]
        assert_same_edges(ours, theirs)


def assert_same_edges(first: NeuronGraph, second: NeuronGraph) -> None:
    assert list(first.edges) == list(second.edges)
    for pair, block in first.edges.items():
        np.testing.assert_array_equal(block, second.edges[pair])
    for ours, theirs in zip(first.live, second.live, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("flat", [True, False])
def test_a_norm_before_the_first_layer_scales_what_it_reads_in_a_chain_and_in_a_trace(flat: bool) -> None:
    norm = nn.BatchNorm1d(12) if flat else nn.BatchNorm2d(3)
    parts = [norm] if flat else [norm, nn.Flatten()]  # three channels of four pixels
    module = nn.Sequential(*parts, nn.Linear(12, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        norm.running_var.copy_(torch.linspace(0.5, 2, len(norm.running_var)))
        norm.weight.copy_(torch.linspace(-2, 3, len(norm.weight)))
    scale = (norm.weight.abs() / (norm.running_var + norm.eps).sqrt()).detach().repeat_interleave(1 if flat else 4)
    weight = module[len(parts)].weight.detach().abs().T
    for batch_norm, wanted in (("fold", weight * scale[:, None]), ("ignore", weight)):
        inputs = None if flat else torch.zeros(1, 3, 2, 2)
        chain, traced = neuron_graph(module, batch_norm), traced_graph(trace(module, inputs), batch_norm)  # type: ignore[arg-type]
        assert chain.batch_norm == traced.batch_norm == batch_norm
        for graph in (chain, traced):
            assert graph.sizes[-3:] == (12, 3, 2)
            np.testing.assert_allclose(np.asarray(graph.edges[0, 1]), wanted, rtol=1e-6)


def test_a_norm_of_channels_scales_them_in_the_order_in_which_they_are_flattened() -> None:
    norm, linear = nn.BatchNorm2d(3, eps=0), nn.Linear(12, 2)
    nn.init.ones_(linear.weight)
    norm.running_var.copy_(torch.tensor([1.0, 4.0, 16.0]))
    for flatten, wanted in ((nn.Flatten(), np.repeat), (FlattenChannelsLast(), np.tile)):
        graph = neuron_graph(nn.Sequential(norm, flatten, linear))
        np.testing.assert_allclose(np.asarray(graph.edges[0, 1])[:, 0], wanted([1, 0.5, 0.25], 4))


class Dag(nn.Module):
    """A network that is drawn: every step reads one or two earlier ones, side by side or added if no layer is in both.

    A layer that is added to itself counts twice, and a perturbation shows only that it counts.
    """

    def __init__(self, steps: list[tuple[str, int, int, int]], dense: bool) -> None:
        super().__init__()
        self.dense, self.steps = dense, []
        widths = [3]
        sources: list[set[int]] = [set()]  # layers that reach a step without another one in between
        self.has_edges = dense  # an image is no layer
        for number, (kind, first, second, stride) in enumerate(steps):
            i, j = first % len(widths), second % len(widths)
            if kind == "layer" or (kind == "sum" and (widths[i] != widths[j] or sources[i] & sources[j])):
                layer = nn.Linear(widths[i], 4) if dense else nn.Conv2d(widths[i], 4, 3, stride, padding=1)
                self.add_module(f"layer{number}", layer)
                self.has_edges |= bool(sources[i])
            self.steps.append((kind if kind == "cat" or not hasattr(self, f"layer{number}") else "layer", i, j))
            widths.append(
                widths[i] + widths[j] if kind == "cat" else 4 if hasattr(self, f"layer{number}") else widths[i]
            )
            sources.append({number} if hasattr(self, f"layer{number}") else sources[i] | sources[j])
        self.has_edges |= bool(sources[-1])
        self.last = nn.Linear(widths[-1], 2) if dense else nn.Conv2d(widths[-1], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for number, (kind, i, j) in enumerate(self.steps):
            a, b = values[i], values[j]
            if not self.dense:
                b = F.adaptive_avg_pool2d(b, a.shape[2:])
            if kind == "layer":
                values.append(getattr(self, f"layer{number}")(a).relu())
            else:
                values.append(torch.cat([a, b], 1) if kind == "cat" else a + b)
        return self.last(values[-1])


drawn = st.tuples(
    st.sampled_from(["layer", "layer", "sum", "cat"]), st.integers(0, 20), st.integers(0, 20), st.sampled_from([1, 2])
)


@settings(max_examples=20, phases=(Phase.explicit, Phase.generate))
@given(st.lists(drawn, min_size=3, max_size=7), st.booleans())
def test_the_graph_of_a_drawn_network_is_what_perturbations_show(
    steps: list[tuple[str, int, int, int]], dense: bool
) -> None:
    module = Dag([("layer", 0, 0, 1), *steps], dense)
    if not module.has_edges:
        with pytest.raises(GraphError, match=r"no two of the layers .* are joined by weights"):
            neuron_graph(module)
        return
    joined_as_perturbed(module, neuron_graph(module), torch.rand((1, 3) if dense else (1, 3, 8, 8)), tries=3)


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(5, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu()
        return self.last(hidden + self.second(hidden).relu())


def test_layers_that_are_added_are_joined_by_the_same_weights_and_shuffled_together() -> None:
    graph = neuron_graph(Skip())
    assert graph.names == ("input", "first", "second", "last")
    np.testing.assert_array_equal(graph.edges[1, 3], graph.edges[2, 3])
    for null in NULLS:
        shuffled = shuffle_graph(graph, null, np.random.default_rng(0))  # type: ignore[arg-type]
        np.testing.assert_array_equal(shuffled.edges[1, 3], shuffled.edges[2, 3])
        assert not np.array_equal(shuffled.edges[1, 3], graph.edges[1, 3])
        np.testing.assert_array_equal(np.sort(np.ravel(shuffled.edges[1, 3])), np.sort(np.ravel(graph.edges[1, 3])))


def test_a_shuffle_keeps_the_groups_of_a_convolution() -> None:
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 4, 1, groups=2))
    graph = neuron_graph(module)
    places = [np.eye(6), np.kron(np.eye(2), np.ones((3, 2)))]
    shuffled = shuffle_graph(graph, "layer", np.random.default_rng(0))
    for pair, wanted in zip([(0, 1), (1, 2)], places, strict=True):
        own, moved = (sp.csr_array(one.edges[pair]).toarray() for one in (graph, shuffled))
        np.testing.assert_array_equal(own > 0, wanted)
        np.testing.assert_array_equal(moved > 0, wanted)
        np.testing.assert_array_equal(np.sort(moved, axis=None), np.sort(own, axis=None))
        assert not np.array_equal(moved, own)


def test_a_norm_before_a_layer_scales_what_it_reads() -> None:
    """As in densely connected networks, where one output goes through several normalisations."""

    class Before(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.left, self.right = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(3, 2)
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.first(x)
            return self.left(self.norm(hidden).relu()) + self.right(hidden)

    module = Before()
    with torch.no_grad():
        module.norm.weight.copy_(torch.tensor([2.0, -3.0, 0.5]))
        module.norm.running_var.copy_(torch.tensor([4.0, 1.0, 0.25]))
    module.norm.eps = 1e-12
    folded, ignored = neuron_graph(module), neuron_graph(module, batch_norm="ignore")
    weights = [np.abs(layer.weight.detach().numpy().T) for layer in (module.first, module.left, module.right)]
    np.testing.assert_allclose(folded.edges[1, 2], weights[1] * np.array([[1], [3], [1]]), rtol=1e-6)
    for graph in (folded, ignored):
        np.testing.assert_array_equal(graph.edges[0, 1], weights[0])
        np.testing.assert_array_equal(graph.edges[1, 3], weights[2])
    np.testing.assert_array_equal(ignored.edges[1, 2], weights[1])
    assert (folded.batch_norm, ignored.batch_norm) == ("fold", "ignore")


def test_every_route_finds_the_same_eigenvectors_of_a_branching_graph() -> None:
    graph = neuron_graph(Skip())
    assert not graph.is_bipartite
    embedding = spectral_embedding(graph, 3, "arpack")
    np.testing.assert_allclose(spectral_embedding(graph, 3, "amg"), embedding, atol=1e-6)
    np.testing.assert_allclose(graph.degrees, graph.adjacency.toarray().sum(axis=1))
    with pytest.raises(GraphError, match="for the route bipartite; expected a layered graph"):
        spectral_embedding(graph, 3, "bipartite")


def test_units_have_names_and_a_table() -> None:
    module = Skip()
    with torch.no_grad():
        module.first.weight[2] = 0
        module.second.weight[:, 2], module.last.weight[:, 2] = 0, 0
    graph = neuron_graph(module)
    found = cluster(graph, 2, np.random.default_rng(0))
    by_name = graph.labels_by_name(found.labels)
    assert {name: len(labels) for name, labels in by_name.items()} == {"input": 5, "first": 4, "second": 4, "last": 3}
    table = graph.table(found.labels)
    assert list(table.columns) == ["unit", "layer", "index", "cluster", "degree"]
    assert table["unit"].tolist()[5:9] == ["first[0]", "first[1]", "first[2]", "first[3]"]
    assert table.loc[7, ["cluster", "degree"]].tolist() == [-1, 0]
    np.testing.assert_array_equal(table["cluster"], np.concatenate(list(by_name.values())))
    np.testing.assert_allclose(table.loc[table["cluster"] >= 0, "degree"], graph.degrees)
    assert "cluster" not in graph.table()


def test_what_makes_no_graph_is_refused() -> None:
    with pytest.raises(GraphError, match=r"no two of the layers input, 0 are joined"):
        neuron_graph(nn.Sequential(nn.Conv2d(2, 4, 3, groups=2)))
    with pytest.raises(InputError, match="batch_norm = 'drop' arrived"):
        neuron_graph(Skip(), batch_norm="drop")  # type: ignore[arg-type]
    module = Skip()
    with torch.no_grad():
        module.second.weight[0, 0] = float("nan")
    with pytest.raises(GraphError, match=r"the weight of layer .* holds 1 NaN or infinite value"):
        neuron_graph(module)


class Gained(nn.Module):
    """Activities that are multiplied by hand: by a gain a unit, a mask, and numbers in a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.gain = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 3.0]))
        self.register_buffer("mask", torch.tensor([[[1.0, 1.0, 0.0, 1.0]]]))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu() * self.gain
        above = torch.mul(0.1, self.second(hidden).relu()) * self.mask[0]
        return self.last(torch.add(hidden / 4, above, alpha=-3))


def test_constants_that_multiply_activities_multiply_their_edges() -> None:
    module = Gained()
    graph = neuron_graph(module)
    first, second, last = (
        layer.weight.detach().abs().T.numpy() for layer in (module.first, module.second, module.last)
    )
    gain, mask = module.gain.detach().abs().numpy(), module.mask[0, 0].numpy()[:, None]
    np.testing.assert_allclose(graph.edges[0, 1], first * gain, rtol=1e-6)  # it goes with the layer, as batch norm
    np.testing.assert_allclose(graph.edges[1, 2], 3 / 10 * second[:, [0, 1, 3]], rtol=1e-6)  # before the sum
    np.testing.assert_allclose(graph.edges[1, 3], last / 4, rtol=1e-6)
    np.testing.assert_allclose(graph.edges[2, 3], (mask * last)[[0, 1, 3]], rtol=1e-6)
    assert graph.batch_norm == "fold"
    np.testing.assert_allclose(neuron_graph(module, "ignore").edges[2, 3], mask * last, rtol=1e-6)
    names = [trace(module).layers[weights.layer].name for weights in trace(module).weights]
    assert names == ["first", "second", "last"]


def test_a_constant_that_is_0_at_some_places_leaves_what_it_lets_through() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(x) * torch.tensor([[0.0], [2.0]]))

    module = Padded()
    graph = neuron_graph(module, inputs=torch.zeros(2, 2, 3))
    np.testing.assert_allclose(graph.edges[1, 2], 2 * module.last.weight.detach().abs().T, rtol=1e-6)


def test_constants_of_a_function_that_is_written_by_hand_are_no_gains() -> None:
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            gelu = 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.045 * x**3)))
            return self.last(gelu * torch.sigmoid(gelu))

    module = ByHand()
    graph = neuron_graph(module)
    np.testing.assert_allclose(graph.edges[1, 2], module.last.weight.detach().abs().T, rtol=1e-6)
    assert graph.batch_norm is None
