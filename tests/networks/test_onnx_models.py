"""ONNX models compute the same as their reference does, and have the graphs of the networks they were made of."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from shapes import Autoencoder, ResidualMLP, UNet, built
from torch import Tensor, nn
from torchvision import models

from modlib.errors import InputError
from modlib.graphs import neuron_graph
from modlib.lesions import damages
from modlib.networks import torch_module, trace

onnx = pytest.importorskip("onnx")
evaluation = pytest.importorskip("onnx.reference")


def exported(module: nn.Module, x: Tensor) -> Any:
    """An ONNX model of a module, for one input at a time, as most are."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (x[:1],), file, dynamo=False)
    return onnx.load_from_string(file.getvalue())


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.LeakyReLU(0.3), nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 3), nn.Softmax(1))


def chain() -> nn.Module:
    layers = [
        nn.Conv2d(3, 6, 3, groups=3),
        nn.BatchNorm2d(6),
        nn.ReLU6(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 4, 3),
        nn.ELU(),
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (perceptron, (6,)),
    "residual perceptron": (ResidualMLP, (6,)),
    "chain": (chain, (3, 10, 10)),
    "u-net": (UNet, (1, 8, 8)),
    "autoencoder": (Autoencoder, (1, 28, 28)),
    "resnet": (lambda: models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=3), (3, 32, 32)),
    "mobilenet": (lambda: models.MobileNetV2(3, 0.1, [[1, 8, 1, 1], [4, 8, 2, 2]]), (3, 32, 32)),
}


@pytest.mark.parametrize("name", MODELS)
def test_an_onnx_model_is_the_network_that_it_was_made_of(name: str) -> None:
    build, shape = MODELS[name]
    module, x = built(build), torch.randn(3, *shape)
    model = exported(module, x)
    read = torch_module(model)
    with torch.no_grad():
        torch.testing.assert_close(read(x), module(x), rtol=1e-4, atol=1e-5)
    reference = evaluation.ReferenceEvaluator(model)
    (wanted,) = reference.run(None, {model.graph.input[0].name: x[:1].numpy()})
    np.testing.assert_allclose(read(x[:1]).detach().numpy(), wanted, rtol=1e-3, atol=1e-4)
    ours, theirs = neuron_graph(model, inputs=x), neuron_graph(module, inputs=x)  # an export folds its norms
    assert ours.sizes == theirs.sizes
    difference = abs(ours.adjacency - theirs.adjacency).max()
    assert difference <= 1e-5 * theirs.adjacency.max()


def test_an_onnx_model_can_be_lesioned_as_its_module() -> None:
    module, x = built(ResidualMLP), torch.randn(20, 6)
    model = exported(module, x)
    y = module(x).argmax(1).numpy()
    ours, theirs = trace(model, x), trace(module, x)
    for layer in theirs.hidden:
        sets = [[0], list(range(theirs.layers[layer].size))]
        for first, second in zip(
            damages(ours, x.numpy(), y, layer, sets), damages(theirs, x.numpy(), y, layer, sets), strict=True
        ):
            assert first.drop == second.drop


def test_norms_of_onnx_are_folded_as_those_of_a_module() -> None:
    norm = onnx.helper.make_node("BatchNormalization", ["h", *"gbmv"], ["n"], name="norm", epsilon=0.1)
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["h"], name="first"), norm,
        onnx.helper.make_node("Relu", ["n"], ["r"]), onnx.helper.make_node("MatMul", ["r", "u"], ["y"], name="last"),
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(4, 3)), "u": rng.normal(size=(3, 2)), "v": rng.uniform(1, 2, 3)}
    arrays |= {name: rng.normal(size=3) for name in "gbm"}
    held = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in arrays.items()]
    ends = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", s]) for n, s in (("x", 4), ("y", 2))]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], held))
    graph = neuron_graph(model, inputs=np.zeros((2, 4)))
    assert graph.batch_norm == "fold"
    wanted = np.abs(arrays["w"] * arrays["g"] / np.sqrt(arrays["v"] + np.float32(0.1)))
    np.testing.assert_allclose(graph.edges[0, 1], wanted, rtol=1e-5)
    assert graph.names == ("input", "first", "last")


def test_what_is_not_read_of_onnx_is_refused_by_name() -> None:
    step = onnx.helper.make_node("Einsum", ["x", "x"], ["y"], name="odd", equation="ij,kj->ik")
    ends = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", 4]) for n in ("x", "y")]
    with pytest.raises(InputError, match=r"step 'odd' is a Einsum\(.*\), which is not read"):
        torch_module(onnx.helper.make_model(onnx.helper.make_graph([step], "g", ends[:1], ends[1:])))
    with pytest.raises(InputError, match="has 2 inputs and 1 outputs"):
        torch_module(onnx.helper.make_model(onnx.helper.make_graph([step], "g", [*ends[:1], ends[1]], ends[1:])))
