"""Feature visualisation: the image that excites a set of units most, through torch-lucent.

The images of several sets of units of a layer are optimised together, in one batch: each has its own pixels and its own
part of the objective, and all meet the same transforms. torch-lucent draws from global generators and prefers the first
GPU; both are kept from the rest of the program here. Chapter: ``coherence``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx, nn

from modlib.checks import instance, items, labels as whole_numbers, real, seed_number, store, whole, wholes
from modlib.errors import InputError
from modlib.networks.activity import activities_of
from modlib.networks.execution import Execution
from modlib.networks.modules import are_probabilities, with_gradients
from modlib.networks.network import Network
from modlib.networks.operations import name_of
from modlib.networks.traces import AnyNetwork, Trace, network_or_trace
from modlib.processor import seeded_numpy, seeded_torch
from modlib.reprs import BriefRepr
from modlib.responses.activations import relu_names

SCALES = 10  # steps to the largest and to the smallest scale
NOISE = 0.01  # standard deviation of the start, before the sigmoid


@dataclass(frozen=True)
class ImageSettings:
    """How an image is optimised; defaults are Lucid's, with the authors' number of steps.

    Attributes:
        steps: of Adam.
        learning_rate: of Adam.
        jitter: pixels by which an image is moved at most, each way and in either direction.
        scale: factor by which it is enlarged or shrunk at most.

    Source: importance-coherence A.8, and the authors' code. Chapter: ``coherence``.
    """

    steps: int = 256
    learning_rate: float = 0.05
    jitter: int = 1
    scale: float = 1.1

    def __post_init__(self) -> None:
        store(self, whole, "steps")
        store(self, whole, "jitter", least=0)
        real(self.learning_rate, "learning_rate", above=0)
        real(self.scale, "scale", least=1, most=2)


@dataclass(frozen=True, eq=False, repr=False)
class Visualisation(BriefRepr):
    """Optimised images of n sets of units, and what the network makes of them, untransformed.

    Activity is after the ReLU; that of a channel is the mean over its map.

    Attributes:
        images: (n, channels, height, width), in (0, 1).
        score: (n,) mean activity of the set on its image: what was optimised.
        entropy: (n,) entropy in nats of the softmax of the outputs, in [0, log classes].
        variance: (n,) variance of the activities within the set.
        variation: (n,) their coefficient of variation, standard deviation over mean; NaN if all are 0.
    """

    images: np.ndarray
    score: np.ndarray
    entropy: np.ndarray
    variance: np.ndarray
    variation: np.ndarray


def visualise(
    network: AnyNetwork,
    layer: int,
    sets: Sequence[np.ndarray],
    shape: tuple[int, int, int],
    seed: int,
    settings: ImageSettings | None = None,
) -> Visualisation:
    """Optimise an image for every set of units of a layer.

    An image is sigmoid(z) of free numbers z, which start near 0. Every step moves and scales all images alike, and
    follows the gradient of the mean activity of each set on its own image. The sum of these is the objective; Adam
    works number by number, so an image does not depend on which others are optimised beside it. Where all units of a
    layer are silent for an image, the gradient takes their ReLU for the identity, as Lucid does in its first steps.

    Args:
        network: with ReLU after every layer but the last; or a traced network of any shape, whose activities are those
            of ``hidden_activities``, as means over places.
        layer: hidden layer, from 1; of a traced network its number in ``layers``.
        sets: units of each, indices within the layer; sets may differ in size.
        shape: channels, height and width of an image. A perceptron gets it flattened.
        seed: decides the start, which is the same for all images, and the transforms.
        settings: how.

    Raises:
        InputError: if the layer or a unit is not there, a set is empty, holds a unit twice or is the whole layer, or
            images of this shape do not fit the network.

    Source: importance-coherence 3.1.2 and A.8. Chapter: ``coherence``.

    The first unit likes the left of an image, the second the right, and so do their images:

    >>> from modlib.networks import from_arrays
    >>> likes = np.array([[1.0, -1.0], [-1.0, 1.0]] * 2)  # (pixels of 2 x 2, units)
    >>> network, still = from_arrays([likes, np.eye(2)]), ImageSettings(steps=8, jitter=0, scale=1)
    >>> found = visualise(network, 1, [np.array([0]), np.array([1])], (1, 2, 2), seed=0, settings=still)
    >>> (found.images > 0.5).astype(int).tolist()
    [[[[1, 0], [1, 0]]], [[[0, 1], [0, 1]]]]
    """
    from lucent.optvis import param, render

    network = network_or_trace(network)
    settings = instance(
        ImageSettings() if settings is None else settings, ImageSettings, "settings", "pass ImageSettings(steps=256)"
    )
    with_gradients(network.module)
    seed, shape = seed_number(seed), cast(tuple[int, int, int], tuple(wholes(shape, "shape", length=3)))
    layer = network.hidden_layer(layer)
    shares = torch.as_tensor(_shares(network, layer, sets))
    with _global_generators(seed):
        start = (NOISE * torch.randn(1, *shape)).expand(len(sets), -1, -1, -1)
        device = param.spatial.device
        watch = _WatchedTrace if isinstance(network, Trace) else _Watched
        watched = watch(network, layer, start.to(device))  # type: ignore[arg-type]
        pixels, goal = start.to(device, copy=True).requires_grad_(), shares.to(device, torch.float32)
        watched.goes_on = False
        (found,) = render.render_vis(
            watched,
            lambda _: -(watched.activities * goal).sum(),
            lambda: ([pixels], param.to_valid_rgb(lambda: pixels)),
            lambda parameters: torch.optim.Adam(parameters, lr=settings.learning_rate),
            transforms=_transforms(settings, shape, np.random.default_rng(seed)),
            thresholds=(settings.steps,),
            preprocess=False,
            progress=False,
            show_image=False,
            fixed_image_size=shape[1:],
        )
    images = np.ascontiguousarray(found.transpose(0, 3, 1, 2))
    watched.goes_on = True
    with torch.no_grad():
        outputs = watched(torch.as_tensor(images, device=device)).double()
    activities = watched.activities.double().cpu()
    probabilities = outputs if are_probabilities(outputs) else outputs.softmax(1)
    score = (activities * shares).sum(1)
    variance = (shares * (activities - score[:, None]) ** 2).sum(1)
    entropy = torch.special.entr(probabilities).sum(1).cpu()
    variation = torch.where(score > 0, variance.sqrt() / score, torch.nan)
    return Visualisation(images, *(values.numpy() for values in (score, entropy, variance, variation)))


class _Redirected(torch.autograd.Function):
    """ReLU whose gradient, where it is zero for all units of an image, is that of those it could wake instead."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs)
        return inputs.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (inputs,), (gradient,) = ctx.saved_tensors, gradients
        usual = gradient * (inputs > 0)
        waking = gradient * ((inputs > 0) | (gradient < 0))  # descent against a negative gradient raises the input
        blocked = (usual == 0).flatten(1).all(1).reshape(-1, *[1] * (inputs.ndim - 1))
        return torch.where(blocked, waking, usual)


def _redirected(inputs: Tensor) -> Tensor:
    return cast(Tensor, _Redirected.apply(inputs))


_redirected.__name__ = "relu"  # by which a program knows what it does, see modlib.networks.operations


class _RedirectedReLU(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return _redirected(inputs)


class _Passed(Exception):
    """The layer that is watched has been passed."""


class _Watched(nn.Module):
    """A copy of a network that takes images and notes the activity of a layer at every pass, (n, units).

    ``goes_on`` says whether a pass goes on behind that layer: what is optimised does not depend on the rest.
    """

    def __init__(self, network: Network, layer: int, images: Tensor) -> None:
        super().__init__()
        flat = nn.Flatten() if network.layers[0].kind == "dense" else nn.Identity()
        inner, names = copy.deepcopy(network.module), relu_names(network)
        for name in names:
            inner.set_submodule(name, _RedirectedReLU())
        inner.get_submodule(names[layer - 1]).register_forward_hook(lambda *given: self._note(given[2]))
        self.module = nn.Sequential(flat, inner).to(images.device).requires_grad_(False)
        self.goes_on = True
        try:
            self(images)
        except RuntimeError as error:
            raise InputError(
                f"images of shape {tuple(images.shape[1:])} do not fit the network ({error}); "
                "expected channels, height and width of what it was trained on"
            ) from error

    def forward(self, images: Tensor) -> Tensor:
        """Outputs, or the images where the pass ends early."""
        try:
            return cast(Tensor, self.module(images))
        except _Passed:
            return images

    def _note(self, output: Tensor) -> None:
        self.activities = output.flatten(2).mean(2) if output.ndim > 2 else output
        if not self.goes_on:
            raise _Passed


class _WatchedTrace(nn.Module):
    """The same for a traced network."""

    def __init__(self, trace: Trace, layer: int, images: Tensor) -> None:
        super().__init__()
        example = trace.program.inputs[0]
        if tuple(images.shape[1:]) != tuple(example.shape[1:]) and example.shape[1:] != images[0].flatten().shape:
            raise InputError(
                f"images of shape {tuple(images.shape[1:])} do not fit the network, which was traced with inputs of "
                f"shape {tuple(example.shape[1:])}; expected channels, height and width of these"
            )
        _ = trace.n_classes  # what gives no vector is refused
        graph = _with_redirected_relus(trace)
        self.execution = Execution(replace(trace, program=replace(trace.program, graph=graph)))
        pair = torch.rand(2, *example.shape[1:], generator=torch.Generator().manual_seed(0))
        (self.place,) = activities_of(self.execution, [trace.layers[trace.hidden_layer(layer)]], pair)
        self.module = graph.to(images.device).requires_grad_(False)
        self.shape, self.goes_on = example.shape[1:], True

    def forward(self, images: Tensor) -> Tensor:
        """Outputs, or the images where the pass ends early."""
        given = self.execution.begin(images.reshape(-1, *self.shape))
        stop = self.execution.place[self.place.step] + 1
        values = self.execution.go(given, 0, stop, {})
        self.activities = self.place.read(values[self.place.step], len(images)).mean(2)
        return self.execution.outputs(values, stop, {}) if self.goes_on else images


def _with_redirected_relus(trace: Trace) -> fx.GraphModule:
    """A copy of the program of a trace with other ReLUs, which compute the same."""
    graph = copy.deepcopy(trace.program.graph)
    modules = dict(graph.named_modules())
    for step in list(graph.graph.nodes):
        module = modules.get(str(step.target)) if step.op == "call_module" else None
        is_relu = step.op.startswith("call") and name_of(step, module) == "relu"
        if is_relu and (module is None or isinstance(module, nn.ReLU)):  # other functions are of its family
            with graph.graph.inserting_after(step):
                step.replace_all_uses_with(graph.graph.call_function(_redirected, (step.args[0],)))
            graph.graph.erase_node(step)
    graph.recompile()
    return graph


def _shares(network: AnyNetwork, layer: int, sets: Sequence[np.ndarray]) -> np.ndarray:
    """(sets, units): for every set 1/size at its units and 0 at others."""
    width, sets = network.width(layer), items(sets, "sets")
    shares = np.zeros((len(sets), width))
    for i, units in enumerate(sets):
        units = whole_numbers(units, f"set {i}", "units", least=0, most=width - 1)
        if len(np.unique(units)) != len(units) or len(units) == width:
            raise InputError(
                f"set {i} holds {units.tolist()}; expected 1 to {width - 1} different units of layer {layer}, which "
                f"has {width}: all of them have no random sets to compare with"
            )
        shares[i, units] = 1 / len(units)
    return shares


def _transforms(
    settings: ImageSettings, shape: tuple[int, int, int], rng: np.random.Generator
) -> list[Callable[[Tensor], Tensor]]:
    """Move by up to ``jitter`` pixels and scale about the middle, on black; images keep their size.

    lucent's own jitter rests on a version of kornia that moves too far and blurs.
    """
    from lucent.optvis import transform

    margin = settings.jitter

    def move(images: Tensor) -> Tensor:
        top, left = rng.integers(2 * margin + 1, size=2)
        height, width = images.shape[2:]
        return nn.functional.pad(images, [margin] * 4)[..., top : top + height, left : left + width]

    found: list[Callable[[Tensor], Tensor]] = [move] if margin else []
    if settings.scale > 1:
        powers = np.linspace(-1, 1, 2 * SCALES + 1)
        found += [transform.random_scale((settings.scale**powers).tolist()), lambda images: _middle(images, shape[1:])]
    return found


def _middle(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle of images that are at least of this size."""
    top, left = ((now - wanted) // 2 for now, wanted in zip(images.shape[2:], size, strict=True))
    return images[..., top : top + size[0], left : left + size[1]]


@contextmanager
def _global_generators(seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy and torch for a while, then put them back as they were."""
    with seeded_torch(seed), seeded_numpy(seed):  # lucent draws from both, and on no GPU
        yield
