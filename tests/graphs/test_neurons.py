"""modlib.graphs.neurons: the edges are |w|, isolated neurons leave, and what makes no graph is refused."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from modlib.errors import GraphError, InputError, ModlibError, ModlibWarning
from modlib.graphs.edges import Layout, edge_weights
from modlib.graphs.neurons import NeuronGraph, chain_graph, neuron_graph, unique
from modlib.graphs.spectral import ncut
from modlib.networks.normalisation import fold_batch_norm
from modlib.networks.planted import random_weights

entries = st.sampled_from([-2.0, -0.5, 0.0, 0.0, 0.25, 1.0])


@st.composite
def weight_lists(draw: st.DrawFn) -> list[np.ndarray]:
    """Weights of a small network with at least one edge, many of them zero."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    weights = [draw(arrays(float, shape, elements=entries)) for shape in pairwise(sizes)]
    weights[0][0, 0] = 1.0
    return weights


def naive_adjacency(weights: list[np.ndarray]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """|w| between all neurons of adjacent layers, and (layer, index) of every neuron with an edge."""
    sizes = [weights[0].shape[0], *(w.shape[1] for w in weights)]
    neurons = [(layer, index) for layer, size in enumerate(sizes) for index in range(size)]
    matrix = np.zeros((len(neurons), len(neurons)))
    for i, (layer, u) in enumerate(neurons):
        for j, (other, v) in enumerate(neurons):
            if other == layer + 1:
                matrix[i, j] = matrix[j, i] = abs(weights[layer][u, v])
    alive = matrix.sum(axis=1) > 0
    return matrix[np.ix_(alive, alive)], [neuron for neuron, keep in zip(neurons, alive, strict=True) if keep]


@given(weight_lists())
def test_the_graph_is_that_of_the_definition(weights: list[np.ndarray]) -> None:
    graph = neuron_graph(weights)
    matrix, neurons = naive_adjacency(weights)
    np.testing.assert_array_equal(graph.adjacency.toarray(), matrix)
    assert list(zip(graph.layer.tolist(), graph.index.tolist(), strict=True)) == neurons
    np.testing.assert_allclose(graph.degrees, matrix.sum(axis=1))
    assert graph.n_vertices == len(neurons)
    assert graph.is_bipartite


@given(weight_lists())
def test_sparse_and_dense_weights_give_the_same_graph(weights: list[np.ndarray]) -> None:
    dense, sparse = neuron_graph(weights), neuron_graph([sp.csr_array(w) for w in weights])
    np.testing.assert_array_equal(dense.adjacency.toarray(), sparse.adjacency.toarray())
    np.testing.assert_allclose(dense.degrees, sparse.degrees)
    for ours, theirs in zip(dense.live, sparse.live, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert dense.sizes == sparse.sizes


def test_zeros_stored_in_a_sparse_matrix_are_no_edges() -> None:
    stored = sp.csr_array((np.array([1.0, 0.0]), (np.array([0, 1]), np.array([0, 1]))), shape=(2, 2))
    assert neuron_graph([stored]).n_vertices == 2


@given(weight_lists())
def test_isolated_neurons_are_labelled_minus_one_and_the_others_keep_their_label(weights: list[np.ndarray]) -> None:
    graph = neuron_graph(weights)
    by_layer = graph.labels_by_layer(np.arange(graph.n_vertices))
    assert tuple(len(labels) for labels in by_layer) == graph.sizes
    for vertex, (layer, index) in enumerate(zip(graph.layer, graph.index, strict=True)):
        assert by_layer[layer][index] == vertex
    assert sum((labels == -1).sum() for labels in by_layer) == sum(graph.sizes) - graph.n_vertices


def test_a_known_network() -> None:
    graph = neuron_graph([np.array([[0.0, -3.0], [0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])])
    assert graph.sizes == (3, 2, 2)
    assert [indices.tolist() for indices in graph.live] == [[0, 1], [1], [0]]
    np.testing.assert_array_equal(graph.degrees, [3, 1, 6, 2])
    labels = graph.labels_by_layer(np.array([0, 1, 1, 0]))
    assert [part.tolist() for part in labels] == [[0, 1, -1], [-1, 1], [0, -1]]


def test_a_layer_of_one_neuron_works() -> None:
    graph = neuron_graph(random_weights((4, 1, 3), seed=0))
    assert graph.n_vertices == 8
    assert graph.degrees[4] == pytest.approx(graph.degrees[:4].sum() + graph.degrees[5:].sum())


def test_a_layer_without_live_neurons_separates_two_halves() -> None:
    weights = [np.ones((2, 2)), np.zeros((2, 3)), np.zeros((3, 2)), np.ones((2, 2))]
    graph = neuron_graph(weights)
    assert [len(indices) for indices in graph.live] == [2, 2, 0, 2, 2]
    assert graph.adjacency.sum() == 16


def test_a_convolution_stands_for_its_channels() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 2, 4, 5))
    expected = np.array([[np.linalg.norm(kernel[:, :, a, b].ravel(), 1) for b in range(5)] for a in range(4)])
    np.testing.assert_allclose(edge_weights(kernel), expected)
    np.testing.assert_allclose(neuron_graph([kernel]).edges[0, 1], expected)


def test_batch_normalisation_scales_the_outputs_of_a_kernel() -> None:
    rng = np.random.default_rng(1)
    kernel, gamma, variance = rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4), rng.uniform(0.1, 2, 4)
    folded = fold_batch_norm(kernel, gamma, variance, 1e-3)
    x = rng.normal(size=(6, 3 * 3 * 2))
    before = x @ kernel.reshape(-1, 4)
    np.testing.assert_allclose(x @ folded.reshape(-1, 4), gamma * before / np.sqrt(variance + 1e-3))


def test_a_graph_that_joins_even_layers_is_not_bipartite() -> None:
    live = (np.arange(2),) * 3
    graph = NeuronGraph((2, 2, 2), {(0, 1): np.ones((2, 2)), (0, 2): np.ones((2, 2))}, live)
    assert not graph.is_bipartite
    np.testing.assert_array_equal(graph.degrees, graph.adjacency.toarray().sum(axis=1))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 3))], r"matrix 0 has shape \(2, 3\) and matrix 1 has shape \(2, 3\)"),
        ([np.ones((2, 2)), np.array([[np.nan, 1], [1, 1]])], "weight 1 .* holds 1 NaN or infinite value"),
        ([np.full((2, 2), np.inf)], "4 NaN or infinite value.* check that training did not diverge"),
        ([sp.csr_array(np.array([[np.nan, 1.0]]))], "1 NaN or infinite"),
        ([np.zeros((2, 3)), np.zeros((3, 2))], r"all weights are zero \(layer sizes \(2, 3, 2\)\)"),
        ([sp.csr_array((2, 3))], "all weights are zero"),
        ([np.eye(3), np.ones(3)], r"weight 1 has shape \(3,\); expected a non-empty matrix .* leave the biases out"),
        ([np.ones((2, 0))], r"shape \(2, 0\)"),
        ([np.full((2, 2, 2, 2), np.nan)], "NaN or infinite"),
    ],
    ids=["chain", "nan", "inf", "sparse-nan", "zero", "sparse-zero", "vector", "empty", "conv-nan"],
)
def test_weights_that_make_no_graph_are_refused(weights: list[np.ndarray], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        neuron_graph(weights)


def test_every_error_is_a_modlib_error_and_a_value_error() -> None:
    with pytest.raises(ModlibError):
        chain_graph([])
    with pytest.raises(ValueError, match=r"edge_matrices = .* expected a list with at least 1"):
        chain_graph([])


def test_labels_of_the_wrong_number_are_refused() -> None:
    with pytest.raises(InputError, match=r"labels = .* expected whole numbers of shape \(4,\)"):
        neuron_graph([np.ones((2, 2))]).labels_by_layer(np.zeros(3))


@pytest.mark.parametrize("kind", ["csr_array", "lil_array", "dok_array", "coo_matrix", "dia_array"])
def test_sparse_whole_numbers_do_not_overflow(kind: str) -> None:
    """Of eight bits, abs(-128) is -128 and 100 + 100 is -56."""
    weights = np.full((3, 3), 100, dtype=np.int8)
    weights[0] = -128
    graph = neuron_graph([getattr(sp, kind)(weights)])
    np.testing.assert_array_equal(graph.degrees, neuron_graph([weights]).degrees)
    np.testing.assert_array_equal(graph.degrees, [384, 300, 300, 328, 328, 328])


def test_tensors_that_need_a_gradient_are_weights_too() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(4, 3)
    graph = neuron_graph([layer.weight.T])
    np.testing.assert_allclose(graph.degrees[:4], layer.weight.detach().abs().sum(0).numpy(), rtol=1e-6)


def test_arrays_in_the_layout_of_torch_give_the_graph_of_the_module() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    square, images = (
        nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5)),
        nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3)),
    )
    for module, skipped in ((square, 0), (images, 1)):
        weights = [layer.weight for layer in module if hasattr(layer, "weight")][skipped:]
        graph = neuron_graph(weights, layout="torch")
        np.testing.assert_array_equal(graph.adjacency.toarray(), neuron_graph(module).adjacency.toarray())
        assert (graph.adjacency != neuron_graph(weights).adjacency).nnz  # which nothing but the layout can tell
    with pytest.raises(
        InputError, match=r"layout = 'torch' arrived for a Sequential; expected a list of arrays, or no"
    ):
        neuron_graph(square, layout="torch")
    with pytest.raises(InputError, match="layout = 'caffe' arrived"):
        neuron_graph([np.eye(2)], layout="caffe")  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="pass layout='torch'"):
        neuron_graph([np.ones((3, 4)), np.ones((2, 3))])


@pytest.mark.parametrize("layout", ["keras", "torch"])
def test_weights_that_are_no_real_numbers_are_refused_in_either_layout(layout: Layout) -> None:
    torch = pytest.importorskip("torch")
    weight = torch.ones(3, 2)
    for wrong in (weight.to("meta"), weight + 0j, None, [[1, 2], [3]], [["a"]]):
        with pytest.raises(InputError, match=r"weight 1 = .* arrived; expected an array of real numbers"):
            neuron_graph([np.ones((2, 2)), wrong], layout=layout)


def test_tensors_of_types_that_numpy_lacks_and_sparse_ones_are_read() -> None:
    torch = pytest.importorskip("torch")
    weights = [torch.linspace(-1, 1, 6).reshape(3, 2).bfloat16(), torch.eye(2)]
    expected = neuron_graph([np.asarray(weight.float()) for weight in weights]).adjacency.toarray()
    alike = ([weight.to_sparse() for weight in weights], [weight.bfloat16() for weight in weights])
    for same in (weights, *alike):
        np.testing.assert_array_equal(neuron_graph(same).adjacency.toarray(), expected)


@pytest.mark.parametrize("network", [[np.eye(3)], "a model"])
def test_a_use_of_batch_norm_that_is_none_is_refused_whatever_the_network(network: object) -> None:
    with pytest.raises(InputError, match="batch_norm = True arrived; expected one of fold, ignore"):
        neuron_graph(network, batch_norm=True)  # type: ignore[arg-type]


def test_batch_norm_between_dense_layers_is_folded_or_ignored_as_the_graph_says() -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([2.0, -3.0, 0.5]))
        module[1].running_var.copy_(torch.tensor([4.0, 1.0, 0.25]))
    module[1].eps = 0.0
    folded, ignored = neuron_graph(module), neuron_graph(module, batch_norm="ignore")
    np.testing.assert_allclose(folded.edges[0, 1], ignored.edges[0, 1] * [1, 3, 1], rtol=1e-6)
    np.testing.assert_array_equal(folded.edges[1, 2], ignored.edges[1, 2])
    np.testing.assert_array_equal(ignored.edges[0, 1], np.abs(module[0].weight.detach().numpy().T))
    assert repr(folded).endswith("batch_norm=fold)")
    assert repr(ignored).endswith("batch_norm=ignore)")
    assert "batch_norm" not in repr(neuron_graph(nn.Linear(3, 2)))
    with pytest.raises(InputError, match="batch_norm = 'drop' arrived; expected one of fold, ignore"):
        neuron_graph(module, batch_norm="drop")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "edges", "live", "message"),
    [
        (
            (2, 3),
            {(0, 1): np.ones((2, 2))},
            (np.arange(2), np.arange(3)),
            r"edges of shape \(2, 2\) .* expected \(2, 3\)",
        ),
        ((2, 3), {(0, 2): np.ones((2, 3))}, (np.arange(2), np.arange(3)), r"layers 0 and 2 .* expected \(2, 0\)"),
        ((2,), {}, (np.arange(2), np.arange(3)), r"\[2, 3\] live neurons arrived in layers of \[2\]"),
        ((2, 2), {}, (np.arange(2), np.arange(3)), r"\[2, 3\] live neurons arrived in layers of \[2, 2\]"),
        ((2, 8), {}, (np.arange(2), np.array([7, 8])), r"live\[1\] = .* 7 to 8 arrived; expected .* of a layer of 8"),
        ((2, 2), {}, (np.array([1, 0]), np.arange(2)), r"live\[0\] = .* 0 to 1 arrived; .* ascending"),
    ],
)
def test_edges_that_do_not_fit_the_neurons_are_refused(sizes, edges, live, message):
    with pytest.raises(GraphError, match=message):
        NeuronGraph(sizes, edges, live)


def test_negative_edges_have_no_cut() -> None:
    graph = NeuronGraph((2, 2), {(0, 1): np.array([[1.0, -3.0], [1.0, 1.0]])}, (np.arange(2), np.arange(2)))
    with pytest.raises(GraphError, match="negative edges; expected weights of at least 0"):
        ncut(graph, [0, 1, 0, 1])


def test_a_graph_does_not_change_with_the_arrays_that_it_was_made_of() -> None:
    edges = np.ones((2, 3))
    graph = chain_graph([edges])
    edges[:] = 5
    assert graph.degrees.sum() == 12


@given(st.lists(st.sampled_from(["a", "b", "a (2)", "a (2) (2)", "a (3)"])))
def test_names_that_come_again_are_told_apart_and_others_stay(names: list[str]) -> None:
    found = unique(names)
    assert len(set(found)) == len(names)
    assert all(name.startswith(given) for name, given in zip(found, names, strict=True))
    assert found == tuple(names) or len(set(names)) < len(names)


def test_kernels_that_look_like_those_of_pytorch_are_warned_of() -> None:
    kernels = [np.ones((8, 3, 3, 3)), np.ones((16, 8, 3, 3))]
    with pytest.warns(ModlibWarning, match="looks like PyTorch's .* pass layout='torch' if it is"):
        neuron_graph(kernels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert neuron_graph(kernels, layout="torch").sizes == (3, 8, 16)
        assert neuron_graph([kernel.transpose(2, 3, 1, 0) for kernel in kernels]).sizes == (3, 8, 16)
