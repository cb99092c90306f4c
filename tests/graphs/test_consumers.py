"""Graphs of channels as convolutions read them: equal to those written by hand, and to chains but for their scale."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from modlib.errors import GraphError, InputError
from modlib.graphs import consumer_graph, ncut, neuron_graph, shuffle_graph, shuffle_test
from modlib.graphs.neurons import NeuronGraph
from modlib.networks import perceptron, small_cnn, trace

IMAGE = np.zeros((1, 3, 8, 8), dtype=np.float32)


def conv(into: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, padding=1, bias=False)


def residual(blocks: int, channels: int, seed: int = 0, outside: float = 1.0) -> nn.Sequential:
    """A convolution, residual blocks with gains of their own, and a dense layer; two modules if ``outside`` < 1."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        body = [BasicBlock(channels, channels) for _ in range(blocks)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
        module = nn.Sequential(conv(3, channels), nn.ReLU(), *body, *head).eval()
        side = torch.arange(channels) % 2
        for part in module.modules():
            if isinstance(part, nn.Conv2d) and part.in_channels == channels:
                part.weight[side[:, None] != side] *= outside
    return module


def with_gains(module: nn.Sequential) -> nn.Sequential:
    with torch.no_grad():
        for i, norm in enumerate(part for part in module.modules() if isinstance(part, nn.BatchNorm2d)):
            generator = torch.Generator().manual_seed(i)
            norm.weight.uniform_(-2, 2, generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)
    return module


def scaled(layer: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> np.ndarray:
    """Edge weights of a convolution, (channels in, channels out), written anew."""
    norms = layer.weight.detach().double().numpy().transpose(2, 3, 1, 0)
    norms = np.abs(norms).sum(axis=(0, 1))
    gains = (
        1.0 if norm is None else (norm.weight.abs() / (norm.running_var + norm.eps).sqrt()).detach().double().numpy()
    )
    return norms / norms.mean() * gains


def dense(graph: NeuronGraph) -> dict[tuple[int, int], np.ndarray]:
    return {pair: np.asarray(block) for pair, block in graph.edges.items()}


def test_the_graph_of_residual_blocks_is_that_written_by_hand() -> None:
    # 0: conv1 of the first block, 1: conv2 of it, 2 and 3 of the second, 4: the dense layer
    module = with_gains(residual(2, 6))
    graph = consumer_graph(trace(module, IMAGE))
    first, second = module[2], module[3]
    one, two = scaled(first.conv1, first.bn1), scaled(first.conv2, first.bn2)
    three, four = scaled(second.conv1, second.bn1), scaled(second.conv2, second.bn2)
    wanted = {(0, 1): one, (1, 2): two, (1, 4): two, (2, 3): three, (3, 4): four}
    assert graph.sizes == (6,) * 5
    assert set(graph.edges) == set(wanted)
    for pair, block in dense(graph).items():
        np.testing.assert_allclose(block, wanted[pair], rtol=1e-5)


def test_in_a_chain_it_is_the_usual_graph_but_for_the_scale_of_each_kernel() -> None:
    module = small_cnn(np.random.default_rng(0), side=8)
    chain, graph = neuron_graph(module), consumer_graph(trace(module))
    assert graph.sizes == chain.sizes
    for pair, block in dense(graph).items():
        usual = np.asarray(chain.edges[pair])
        np.testing.assert_allclose(block, usual / usual.mean(), rtol=1e-6)


def test_places_of_an_image_that_a_dense_layer_reads_are_one_vertex_a_channel() -> None:
    module = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(80, 3))
    graph = consumer_graph(trace(module, IMAGE))
    assert graph.sizes == (4, 5)
    np.testing.assert_allclose(graph.edges[0, 1], scaled(module[2]), rtol=1e-5)


class Branches(nn.Module):
    """Two branches from one convolution, put side by side, read by another."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.left, self.right, self.last = conv(3, 4), conv(4, 2), conv(4, 3), conv(5, 2)
        self.head = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = torch.cat([self.left(x), self.right(x)], 1)
        return self.head(self.last(x).mean((2, 3)))


def test_a_concatenation_splits_what_is_read_by_its_source() -> None:
    with torch.random.fork_rng(devices=[]):
        module = Branches().eval()
    graph = consumer_graph(trace(module, IMAGE))
    assert graph.names == ("left", "right", "last", "last (2)", "head")
    left, right = (2 + graph.sizes[2:4].index(size) for size in (2, 3))  # of what is read, those of either source
    last = scaled(module.last)
    wanted = {
        (0, left): scaled(module.left),
        (1, right): scaled(module.right),
        (left, 4): last[:2],
        (right, 4): last[2:],
    }
    assert sorted(graph.sizes) == [2, 2, 3, 4, 4]
    assert set(graph.edges) == set(wanted)
    for pair, block in dense(graph).items():
        np.testing.assert_allclose(block, wanted[pair], rtol=1e-5)


def test_gains_are_left_out_where_one_asks_for_it() -> None:
    module = with_gains(residual(1, 4))
    bare = consumer_graph(trace(module, IMAGE), "ignore")
    assert bare.batch_norm == "ignore"
    np.testing.assert_allclose(bare.edges[0, 1], scaled(module[2].conv1), rtol=1e-5)


class NormedByOneReader(nn.Module):
    """What one convolution computes is read by two, by one of them behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.middle, self.norm = conv(3, 4), conv(4, 4), nn.BatchNorm2d(4)
        self.first, self.second, self.head = conv(4, 2), conv(4, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.stem(x).relu())
        return self.head((self.first(self.norm(x).relu()) + self.second(x.relu())).mean((2, 3)))


@pytest.mark.parametrize("batch_norm", ["fold", "ignore"])
def test_a_norm_on_the_way_to_one_reader_scales_the_edges_to_that_one_alone(batch_norm: str) -> None:
    module = NormedByOneReader().eval()
    with torch.no_grad():
        module.norm.weight.copy_(torch.tensor([-2.0, 0.5, 1.0, 3.0]))
    graph = consumer_graph(trace(module, IMAGE), batch_norm)  # type: ignore[arg-type]
    assert graph.names == ("middle", "first", "second", "head")
    norm = module.norm if batch_norm == "fold" else None
    np.testing.assert_allclose(graph.edges[0, 1], scaled(module.middle, norm), rtol=1e-5)
    np.testing.assert_allclose(graph.edges[0, 2], scaled(module.middle), rtol=1e-5)
    assert graph.batch_norm == batch_norm


def test_kernels_may_keep_their_own_scale() -> None:
    module = with_gains(residual(1, 4))
    traced = trace(module, IMAGE)
    own, scaled_to_one = (consumer_graph(traced, scaled=flag) for flag in (False, True))
    mean = module[2].conv1.weight.detach().double().abs().sum(dim=(2, 3)).mean().item()
    np.testing.assert_allclose(own.edges[0, 1], mean * np.asarray(scaled_to_one.edges[0, 1]), rtol=1e-6)


def test_convolutions_in_groups_keep_them_in_shuffles() -> None:
    middle = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    module = nn.Sequential(conv(3, 4), middle, conv(4, 2), nn.Flatten(), nn.Linear(128, 2))
    graph = consumer_graph(trace(module, IMAGE))
    own, moved = (one.edges[0, 1].toarray() for one in (graph, shuffle_graph(graph, "layer", np.random.default_rng(0))))
    for block in (own, moved):
        np.testing.assert_array_equal(block > 0, np.kron(np.eye(2), np.ones((2, 2))))
        assert block.sum() == pytest.approx(8)  # as many slices, of mean 1
    assert not np.array_equal(own, moved)


def test_shuffles_keep_what_joins_two_layers_but_tear_copies_of_a_kernel_apart() -> None:
    graph = consumer_graph(trace(residual(2, 8), IMAGE))
    shuffled = shuffle_graph(graph, "layer", np.random.default_rng(0))
    np.testing.assert_array_equal(graph.edges[1, 2], graph.edges[1, 4])
    assert not np.allclose(shuffled.edges[1, 2], shuffled.edges[1, 4])
    for pair, block in dense(graph).items():
        np.testing.assert_allclose(np.sort(np.asarray(shuffled.edges[pair]), axis=None), np.sort(block, axis=None))


def test_the_n_cut_of_runs_of_layers_is_the_same_in_every_shuffle() -> None:
    graph = consumer_graph(trace(with_gains(residual(3, 8)), IMAGE))
    rng = np.random.default_rng(0)
    for width in (1, 2, 3):
        runs = graph.layer // width
        for _ in range(3):
            assert ncut(shuffle_graph(graph, "layer", rng), runs) == pytest.approx(ncut(graph, runs))


def test_planted_modules_are_found_and_none_in_random_weights() -> None:
    planted, random = (consumer_graph(trace(residual(3, 16, outside=o), IMAGE)) for o in (0.1, 1.0))
    assert shuffle_test(planted, 2, 19, 0).p == 0.05
    assert shuffle_test(random, 12, 19, 0).p > 0.05


def test_without_convolutions_it_has_the_input_of_every_dense_layer() -> None:
    module = perceptron((5, 4, 3, 2), np.random.default_rng(0))
    assert consumer_graph(trace(module)).sizes == (5, 4, 3)


def test_what_is_no_trace_or_too_short_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match=r"modlib\.trace"):
        consumer_graph(residual(1, 4))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch_norm"):
        consumer_graph(trace(residual(1, 4), IMAGE), "fol")  # type: ignore[arg-type]
    short = nn.Sequential(conv(3, 4), nn.Flatten(), nn.Linear(256, 2))
    with pytest.raises(GraphError, match="two convolutions"):
        consumer_graph(trace(short, IMAGE))
