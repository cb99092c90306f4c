"""modlib.training.replay: the same steps, captured where a GPU can replay them and taken as they are elsewhere."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modlib.masks import MaskSettings, learn_mask
from modlib.networks.architectures import small_cnn
from modlib.training import replay
from modlib.training.epochs import PrunedRecipe, train_and_prune
from modlib.training.replay import ORDINARY, Replay, seeded
from modlib.training.steps import Steps, draw_from, train_steps

CHAIN = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
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


class Gpu:
    """A GPU that is not there: a graph is a call that is carried out at every replay, and not when it is captured.

    ``sums`` are what steps added up, ``called`` counts how often their Python code ran.
    """

    def __init__(self) -> None:
        self.sums, self.called, self.captures = torch.zeros(2), 0, 0
        self.capturing: Gpu | None = None
        self.call: Callable[[], object] = lambda: None

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.called += 1
        loss = torch.zeros(())

        def work() -> None:
            self.sums += torch.stack([inputs.sum(), targets.sum()])
            loss.copy_(inputs.sum())

        if self.capturing:
            self.call = work
        else:
            work()
        return loss

    def replay(self) -> None:
        self.call()

    @contextmanager
    def graph(self, graph: "Gpu", stream: Stream) -> Iterator[None]:
        self.capturing, self.captures = graph, self.captures + 1
        yield
        self.capturing = None


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    gpu, place = Gpu(), torch.device("cuda", 1)
    monkeypatch.setattr(replay, "device_of", lambda _: place)
    names = {"Stream": Stream, "current_stream": Stream, "CUDAGraph": lambda: gpu, "graph": gpu.graph}
    names |= {"stream": nullcontext, "get_sync_debug_mode": lambda: 0, "set_sync_debug_mode": lambda _: None}
    for name, instead in names.items():
        monkeypatch.setattr(torch.cuda, name, instead)
    return gpu


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
    here, sizes = Gpu(), (4,) * 9
    step = Replay(here.step, CHAIN)
    assert taken(step, sizes)
    assert (here.called, here.captures, step.captured) == (9, 0, False)
    assert here.sums.tolist() == pytest.approx(sums(sizes))


def test_a_few_steps_are_ordinary_then_one_is_captured_and_replayed_on_other_examples(gpu: Gpu) -> None:
    sizes = (4,) * 9
    step = Replay(gpu.step, CHAIN)
    assert taken(step, sizes)
    assert (gpu.called, gpu.captures, step.captured) == (ORDINARY + 1, 1, True)
    assert gpu.sums.tolist() == pytest.approx(sums(sizes), rel=1e-6)


def test_examples_of_another_shape_are_taken_as_usual_before_and_after(gpu: Gpu) -> None:
    sizes = (4, 4, 3, 4, 4, 4, 3, 4, 4)
    step = Replay(gpu.step, CHAIN)
    assert taken(step, sizes)
    assert (gpu.called, gpu.captures) == (ORDINARY + 1 + sizes.count(3), 1)
    assert gpu.sums.tolist() == pytest.approx(sums(sizes), rel=1e-6)


def test_targets_of_another_shape_are_not_put_in_place_of_the_captured_ones(gpu: Gpu) -> None:
    step = Replay(gpu.step, CHAIN)
    assert taken(step, (4,) * 6)
    before = gpu.sums.clone()
    step(torch.ones(4, 3), torch.ones(4, 1))
    assert (gpu.sums - before).tolist() == pytest.approx([12, 4])


def test_a_step_that_waits_for_a_number_is_never_captured_and_other_warnings_are_passed_on(gpu: Gpu) -> None:
    def waits(inputs: Tensor, targets: Tensor) -> Tensor:
        warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)
        return gpu.step(inputs, targets)

    step = Replay(waits, CHAIN)
    with pytest.warns(UserWarning, match="something else|synchronizing"):
        assert taken(step, (4,) * (ORDINARY - 1))
    with pytest.warns(UserWarning, match="something else") as caught:
        assert taken(step, (4,))
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="something else|synchronizing"):
        assert taken(step, (4,) * 5)
    assert (gpu.called, step.captured) == (ORDINARY + 5, False)


def test_a_module_that_looks_at_numbers_is_never_captured(gpu: Gpu) -> None:
    step = Replay(gpu.step, LooksAtNumbers())
    assert taken(step, (4,) * 9)
    assert (gpu.called, step.captured) == (9, False)


def test_which_modules_go_one_way() -> None:
    assert replay._one_way(CHAIN)
    assert replay._one_way(small_cnn(np.random.default_rng(0)))
    assert not replay._one_way(LooksAtNumbers())


def test_a_block_is_seeded_and_the_generator_put_back() -> None:
    before = torch.random.get_rng_state()
    drawn = []
    for seed in (0, 0, 1):
        with seeded(torch.device("cpu"), np.random.default_rng(seed)):
            drawn.append(float(torch.rand(())))
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.random.get_rng_state(), before)


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
