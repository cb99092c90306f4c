"""modlib.networks: a Keras or PyTorch model and its torch form compute the same; what cannot be read is refused."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest
import scipy.sparse as sp
import tf_keras
import torch
from damaged import damaged
from torch import nn

from modlib.communities import similarities
from modlib.errors import DataError, GraphError, InputError
from modlib.graphs.neurons import neuron_graph
from modlib.masks import MaskSettings, learn_mask
from modlib.networks.files import load_network
from modlib.networks.modules import ACTIVATIONS
from modlib.networks.network import AT_ONCE, Network, answers, as_network, from_arrays, torch_module
from modlib.training import draw_from

KERAS = pytest.mark.parametrize("K", [tf_keras, keras], ids=["keras2", "keras3"])


def randomise(model: Any, seed: int = 0) -> Any:
    """Random weights everywhere, so that no bias, mean or variance has its neutral value."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 1, w.shape) * rng.choice([-0.5, 1], w.shape) for w in model.get_weights()])
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return model


def assert_same_function(model: Any, network: Network, shape: tuple[int, ...]) -> None:
    """Outputs agree to 1e-5 of their size; images go to torch with channels first."""
    x = np.random.default_rng(1).normal(size=(5, *shape)).astype(np.float32)
    expected = np.asarray(model(x, training=False))
    with torch.no_grad():
        got = network.module(torch.from_numpy(x if x.ndim != 4 else x.transpose(0, 3, 1, 2).copy())).numpy()
    if got.ndim == 4:
        got = got.transpose(0, 2, 3, 1)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def perceptron(K: ModuleType) -> Any:
    layers = K.layers
    return K.Sequential(
        [
            layers.Input((12,)),
            layers.Dense(9, activation="relu", name="first"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(7, use_bias=False),
            layers.BatchNormalization(scale=False, center=False, epsilon=0.1),
            layers.Activation("tanh"),
            layers.Dense(4, activation="softmax", name="last"),
        ]
    )


def convolutional(K: ModuleType) -> Any:
    layers = K.layers
    return K.Sequential(
        [
            layers.Input((11, 8, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="one"),
            layers.Conv2D(5, (3, 2), padding="valid", use_bias=False, name="two"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, 2, padding="same", strides=(2, 1), name="three"),
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.Dense(3),
        ]
    )


@KERAS
@pytest.mark.parametrize(("build", "shape"), [(perceptron, (12,)), (convolutional, (11, 8, 2))])
def test_a_keras_model_and_its_torch_form_agree(
    K: ModuleType, build: Callable[[ModuleType], Any], shape: tuple[int, ...]
) -> None:
    model = randomise(build(K))
    assert_same_function(model, as_network(model), shape)


@KERAS
@pytest.mark.parametrize(
    "layers",
    [
        lambda L: [L.Conv2D(3, 4, strides=3, padding="same")],
        lambda L: [L.Conv2D(3, 3, dilation_rate=2, padding="same")],
        lambda L: [L.Conv2D(3, 2), L.AveragePooling2D((2, 3), strides=2)],
        lambda L: [L.Conv2D(3, 2), L.MaxPooling2D(3, padding="same")],
        lambda L: [L.Conv2D(3, 2), L.GlobalAveragePooling2D(), L.Dense(2)],
        lambda L: [L.Conv2D(3, 2), L.GlobalMaxPooling2D(), L.Softmax()],
        lambda L: [L.Flatten(), L.Dense(4)],
        lambda L: [L.BatchNormalization(), L.Conv2D(2, 3), L.GaussianNoise(0.1)],
    ],
    ids=["strided", "dilated", "average", "max-same", "global-average", "global-max", "flat", "norm-first"],
)
def test_the_layers_of_convolutional_networks_agree(K: ModuleType, layers: Callable[[Any], list[Any]]) -> None:
    model = randomise(K.Sequential([K.layers.Input((7, 10, 3)), *layers(K.layers)]))
    assert_same_function(model, as_network(model), (7, 10, 3))


@KERAS
def test_every_activation_agrees(K: ModuleType) -> None:
    for name in ACTIVATIONS:
        if not hasattr(K.activations, name):
            continue
        model = randomise(K.Sequential([K.layers.Input((6,)), K.layers.Dense(4, activation=name)]))
        network = as_network(model)
        assert network.layers[0].activation == name
        assert_same_function(model, network, (6,))


@KERAS
def test_layers_are_those_of_the_model(K: ModuleType) -> None:
    model = randomise(perceptron(K))
    layers = as_network(model).layers
    assert [layer.kind for layer in layers] == ["dense"] * 3
    assert [layer.activation for layer in layers] == ["relu", "tanh", "softmax"]
    assert (layers[0].name, layers[-1].name) == ("first", "last")
    np.testing.assert_array_equal(layers[0].kernel, np.asarray(model.layers[0].kernel))
    np.testing.assert_array_equal(layers[0].bias, np.asarray(model.layers[0].bias))
    assert layers[1].bias is None
    assert layers[2].batch_norm is None
    norm = layers[0].batch_norm
    for ours, theirs in zip(
        (norm.gamma, norm.beta, norm.mean, norm.variance), model.layers[1].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert norm.epsilon == pytest.approx(1e-3)


@KERAS
def test_the_graph_of_a_perceptron_takes_every_kernel(K: ModuleType) -> None:
    model = randomise(perceptron(K))
    network = as_network(model)
    weights = network.graph_weights(batch_norm="ignore")
    kernels = [np.asarray(layer.kernel) for layer in model.layers if type(layer).__name__ == "Dense"]
    for ours, theirs in zip(weights, kernels, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    norm = network.layers[0].batch_norm
    folded = kernels[0] * norm.gamma / np.sqrt(norm.variance + norm.epsilon)
    np.testing.assert_allclose(network.graph_weights()[0], folded, rtol=1e-6)
    assert neuron_graph(model).sizes == (12, 9, 7, 4)


@KERAS
def test_the_graph_of_a_convolutional_network_joins_its_channels(K: ModuleType) -> None:
    model = randomise(convolutional(K))
    graph = neuron_graph(model)
    assert graph.sizes == (4, 5, 6)  # no image, no dense layers
    kernel, norm = (model.get_layer(name) for name in ("two", "norm"))
    gamma, variance = np.asarray(norm.gamma), np.asarray(norm.moving_variance)
    for a in range(4):
        for b in range(5):
            slice_ = np.asarray(kernel.kernel)[:, :, a, b]
            expected = np.abs(slice_).sum() * abs(gamma[b]) / np.sqrt(variance[b] + 1e-3)
            assert graph.edges[0, 1][a, b] == pytest.approx(expected, rel=1e-5)
    last = np.abs(np.asarray(model.get_layer("three").kernel)).sum(axis=(0, 1))
    np.testing.assert_allclose(graph.edges[1, 2], last, rtol=1e-6)


@KERAS
def test_a_functional_model_and_a_sequential_one_built_by_its_first_call(K: ModuleType) -> None:
    inputs = K.layers.Input((5,))
    functional = K.Model(inputs, K.layers.Dense(3)(K.layers.Dense(4, activation="relu")(inputs)))
    assert_same_function(functional, as_network(functional), (5,))
    late = K.Sequential([K.layers.Dense(4, activation="elu"), K.layers.Dense(3)])
    with pytest.raises(InputError, match="has none before it is called"):
        as_network(late)
    late(np.zeros((1, 5), dtype=np.float32))
    assert_same_function(late, as_network(late), (5,))


def sequential(*layers: Callable[[Any], Any], shape: tuple[int, ...] = (6, 4)) -> Callable[[ModuleType], Any]:
    return lambda K: K.Sequential([K.layers.Input(shape), *(layer(K.layers) for layer in layers)])


@KERAS
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (sequential(lambda L: L.AveragePooling2D(2, padding="same", name="edge"), shape=(5, 5, 4)), "'edge'"),
        (sequential(lambda L: L.BatchNormalization(axis=1, name="rows"), shape=(5, 5, 4)), "'rows'"),
    ],
    ids=["pool", "norm-axis"],
)
def test_a_keras_model_that_cannot_be_read_is_refused(
    K: ModuleType, build: Callable[[ModuleType], Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        neuron_graph(build(K))
    assert "expected" in str(caught.value)


def test_the_error_for_an_unknown_layer_names_what_is_supported_and_the_way_out() -> None:
    with pytest.raises(InputError) as caught:
        as_network(nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 2)))
    message = str(caught.value)
    assert "'1' is a LSTM" in message
    assert "Linear, Conv2d" in message
    assert "neuron_graph also takes a list of weight matrices" in message


class Functions(nn.Module):
    """A network as many write it: functions in ``forward``, and a size taken from the input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv1(x))
        x = nn.functional.max_pool2d(nn.functional.relu(self.norm(self.conv2(x))), 2)
        return nn.functional.log_softmax(self.head(x.view(x.size(0), -1)), dim=1)


class Residual(nn.Module):
    """A network with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.hidden(x)


def test_a_torch_module_is_read_without_being_changed() -> None:
    model = Functions().train()
    model.norm.running_var += 3
    network = as_network(model)
    assert model.training
    assert not network.module.training
    x = torch.randn(4, 1, 6, 6)
    torch.testing.assert_close(network.module(x), model.eval()(x))
    assert [(layer.name, layer.kind, layer.activation) for layer in network.layers] == [
        ("conv1", "conv", "relu"),
        ("conv2", "conv", "relu"),
        ("head", "dense", "log_softmax"),
    ]
    kernel = model.conv2.weight.detach().numpy()
    np.testing.assert_array_equal(network.layers[1].kernel[:, :, 2, 1], kernel[1, 2])
    np.testing.assert_allclose(network.graph_weights()[0], network.layers[1].kernel / np.sqrt(4 + 1e-5), rtol=1e-6)
    before = network.layers[2].kernel.copy()
    network.module.head.weight.data += 1
    np.testing.assert_array_equal(network.layers[2].kernel, before)


def test_the_torch_form_of_a_keras_model_can_be_read_again() -> None:
    model = randomise(convolutional(tf_keras))
    once = as_network(model)
    twice = as_network(once.module)
    for first, second in zip(once.layers, twice.layers, strict=True):
        assert (first.name, first.activation) == (second.name, second.activation)
        np.testing.assert_array_equal(first.kernel, second.kernel)
    assert as_network(once) is once


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Residual(), "'add' is not fed by the layer before it alone"),
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)), "'0' is a convolution in 2 groups"),
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)), "'1' is a BatchNorm1d without"),
        (nn.Sequential(nn.ReLU()), "has no layer of weights"),
        (nn.Sequential(nn.Linear(2, 2), nn.TransformerEncoderLayer(2, 1)), "TransformerEncoderLayer"),
        (nn.Embedding(3, 2), "is a Embedding"),
        (np.eye(3), "numpy.ndarray arrived; .* list of weight matrices"),
        (3, "builtins.int arrived"),
    ],
    ids=["residual", "groups", "no-statistics", "no-weights", "attention", "embedding", "array", "number"],
)
def test_what_is_no_chain_is_refused(model: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_network(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(9, 4), nn.Bilinear(4, 4, 2)), "needs an example input, and none was given"),
        (nn.Sequential(nn.Linear(9, 4), nn.Fold((2, 2), 1)), "layer '1' is a Fold, in which units may mix"),
        (nn.Sequential(nn.ReLU()), "has no layer of weights"),
        (np.eye(3), r"numpy.ndarray arrived; .* \[W\] if there is one; .* modlib.cluster\(A, k, numpy\."),
        (sp.csr_array(np.eye(3)), r"csr_array arrived; .* \[W\] if there is one; .* modlib.cluster\(A, k, numpy\."),
        (nn.Linear(2, 2).state_dict(), "OrderedDict arrived; .* model.load_state_dict"),
        ("weights.npz", "builtins.str arrived; .* modlib.load_network"),
        (Path("weights.npz"), "Path arrived; .* modlib.load_network"),
        (3, "builtins.int arrived; .* list of weight matrices"),
    ],
    ids=["no-input", "fold", "no-weights", "array", "sparse", "state", "text", "path", "number"],
)
def test_what_cannot_be_read_is_refused(model: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        neuron_graph(model)


def test_a_lazy_layer_has_no_weights_before_it_has_seen_inputs() -> None:
    lazy, inputs = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.Linear(5, 2)), torch.zeros(2, 7)
    for read in (neuron_graph, as_network, torch_module):
        with pytest.raises(InputError, match=r"no values of 0.weight, .* lazy layer .* of 1 more; .* one forward pass"):
            read(lazy)
    assert neuron_graph(lazy, inputs=inputs).sizes == (7, 5, 2)
    with pytest.raises(InputError, match="lazy layer"):  # the user's own has still none
        neuron_graph(lazy)
    lazy(inputs)
    assert neuron_graph(lazy).sizes == (7, 5, 2)


def test_weights_on_the_meta_device_are_refused_at_every_door() -> None:
    meta = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).to("meta")
    x, labels, rng = np.ones((4, 4)), np.zeros(4, dtype=int), np.random.default_rng(0)
    doors: list[Callable[[], object]] = [
        lambda: neuron_graph(meta),
        lambda: neuron_graph(meta, inputs=x),
        lambda: similarities(meta, x, labels),
        lambda: similarities(meta, x, labels, layers=["1"]),
        lambda: learn_mask(meta, draw_from(x, labels), MaskSettings(steps=1), rng),
    ]
    for door in doors:
        with pytest.raises(InputError, match=r"no values of 0.weight, which is on the meta device, .* load them"):
            door()


def test_inputs_that_a_chain_does_not_take_are_refused() -> None:
    module = nn.Sequential(nn.Linear(20, 4), nn.ReLU(), nn.Linear(4, 2))
    assert neuron_graph(module, inputs=np.ones((1, 20))).sizes == (20, 4, 2)
    with pytest.raises(InputError, match=r"\(1, 7\)} does not fit"):
        neuron_graph(module, inputs=np.ones((1, 7)))
    with pytest.raises(InputError, match="inputs arrived for a list of weights"):
        neuron_graph([np.ones((20, 4))], inputs=np.ones((1, 20)))


def test_one_convolution_has_no_edges() -> None:
    with pytest.raises(GraphError, match="has one convolution, 0, but edges join"):
        neuron_graph(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)))


def test_a_bare_layer_is_a_network() -> None:
    layer = nn.Linear(3, 2)
    np.testing.assert_array_equal(as_network(layer).graph_weights()[0], layer.weight.detach().numpy().T)


def arrays(seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s) for s in ((6, 5), (5, 4), (4, 3))], [rng.normal(size=n) for n in (5, 4, 3)]


def forward(kernels: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = np.maximum(x @ kernel + bias, 0)
    return x @ kernels[-1] + biases[-1]


def assert_is(network: Network, kernels: list[np.ndarray], biases: list[np.ndarray]) -> None:
    x = np.random.default_rng(2).normal(size=(7, 6))
    with torch.no_grad():
        got = network.module(torch.from_numpy(x.astype(np.float32))).numpy()
    np.testing.assert_allclose(got, forward(kernels, biases, x), rtol=1e-5, atol=1e-5)
    assert [layer.activation for layer in network.layers] == ["relu", "relu", "linear"]


def test_arrays_make_a_perceptron() -> None:
    kernels, biases = arrays()
    assert_is(from_arrays(kernels, biases), kernels, biases)
    assert_is(from_arrays(kernels), kernels, [0 * bias for bias in biases])
    assert all(layer.bias is None for layer in from_arrays(kernels).layers)


@pytest.mark.parametrize(
    ("kernels", "biases", "activation", "message"),
    [
        ([], None, "relu", "expected a list with at least 1"),
        ([np.ones((2, 3)), np.ones((2, 3))], None, "relu", "layers do not chain"),
        ([np.ones((2, 3))], [np.ones(2)], "relu", r"bias 0 has shape \(2,\); expected \(3,\)"),
        ([np.ones((2, 3))], [], "relu", "biases = .* expected a list"),
        ([np.ones((2, 3)), np.ones((3, 2))], None, "swish", "'layer_0' = 'swish' arrived"),
    ],
    ids=["none", "chain", "bias", "biases", "activation"],
)
def test_arrays_that_make_no_perceptron_are_refused(
    kernels: list[np.ndarray], biases: list[np.ndarray] | None, activation: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        from_arrays(kernels, biases, activation)


def write_npz(path: Path) -> None:
    kernels, biases = arrays()
    parts = {"kernel": kernels, "bias": biases}
    np.savez(path, **{f"{kind}/{i}": a for kind, tensors in parts.items() for i, a in enumerate(tensors)})


def state_dict() -> dict[str, torch.Tensor]:
    kernels, biases = arrays()
    state = {}
    for number, kernel, bias in zip((1, 2, 10), kernels, biases, strict=True):
        state[f"fc{number}.weight"] = torch.from_numpy(kernel.T.copy())
        state[f"fc{number}.bias"] = torch.from_numpy(bias)
    return state


def write_safetensors(path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state_dict(), path)


def write_state_dict(path: Path) -> None:
    torch.save(state_dict(), path)


FILES = pytest.mark.parametrize(
    ("name", "write"), [("a.npz", write_npz), ("a.safetensors", write_safetensors), ("a.pt", write_state_dict)]
)


@FILES
def test_a_file_of_weights_is_read(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    assert_is(load_network(tmp_path / name), *arrays())


@FILES
def test_a_damaged_file_of_weights_is_refused(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    path = tmp_path / name
    write(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=f"{name} does not read as"):
        load_network(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=f"{name} does not read as"):
        load_network(path)
    with pytest.raises(DataError, match=f"there is no file .*absent{path.suffix} in "):
        load_network(tmp_path / f"absent{path.suffix}")


def write_state_dict_as_of_old(path: Path) -> None:
    torch.save(state_dict(), path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [write_npz, write_safetensors, write_state_dict, write_state_dict_as_of_old])
@pytest.mark.filterwarnings("ignore")  # of PyTorch, about what it finds
def test_whatever_bytes_of_a_file_of_weights_are_damaged_is_said(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """Where damage is in the numbers alone, some formats cannot tell."""
    kinds = {write_npz: ".npz", write_safetensors: ".safetensors"}
    path = tmp_path / f"a{kinds.get(write, '.pt')}"
    write(path)
    refused = 0
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        try:
            load_network(path)
        except (DataError, InputError):
            refused += 1
    assert refused > 50


class Bomb:
    """What a pickle can do: run a command as it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_files_that_need_pickle_are_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "exploded"
    np.savez(tmp_path / "a.npz", **{"kernel/0": np.array([Bomb(target)], dtype=object)})
    torch.save({"fc.weight": Bomb(target)}, tmp_path / "a.pt")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Bomb(target), protocol=2))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(DataError, match="without pickles"):
        load_network(tmp_path / "a.npz")
    for name in ("a.pt", "b.pth"):
        with pytest.raises(DataError, match=r"can run code: save model.state_dict\(\)"):
            load_network(tmp_path / name)
    with pytest.raises(InputError, match=r"suffix '.pkl'; expected .npz, .safetensors, .pt or .pth"):
        load_network(tmp_path / "a.pkl")
    assert not target.exists()


def test_files_of_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save(Functions().state_dict(), tmp_path / "conv.pt")
    with pytest.raises(InputError, match=r"Linear layers only. Build the model in PyTorch"):
        load_network(tmp_path / "conv.pt")
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    with pytest.raises(InputError, match="holds a list that is no state dict"):
        load_network(tmp_path / "list.pt")
    np.savez(tmp_path / "other.npz", weights=np.eye(2))
    with pytest.raises(InputError, match=r"holds \['weights'\]; expected kernel/0"):
        load_network(tmp_path / "other.npz")


def test_the_library_is_light_and_a_torch_model_does_not_bring_tensorflow() -> None:
    code = (
        "import sys, modlib.networks.network, modlib.graphs.neurons, modlib.graphs.shuffles\n"
        "assert not {'torch', 'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)\n"
        "import torch\n"
        "modlib.graphs.neurons.neuron_graph(torch.nn.Linear(3, 2))\n"
        "assert not {'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_answers_are_the_largest_outputs_in_any_number_of_batches() -> None:
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(6, 4)), rng.normal(size=(2 * AT_ONCE + 3, 6))
    network = from_arrays([weights])
    assert np.array_equal(network.answers(inputs), (inputs @ weights).argmax(axis=1))  # double precision arrives
    assert np.array_equal(answers(network.module, inputs[:1]), network.answers(inputs)[:1])


def test_answers_leave_the_module_as_it_is() -> None:
    module = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5)).train()
    answers(module, np.zeros((3, 6)))
    assert module.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("shape", [(0, 6), (3, 5)])
def test_inputs_that_do_not_fit_have_no_answers(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=rf"inputs .*of shape \({shape[0]}, {shape[1]}\)"):
        from_arrays([np.ones((6, 4))]).answers(np.zeros(shape))


def test_classes_of_a_network_that_keeps_places_are_refused_and_those_of_steps_are_given() -> None:
    pooled = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d(1))
    images = np.random.default_rng(0).random((6, 1, 8, 8))
    with pytest.raises(InputError, match=r"outputs of shape \(6, 3, 1, 1\) arrived.* one vector an input.*nn.Flatten"):
        as_network(pooled).answers(images)
    with pytest.raises(InputError, match=r"outputs of shape \(6, 3, 6, 6\) arrived.* pass the part"):
        as_network(pooled[:-1]).answers(images)
    assert as_network(pooled.append(nn.Flatten())).answers(images).shape == (6,)
    assert from_arrays([np.ones((4, 3))]).answers(np.ones((6, 5, 4))).shape == (6, 5)


def test_outputs_that_are_no_tensor_are_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
            return x, 1

    with pytest.raises(InputError, match="the Two returns a tuple; expected a tensor"):
        answers(Two(), np.ones((2, 3)))


def test_hints_about_layout_are_given_where_they_help() -> None:
    layers = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(32, 3)
    network = as_network(nn.Sequential(*layers))
    for shape, hint in (((3, 8, 8, 1), "transpose"), ((3, 64), r"reshape\(-1, 1, ")):
        with pytest.raises(InputError, match=f"do not fit .* images are .* pass inputs.{hint}"):
            network.answers(np.zeros(shape))
    for shape in ((3, 1, 7, 7), (3, 3, 8, 8)):
        with pytest.raises(InputError, match="do not fit") as told:
            network.answers(np.zeros(shape))
        assert "images are" not in str(told.value)


def test_a_perceptron_of_scikit_learn_has_its_way_in() -> None:
    class Fitted:
        coefs_, intercepts_ = [np.ones((3, 2))], [np.zeros(2)]

    with pytest.raises(InputError, match=r"from_arrays\(model.coefs_, model.intercepts_\)"):
        as_network(Fitted())


@pytest.mark.parametrize("path", ["mine", "mine.py", "m.onnx", ""])
def test_what_is_no_file_of_weights_is_shown_its_way(path: str) -> None:
    with pytest.raises(InputError, match=r"has the suffix .*onnx.load.*MODULE:FUNCTION"):
        load_network(path)
