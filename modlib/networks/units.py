"""Which units every number of an activation comes from: what tracing carries through a forward pass.

A unit is an output of a layer of weights, or an input. Whatever only moves numbers about does the same to their units;
sums, products and concatenations have the units of all their parts.

A number is a sum of terms, each a constant gain times an output of a layer, or of a function that is not linear. Where
a term comes on several paths, their gains are added with their signs: of ``h - h / 2`` a half is left. What is not
linear makes a term of its own, and the gains of the units in it are those before it, in size. A unit that is in several
terms of one number counts with the largest gain, so that a function written by hand, as ``h.relu() - (-h).relu() / 5``,
is one more activation; terms that differ only in their place in an image or a sequence count together, as the window
of a kernel does. Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modlib.errors import InputError

NONE = -1  # a constant: it comes from no unit
MIXED = -2  # of many units at once, as a mean over a layer: it may shift or scale units, but stands for none of them
STEP = 32  # bits of a term's number that say which place of a step's value it is; those above say of which step
CANCELLED = 1e-6  # of a sum of gains, relative to their sizes: rounding


@dataclass(frozen=True, eq=False)
class Units:
    """The units of every number of an activation.

    Attributes:
        ids: ``(m, *shape)`` whole numbers: the up to m units that a number comes from, ``NONE`` or ``MIXED``.
        gain: ``(m, *shape)`` by what batch normalisations and constants have multiplied the term of the unit, with its
            sign; None for 1.
        terms: ``(m, *shape)`` in which term of the number the unit is; None if each number is a term of its own, which
            has no number yet.

    Raises:
        InputError: if their shapes differ.
    """

    ids: Tensor
    gain: Tensor | None = None
    terms: Tensor | None = None

    def __post_init__(self) -> None:
        for part in (self.gain, self.terms):
            if part is not None and part.shape != self.ids.shape:
                raise InputError(
                    f"gains or terms of shape {tuple(part.shape)} arrived for units of shape {tuple(self.ids.shape)}; "
                    "expected one for each"
                )

    @property
    def shape(self) -> torch.Size:
        """Shape of the activation."""
        return self.ids.shape[1:]

    @property
    def gains(self) -> Tensor:
        """``gain``, ones included."""
        return torch.ones((), dtype=torch.float64).expand(self.ids.shape) if self.gain is None else self.gain

    def times(self, factor: Tensor) -> Units:
        """The same units, multiplied by a factor, which broadcasts to the shape of the activation."""
        return replace(self, gain=self.gains * factor)

    def each(self, change: Callable[[Tensor], Tensor]) -> Units:
        """The same change of ids, gains and terms, whose axes are one after those of the activation."""
        gain, terms = (None if part is None else change(part) for part in (self.gain, self.terms))
        return Units(change(self.ids), gain, terms)

    def to_shape(self, shape: Sequence[int]) -> Units:
        """The same units, broadcast to a shape."""
        return self.each(lambda part: _broadcast(part, shape))

    def numbered(self, step: int) -> Units:
        """The same units, in terms of a step of the pass."""
        places = torch.arange(self.shape.numel()).reshape(self.shape)
        return replace(self, terms=(places + (step << STEP)).expand(self.ids.shape))


def of_layer(first: int, count: int, shape: Sequence[int], axis: int) -> Units:
    """Units first, first + 1, ... along an axis of an activation."""
    along = [1] * len(shape)
    along[axis] = count
    return Units((first + torch.arange(count)).reshape(along).expand(tuple(shape))[None])


def moved(move: Callable[[list[Tensor]], Any], parts: Sequence[Units | Tensor]) -> Any:
    """What a function that only moves numbers about does to their units; parts without units are constants.

    Returns:
        Units, or a tuple of them where the function returns several tensors.
    """
    depth = max(len(part.ids) for part in parts if isinstance(part, Units))
    layered = [_to_depth(part, depth) for part in parts]

    def carried(values: Sequence[Tensor]) -> Any:
        return _stacked([move([value[row] for value in values]) for row in range(depth)])

    ids = carried([part.ids for part in layered])
    nothing = [None] * len(ids)
    plain = all(part.gain is None for part in layered)
    gain = None if plain else carried([part.gains for part in layered])
    terms = [part.terms for part in layered if part.terms is not None]
    place = carried(terms) if len(terms) == len(layered) else None
    if isinstance(ids, Tensor):
        return Units(ids, gain, place)
    return tuple(map(Units, ids, gain or nothing, place or nothing))


def added(parts: Sequence[Units], shape: Sequence[int]) -> Units:
    """Units of a sum of activations, which broadcast to a shape: gains of the same term are added with their signs."""
    ids, gains, terms = _side_by_side(parts, shape)
    assert terms is not None  # values that are added are those of steps
    ids, gains, terms = _merged(ids, gains, terms, _signed_sum)
    return Units(ids, None if all(part.gain is None for part in parts) and (gains == 1).all() else gains, terms)


def united(parts: Sequence[Units], shape: Sequence[int]) -> Units:
    """Units of a function that works number by number: those of all its arguments, which broadcast to a shape.

    Each has the largest gain of the terms that it is in, in size. The numbers that it gives are terms of their own.
    """
    each = [_within_terms(part) for part in parts]
    ids, gains, _ = _side_by_side(each, shape)
    ids, gains, _ = _merged(ids, gains, None, torch.maximum)
    return Units(ids, None if (gains == 1).all() else gains)


def _within_terms(units: Units) -> Units:
    """A unit once in every number, with the sizes of its gains at all places of a term added, in the largest term."""
    ids, gains = units.ids, units.gains.abs()
    if len(ids) > 1 and units.terms is not None:
        ids, gains, _ = _merged(ids, gains, units.terms >> STEP, torch.add)
        ids, gains, _ = _merged(ids, gains, None, torch.maximum)
    return Units(ids, gains)


def incidence(units: Units, axis: int, n_units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Which units are read as which feature, where features lie along an axis.

    Returns:
        Units, features and largest gains of all pairs that occur, each once, (pairs,); whether a feature is ``MIXED``
        only, so that no unit stands for it.
    """
    units, axis = united([units], units.shape), axis if axis < 0 else axis + 1
    ids = units.ids.movedim(axis, 0).flatten(1)
    features = torch.arange(len(ids))[:, None].expand_as(ids)
    real = ids >= 0
    lost = ((ids == MIXED).any(1) & ~real.any(1)).any()
    keys, pair = np.unique((features[real] * n_units + ids[real]).numpy(), return_inverse=True)
    gain = np.zeros(len(keys))
    np.maximum.at(gain, pair, units.gains.movedim(axis, 0).flatten(1)[real].numpy())
    return keys % n_units, keys // n_units, gain, bool(lost)


def together(units: Units, axes: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of units that lie in one line along axes of an activation, constants between them left out."""
    if not len(axes):
        return []
    shape = units.shape
    kept = [axis for axis in range(len(shape)) if axis not in [axis % len(shape) for axis in axes]]
    lines = units.ids.permute(0, *(1 + axis for axis in kept), *(1 + axis % len(shape) for axis in axes))
    lines = lines.flatten(1 + len(kept)).flatten(0, -2) if kept else lines.flatten(1)
    lines = torch.unique(lines, dim=0)
    real = lines >= 0
    first = lines.gather(1, real.int().argmax(1, keepdim=True)).expand_as(lines)  # of every row that has one
    return [(first[real].numpy(), lines[real].numpy())]


def _side_by_side(parts: Sequence[Units], shape: Sequence[int]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Units, gains and terms of activations, broadcast to a shape, row under row."""
    ids = torch.cat([_broadcast(part.ids, shape) for part in parts])
    gains = torch.cat([_broadcast(part.gains, shape) for part in parts])
    terms = [_broadcast(part.terms, shape) for part in parts if part.terms is not None]
    return ids, gains, torch.cat(terms) if len(terms) == len(parts) else None


def _merged(
    ids: Tensor, gains: Tensor, keys: Tensor | None, combine: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows in which a unit stands once for every key, with the gains of all that were there."""
    keys = ids if keys is None else keys
    bounds = [tuple(row.aminmax()) if row.numel() else (NONE, NONE) for row in ids]
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    ranges: list[tuple[Any, Any]] = []
    for row, gain, key, (low, high) in zip(ids, gains, keys, bounds, strict=True):
        for place, (other, others, theirs) in enumerate(kept):
            if low > ranges[place][1] or high < ranges[place][0]:
                continue
            same = (row == other) & (row != NONE) & ((key == theirs) | (row == MIXED))
            if same.any():
                kept[place] = (other, torch.where(same, combine(others, gain), others), theirs)
                row = torch.where(same, NONE, row)
        if not kept or (row != NONE).any():
            kept.append((row, gain, key))
            ranges.append((low, high))
    if len(kept) > 1 and (kept[0][0] == NONE).all():
        kept = kept[1:]
    return tuple(map(torch.stack, zip(*kept, strict=True)))  # type: ignore[return-value]


def _signed_sum(first: Tensor, second: Tensor) -> Tensor:
    """Sums of gains; those that only rounding keeps from 0 are 0."""
    total = first + second
    return torch.where(total.abs() < CANCELLED * (first.abs() + second.abs()), 0, total)


def _to_depth(part: Units | Tensor, depth: int) -> Units:
    if isinstance(part, Tensor):
        nothing = torch.full((depth, *part.shape), NONE)
        return Units(nothing, None, nothing)
    missing = (depth - len(part.ids), *part.shape)
    if not missing[0]:
        return part
    nothing = torch.full(missing, NONE)
    gain = None if part.gain is None else torch.cat([part.gain, torch.ones(missing)])
    return Units(torch.cat([part.ids, nothing]), gain, None if part.terms is None else torch.cat([part.terms, nothing]))


def _broadcast(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Rows with the missing leading axes of a shape, broadcast to it."""
    return values.reshape(len(values), *[1] * (len(shape) + 1 - values.ndim), *values.shape[1:]).expand(-1, *shape)


def _stacked(rows: list[Any]) -> Any:
    """Rows of the results of a function: a tensor, or a tuple of tensors."""
    if isinstance(rows[0], Tensor):
        return torch.stack(rows)
    return tuple(torch.stack(list(part)) for part in zip(*rows, strict=True))
