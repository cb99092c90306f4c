"""modlib.training.replay: the same steps, captured where a GPU can replay them and taken as they are elsewhere."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from modlib.masks import MaskSettings, learn_mask
from modlib.masks.continual import learn_with_weights
from modlib.masks.sampling import Sampler
from modlib.networks.architectures import perceptron, simple_cnn, small_cnn
from modlib.training import epochs, replay
from modlib.training.epochs import PrunedRecipe, train_and_prune
from modlib.training.replay import ORDINARY, Replay, seeded
from modlib.training.steps import Steps, draw_from, train_steps

CHAIN = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
CPU = torch.device("cpu")
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class LooksAtNumbers(nn.Module):
    """Goes one way or another."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs if inputs.sum() > 0 else -inputs


class Stream:
    """Of a GPU that is not there: it keeps the order anyway."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wait_stream(self, other: "Stream") -> None:
        assert other.device == self.device


class Graph(TorchDispatchMode):
    """What a CUDA graph does, on a processor: notes what is called on tensors, and calls it again on the same memory.

    A capture changes nothing: what it wrote over, the random numbers too, is put back at its end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self.replays, self.random, self.own = 0, torch.get_rng_state(), set[int]()
        self.before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for argument, value in [*zip(func._schema.arguments, args, strict=False), *self.named(func, kwargs)]:
            for tensor in tensors(value) if argument.alias_info and argument.alias_info.is_write else ():
                if place(tensor) not in self.own:
                    self.before.setdefault(place(tensor), (tensor.detach(), tensor.detach().clone()))
        out = func(*args, **kwargs)
        self.own |= {place(tensor) for tensor in tensors(out)} - {place(tensor) for tensor in tensors((args, kwargs))}
        self.calls.append((func, args, kwargs, out))
        return out

    @staticmethod
    def named(func: Any, kwargs: dict[str, Any]) -> list[tuple[Any, Any]]:
        return [(argument, kwargs[argument.name]) for argument in func._schema.arguments if argument.name in kwargs]

    def put_back(self) -> None:
        torch.set_rng_state(self.random)
        for tensor, value in self.before.values():
            tensor.copy_(value)

    @torch.no_grad()
    def replay(self) -> None:
        self.replays += 1
        for func, args, kwargs, out in self.calls:
            for there, new in zip(tensors(out), tensors(func(*args, **kwargs)), strict=True):
                if there.numel() and place(there) != place(new):
                    there.copy_(new)


def tensors(value: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """A GPU that is not there; its graphs."""
    graphs: list[Graph] = []

    @contextmanager
    def capture(graph: Graph, stream: Stream) -> Iterator[None]:
        graphs.append(graph)
        with graph:
            yield
        graph.put_back()

    monkeypatch.setattr(replay, "device_of", lambda _: torch.device("cuda", 1))
    names = {"Stream": Stream, "current_stream": Stream, "CUDAGraph": Graph, "graph": capture}
    names |= {"stream": nullcontext, "get_sync_debug_mode": lambda: 0, "set_sync_debug_mode": lambda _: None}
    for name, instead in names.items():
        monkeypatch.setattr(torch.cuda, name, instead)
    return graphs


class Sums:
    """A step that adds up what it is given; ``called`` is how often its Python code ran."""

    def __init__(self) -> None:
        self.sums, self.called = torch.zeros(2, dtype=torch.float64), 0

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.called += 1
        self.sums += torch.stack([inputs.sum(), targets.sum().double()])
        return inputs.sum()


def batches(*sizes: int) -> list[tuple[Tensor, Tensor]]:
    rng = np.random.default_rng(0)
    return [(torch.as_tensor(rng.normal(size=(n, 3))), torch.as_tensor(rng.integers(9, size=n))) for n in sizes]


def taken(step: Replay, sizes: tuple[int, ...]) -> bool:
    """Take steps; whether each loss was that of its inputs."""
    return all(
        float(step(inputs, targets)) == pytest.approx(float(inputs.sum())) for inputs, targets in batches(*sizes)
    )


def sums(sizes: tuple[int, ...]) -> list[float]:
    return [float(sum(part.sum() for part in parts)) for parts in zip(*batches(*sizes), strict=True)]


def test_on_a_processor_steps_are_taken_as_they_are() -> None:
    sizes, added = (4,) * 9, Sums()
    step = Replay(added.step, CHAIN)
    assert taken(step, sizes)
    assert (added.called, step.captured) == (9, False)
    assert added.sums.tolist() == pytest.approx(sums(sizes))


def test_a_few_steps_are_ordinary_then_one_is_captured_and_replayed_on_other_examples(gpu: list[Graph]) -> None:
    sizes, added = (4,) * 9, Sums()
    step = Replay(added.step, CHAIN)
    assert taken(step, sizes)
    assert (added.called, step.captured) == (ORDINARY + 1, True)
    assert [graph.replays for graph in gpu] == [9 - ORDINARY]
    assert added.sums.tolist() == pytest.approx(sums(sizes))


def test_examples_of_another_shape_are_taken_as_usual_before_and_after(gpu: list[Graph]) -> None:
    sizes, added = (4, 4, 3, 4, 4, 4, 3, 4, 4), Sums()
    assert taken(Replay(added.step, CHAIN), sizes)
    assert added.called == ORDINARY + 1 + sizes.count(3)
    assert [graph.replays for graph in gpu] == [sizes.count(4) - ORDINARY]
    assert added.sums.tolist() == pytest.approx(sums(sizes))


def test_targets_of_another_shape_are_not_put_in_place_of_the_captured_ones(gpu: list[Graph]) -> None:
    added = Sums()
    step = Replay(added.step, CHAIN)
    assert taken(step, (4,) * 6)
    before = added.sums.clone()
    step(torch.ones(4, 3), torch.ones(4, 1))
    assert (added.sums - before).tolist() == pytest.approx([12, 4])


def test_a_step_that_waits_for_a_number_is_never_captured_and_other_warnings_are_passed_on(gpu: list[Graph]) -> None:
    added = Sums()

    def waits(inputs: Tensor, targets: Tensor) -> Tensor:
        warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)
        return added.step(inputs, targets)

    step = Replay(waits, CHAIN)
    with pytest.warns(UserWarning, match="something else|synchronizing"):
        assert taken(step, (4,) * (ORDINARY - 1))
    with pytest.warns(UserWarning, match="something else") as caught:
        assert taken(step, (4,))
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="something else|synchronizing"):
        assert taken(step, (4,) * 5)
    assert (added.called, gpu) == (ORDINARY + 5, [])


def test_a_module_that_looks_at_numbers_is_never_captured(gpu: list[Graph]) -> None:
    added = Sums()
    assert taken(Replay(added.step, LooksAtNumbers()), (4,) * 9)
    assert (added.called, gpu) == (9, [])


class Late(epochs._Adam):
    """Adam as on a GPU."""

    def __init__(self, module: nn.Module, late: bool) -> None:
        super().__init__(module, late=True)


def pruned() -> tuple[np.ndarray, ...]:
    """Both stages, with dropout, penalties and a last batch that is smaller."""
    rng = np.random.default_rng(0)
    x, y = torch.as_tensor(rng.normal(size=(150, 1, 8, 8)).astype(np.float32)), torch.arange(150) % 10
    recipe = PrunedRecipe(epochs=1, pruning_epochs=2, batch_size=16, l1=1e-4, l2=1e-4)
    _, found = train_and_prune(small_cnn(rng, side=8, dropout=True), x, y, recipe, rng)
    return np.array(found.losses), *(layer.kernel for layer in found.network.layers)


def trained() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    module, x = simple_cnn(rng, dropout=True), torch.as_tensor(rng.normal(size=(50, 3, 32, 32)).astype(np.float32))
    losses = train_steps(module, draw_from(x, torch.arange(50) % 10), Steps(9, 16), rng)
    return losses, *(parameter.detach().numpy() for parameter in module.parameters())


def masked(weights_too: bool) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    module, x = perceptron((20, 30, 5), rng).double(), torch.as_tensor(rng.normal(size=(100, 20)))
    draw, settings = draw_from(x, torch.arange(100) % 5), MaskSettings(20, 32)
    if weights_too:
        found = learn_with_weights(module, draw, settings, rng, {"0.weight": rng.random((30, 20)) < 0.5})
    else:
        found = learn_mask(module, draw, settings, rng)
    return found.losses, *found.probabilities.values(), *(weight.detach().numpy() for weight in module.parameters())


@pytest.mark.parametrize(
    ("learned", "n_graphs"), [(pruned, 2), (trained, 1), (lambda: masked(False), 1), (lambda: masked(True), 1)]
)
def test_replayed_steps_learn_what_ordinary_ones_do(
    learned: Callable[[], tuple[np.ndarray, ...]], n_graphs: int, gpu: list[Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing that changes from step to step is anywhere but in tensors: rates, what is pruned, random numbers."""
    monkeypatch.setattr(epochs, "_Adam", Late)
    monkeypatch.setattr(Sampler, "seeded", lambda self: seeded(CPU, self.rng))
    monkeypatch.setattr(Sampler, "_numbers", lambda self, weight: torch.rand((self.samples, *weight.shape)).double())
    found = learned()
    assert len(gpu) == n_graphs
    assert all(graph.replays > 4 for graph in gpu)
    with monkeypatch.context() as patch:
        patch.setattr(replay, "_one_way", lambda _: False)
        expected = learned()
    assert len(gpu) == n_graphs
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_which_modules_go_one_way() -> None:
    assert replay._one_way(CHAIN)
    assert replay._one_way(small_cnn(np.random.default_rng(0)))
    assert not replay._one_way(LooksAtNumbers())


def test_a_block_is_seeded_and_the_generator_put_back() -> None:
    before = torch.random.get_rng_state()
    drawn = []
    for seed in (0, 0, 1):
        with seeded(CPU, np.random.default_rng(seed)):
            drawn.append(float(torch.rand(())))
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.random.get_rng_state(), before)


@on_gpu
def test_on_a_gpu_its_generator_draws_what_manual_seed_makes_it_draw_and_is_put_back() -> None:
    before = torch.cuda.get_rng_state()
    with seeded(torch.device("cuda"), np.random.default_rng(0)):
        drawn = [float(torch.rand((), device=device)) for device in ("cpu", "cuda")]
    assert torch.equal(torch.cuda.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.default_rng(0).integers(2**63)))
        assert drawn == [float(torch.rand((), device=device)) for device in ("cpu", "cuda")]


@on_gpu
def test_a_network_is_trained_on_a_gpu_by_replayed_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Kept(Replay):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr("modlib.training.epochs.Replay", Kept)
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.normal(size=(500, 1, 28, 28)).astype(np.float32)).cuda()
    module, recipe = small_cnn(rng).cuda(), PrunedRecipe(epochs=4, pruning_epochs=2)
    _, pruned = train_and_prune(module, x, (x.mean((1, 2, 3)) > 0).long(), recipe, rng)
    assert [step.captured for step in made] == [True, True]
    assert pruned.losses[3] < pruned.losses[0]


@on_gpu
def test_a_network_trained_on_a_gpu_is_that_of_a_processor_within_the_rounding_of_tf32() -> None:
    """TF32 keeps ten bits of a factor, a part in a thousand; a step of Adam is 1e-3 long, whatever a slope is."""
    examples = torch.randn(160, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(160) % 10
    recipe = PrunedRecipe(epochs=1, pruning_epochs=1, batch_size=16)  # ten steps each
    on_cpu, on_cuda = (
        train_and_prune(
            small_cnn(np.random.default_rng(0), side=8).to(device),
            examples.to(device),
            targets.to(device),
            recipe,
            np.random.default_rng(1),
        )
        for device in ("cpu", "cuda")
    )
    for mine, other in zip(on_cpu, on_cuda, strict=True):
        np.testing.assert_allclose(mine.losses, other.losses, rtol=1e-2)
        for layer, same in zip(mine.network.layers, other.network.layers, strict=True):
            differs = np.abs(layer.kernel - same.kernel)
            # a weight whose slope is nearly 0 may step either way, and one at the edge of a mask may stay or go
            assert np.quantile(differs, 0.99) < 2e-3
            assert (layer.kernel == 0).mean() == pytest.approx((same.kernel == 0).mean(), abs=1e-3)
            assert ((layer.kernel == 0) == (same.kernel == 0)).mean() > 0.98


@on_gpu
def test_a_mask_learned_on_a_gpu_keeps_the_weight_that_carries_what_is_asked_for() -> None:
    network = nn.Linear(2, 2, bias=False).cuda()
    network.weight.data = torch.eye(2, device="cuda")
    inputs = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    found = learn_mask(
        network,
        draw_from(inputs, inputs[:, 0]),
        MaskSettings(steps=300, batch_size=32, learning_rate=0.05, beta=1.0),
        np.random.default_rng(0),
        loss=lambda outputs, targets: ((outputs[:, 0] - targets) ** 2).mean(),
    )
    assert found.mask.keep["weight"].tolist() == [[True, False], [False, False]]


@on_gpu
def test_a_loss_that_waits_for_a_number_is_trained_with_on_a_gpu_all_the_same() -> None:
    module = nn.Linear(3, 2).cuda()
    draw = draw_from(torch.eye(3), torch.tensor([0, 1, 1]))

    def waits(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs[targets >= 0], targets[targets >= 0])

    losses = train_steps(module, draw, Steps(60, 8, 0.1), np.random.default_rng(0), waits)
    assert losses[-1] < losses[0] / 2


@on_gpu
def test_dropout_on_a_gpu_follows_the_seed() -> None:
    examples = torch.eye(3)[:1], torch.tensor([1])  # one, so that a seed decides dropout and nothing else
    first, again, other = (
        train_steps(deepcopy(CHAIN).cuda(), draw_from(*examples), Steps(20, 8), np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    np.testing.assert_allclose(first, again, rtol=1e-4)
    assert np.abs(first - other).max() > 0.01
