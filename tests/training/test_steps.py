"""modlib.training.steps: losses, looked at before a network learns from them or, on a GPU, now and then."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from modlib.errors import DataError, InputError
from modlib.training import steps
from modlib.training.epochs import PrunedRecipe
from modlib.training.perceptrons import Settings
from modlib.training.steps import Losses, Steps, draw_from, train_steps, trained_once

CPU = torch.device("cpu")


def test_of_two_that_ask_for_a_network_one_trains_it(tmp_path: Path) -> None:
    """Trained by what no two trainings have in common, as on a GPU."""
    trained: list[float] = []

    def train(module: nn.Module) -> None:
        time.sleep(0.3)  # the other one has found no file by now
        trained.append(time.perf_counter())
        nn.init.constant_(module.get_parameter("weight"), trained[-1])

    def ask(_: int) -> nn.Module:
        return trained_once(nn.Linear(2, 1), train, tmp_path / "new" / "net.npz", {"seed": 0})

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, range(2))
    assert len(trained) == 1
    assert torch.equal(first.weight, second.weight)


def test_a_network_that_cannot_be_kept_is_not_trained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be kept as .*net\.npz .*set MODLIB_CACHE"):
        trained_once(nn.Linear(2, 1), lambda _: pytest.fail("it was"), tmp_path / "file" / "net.npz", {})


def test_on_a_processor_every_loss_is_looked_at_before_the_step() -> None:
    losses = Losses(3, CPU, None)
    for value in (2.0, 1.0):
        losses.check(torch.tensor(value, requires_grad=True))
        losses.note(torch.tensor(value))
    with pytest.raises(InputError, match="the loss is nan at step 3"):
        losses.check(torch.tensor(float("nan"), requires_grad=True))
    assert losses.all().tolist() == [2.0, 1.0]
    assert losses.all().dtype == np.float32


def test_a_loss_without_a_gradient_is_refused_at_the_first_step() -> None:
    with pytest.raises(InputError, match="without a gradient at step 1"):
        Losses(3, CPU, None).check(torch.tensor(1.0))


def test_after_every_step_its_number_and_loss_are_told() -> None:
    told: list[tuple[int, float]] = []
    draw = draw_from(torch.eye(3), torch.arange(3))
    losses = train_steps(
        nn.Linear(3, 3), draw, Steps(4, 8), np.random.default_rng(0), on_step=lambda *x: told.append(x)
    )
    assert told == list(zip((1, 2, 3, 4), losses.tolist(), strict=True))
    with pytest.raises(InputError, match="on_step"):
        Losses(3, CPU, 3)  # type: ignore[arg-type]


@pytest.fixture
def now_and_then() -> Losses:
    """As on a GPU, but looked at every second time."""
    losses = Losses(5, CPU, None)
    losses.every = 2
    return losses


def test_on_a_gpu_only_the_first_is_looked_at_before_the_step(now_and_then: Losses) -> None:
    wrong = torch.tensor(float("nan"), requires_grad=True)
    assert now_and_then.looked_at
    with pytest.raises(InputError, match="at step 1"):
        now_and_then.check(wrong)
    now_and_then.note(torch.tensor(1.0))
    assert not now_and_then.looked_at
    now_and_then.check(wrong)


@pytest.mark.parametrize(("wrong", "noticed"), [(2, 2), (3, 4), (4, 4)])
def test_a_loss_that_is_not_finite_is_noticed_at_the_next_look(now_and_then: Losses, wrong: int, noticed: int) -> None:
    for step in range(1, noticed):
        now_and_then.note(torch.tensor(float("inf") if step == wrong else 1.0))
    with pytest.raises(InputError, match=f"the loss is inf at step {wrong}"):
        now_and_then.note(torch.tensor(float("inf")))


def test_and_at_the_end_at_the_latest(now_and_then: Losses) -> None:
    for value in (1.0, 1.0, 1.0, 1.0, float("nan")):
        now_and_then.note(torch.tensor(value))
    with pytest.raises(InputError, match="the loss is nan at step 5"):
        now_and_then.all()


def test_how_often_is_decided_by_the_device() -> None:
    assert Losses(0, CPU, None).every == 1
    assert not torch.cuda.is_available() or Losses(0, torch.device("cuda"), None).every == steps.EVERY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draw": (torch.zeros(4, 2), torch.zeros(4))}, "draw = .* make it by draw_from"),
        ({"settings": None}, r"settings = None arrived; expected a Steps: pass Steps\(\)"),
        ({"loss": "mse"}, "loss = 'mse' arrived; expected a function"),
    ],
)
def test_arguments_of_another_kind_are_refused(change: dict[str, object], message: str) -> None:
    draw = draw_from(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
    given = {"module": nn.Linear(2, 2), "draw": draw, "settings": Steps(steps=1), "rng": np.random.default_rng(0)}
    with pytest.raises(InputError, match=message):
        train_steps(**given | change)  # type: ignore[arg-type]


def test_defaults_are_the_papers_settings() -> None:
    """Weight-masks C.1; clusterability 3; upstream-downstream 4.1."""
    assert Steps() == Steps(steps=20_000, batch_size=128, learning_rate=1e-3, clip=1.0)
    small_cnn = PrunedRecipe(epochs=10, pruning_epochs=10, batch_size=64, initial_sparsity=0.5, final_sparsity=0.9)
    assert PrunedRecipe() == small_cnn
    mlps = Settings(hidden=(64, 64), batch_size=200, learning_rate=1e-3, max_epochs=500, patience=6, plateau=3)
    assert Settings() == mlps
