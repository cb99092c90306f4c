"""Training any torch module by epochs, and then with magnitude pruning, as Keras and its pruning wrapper do.

Perceptrons that classify are trained with Keras itself, see ``modlib.training.keras``; convolutions and regressions
here, because PyTorch is no slower for them. A test holds weights and masks of both equal on the same batches.
Chapters: ``structured-tasks``, ``convolutional-networks``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.checks import arrived, instance, real, store, whole
from modlib.errors import InputError
from modlib.networks.modules import device_of, outputs_of
from modlib.networks.network import as_network
from modlib.reprs import BriefRepr
from modlib.training.pruning import cubic_sparsity, number_kept
from modlib.training.replay import Replay, seeded
from modlib.training.steps import Loss, check_finite, check_loss, check_targets, loss_of

if TYPE_CHECKING:
    from modlib.networks.network import Network

RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7  # of Adam in Keras
LATE = 1e9  # a step of Adam
EVERY = 10  # steps between two changes of what is pruned
TOGETHER = 16  # batches that are augmented at once, as starting that takes a processor longer than a GPU's step
Augment: TypeAlias = Callable[[Tensor, np.random.Generator], Tensor]


@dataclass(frozen=True)
class PrunedRecipe:
    """How a module is trained and pruned; defaults are those of the small CNNs.

    Attributes:
        epochs: epochs before pruning.
        pruning_epochs: epochs with pruning.
        batch_size: examples a step; the last batch of an epoch may be smaller.
        l1, l2: what is added to the loss, sum over weights of l1 |w| + l2 w^2, while training and while pruning.
            Biases and batch normalisation have no part in it, nor in pruning.
        initial_sparsity, final_sparsity: ends of the cubic pruning schedule.

    Source: clusterability 3, A.2. Chapter: ``convolutional-networks``.
    """

    epochs: int = 10
    pruning_epochs: int = 10
    batch_size: int = 64
    l1: float = 0.0
    l2: float = 0.0
    initial_sparsity: float = 0.5
    final_sparsity: float = 0.9

    def __post_init__(self) -> None:
        store(self, whole, "epochs", "pruning_epochs", least=0)
        store(self, whole, "batch_size")
        for name in ("l1", "l2"):
            real(getattr(self, name), name, least=0)
        final = real(self.final_sparsity, "final_sparsity", least=0, below=1)
        real(self.initial_sparsity, "initial_sparsity", least=0, most=final)


@dataclass(frozen=True, eq=False, repr=False)
class Stage(BriefRepr):
    """A network at one moment of its training.

    Attributes:
        stage: ``unpruned`` or ``pruned``.
        network: its weights, and a module in evaluation mode, on the device of the examples.
        losses: mean loss of every epoch so far, as it was while the network changed, penalties included.
    """

    stage: str
    network: Network
    losses: list[float]


def train_and_prune(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    recipe: PrunedRecipe,
    rng: np.random.Generator,
    loss: Loss = cross_entropy,
    augment: Augment | None = None,
    on_epoch: Callable[[str, int, float], None] | None = None,
) -> tuple[Stage, Stage]:
    """Train a module in place, then go on with magnitude pruning; both stages with Adam, the second with a fresh one.

    Before every tenth step the smallest weights of each layer are chosen anew, as many as ``cubic_sparsity`` says, and
    before every step the chosen ones are set to zero; a weight once at zero may come back. Dropout draws from torch's
    global generator, which is seeded for the time of the training and then put back. On a GPU convolutions are rounded
    to TF32 and computed by whichever kernel is the fastest, so the last digits of two trainings of one seed differ; and
    steps are replayed, see ``modlib.training.replay.Replay``.

    Args:
        module: what to train, on the device of the examples.
        x: (n, ...) examples.
        y: (n, ...) what the loss compares outputs with.
        recipe: how.
        rng: decides the order of the examples, drawn anew every epoch, dropout and augmentation.
        loss: mean loss over examples, of outputs and targets.
        augment: makes inputs from as many examples, those of several batches; they are taken as they are by default.
        on_epoch: called with stage, epoch (from 1) and mean loss after every epoch.

    Returns:
        The network right before pruning, and at the end.

    Raises:
        InputError: if the loss of an epoch is not finite, there are not as many targets or inputs as examples, or an
            argument is of another kind.

    Source: clusterability 3, A.2. Chapter: ``convolutional-networks``.

    >>> x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    >>> recipe = PrunedRecipe(epochs=2, pruning_epochs=20, batch_size=8)
    >>> _, pruned = train_and_prune(nn.Linear(8, 10), x, x.argmax(1), recipe, np.random.default_rng(0))
    >>> int((pruned.network.layers[0].kernel != 0).sum())
    8
    """
    x, y = (instance(part, Tensor, name, "pass torch.as_tensor(...)") for name, part in (("x", x), ("y", y)))
    instance(recipe, PrunedRecipe, "recipe", "pass PrunedRecipe()")
    if len(x) != len(y) or not len(x):
        raise InputError(f"{len(x)} examples and {len(y)} targets arrived; expected as many of both, and some")
    losses: list[float] = []
    stages = []
    fastest = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True)
    with fastest, seeded(x.device, rng):
        for stage, epochs in (("unpruned", recipe.epochs), ("pruned", recipe.pruning_epochs)):
            steps = epochs * math.ceil(len(x) / recipe.batch_size)
            module.train()
            one = _Epochs(module, recipe, loss, augment, steps, pruned=stage == "pruned")
            for _ in range(epochs):
                losses.append(one.epoch(x, y, rng))
                if on_epoch:
                    on_epoch(stage, len(losses), losses[-1])
            module.eval()
            network = as_network(module)
            network.module.to(x.device)  # so that it can be asked about the examples
            stages.append(Stage(stage, network, list(losses)))
    return stages[0], stages[1]


class _Epochs:
    """Epochs of one stage: the optimiser, what is pruned, and how many steps were made."""

    def __init__(
        self, module: nn.Module, recipe: PrunedRecipe, loss: Loss, augment: Augment | None, steps: int, pruned: bool
    ) -> None:
        self.module, self.recipe, self.loss, self.augment, self.steps = module, recipe, loss, augment, steps
        self.pruned, self.step = pruned, Replay(self._step, module)
        self.adam = _Adam(module, late=device_of(module).type == "cuda")
        self.weights = [layer.weight for layer in module.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
        self.masks = [torch.ones_like(weight) for weight in self.weights]
        self.done = 0

    def epoch(self, x: Tensor, y: Tensor, rng: np.random.Generator) -> float:
        """The mean loss over the examples."""
        total = torch.zeros((), dtype=torch.float64, device=x.device)  # which a GPU need not tell after every step
        for inputs, targets in self._batches(x, y, rng):
            if not self.done:
                self._check(inputs, targets, y)
            self.done += 1
            # the wrapper counts steps from 1 and chooses before the forward pass
            if self.pruned and self.done % EVERY == 0:
                self._choose()
            self.adam.count(self.done)
            total += self.step(inputs, targets).double() * len(targets)
        if self.pruned:
            self._mask()
        return check_finite(float(total) / len(x), f"in the epoch that ends at step {self.done}")

    def _batches(self, x: Tensor, y: Tensor, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        size = self.recipe.batch_size
        for part in torch.as_tensor(rng.permutation(len(x)), device=x.device).split(TOGETHER * size):
            inputs = self.augment(x[part], rng) if self.augment else x[part]
            if not isinstance(inputs, Tensor) or not inputs.ndim or len(inputs) != len(part):
                raise InputError(
                    f"augment returned {arrived(inputs)} for {len(part)} examples; expected as many inputs"
                )
            yield from zip(inputs.split(size), y[part].split(size), strict=True)

    def _check(self, inputs: Tensor, targets: Tensor, all_targets: Tensor) -> None:
        """Before the first step, whether the loss takes what comes; on a GPU to look at numbers is to wait for it."""
        self.module.eval()
        with torch.no_grad():
            outputs = outputs_of(self.module, inputs)
        self.module.train()
        check_targets(outputs, targets, self.loss)
        if isinstance(outputs, Tensor) and len(outputs) == len(targets):
            check_targets(outputs[:1].expand(len(all_targets), *outputs.shape[1:]), all_targets, self.loss)

    def _choose(self) -> None:
        sparsity = cubic_sparsity(self.done, self.steps, self.recipe.initial_sparsity, self.recipe.final_sparsity)
        for weight, mask in zip(self.weights, self.masks, strict=True):
            mask.copy_(_largest(weight.detach(), sparsity))

    def _mask(self) -> None:
        with torch.no_grad():
            torch._foreach_mul_(self.weights, self.masks)

    def _step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        if self.pruned:
            self._mask()
        value = loss_of(self.loss, outputs_of(self.module, inputs), targets)
        if self.recipe.l1:
            value = value + self.recipe.l1 * torch.stack([weight.abs().sum() for weight in self.weights]).sum()
        if self.recipe.l2:
            value = value + self.recipe.l2 * torch.stack([weight.square().sum() for weight in self.weights]).sum()
        if self.done == 1:
            check_loss(value, self.done)
        self.adam.zero_grad()
        value.backward()
        self.adam.step()
        return value.detach()


class _Adam(torch.optim.Adam):
    """Adam as Keras has it, which adds epsilon before it corrects the second moment for its start.

    Args:
        module: whose parameters it changes.
        late: whether its steps can be captured, as on a GPU: a captured step reads nothing that changes but tensors, so
            the rate is one and holds Keras's corrections, and PyTorch's own are those of a step so late that they are
            none. The updates are the same but for their last digits.
    """

    def __init__(self, module: nn.Module, late: bool) -> None:
        self.late, place = late, device_of(module)
        rate = torch.tensor(RATE, device=place) if late else RATE
        super().__init__(module.parameters(), rate, (BETA_1, BETA_2), EPSILON, fused=True, capturable=late)
        self._warned_capturable_if_run_uncaptured = True  # the first steps are, on purpose
        for parameter in module.parameters() if late else ():
            moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
            self.state[parameter] = {"step": torch.tensor(LATE, device=place), **moments}

    def count(self, step: int) -> None:
        """Say which step comes next, from 1."""
        correction, group = math.sqrt(1 - BETA_2**step), self.param_groups[0]
        if self.late:
            group["lr"].fill_(RATE * correction / (1 - BETA_1**step))
        else:
            group["eps"] = EPSILON / correction


def _largest(weight: Tensor, sparsity: float) -> Tensor:
    """Which weights ``magnitude_mask`` keeps, found where they are."""
    magnitudes = weight.abs()
    removed = weight.numel() - number_kept(weight.numel(), sparsity)
    return magnitudes >= magnitudes.flatten().sort().values[removed]
