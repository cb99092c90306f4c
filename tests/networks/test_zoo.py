"""Networks as people build them: their graph is what perturbing one unit at a time shows, layer by layer."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torchvision.models as zoo
from perturbed import joined_as_perturbed
from shapes import Autoencoder, ResidualMLP, UNet, built, transformer
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.regnet import BlockParams

from modlib.graphs import neuron_graph, shuffle_test
from modlib.networks import trace


def vgg() -> nn.Module:
    module = zoo.vgg11_bn(weights=None, init_weights=False)
    module.classifier = nn.Linear(512 * 49, 3)
    return module


def alexnet() -> nn.Module:
    module = zoo.alexnet(weights=None)
    module.classifier = nn.Linear(256 * 36, 3)
    return module


def efficientnet() -> nn.Module:
    blocks = [MBConvConfig(1, 3, 1, 8, 8, 1, 1, 1), MBConvConfig(4, 3, 2, 8, 12, 2, 1, 1)]
    return EfficientNet(blocks, dropout=0.2, last_channel=16)


def mobilenet_v3() -> nn.Module:
    block = partial(InvertedResidualConfig, dilation=1, width_mult=1.0)
    blocks = [
        block(8, 3, 12, 8, True, "RE", stride=1),
        block(8, 5, 16, 8, True, "HS", stride=1),
        block(8, 3, 16, 12, False, "HS", stride=2),
    ]
    return MobileNetV3(blocks, last_channel=16)


FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "alexnet": alexnet,
    "convnext": lambda: zoo.ConvNeXt([CNBlockConfig(8, 12, 2), CNBlockConfig(12, None, 1)]),
    "densenet": lambda: zoo.DenseNet(4, (2, 2), 8, bn_size=2),
    "efficientnet": efficientnet,
    "googlenet": lambda: zoo.GoogLeNet(num_classes=3, aux_logits=False, init_weights=False),
    "inception": lambda: zoo.Inception3(num_classes=3, aux_logits=False, init_weights=False),
    "maxvit": lambda: zoo.MaxVit((32, 32), 8, 4, [8, 8], [1, 1], 4, stochastic_depth_prob=0.0),
    "mnasnet": lambda: zoo.MNASNet(0.1),
    "mobilenet_v2": lambda: zoo.MobileNetV2(3, 0.1, [[1, 8, 1, 1], [4, 8, 2, 2]]),
    "mobilenet_v3": mobilenet_v3,
    "regnet": lambda: zoo.RegNet(BlockParams([2, 1], [8, 16], [4, 8], [1, 1], [2, 2], 0.25), num_classes=3),
    "resnet": lambda: zoo.ResNet(zoo.resnet.BasicBlock, [2, 2, 1, 1], num_classes=3),
    "resnext": lambda: zoo.ResNet(zoo.resnet.Bottleneck, [2, 1, 1, 1], num_classes=3, groups=4, width_per_group=4),
    "shufflenet": lambda: zoo.ShuffleNetV2([2, 1, 1], [8, 8, 16, 16, 16], 3),
    "squeezenet": lambda: zoo.SqueezeNet("1_1", num_classes=3),
    "swin": lambda: zoo.SwinTransformer([4, 4], 8, [2, 1], [2, 2], [2, 2], num_classes=3),
    "vgg": vgg,
    "vit": lambda: zoo.VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=3),
}  # fmt: skip


OTHERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "u-net": (UNet, (1, 1, 8, 8)),
    "autoencoder": (Autoencoder, (1, 1, 28, 28)),
    "residual perceptron": (ResidualMLP, (1, 6)),
    "transformer": (transformer, (1, 4, 8)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_graph_of_a_torchvision_network_is_what_perturbations_show(name: str) -> None:
    module = built(FAMILIES[name])
    graph = neuron_graph(module, batch_norm="ignore")
    large = name in ("inception", "googlenet")
    side = 96 if name == "inception" else 64 if name == "alexnet" else 32
    assert joined_as_perturbed(module, graph, torch.rand(1, 3, side, side), tries=4 if large else 10) > 0


@pytest.mark.parametrize("name", OTHERS)
def test_the_graph_of_other_networks_is_what_perturbations_show(name: str) -> None:
    build, shape = OTHERS[name]
    module = built(build)
    assert joined_as_perturbed(module, neuron_graph(module, batch_norm="ignore"), torch.rand(shape)) > 0


@pytest.mark.parametrize("name", ["resnet", "swin", "mobilenet_v3"])
def test_the_program_computes_what_the_network_does(name: str) -> None:
    module = built(FAMILIES[name])
    found, x = trace(module), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        (ours,) = [found.program.graph(x)] if isinstance(found.program.graph(x), Tensor) else found.program.graph(x)
        torch.testing.assert_close(ours, module(x), rtol=1e-5, atol=1e-5)


def test_a_branching_network_can_be_clustered_and_shuffled() -> None:
    graph = neuron_graph(built(FAMILIES["resnet"]))
    assert not graph.is_bipartite
    test = shuffle_test(graph, k=3, n_shuffles=3, seed=0, n_init=2)
    assert 0 < test.ncut < 3
    assert (test.shuffled > 0).all()
