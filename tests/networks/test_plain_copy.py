"""Networks whose weights are computed at every pass: what is read is what the next pass would use."""

import copy
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from modlib.communities import similarities
from modlib.errors import InputError
from modlib.graphs import neuron_graph
from modlib.lesions import damages
from modlib.networks import as_network, trace
from modlib.processor import device
from modlib.responses import hidden_activities


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 4))


def pruned(module: nn.Sequential) -> nn.Sequential:
    prune.l1_unstructured(module[0], "weight", 0.5)
    return module


def normed(module: nn.Sequential) -> nn.Sequential:
    weight_norm(module[0])
    return module


def spectral(module: nn.Sequential) -> nn.Sequential:
    spectral_norm(module[0])
    return module.eval()


def parametrised(module: nn.Sequential) -> nn.Sequential:
    parametrizations.weight_norm(module[0])
    return module


MAKERS = pytest.mark.parametrize("make", [pruned, normed, spectral, parametrised])


@MAKERS
def test_the_network_computes_what_the_module_does(make) -> None:  # type: ignore[no-untyped-def]
    module, x = make(perceptron()), torch.randn(20, 8)
    network = as_network(module)
    with torch.no_grad():
        torch.testing.assert_close(network.module(x), module.eval()(x), rtol=1e-5, atol=1e-6)
    assert neuron_graph(module).n_vertices <= 8 + 7 + 4


@MAKERS
def test_weights_that_were_loaded_after_the_last_pass_are_the_ones_that_are_read(make) -> None:  # type: ignore[no-untyped-def]
    """``module.weight`` is what the last pass computed; a checkpoint changes only what it is computed from."""
    module, x = make(perceptron()), torch.randn(20, 8)
    with torch.no_grad():
        module(x)
    module.load_state_dict(
        {name: 2 * value if value.is_floating_point() else value for name, value in module.state_dict().items()}
    )
    network = as_network(module)
    with torch.no_grad():
        torch.testing.assert_close(network.module(x), module.eval()(x), rtol=1e-5, atol=1e-5)


@MAKERS
def test_the_module_of_the_user_stays_as_it_is(make) -> None:  # type: ignore[no-untyped-def]
    module = make(perceptron())
    x = torch.randn(5, 8)
    before, mode, outputs = copy.deepcopy(module.state_dict()), module.training, module(x)
    as_network(module)
    assert module.training is mode
    assert torch.equal(module(x), outputs)
    assert before.keys() == module.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_pruned_weights_leave_the_graph() -> None:
    module = pruned(perceptron())
    zeros = int((module[0].weight == 0).sum())
    first = neuron_graph(module).edges[0, 1]
    assert (np.asarray(first) == 0).sum() <= zeros
    assert int((as_network(module).layers[0].kernel == 0).sum()) == zeros == 28


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_read_in_single_precision(dtype: torch.dtype) -> None:
    module = perceptron()
    network = as_network(copy.deepcopy(module).to(dtype))
    assert network.layers[0].kernel.dtype == np.float32
    assert next(network.module.parameters()).dtype == torch.float32
    np.testing.assert_allclose(network.layers[0].kernel, module[0].weight.detach().numpy().T, atol=2e-3)


def test_what_is_read_lies_on_the_processor_wherever_the_module_is() -> None:
    module = perceptron().to(device())
    for read in (as_network(module), trace(module)):
        assert {parameter.device.type for parameter in read.module.parameters()} == {"cpu"}
        assert read.answers(np.ones((2, 8), np.float32)).shape == (2,)
    assert next(module.parameters()).device.type == device()


def test_an_activation_in_place_gives_the_same_similarities() -> None:
    module, rng = perceptron(), np.random.default_rng(0)
    x, y = rng.normal(size=(30, 8)).astype(np.float32), rng.integers(4, size=30)
    in_place = nn.Sequential(module[0], nn.ReLU(inplace=True), module[2])
    for layer in ("0", "1"):
        (first,), (second,) = (similarities(m, x, y, layers=[layer]).values() for m in (module, in_place))
        for name, matrix in first.items():
            np.testing.assert_array_equal(matrix, second[name], err_msg=f"{layer} {name}")


def test_a_module_that_is_called_twice_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.relu = nn.Linear(8, 6), nn.Linear(6, 6), nn.ReLU()
            self.last = nn.Linear(6, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.relu(self.second(self.relu(self.first(x)))))

    x, y = np.random.default_rng(0).normal(size=(10, 8)).astype(np.float32), np.arange(10) % 4
    with pytest.raises(InputError, match="the ReLU whose output was to be measured is called 2 times"):
        similarities(Twice(), x, y, layers=["relu"])


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, lambda m: torch.compile(m, backend="eager")], ids=["parallel", "compiled"]
)
def test_a_wrapper_is_seen_through(wrap) -> None:  # type: ignore[no-untyped-def]
    module = perceptron()
    np.testing.assert_array_equal(neuron_graph(wrap(module)).degrees, neuron_graph(module).degrees)


def test_layers_may_have_any_names() -> None:
    """torch.fx writes them into a program, between quotes."""
    names = ('first "layer"', "first 'layer'", "a\\b", "line\nbreak", "<script>", "class")
    layers = [nn.Linear(8, 8) for _ in names]
    module = nn.Sequential(OrderedDict(part for name, layer in zip(names, layers, strict=True)
                                       for part in ((name, layer), (f"{name} relu", nn.ReLU()))))  # fmt: skip
    module.add_module("last", nn.Linear(8, 4))
    for layer in layers:
        layer.weight.data *= 3  # so that answers differ
    x, plain = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32), nn.Sequential(*module)
    network, found = as_network(module), trace(module)
    shown = ("first 'layer'_", "first 'layer'", "a/b", "line/break", "<script>", "class_")
    assert tuple(layer.name for layer in network.layers[:-1]) == shown
    assert tuple(layer.name for layer in found.layers[1:-1]) == shown
    assert list(module._modules)[:3] == ['first "layer"', 'first "layer" relu', "first 'layer'"]
    np.testing.assert_array_equal(found.answers(x), as_network(plain).answers(x))
    for ours, theirs in zip(hidden_activities(found, x), hidden_activities(as_network(plain), x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    drops = [damages(one, x, network.answers(x), 2, [[0, 1, 2]])[0].drop for one in (network, found, as_network(plain))]
    assert drops == [drops[0]] * 3
    assert drops[0] > 0


def test_dictionaries_of_parts_keep_their_names_and_complex_weights_are_refused() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterDict({"a b": torch.randn(8, 7), "c": torch.randn(7, 4)})

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(x @ self.weights["a b"]) @ self.weights["c"]

    module = Held()
    graph = neuron_graph(module, inputs=np.zeros((2, 8)))
    assert graph.sizes == (8, 7, 4)
    np.testing.assert_allclose(graph.edges[0, 1], module.weights["a b"].detach().abs(), rtol=1e-6)
    imaginary = nn.Sequential(nn.Linear(8, 7, dtype=torch.complex64), nn.Linear(7, 4))
    for ask in (neuron_graph, trace, as_network):
        with pytest.raises(InputError, match=r"0.weight, which is complex, and of 1 more; expected weights: real ones"):
            ask(imaginary)
