"""Training with PyTorch: perceptrons as in the upstream/downstream paper, several at once.

Perceptrons that share architecture and seed see the same batches and differ in their regularisation only.
So they are trained together: the first layer of all of them is one matrix product, further layers are
batched ones. A network's course does not depend on which others are trained beside it.
Chapter: ``upstream-downstream``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from modlib.checks import instance, items, real, seed_number, store, whole, wholes
from modlib.data.images import Images
from modlib.errors import InputError
from modlib.reprs import BriefRepr
from modlib.training.steps import check_finite

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of Adam
THRESHOLD = 1e-4  # of the loss: what the schedule counts as an improvement, as in torch.optim


@dataclass(frozen=True)
class Settings:
    """How perceptrons are trained; defaults are those of the paper's code.

    Attributes:
        hidden: widths of the hidden layers.
        batch_size: examples a step.
        learning_rate: of Adam, at the start.
        max_epochs: epochs at most; 0 leaves the networks untrained.
        validation: share of the training images that is held out.
        patience: epochs without a lower validation loss after which a network stops.
        plateau: epochs without a lower validation loss after which the learning rate falls.
        factor: by which it falls.

    Source: upstream-downstream 4.1, and the authors' code. Chapter: ``upstream-downstream``.
    """

    hidden: tuple[int, ...] = (64, 64)
    batch_size: int = 200
    learning_rate: float = 1e-3
    max_epochs: int = 500
    validation: float = 0.1
    patience: int = 6
    plateau: int = 3
    factor: float = 0.25

    def __post_init__(self) -> None:
        store(self, wholes, "hidden")
        store(self, whole, "batch_size", "patience", "plateau")
        store(self, whole, "max_epochs", least=0)
        real(self.learning_rate, "learning_rate", above=0)
        real(self.factor, "factor", above=0, most=1)
        real(self.validation, "validation", above=0, below=1)


@dataclass(frozen=True)
class Regularisation:
    """What is added to the loss, sum over weight matrices of l1 |w| + l2 w^2, and the dropout rate.

    Dropout comes after every hidden layer. Biases are not regularised.

    Source: upstream-downstream 4.1. Chapter: ``upstream-downstream``.
    """

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("l1", "l2"):
            real(getattr(self, name), name, least=0)
        real(self.dropout, "dropout", least=0, below=1)


@dataclass(frozen=True, eq=False, repr=False)
class TrainedMLP(BriefRepr):
    """A perceptron at the epoch with its lowest validation loss.

    Attributes:
        kernels: weight matrices, (fan-in, fan-out) each.
        biases: bias vectors, (fan-out,) each.
        accuracy: ``train``, ``validation`` and ``test`` accuracy, in [0, 1].
        losses: validation loss of every epoch.
        epoch: number of epochs trained when the loss was lowest; 0 if untrained.
    """

    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    accuracy: dict[str, float]
    losses: list[float]
    epoch: int


def train_mlps(
    images: Images,
    settings: Settings,
    regularisations: Sequence[Regularisation],
    seed: int,
    on_epoch: Callable[[int], object] | None = None,
) -> list[TrainedMLP]:
    """Train one network for every regularisation, all from the same start and on the same batches.

    The seed decides the start, the split into training and validation, the order of the images and which
    units dropout removes.

    Args:
        images: data set.
        settings: architecture and training.
        regularisations: one a network.
        seed: see above.
        on_epoch: called after every epoch with the number of networks that still train.

    Raises:
        InputError: if there is no regularisation, images are no lines of pixels, they are too few to hold any out, or
            the validation loss of an epoch is not finite.

    >>> from modlib.data import load_images
    >>> settings = Settings(hidden=(32,), learning_rate=0.01, max_epochs=10)
    >>> kinds = [Regularisation(), Regularisation(l2=1e-3)]
    >>> [network.accuracy["test"] > 0.8 for network in train_mlps(load_images("digits"), settings, kinds, seed=0)]
    [True, True]
    """
    instance(images, Images, "images", "pass load_images('digits'), or Images of your own")
    instance(settings, Settings, "settings", "pass Settings()")
    given, seed = items(regularisations, "regularisations"), seed_number(seed)
    regularisations = [instance(one, Regularisation, "a regularisation", "pass Regularisation()") for one in given]
    if images.x_train.ndim != 2:
        raise InputError(f"images of shape {images.x_train.shape} arrived; expected lines of pixels: flatten them")
    split = np.random.default_rng([seed, 0]).permutation(len(images.x_train))
    n_train = int(round(len(split) * (1 - settings.validation), 9))  # 10 times 1 - 0.9 is less than 1
    if not 0 < n_train < len(split):
        raise InputError(f"{len(split)} training images arrived; with validation = {settings.validation} none is left")
    data = {
        "train": _tensors(images.x_train[split[:n_train]], images.y_train[split[:n_train]]),
        "validation": _tensors(images.x_train[split[n_train:]], images.y_train[split[n_train:]]),
        "test": _tensors(images.x_test, images.y_test),
    }
    widths = (images.x_train.shape[1], *settings.hidden, int(images.y_train.max()) + 1)
    networks = _Networks.start(widths, regularisations, settings, np.random.default_rng([seed, 1]))
    best = networks.parameters_of_each()
    lowest, epochs = [np.inf] * len(best), [0] * len(best)
    losses: list[list[float]] = [[] for _ in best]
    plateaus = [_Plateau(settings) for _ in best]
    training = list(range(len(best)))
    for epoch in range(settings.max_epochs):
        networks.train_epoch(*data["train"], np.random.default_rng([seed, 2, epoch]), settings.batch_size)
        now = networks.losses(*data["validation"])
        states = networks.parameters_of_each()
        rates, goes_on = [], []
        for place, network in enumerate(training):
            losses[network].append(check_finite(now[place], f"at epoch {epoch + 1}"))
            if now[place] < lowest[network]:
                lowest[network], epochs[network], best[network] = now[place], epoch + 1, states[place]
            rates.append(plateaus[network].rate_after(now[place]))
            goes_on.append(epoch + 1 - epochs[network] < settings.patience)
        networks.set_rates(rates)
        if not all(goes_on):
            networks = networks.select([place for place, goes in enumerate(goes_on) if goes])
            training = [network for network, goes in zip(training, goes_on, strict=True) if goes]
        if on_epoch:
            on_epoch(len(training))
        if not training:
            break
    out = []
    for (kernels, biases), history, epoch in zip(best, losses, epochs, strict=True):
        accuracy = {name: _accuracy(kernels, biases, *pair) for name, pair in data.items()}
        arrays = ([kernel.numpy() for kernel in kernels], [bias.numpy() for bias in biases])
        out.append(TrainedMLP(*arrays, accuracy, history, epoch))
    return out


class _Plateau:
    """Learning rate of one network: it falls when the validation loss has not for some epochs."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.rate, self.lowest, self.waited = settings, settings.learning_rate, np.inf, 0

    def rate_after(self, loss: float) -> float:
        if loss < self.lowest * (1 - THRESHOLD):
            self.lowest, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > self.settings.plateau:
            self.rate, self.waited = self.rate * self.settings.factor, 0
        return self.rate


class _Networks:
    """Parameters of several networks and their Adam moments, one slice a network.

    The first kernel is (fan-in, networks, fan-out), so that all first layers are one matrix product; other
    kernels are (networks, fan-in, fan-out), biases (networks, 1, fan-out).
    """

    def __init__(
        self, parameters: list[Tensor], moments: list[list[Tensor]], strengths: Tensor, rates: Tensor, step: int
    ) -> None:
        self.parameters = [parameter.requires_grad_() for parameter in parameters]
        self.moments, self.strengths, self.rates, self.step = moments, strengths, rates, step

    @classmethod
    def start(
        cls, widths: Sequence[int], each: Sequence[Regularisation], settings: Settings, rng: np.random.Generator
    ) -> _Networks:
        """Uniform in +-1/sqrt(fan-in), weights and biases, as torch's Linear starts; the same for all."""
        parameters = []
        for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
            bound = 1 / np.sqrt(fan_in)
            kernel = torch.tensor(rng.uniform(-bound, bound, (fan_in, fan_out)), dtype=torch.float32)
            bias = torch.tensor(rng.uniform(-bound, bound, (1, fan_out)), dtype=torch.float32)
            parameters += [torch.stack([kernel] * len(each), dim=0 if layer else 1), torch.stack([bias] * len(each))]
        strengths = torch.tensor([[one.l1, one.l2, one.dropout] for one in each])
        moments = [[torch.zeros_like(parameter) for parameter in parameters] for _ in range(2)]
        return cls(parameters, moments, strengths, torch.full((len(each),), settings.learning_rate), 0)

    def forward(self, x: Tensor, uniforms: list[Tensor] | None = None) -> Tensor:
        """Logits (networks, batch, classes); dropout where uniform numbers (batch, units) are given."""
        first, bias = self.parameters[:2]
        h = (x @ first.flatten(1)).unflatten(1, first.shape[1:]).transpose(0, 1) + bias
        rates = self.strengths[:, 2, None, None]
        for layer, (kernel, bias) in enumerate(zip(self.parameters[2::2], self.parameters[3::2], strict=True)):
            h = torch.relu(h)
            if uniforms is not None:
                h = h * ((uniforms[layer] >= rates) / (1 - rates))
            h = torch.baddbmm(bias, h, kernel)
        return h

    def train_epoch(self, x: Tensor, y: Tensor, rng: np.random.Generator, batch_size: int) -> None:
        order = torch.as_tensor(rng.permutation(len(x)))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        widths = [kernel.shape[1] for kernel in self.parameters[2::2]]
        dropout = bool(self.strengths[:, 2].any())  # if one network has it, the others multiply by 1
        for batch in order.split(batch_size):
            uniforms = [torch.rand(len(batch), width, generator=generator) for width in widths] if dropout else None
            logits = self.forward(x[batch], uniforms)
            targets = y[batch].repeat(len(logits))
            loss = cross_entropy(logits.flatten(0, 1), targets, reduction="sum") / len(batch)
            gradients = torch.autograd.grad(loss, self.parameters)
            with torch.no_grad():
                self._adam(gradients)

    def _adam(self, gradients: tuple[Tensor, ...]) -> None:
        self.step += 1
        bias_1, bias_2 = 1 - BETA_1**self.step, 1 - BETA_2**self.step
        for i, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            slices = (1, -1, 1) if i == 0 else (-1, 1, 1)
            if i % 2 == 0:  # a kernel
                l1, l2 = (self.strengths[:, column].reshape(slices) for column in (0, 1))
                gradient = gradient.addcmul(parameter, 2 * l2)
                if bool(l1.any()):
                    gradient.addcmul_(parameter.sign(), l1)
            first, second = self.moments[0][i], self.moments[1][i]
            first.lerp_(gradient, 1 - BETA_1)
            second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
            size = (second.sqrt() / bias_2**0.5).add_(EPSILON)
            parameter.sub_((first / size).mul_(self.rates.reshape(slices) / bias_1))

    def losses(self, x: Tensor, y: Tensor) -> list[float]:
        """Cross-entropy of every network, without regularisation and dropout."""
        with torch.no_grad():
            logits = self.forward(x)
            each = cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)), reduction="none")
            return each.double().reshape(len(logits), -1).mean(1).tolist()

    def parameters_of_each(self) -> list[tuple[list[Tensor], list[Tensor]]]:
        """Copies of the kernels and biases of every network."""
        first, *others = (parameter.detach() for parameter in self.parameters[::2])
        kernels = [first.transpose(0, 1), *others]
        biases = [parameter.detach()[:, 0] for parameter in self.parameters[1::2]]
        return [
            ([kernel[i].contiguous().clone() for kernel in kernels], [b[i].clone() for b in biases])
            for i in range(len(self.strengths))
        ]

    def set_rates(self, rates: Sequence[float]) -> None:
        self.rates = torch.tensor(rates)

    def select(self, places: list[int]) -> _Networks:
        """The networks at some places, with their moments."""
        index = torch.tensor(places, dtype=torch.long)

        def cut(tensors: list[Tensor]) -> list[Tensor]:
            return [tensor.detach().index_select(0 if i else 1, index) for i, tensor in enumerate(tensors)]

        moments = [cut(moment) for moment in self.moments]
        return _Networks(cut(self.parameters), moments, self.strengths[places], self.rates[places], self.step)


def _tensors(x: np.ndarray, y: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.long)


def _accuracy(kernels: Sequence[Tensor], biases: Sequence[Tensor], x: Tensor, y: Tensor) -> float:
    for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        x = x @ kernel + bias
        if i < len(kernels) - 1:
            x = torch.relu(x)
    return float((x.argmax(1) == y).double().mean())
