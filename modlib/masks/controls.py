"""Controls of a mask: would other weights do, is each of them needed, and do their values matter?

A masked network that answers well shows that what is kept is enough. It is a finding about these weights only if as
many others, or the same places with other values or those of a network that has not learned, are not; and a mask is
small only if it cannot lose more. What a mask by itself can learn is told by ``learn_permuted_mask``.
Chapter: ``weight-masks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modlib.checks import function, generator, instance, items, real, whole
from modlib.errors import InputError
from modlib.masks.mask import TOTAL, Mask, fingerprint
from modlib.networks.network import torch_module

if TYPE_CHECKING:
    from torch import nn

LEARNED = "pass a mask, such as learn_mask(...).mask"


@dataclass(frozen=True)
class Control:
    """What a network does with another mask, or other values, than the one that was learned.

    Attributes:
        name: in words.
        kept: number of masked weights that it keeps.
        scores: what was measured, one for every draw; one where nothing is drawn.
    """

    name: str
    kept: int
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the scores."""
        return float(np.mean(self.scores))


def random_mask(mask: Mask, rng: np.random.Generator) -> Mask:
    """A mask that keeps as many weights of every parameter, in random places.

    Args:
        mask: whose counts are kept.
        rng: draws the places.

    Raises:
        InputError: if no mask or no generator arrives.

    Source: none; the paper has no such control. Chapter: ``weight-masks``.

    >>> mask = Mask({"0.weight": np.array([[True, False], [False, False]])}, "a network")
    >>> random_mask(mask, np.random.default_rng(0)).remaining()
    {'0.weight': 1, 'total': 1}
    """
    instance(mask, Mask, "mask", LEARNED)
    generator(rng)
    return Mask(
        {name: rng.permuted(kept.ravel()).reshape(kept.shape) for name, kept in mask.keep.items()}, mask.network
    )


def thinned_mask(mask: Mask, removed: float, rng: np.random.Generator) -> Mask:
    """A mask that lacks some more weights: a share of what is kept of all parameters together, drawn at random.

    Args:
        mask: what is kept now.
        removed: share of the kept weights that goes, rounded to a whole number, in [0, 1].
        rng: draws them.

    Raises:
        InputError: if no mask, share or generator arrives.

    Source: none; the paper has no such control. Chapter: ``weight-masks``.

    >>> mask = Mask({"0.weight": np.ones((4, 5), dtype=bool)}, "a network")
    >>> thinned_mask(mask, 0.25, np.random.default_rng(0)).remaining()["total"]
    15
    """
    instance(mask, Mask, "mask", LEARNED)
    removed = real(removed, "removed", least=0, most=1)
    generator(rng)
    places = np.concatenate([kept.ravel() for kept in mask.keep.values()])
    kept = np.flatnonzero(places)
    places[rng.choice(kept, round(removed * kept.size), replace=False)] = False
    ends = np.cumsum([kept.size for kept in mask.keep.values()])[:-1]
    parts = zip(mask.keep.items(), np.split(places, ends), strict=True)
    return Mask({name: part.reshape(kept.shape) for (name, kept), part in parts}, mask.network)


def mask_controls(
    model: object,
    mask: Mask,
    score: Callable[[nn.Module], float],
    rng: np.random.Generator,
    removed: Sequence[float] = (0.05, 0.2),
    tries: int = 5,
    fresh: Callable[[np.random.Generator], object] | None = None,
) -> list[Control]:
    """Scores of a network with its mask, and of what the mask is to be compared with.

    In this order: the whole network; the mask; as many weights of every parameter at random; the mask with its weights
    exchanged among the places that it keeps, parameter by parameter; the mask without some more of its weights; what
    it removes; and, if there is a way to make some, the mask on networks with fresh weights.

    Args:
        model: the network that the mask was learned on.
        mask: see ``learn_mask``.
        score: what is measured of a masked network, such as its accuracy.
        rng: draws masks and exchanges.
        removed: shares of the kept weights that go, each in [0, 1].
        tries: draws of each.
        fresh: makes a network of this shape that has learned nothing, for a generator, such as
            ``lambda rng: perceptron((784, 256, 10), rng)``. Its parameters that are not masked are fresh as well.

    Raises:
        InputError: if the mask belongs to another network, a fresh one is of another shape or is the network itself, or
            a score is no finite number.

    Source: none; the paper has no such controls. Chapter: ``weight-masks``.

    >>> import torch
    >>> from modlib.masks.mask import fingerprint
    >>> network = torch.nn.Linear(4, 1, bias=False)
    >>> mask = Mask({"weight": np.array([[True, True, False, False]])}, fingerprint(network))
    >>> def n_weights(module):
    ...     return float((module.weight != 0).sum())
    >>> fresh = lambda rng: torch.nn.Linear(4, 1, bias=False)
    >>> for control in mask_controls(network, mask, n_weights, np.random.default_rng(0), [0.5], 1, fresh):
    ...     print(f"{control.name}: {control.mean:.0f}")
    the whole network: 4
    the mask: 2
    as many weights at random: 2
    its weights in other places of it: 2
    the mask without 50% of its weights: 1
    what the mask removes: 2
    the mask on fresh weights: 2
    """
    instance(mask, Mask, "mask", LEARNED)
    function(score, "score", "pass one that takes a network and returns a number")
    generator(rng)
    shares = [real(part, "removed", least=0, most=1) for part in items(removed, "removed", least=0)]
    again = range(whole(tries, "tries"))
    if fresh is not None:
        function(fresh, "fresh", "pass one that makes an untrained network for a generator")
    everything = Mask({name: np.ones_like(kept) for name, kept in mask.keep.items()}, mask.network)

    def scored(masked: nn.Module) -> float:
        return real(score(masked), "the score of a masked network")

    def control(name: str, masks: Sequence[Mask], change: Callable[[nn.Module], nn.Module] = lambda m: m) -> Control:
        found = (scored(change(drawn.apply(model))) for drawn in masks)
        return Control(name, masks[0].remaining()[TOTAL], tuple(found))

    controls = [
        control("the whole network", [everything]),
        control("the mask", [mask]),
        control("as many weights at random", [random_mask(mask, rng) for _ in again]),
        control("its weights in other places of it", [mask] * len(again), lambda m: _exchanged(m, mask, rng)),
        *(
            control(f"the mask without {part:.0%} of its weights", [thinned_mask(mask, part, rng) for _ in again])
            for part in shares
        ),
        control("what the mask removes", [~mask]),
    ]
    if fresh is not None:
        scores = tuple(scored(_on_fresh(mask, fresh(rng), model)) for _ in again)
        controls.append(Control("the mask on fresh weights", mask.remaining()[TOTAL], scores))
    return controls


def _on_fresh(mask: Mask, made: object, model: object) -> nn.Module:
    """A fresh network under the mask of another one, where that one is."""
    from modlib.networks.modules import device_of

    module = torch_module(made)
    if fingerprint(module) == mask.network:
        raise InputError("fresh returned the network that the mask belongs to; expected one with weights of its own")
    return Mask(mask.keep, fingerprint(module)).apply(module).to(device_of(torch_module(model)))


def _exchanged(module: nn.Module, mask: Mask, rng: np.random.Generator) -> nn.Module:
    """A masked copy, changed: the kept weights of every parameter in a random order, in the same places."""
    import torch

    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, kept in mask.keep.items():
            places = torch.as_tensor(kept, device=parameters[name].device)
            values = parameters[name][places]
            parameters[name][places] = values[torch.as_tensor(rng.permutation(len(values)), device=values.device)]
    return module
