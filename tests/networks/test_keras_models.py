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

from modlib.errors import InputError
from modlib.graphs import neuron_graph
from modlib.networks import torch_module

KERAS = pytest.mark.parametrize("K", [tf_keras, keras], ids=["keras2", "keras3"])


def assert_same_function(model: Any, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    expected = np.asarray(model(x, training=False))
    with torch.no_grad():
        found = torch_module(model)(torch.from_numpy(x if x.ndim != 4 else x.transpose(0, 3, 1, 2).copy())).numpy()
    found = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
    assert expected.std() > 1e-4
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


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
    assert_same_function(model, (32, 32, 3))
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
    names = ("forward", "training", "a.b", "a_b")
    model = K.Sequential([K.Input((5,)), *(K.layers.Dense(5, activation="relu", name=name) for name in names)])
    assert_same_function(model, (5,))
    assert len(set(neuron_graph(model).names)) == 5
