"""Keras models of any shape: their torch form computes the same, whoever else has called their layers."""

import os
from types import ModuleType
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest
import tf_keras
import torch

from modlib.communities import similarities
from modlib.errors import InputError
from modlib.graphs import neuron_graph
from modlib.networks import as_network, torch_module, trace
from modlib.networks.keras_models import _keras_layer
from modlib.responses import hidden_activities

KERAS = pytest.mark.parametrize("K", [tf_keras, keras], ids=["keras2", "keras3"])


@pytest.fixture(autouse=True)
def same_start() -> None:
    """Weights of every test are drawn from one seed: some chains of a few ReLUs answer 0 to everything."""
    for K in (tf_keras, keras):
        K.utils.set_random_seed(1)


def assert_same_function(model: Any, shape: tuple[int, ...], share: float = 1e-5) -> None:
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    expected = np.asarray(model(x, training=False))
    with torch.no_grad():
        found = torch_module(model)(torch.from_numpy(x if x.ndim != 4 else x.transpose(0, 3, 1, 2).copy())).numpy()
    found = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
    assert expected.std() > 1e-4
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=share * np.abs(expected).max())


@KERAS
def test_a_second_model_of_the_layers_of_a_first_is_read_by_its_own_graph(K: ModuleType) -> None:
    """What strip_pruning returns is such a model."""
    L = K.layers
    first = K.Sequential([K.Input((8,)), L.Dense(6, activation="relu"), L.Dense(3)])
    second = K.Sequential([K.Input((8,)), *first.layers])
    inputs = K.Input((8,))
    third = K.Model(inputs, first.layers[-1](first.layers[-2](inputs)))
    for model in (second, third):
        assert_same_function(model, (8,))
        np.testing.assert_array_equal(neuron_graph(model).degrees, neuron_graph(first).degrees)


def test_what_strip_pruning_returns_is_read() -> None:
    sparsity = pytest.importorskip("tensorflow_model_optimization").sparsity.keras
    L = tf_keras.layers
    base = tf_keras.Sequential([L.Dense(6, input_shape=(8,), activation="relu"), L.Dense(3)])
    stripped = sparsity.strip_pruning(sparsity.prune_low_magnitude(base))
    assert_same_function(stripped, (8,))
    assert neuron_graph(stripped).sizes == (8, 6, 3)


@KERAS
def test_models_that_are_built_step_by_step_nested_or_of_shared_layers_are_read(K: ModuleType) -> None:
    L = K.layers
    added = K.Sequential()
    for layer in (K.Input((5,)), L.Dense(4, activation="swish"), L.Dense(5)):
        added.add(layer)
    nested = K.Sequential([K.Input((5,)), added, L.Dense(2)])
    shared, inputs = L.Dense(5, activation="tanh", name="shared"), K.Input((5,))
    twice = K.Model(inputs, shared(shared(inputs)))
    for model, sizes in ((added, (5, 4, 5)), (nested, (5, 4, 5, 2)), (twice, (5, 5, 5))):
        assert_same_function(model, (5,))
        assert neuron_graph(model).sizes == sizes
    assert neuron_graph(twice).names == ("input", "shared", "shared (2)")


@KERAS
def test_sums_products_and_concatenations_join_what_they_are_made_of(K: ModuleType) -> None:
    L, inputs = K.layers, K.Input((5,))
    first = L.Dense(5, activation="leaky_relu", name="first")(inputs)
    second = L.Dense(5, activation="silu", name="second")(first)
    joined = L.Concatenate()([L.Add()([first, second]), L.Multiply()([second, L.Average()([first, inputs])])])
    model = K.Model(inputs, L.Dense(3, name="last")(joined))
    assert_same_function(model, (5,))
    graph = neuron_graph(model)
    assert graph.names == ("input", "first", "second", "last")
    assert set(graph.edges) == {(0, 1), (1, 2), (0, 3), (1, 3), (2, 3)}
    kernel = np.abs(np.asarray(model.get_layer("last").kernel))
    np.testing.assert_allclose(graph.edges[2, 3], kernel[:5] + kernel[5:], rtol=1e-6)
    np.testing.assert_allclose(graph.edges[0, 3], kernel[5:] / 2, rtol=1e-6)  # of two an average has half of each


@KERAS
def test_a_network_of_separable_and_grouped_convolutions_with_gates_is_read(K: ModuleType) -> None:
    L, inputs = K.layers, K.Input((9, 8, 4))
    x = L.ZeroPadding2D(((0, 1), (2, 0)))(L.Rescaling(0.5, offset=-0.1)(inputs))
    x = L.SeparableConv2D(6, 3, strides=1, padding="same", depth_multiplier=2, activation="relu", name="separable")(x)
    y = L.ReLU(max_value=6)(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", name="depthwise")(x)))
    gate = L.Reshape((1, 1, 6))(L.Dense(6, activation="sigmoid", name="gate")(L.GlobalAveragePooling2D()(y)))
    y = L.Concatenate()([x, L.Multiply()([y, gate])])
    model = K.Model(inputs, L.Conv2D(4, 1, groups=2, name="groups")(L.LeakyReLU()(y)))
    assert_same_function(model, (9, 8, 4))
    assert neuron_graph(model).names == ("separable/depthwise", "separable", "depthwise", "gate", "groups")


@KERAS
def test_a_keras_application_is_read(K: ModuleType) -> None:
    model = K.applications.MobileNetV2(
        weights=None, classes=3, input_shape=(32, 32, 3), alpha=0.35, classifier_activation=None
    )
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":  # so that outputs do not vanish
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 0.1))
    assert_same_function(model, (32, 32, 3), share=1e-3)  # fifty layers add up single precision's last digits
    graph = neuron_graph(model)
    assert len(graph.sizes) == 52
    assert graph.batch_norm == "fold"


def test_the_kernel_is_the_one_that_the_layer_computes_with_or_it_is_refused() -> None:
    adapted, quantised = (keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, name="dense")]) for _ in range(2))
    adapted.layers[0].enable_lora(2)
    adapted.layers[0].lora_kernel_b.assign(np.ones((2, 4)))
    assert_same_function(adapted, (5,))
    quantised.layers[0].quantize("int8")
    with pytest.raises(InputError, match="layer 'dense' is a Dense quantised to int8, which rounds its inputs"):
        neuron_graph(quantised)


@KERAS
def test_a_function_that_only_has_the_name_of_an_activation_is_refused(K: ModuleType) -> None:
    def relu(x: Any) -> Any:
        return x * x

    model = K.Sequential([K.Input((5,)), K.layers.Dense(4, activation=relu, name="dense")])
    with pytest.raises(InputError, match="layer 'dense' is followed by a function of your own, 'relu'"):
        neuron_graph(model)


@KERAS
def test_layers_may_have_any_names(K: ModuleType) -> None:
    names = ("forward", "training", "code", "a.b", "a_b")
    model = K.Sequential([K.Input((5,)), *(K.layers.Dense(5, activation="relu", name=name) for name in names)])
    assert_same_function(model, (5,))
    assert len(set(neuron_graph(model).names)) == 6


@KERAS
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_a_recurrent_classifier_of_tokens_is_read(K: ModuleType, kind: str) -> None:
    L, tokens = K.layers, K.Input((7,), dtype="int32")
    x = L.LayerNormalization(name="norm")(L.Embedding(11, 5, name="tokens")(tokens))
    x = L.Dropout(0.5)(getattr(L, kind)(6, return_sequences=True, name="below")(x))
    x = getattr(L, kind)(4, name="above", bias_initializer="glorot_uniform")(L.Dense(3, "gelu", name="dense")(x))
    model = K.Model(tokens, L.Dense(2, name="last")(x))
    given = np.random.default_rng(0).integers(11, size=(5, 7))
    with torch.no_grad():
        found = torch_module(model)(torch.as_tensor(given)).numpy()
    np.testing.assert_allclose(found, np.asarray(model(given, training=False)), rtol=1e-4, atol=1e-6)
    graph = neuron_graph(model, inputs=given)
    names = ("tokens tokens", "tokens", "below.layer.l0 before", "below.layer.l0", "dense")
    assert graph.names == (*names, "above.layer.l0 before", "above.layer.l0", "last")
    kernel = np.abs(np.asarray(model.get_layer("last").kernel))
    np.testing.assert_allclose(graph.edges[6, 7], kernel, rtol=1e-6)
    gates = np.split(
        np.abs(np.asarray(model.get_layer("above").weights[0])), {"LSTM": 4, "GRU": 3}.get(kind, 1), axis=1
    )
    np.testing.assert_allclose(graph.edges[4, 6], sum(gates), rtol=1e-5)


@KERAS
def test_convolutions_of_sequences_are_read(K: ModuleType) -> None:
    L, inputs = K.layers, K.Input((12, 4))
    same = L.Conv1D(6, 4, padding="same", activation="relu", name="same")(inputs)
    causal = L.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=2, name="causal")(same)
    joined = L.Concatenate()([L.Add()([same, causal]), causal])
    x = L.GlobalAveragePooling1D()(L.Conv1D(3, 3, strides=2, activation="tanh", name="strided")(joined))
    model = K.Model(inputs, L.Dense(2, name="last")(x))
    assert_same_function(model, (12, 4))
    graph = neuron_graph(model, inputs=np.zeros((2, 12, 4)))
    assert graph.names == ("same", "causal", "strided")
    assert set(graph.edges) == {(0, 1), (0, 2), (1, 2)}


@KERAS
def test_what_is_not_read_of_sequences_is_refused_by_name(K: ModuleType) -> None:
    L, inputs = K.layers, K.Input((6, 4))
    layers = {
        "odd": L.LSTM(3, go_backwards=True, name="odd"),
        "hard": L.GRU(3, recurrent_activation="hard_sigmoid", name="hard"),
        "ends": L.Dense(3, activation="softmax", name="ends"),
        "both": L.Bidirectional(L.LSTM(3, recurrent_activation="hard_sigmoid"), name="both"),
    }
    for name, layer in layers.items():
        with pytest.raises(InputError, match=f"layer '{name}' is a "):
            neuron_graph(K.Model(inputs, layer(inputs)))
    attention, mask = L.MultiHeadAttention(2, 2, name="attention"), K.Input((6, 6))
    with pytest.raises(
        InputError, match="layer 'attention' is a MultiHeadAttention that is called with attention_mask"
    ):
        neuron_graph(K.Model([inputs, mask], attention(inputs, inputs, attention_mask=mask)))
    tokens = K.Input((6,), dtype="int32")
    with pytest.raises(InputError, match=r"layer 'table' is an Embedding with mask_zero.* mask_zero=False"):
        neuron_graph(K.Model(tokens, L.LSTM(3)(L.Embedding(9, 4, mask_zero=True, name="table")(tokens))))
    with pytest.raises(InputError, match="is an operator with an array of constants"):
        neuron_graph(K.Model(inputs, L.Dense(2)(inputs) * np.ones(2, np.float32)))
    for kind, given in (("Conv1D", (3, 2)), ("GlobalAveragePooling1D", ()), ("GlobalMaxPooling1D", ())):
        first = getattr(L, kind)(*given, data_format="channels_first", name="first")
        first.build((None, 6, 4))
        with pytest.raises(InputError, match=f"layer 'first' is a {kind}"):
            _keras_layer(first, (None, 6, 4))
    volume = K.Input((5, 5, 5, 1))
    with pytest.raises(InputError, match="layer 'volume' is a Conv3D"):
        neuron_graph(K.Model(volume, L.Conv3D(2, 3, name="volume")(volume)))


@KERAS
def test_the_declared_shape_is_what_a_model_is_traced_with(K: ModuleType) -> None:
    L, inputs = K.layers, K.Input((8, 6, 2))
    x = L.Conv2D(4, 3, padding="same", strides=2, activation="relu", name="first")(inputs)
    model = K.Model(inputs, L.Dense(3, name="last")(L.Flatten()(L.Conv2D(4, 3, padding="same", name="second")(x))))
    found = trace(model)
    assert [(layer.name, layer.size) for layer in found.layers] == [
        ("input", 2),
        ("first", 4),
        ("second", 4),
        ("last", 3),
    ]
    assert found.program.inputs[0].shape == (2, 2, 8, 6)
    images = np.random.default_rng(0).random((5, 8, 6, 2))
    given = images.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found.answers(given), np.asarray(model(images)).argmax(1))
    hint = r"images are \(n, channels, height, width\), also those of a Keras model: pass inputs.transpose"
    for ask in (
        lambda: trace(model, images),
        lambda: neuron_graph(model, inputs=images),
        lambda: found.answers(images),
        lambda: as_network(model).answers(images),
        lambda: hidden_activities(found, images),
        lambda: similarities(model, images, np.zeros(5, dtype=int)),
    ):
        with pytest.raises(InputError, match=hint):
            ask()


@KERAS
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 2, 1), (4, 3, 1), (2, 3, 1), (3, 1, 2)])
def test_strided_convolutions_of_sequences_pad_as_keras_does(
    K: ModuleType, size: int, stride: int, dilation: int
) -> None:
    L, inputs = K.layers, K.Input((11, 4))
    x = L.Conv1D(5, size, strides=stride, padding="same", dilation_rate=dilation, name="first")(inputs)
    model = K.Model(inputs, L.Dense(2, name="last")(L.GlobalMaxPooling1D()(x)))
    assert_same_function(model, (11, 4))
    assert [layer.name for layer in trace(model).layers] == ["input", "first", "last"]


@KERAS
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul"])
@pytest.mark.parametrize("every_step", [False, True])
def test_a_recurrent_layer_of_both_directions_is_read(K: ModuleType, kind: str, merge: str, every_step: bool) -> None:
    L, inputs = K.layers, K.Input((6, 4))
    inner = getattr(L, kind)(3, return_sequences=every_step, bias_initializer="glorot_uniform")
    x = L.Bidirectional(inner, merge_mode=merge, name="both")(inputs)
    model = K.Model(inputs, L.Dense(2, name="last")(x))
    assert_same_function(model, (6, 4))
    graph = neuron_graph(model)
    number = {name: place for place, name in enumerate(graph.names)}
    kernel = np.abs(np.asarray(model.get_layer("last").kernel))
    halves = (kernel[:3], kernel[3:]) if merge == "concat" else (kernel / (2 if merge == "ave" else 1),) * 2
    for end, half in zip(("l0", "l0 reverse"), halves, strict=True):
        np.testing.assert_allclose(graph.edges[number[f"both.layer.{end}"], number["last"]], half, rtol=1e-6)


@KERAS
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 3), (4, 1), (4, 2)])
def test_transposed_convolutions_and_group_norms_are_read(K: ModuleType, padding: str, size: int, stride: int) -> None:
    L, inputs = K.layers, K.Input((5, 4, 2))
    x = L.Conv2D(6, 3, padding="same", name="first")(inputs)
    x = L.GroupNormalization(3, beta_initializer="glorot_uniform" if K is keras else "zeros", name="norm")(x)
    x = L.Conv2DTranspose(3, (size, size + 1), stride, padding, activation="tanh", name="up")(x)
    model = K.Model(inputs, L.Conv2D(2, 1, name="last")(x))
    gamma = np.array([1, 2, 0.5, -1, 3, 1], np.float32)
    model.get_layer("norm").gamma.assign(gamma)
    for layer in ("up", "last"):
        model.get_layer(layer).bias.assign(np.linspace(-1, 1, len(np.asarray(model.get_layer(layer).bias))))
    assert_same_function(model, (5, 4, 2))
    graph = neuron_graph(model)
    assert graph.names == ("first", "up", "last")
    kernel = np.abs(np.asarray(model.get_layer("up").kernel)).sum((0, 1)).T
    np.testing.assert_allclose(graph.edges[0, 1], kernel, rtol=1e-5)  # gamma belongs to the weights into the first


@KERAS
def test_attention_is_read_where_nothing_goes_round_it(K: ModuleType) -> None:
    L, inputs = K.layers, K.Input((5, 8))
    straight = L.MultiHeadAttention(2, 4, name="looks")(inputs, inputs)
    model = K.Model(inputs, L.Dense(2, name="last")(straight))
    given = np.random.default_rng(0).normal(size=(3, 5, 8)).astype(np.float32)
    with torch.no_grad():
        found = torch_module(model)(torch.from_numpy(given)).numpy()
    np.testing.assert_allclose(found, np.asarray(model(given, training=False)), rtol=1e-4, atol=1e-6)
    assert [name.rpartition(".")[2] for name in neuron_graph(model).names[1:]] == [
        "query",
        "key",
        "value",
        "out",
        "last",
    ]


@KERAS
def test_attention_of_keras_has_a_unit_a_head(K: ModuleType) -> None:
    L, inputs, other = K.layers, K.Input((6, 5)), K.Input((4, 3))
    x = L.MultiHeadAttention(2, 3, value_dim=4, output_shape=7, name="across")(inputs, other)
    x = L.Add()([L.Dense(7, name="in")(inputs), x])
    x = L.MultiHeadAttention(2, 3, name="back", use_bias=False)(x, x, use_causal_mask=True)
    model = K.Model([inputs, other], L.Dense(2, name="last")(x))
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(3, *shape)).astype(np.float32) for shape in ((6, 5), (4, 3))]
    with torch.no_grad():
        found = torch_module(model)(*map(torch.from_numpy, given)).numpy()
    np.testing.assert_allclose(found, np.asarray(model(given, training=False)), rtol=1e-4, atol=1e-6)
    graph = neuron_graph(model)
    number = {name: place for place, name in enumerate(graph.names)}
    assert [graph.sizes[number[f"across.{part}"]] for part in ("query", "key", "value", "out")] == [2, 2, 2, 7]
    weights = model.get_layer("across").get_weights()
    into, out = np.abs(weights[4]).sum(2), np.abs(weights[6]).sum(1)
    source = next(i for i, j in graph.edges if j == number["across.value"])
    np.testing.assert_allclose(graph.edges[source, number["across.value"]], into, rtol=1e-5)
    np.testing.assert_allclose(graph.edges[number["across.value"], number["across.out"]], out, rtol=1e-5)


@KERAS
def test_operators_with_numbers_are_gains_and_those_between_tensors_join_them(K: ModuleType) -> None:
    L, inputs = K.layers, K.Input((5,))
    first = L.Dense(4, activation="tanh", name="first")(inputs)
    second = L.Dense(4, name="second")(first)
    mixed = 2.0 * first - (1.0 - second) / 4.0 + -first * 0.5
    model = K.Model(inputs, L.Dense(2, name="last")(mixed) * 3.0)
    assert_same_function(model, (5,))
    graph = neuron_graph(model)
    assert graph.names == ("input", "first", "second", "last")
    kernel = 3 * np.abs(np.asarray(model.get_layer("last").kernel))
    np.testing.assert_allclose(graph.edges[1, 3], 1.5 * kernel, rtol=1e-6)
    np.testing.assert_allclose(graph.edges[2, 3], kernel, rtol=1e-6)  # a quarter belongs to the weights into it
    inner = np.abs(np.asarray(model.get_layer("second").kernel))
    np.testing.assert_allclose(graph.edges[1, 2], inner / 4, rtol=1e-6)


@KERAS
@pytest.mark.parametrize("base", ["Dense", "BatchNormalization", "Activation", "Dropout", "ReLU", "LSTM"])
def test_a_layer_of_your_own_is_not_taken_for_that_of_its_name(K: ModuleType, base: str) -> None:
    given = {"Dense": (8,), "Activation": ("relu",), "Dropout": (0.5,), "LSTM": (3,)}.get(base, ())
    keras_own = getattr(K.layers, base)
    own = type(base, (keras_own,), {"call": lambda self, sequences, initial_state=None, **_: 0.2 * sequences})
    shape = (5, 4) if base == "LSTM" else (8,)
    for layer in (own(*given), of_one_instance(keras_own(*given))):
        model = K.Sequential([K.Input(shape), layer])
        for read in (as_network, neuron_graph, torch_module):
            with pytest.raises(InputError, match=f"is a {base} that is not Keras's own, which is not supported"):
                read(model)


def of_one_instance(layer: Any) -> Any:
    layer.call = lambda x, **_: 0.2 * x
    return layer


@KERAS
def test_a_model_of_your_own_is_read_by_its_graph_unless_it_has_a_call_of_its_own(K: ModuleType) -> None:
    class Trained(K.Model):  # type: ignore[name-defined,misc]
        def train_step(self, data: object) -> object:
            return super().train_step(data)

    class Called(Trained):
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return 0.2 * super().call(inputs)

    for kind in (Trained, Called):
        inputs = K.Input((8,))
        model = kind(inputs, K.layers.Dense(3)(inputs))
        around = K.Sequential([K.Input((8,)), model])
        for whole in (model, around):
            if kind is Trained:
                assert_same_function(whole, (8,))
            else:
                with pytest.raises(InputError, match="is a Called that is not Keras's own"):
                    torch_module(whole)


def test_a_model_that_is_being_pruned_is_told_how_to_be_read() -> None:
    sparsity = pytest.importorskip("tensorflow_model_optimization").sparsity.keras
    base = tf_keras.Sequential([tf_keras.layers.Dense(6, input_shape=(8,)), tf_keras.layers.Dense(3)])
    with pytest.raises(InputError, match=r"PruneLowMagnitude .* take the wrapper off by strip_pruning"):
        as_network(sparsity.prune_low_magnitude(base))


@KERAS
def test_a_text_model_of_the_default_kind_of_input_is_traced(K: ModuleType) -> None:
    L = K.layers
    model = K.Sequential([K.Input((5,)), L.Embedding(7, 4, name="table"), L.LSTM(3), L.Dense(2, name="last")])
    tokens = np.random.default_rng(0).integers(7, size=(6, 5))
    assert neuron_graph(model).sizes[:2] == (7, 4)
    np.testing.assert_array_equal(trace(model).answers(tokens), np.asarray(model(tokens)).argmax(1))


@KERAS
def test_what_keras_has_and_pytorch_does_not_is_named(K: ModuleType) -> None:
    L = K.layers
    for layer, fault in (
        (L.SimpleRNN(3, activation="relu"), "a SimpleRNN with activation='relu'"),
        (L.GRU(3, reset_after=False), "a GRU with reset_after=False"),
        (L.Dense(3, activation="hard_sigmoid"), "followed by 'hard_sigmoid', which is none of linear, .*relu6, .*silu"),
    ):
        with pytest.raises(InputError, match=fault):
            torch_module(K.Sequential([K.Input((5, 4)), layer]))
