"""Training any torch module by steps: examples drawn from a task, a loss, and a network that is trained once.

Chapters: ``weight-masks``, ``class-removal``, ``importance``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, huber_loss, l1_loss, mse_loss, smooth_l1_loss

from modlib.checks import arrived, function, instance, real, store, whole
from modlib.errors import DataError, InputError, ModlibError
from modlib.files import load_cached, one_at_a_time, save_cached
from modlib.networks.modules import device_of, outputs_of, with_gradients
from modlib.training.replay import Replay, seeded

Draw: TypeAlias = Callable[[np.random.Generator, int], tuple[Tensor, Tensor]]
Loss: TypeAlias = Callable[[Any, Tensor], Tensor]
EVERY = 1000  # steps between two looks at the loss on a GPU
UNKNOWN = -100  # a class that cross-entropy passes over


def drawn(draw: Draw, rng: np.random.Generator, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Examples of a task, on the device of the network that sees them.

    Raises:
        InputError: if what is drawn is no tensor of inputs and one of targets, of as many examples as were asked for.
    """
    found = draw(rng, n)
    pair = found if isinstance(found, tuple | list) and len(found) == 2 else [found]
    if len(pair) != 2 or not all(isinstance(part, Tensor) and part.ndim and len(part) == n for part in pair):
        told = " and ".join(_about(part) for part in pair)
        raise InputError(
            f"draw returned {told} for {n} examples; expected inputs ({n}, ...) and targets ({n}, ...), two tensors: "
            "make it by draw_from"
        )
    return pair[0].detach().to(device), pair[1].detach().to(device)


def check_targets(outputs: object, targets: Tensor, loss: Loss) -> None:
    """Refuse targets that cross-entropy, the default loss, cannot compare with outputs; other losses take what they do.

    Raises:
        InputError: if they are neither classes nor probabilities, or the outputs no scores of classes.
    """
    if _compares(loss) and isinstance(outputs, Tensor) and outputs.shape != targets.shape:
        raise InputError(
            f"targets = {_about(targets)} arrived for outputs {_about(outputs)}; expected as many numbers of both, "
            "which this loss compares one by one: for classes pass one_hot(targets), or leave loss= out"
        )
    if loss is not cross_entropy or not isinstance(outputs, Tensor):
        return
    if outputs.ndim < 2:
        raise InputError(f"outputs {_about(outputs)} arrived; expected scores (n, classes), or pass another loss=")
    n_classes, of_each = outputs.shape[1], outputs.shape[:1] + outputs.shape[2:]
    if targets.is_floating_point() and targets.shape == outputs.shape:
        return
    if targets.dtype == torch.int64 and targets.shape == of_each:
        classes = targets[targets != UNKNOWN]
        if not classes.numel() or (classes.min() >= 0 and classes.max() < n_classes):
            return
    values = "" if targets.is_complex() else f" with values {targets.min().item():g} to {targets.max().item():g}"
    raise InputError(
        f"targets = {_about(targets)}{values} arrived for outputs {_about(outputs)}; expected classes from 0 to "
        f"{n_classes - 1} of shape {tuple(of_each)}: call targets.long(), or pass another loss="
    )


def _compares(loss: Loss) -> bool:
    """Whether it is a loss of PyTorch's between numbers, which would stretch those of another shape."""
    kinds = nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss
    return isinstance(loss, kinds) or loss in (mse_loss, l1_loss, smooth_l1_loss, huber_loss)


def loss_of(loss: Loss, outputs: object, targets: Tensor) -> Tensor:
    """The loss of outputs.

    Raises:
        InputError: if it is no tensor, or the loss does not take them.
    """
    try:
        value = loss(outputs, targets)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, ModlibError):
            raise
        raise InputError(
            f"the loss does not take outputs {_about(outputs)} and targets {_about(targets)} "
            f"({next(iter(str(error).splitlines()), type(error).__name__)}); expected targets that it compares with "
            "such outputs: pass others to draw_from, or another loss="
        ) from error
    if not isinstance(value, Tensor):
        raise InputError(
            f"loss returned {arrived(value)}; expected a tensor, the mean over examples, that PyTorch can differentiate"
        )
    if value.numel() != 1:
        raise InputError(f"loss returned {_about(value)}; expected one number, the mean over examples")
    return value


def check_loss(loss: Tensor, step: int) -> float:
    """The number in a loss, if a network can learn from it.

    Raises:
        InputError: naming the step, if it is not one finite number, or has no gradient.
    """
    if loss.numel() != 1 or not loss.requires_grad:
        without = "" if loss.requires_grad else " without a gradient"
        raise InputError(
            f"loss returned {_about(loss)}{without} at step {step}; expected "
            "one number, the mean over examples, that PyTorch can differentiate"
        )
    return check_finite(loss.item(), f"at step {step}")


def check_finite(value: float, when: str) -> float:
    """A loss, if it is finite.

    Raises:
        InputError: saying when it was not.
    """
    if not math.isfinite(value):
        raise InputError(
            f"the loss is {value} {when}; expected a finite number: look for inputs, targets or weights that "
            "are not finite, or lower the learning rate"
        )
    return value


def draw_from(inputs: Tensor | np.ndarray, targets: Tensor | np.ndarray) -> Draw:
    """Examples drawn from a data set, with replacement.

    Args:
        inputs: (n, ...).
        targets: (n, ...).

    Raises:
        InputError: if there are none, they are no numbers, or there are not as many targets as inputs.

    >>> draw = draw_from(torch.eye(3), torch.arange(3))
    >>> inputs, targets = draw(np.random.default_rng(0), 4)
    >>> torch.equal(inputs.argmax(1), targets)
    True
    """
    inputs, targets = _tensor(inputs, "inputs"), _tensor(targets, "targets")
    if len(inputs) != len(targets) or not len(inputs):
        raise InputError(f"{len(inputs)} inputs and {len(targets)} targets arrived; expected as many of both, and some")

    def draw(rng: np.random.Generator, n: int) -> tuple[Tensor, Tensor]:
        chosen = torch.as_tensor(rng.integers(len(inputs), size=n), device=inputs.device)
        return inputs[chosen], targets[chosen]

    return draw


@dataclass(frozen=True)
class Steps:
    """How a module is trained for a number of steps; defaults are those of the mask paper.

    Attributes:
        steps: batches.
        batch_size: examples a step.
        learning_rate: of Adam.
        clip: largest norm of the gradient; infinity for any.

    Source: weight-masks C.1. Chapter: ``weight-masks``.
    """

    steps: int = 20_000
    batch_size: int = 128
    learning_rate: float = 1e-3
    clip: float = 1.0

    def __post_init__(self) -> None:
        store(self, whole, "steps", least=0)
        store(self, whole, "batch_size")
        real(self.learning_rate, "learning_rate", above=0)
        if not (isinstance(self.clip, float) and self.clip == math.inf):  # which clips nothing
            real(self.clip, "clip", above=0)


def train_steps(
    module: nn.Module,
    draw: Draw,
    settings: Steps,
    rng: np.random.Generator,
    loss: Loss = cross_entropy,
    on_step: Callable[[int, float], object] | None = None,
) -> np.ndarray:
    """Train a module in place, for a number of batches.

    Dropout draws from torch's global generator, which is seeded for the time of the training and then put back. On a
    GPU steps are replayed, see ``modlib.training.replay.Replay``, and most losses are looked at a thousand at a time.

    Args:
        module: what to train, on any device. It is left in evaluation mode.
        draw: examples of the task, see ``modlib.masks.learning.learn_mask``.
        settings: how.
        rng: decides batches and dropout.
        loss: mean loss over examples, of outputs and targets.
        on_step: called after every step with its number, from 1, and its loss.

    Returns:
        The loss of every step.

    Raises:
        InputError: if the loss is not finite, or an argument is of another kind.

    Source: weight-masks C.1. Chapter: ``weight-masks``.

    >>> from modlib.networks import perceptron
    >>> draw, settings = draw_from(torch.eye(3), torch.arange(3)), Steps(steps=50, batch_size=16, learning_rate=0.05)
    >>> losses = train_steps(perceptron((3, 8, 3), np.random.default_rng(0)), draw, settings, np.random.default_rng(1))
    >>> bool(losses[-1] < 0.1 < losses[0])
    True
    """
    instance(settings, Steps, "settings", "pass Steps()")
    draw, loss = function(draw, "draw", "make it by draw_from"), function(loss, "loss", "of outputs and targets")
    device = device_of(with_gradients(module))
    adam = adam_for(list(module.parameters()), settings.learning_rate)
    losses = Losses(settings.steps, device, on_step)

    def take(inputs: Tensor, targets: Tensor) -> Tensor:
        outputs = outputs_of(module, inputs)
        losses.check_targets(outputs, targets, loss)
        value = loss_of(loss, outputs, targets)
        losses.check(value)
        adam.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
        adam.step()
        return value.detach()

    module.train()
    step = Replay(take, module)
    with seeded(device, rng):
        for _ in range(settings.steps):
            losses.note(step(*drawn(draw, rng, settings.batch_size, device)))
    module.eval()
    return losses.all()


def adam_for(parameters: Sequence[Tensor], rate: float) -> torch.optim.Adam:
    """Adam with PyTorch's defaults; on a GPU as a step that is replayed needs it."""
    on_gpu = any(parameter.is_cuda for parameter in parameters)
    adam = torch.optim.Adam(parameters, lr=rate, fused=True, capturable=on_gpu)
    adam._warned_capturable_if_run_uncaptured = True  # the first steps are, on purpose
    return adam


class Losses:
    """Losses of a number of steps, looked at as they come; on a GPU, which would wait, at the first and now and then.

    Args:
        steps: how many there will be.
        device: where they are computed.
        on_step: called after every step with its number, from 1, and its loss.
    """

    def __init__(self, steps: int, device: torch.device, on_step: Callable[[int, float], object] | None) -> None:
        if on_step is not None:
            function(on_step, "on_step", "of the number of a step and its loss")
        self.values, self.done, self.on_step = torch.empty(steps, device=device), 0, on_step
        self.every = EVERY if device.type == "cuda" else 1

    @property
    def looked_at(self) -> bool:
        """Whether numbers of the next step are, before anything is learned from them."""
        return self.every == 1 or not self.done

    def check_targets(self, outputs: object, targets: Tensor, loss: Loss) -> None:
        """See ``check_targets``."""
        if self.looked_at:
            check_targets(outputs, targets, loss)

    def check(self, value: Tensor) -> None:
        """Refuse a loss from which a network cannot learn, before it does."""
        if self.looked_at:
            check_loss(value, self.done + 1)

    def note(self, value: Tensor) -> None:
        """Store the loss of a step.

        Raises:
            InputError: if it is time to look, and this or an earlier one is not finite.
        """
        self.values[self.done] = value
        self.done += 1
        if self.on_step:
            self.on_step(self.done, float(value))
        if self.every > 1 and self.done % self.every == 0:
            self.all()

    def all(self) -> np.ndarray:
        """All so far, in single precision.

        Raises:
            InputError: naming the first that is not finite.
        """
        found: np.ndarray = self.values[: self.done].cpu().numpy()
        for step in np.flatnonzero(~np.isfinite(found))[:1]:
            check_finite(float(found[step]), f"at step {step + 1}")
        return found


def trained_once(
    module: nn.Module, train: Callable[[nn.Module], object], path: Path, settings: Mapping[str, Any]
) -> nn.Module:
    """A module with its parameters and buffers from a file if it is there; else it is trained and they are written.

    Of several processes that ask for it one trains, and the others wait for its file: on a GPU, trainings of one seed
    differ.

    Args:
        module: what to fill or train, in place.
        train: trains it in place.
        path: the file, ``.npz``. One of an earlier version, which does not say what it holds, is written anew.
        settings: all that the trained module depends on, as JSON can write it; stored with it and compared.

    Returns:
        The module, in evaluation mode.

    Raises:
        DataError: if the file is damaged, holds another network, or cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "linear.npz"
    ...     for attempt in (1, 2):
    ...         print("attempt", attempt)
    ...         network = trained_once(nn.Linear(2, 1), lambda module: print("training"), path, {"seed": 0})
    attempt 1
    training
    attempt 2
    """
    stored = load_cached(path, settings)
    if stored is None:
        with one_at_a_time(path):
            stored = load_cached(path, settings)  # another process may have trained it meanwhile
            if stored is None:
                train(module)
                arrays = {name: tensor.cpu().numpy() for name, tensor in module.state_dict().items()}
                save_cached(path, arrays, settings)
                return module.eval()
    try:
        module.load_state_dict({name: torch.as_tensor(array) for name, array in stored.items()})
    except RuntimeError as error:
        raise DataError(f"the cached network {path} is damaged ({error}); delete it and run again") from error
    return module.eval()


def _tensor(value: Any, name: str) -> Tensor:
    """Numbers, one or more for each of n examples."""
    try:
        found = torch.as_tensor(value.to_numpy(copy=True) if hasattr(value, "to_numpy") else value)  # a table of pandas
    except (TypeError, ValueError, RuntimeError, OverflowError):
        found = torch.zeros(())
    if not found.ndim:
        raise InputError(
            f"{name} = {arrived(value)} arrived; expected numbers of shape (n, ...); names of classes become numbers "
            "by numpy.unique(names, return_inverse=True)[1]"
        )
    return found


def _about(value: object) -> str:
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else arrived(value)
