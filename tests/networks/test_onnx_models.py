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
from modlib.masks import MaskSettings, learn_mask
from modlib.networks import torch_module, trace
from modlib.training import draw_from

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


def sequence() -> nn.Module:
    layers = [nn.Conv1d(3, 5, 3), nn.ReLU(), nn.Conv1d(5, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 3))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (perceptron, (6,)),
    "residual perceptron": (ResidualMLP, (6,)),
    "chain": (chain, (3, 10, 10)),
    "sequence": (sequence, (3, 10)),
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


def of_one_step(kind: str, version: int, rank: int, **given: Any) -> Any:
    """An ONNX model of one step that knows the shape of what it takes."""
    ends = [
        onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3, 4, 5][:rank]),
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None),
    ]
    held = (
        [onnx.numpy_helper.from_array(np.array(given.pop("axes")), "axes")] if version >= 13 and "axes" in given else []
    )
    step = onnx.helper.make_node(kind, ["x", *(array.name for array in held)], ["y"], name="odd", **given)
    graph = onnx.helper.make_graph([step], "g", ends[:1], ends[1:], held)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version)])


@pytest.mark.parametrize("version", [11, 13])
@pytest.mark.parametrize("axes", [[0], [-1], [1, 2], [2, 0], [0, 3, 4], [-1, -3], [-4, -1]])
def test_new_axes_have_their_places_in_the_result(axes: list[int], version: int) -> None:
    x = torch.randn(2, 3)
    read = torch_module(of_one_step("Unsqueeze", version, 2, axes=axes))
    np.testing.assert_array_equal(read(x).numpy(), np.expand_dims(x.numpy(), tuple(axes)))


def test_axes_that_count_from_both_ends_are_refused() -> None:
    with pytest.raises(InputError, match=r"step 'odd' is a Unsqueeze\(.*\), which is not read"):
        torch_module(of_one_step("Unsqueeze", 13, 2, axes=[0, -1]))


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("given", [{}, {"axis": 1}, {"axis": 2}, {"axis": -1}])
@pytest.mark.parametrize("rank", [3, 4])
def test_a_softmax_is_over_one_axis(kind: str, given: dict[str, int], rank: int) -> None:
    model, x = of_one_step(kind, 13, rank, **given), torch.randn((2, 3, 4, 5)[:rank])
    (wanted,) = evaluation.ReferenceEvaluator(model).run(None, {"x": x.numpy()})
    np.testing.assert_allclose(torch_module(model)(x).numpy(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_an_early_softmax_is_over_an_axis_and_all_behind_it(rank: int, axis: int | None) -> None:
    """Which the reference does not know: as the operator's text of version 11 says, the rest is one row."""
    x = torch.randn((2, 3, 4, 5)[:rank])
    start = (1 if axis is None else axis) % rank
    rows = x.reshape(int(np.prod(x.shape[:start])), -1)
    for kind, function in (("Softmax", torch.softmax), ("LogSoftmax", torch.log_softmax)):
        read = torch_module(of_one_step(kind, 11, rank, **({} if axis is None else {"axis": axis})))
        torch.testing.assert_close(read(x), function(rows, 1).reshape(x.shape))


def of_steps(steps: list[Any], shape: tuple[int, ...], **arrays: np.ndarray) -> Any:
    """An ONNX model of steps from x to y."""
    ends = [
        onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", *shape]),
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None),
    ]
    held = [onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()]
    graph = onnx.helper.make_graph(steps, "g", ends[:1], ends[1:], held)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)])


@pytest.mark.parametrize("names", [("/block/MatMul", "/block/MatMul_1"), ("block_1/first", "block/last")])
def test_steps_of_one_scope_have_weights_of_their_own(names: tuple[str, str]) -> None:
    steps = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["h"], name=names[0]),
        onnx.helper.make_node("Relu", ["h"], ["r"]),
        onnx.helper.make_node("MatMul", ["r", "v"], ["s"], name=names[1]),
        onnx.helper.make_node("MatMul", ["s", "w"], ["y"], name="block/third"),
    ]
    identity = np.eye(3, dtype=np.float32)
    model, x = of_steps(steps, (3,), w=2 * identity, v=5 * identity), torch.rand(4, 3)
    torch.testing.assert_close(torch_module(model)(x), 20 * x)
    graph = neuron_graph(model, inputs=x)
    assert len(set(graph.names)) == len(graph.names) == 4
    assert [float(graph.edges[i, i + 1].max()) for i in range(3)] == [2, 5, 2]


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(4,), (4, 5), (4, 5, 2)])
def test_global_pools_are_over_all_places_and_no_channels(kind: str, shape: tuple[int, ...]) -> None:
    """As the operators' text says; the reference takes the last two axes for a maximum, whatever there are."""
    model, x = of_steps([onnx.helper.make_node(kind, ["x"], ["y"])], (3, *shape)), torch.randn(2, 3, *shape)
    pool = np.mean if kind == "GlobalAveragePool" else np.max
    wanted = pool(x.numpy(), tuple(range(2, x.ndim)), keepdims=True)
    np.testing.assert_allclose(torch_module(model)(x).numpy(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [[0, 0, 4], [0, 0, -1], [2, 0, 2, 2], [-1, 0, 4], [0, -1]])
def test_a_zero_in_a_new_shape_is_the_size_that_is_there(shape: list[int]) -> None:
    step = onnx.helper.make_node("Reshape", ["x", "wanted"], ["y"], name="odd")
    model, x = of_steps([step], (3, 2, 2), wanted=np.array(shape)), torch.randn(2, 3, 2, 2)
    (wanted,) = evaluation.ReferenceEvaluator(model).run(None, {"x": x.numpy()})
    np.testing.assert_array_equal(torch_module(model)(x).numpy(), wanted)


def test_what_would_round_or_has_slopes_of_its_own_is_refused() -> None:
    x = torch.randn(2, 3)
    for kind, given in (
        ("Cast", {"to": onnx.TensorProto.INT64}),
        ("Cast", {"to": onnx.TensorProto.BOOL}),
        ("Selu", {"alpha": 2.0, "gamma": 3.0}),
        ("Selu", {"gamma": 3.0}),
    ):
        with pytest.raises(InputError, match=rf"step 'odd' is a {kind}\(.*\), which is not read"):
            torch_module(of_one_step(kind, 13, 2, **given))
    torch.testing.assert_close(torch_module(of_one_step("Cast", 13, 2, to=onnx.TensorProto.DOUBLE))(x), x)
    torch.testing.assert_close(torch_module(of_one_step("Selu", 13, 2))(x), torch.selu(x))


def test_operators_of_an_early_version_are_refused() -> None:
    with pytest.raises(InputError, match="operators of version 6; expected 7 or later"):
        torch_module(of_one_step("Relu", 6, 2))


def test_what_is_not_read_of_onnx_is_refused_by_name() -> None:
    step = onnx.helper.make_node("Einsum", ["x", "x"], ["y"], name="odd", equation="ij,kj->ik")
    ends = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", 4]) for n in ("x", "y")]
    with pytest.raises(InputError, match=r"step 'odd' is a Einsum\(.*\), which is not read"):
        torch_module(onnx.helper.make_model(onnx.helper.make_graph([step], "g", ends[:1], ends[1:])))
    with pytest.raises(InputError, match="has 2 inputs and 1 outputs"):
        torch_module(onnx.helper.make_model(onnx.helper.make_graph([step], "g", [*ends[:1], ends[1]], ends[1:])))


def test_running_statistics_and_constants_of_onnx_are_no_parameters() -> None:
    steps = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["h"], name="first"),
        onnx.helper.make_node("BatchNormalization", ["h", *"gbmv"], ["n"], name="norm"),
        onnx.helper.make_node("Div", ["n", "divisor"], ["d"]),
        onnx.helper.make_node("Mul", ["gain", "d"], ["e"]),
        onnx.helper.make_node("Add", ["e", "shift"], ["s"]),
        onnx.helper.make_node("MatMul", ["s", "u"], ["t"], name="last"),
        onnx.helper.make_node("Add", ["bias", "t"], ["y"]),
    ]
    ones = {name: np.ones(3, np.float32) for name in ("g", "b", "m", "v", "gain")}
    ones |= {"w": np.ones((4, 3), np.float32), "u": np.ones((3, 1), np.float32), "bias": np.ones(1, np.float32)}
    model = of_steps(steps, (4,), **ones, divisor=np.full(3, 2, np.float32), shift=np.ones(1, np.float32))
    module = torch_module(model)
    names = {"first.weight", "norm.weight", "norm.bias", "gain", "last.weight", "bias"}
    assert {name for name, _ in module.named_parameters()} == names
    assert {name for name, _ in module.named_buffers()} == {"norm.running_mean", "norm.running_var", "divisor", "shift"}
    x, y = torch.randn(20, 4), torch.randn(20, 1)
    settings, rng = MaskSettings(steps=2, batch_size=4, samples=2), np.random.default_rng(0)
    learned = learn_mask(model, draw_from(x, y), settings, rng, torch.nn.functional.mse_loss)
    assert set(learned.mask.keep) == names


def test_an_onnx_model_says_what_it_takes_and_guesses_are_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    build, shape = MODELS["chain"]
    model = exported(build(), torch.randn(1, *shape))
    assert trace(model).program.inputs[0].shape == (2, *shape)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(InputError, match="needs an example input, and none was given"):  # a side without a number
        trace(model)
    assert "Traceback" not in capfd.readouterr().err
