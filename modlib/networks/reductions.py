"""Units of what is summed, averaged or pooled over places, and where several layers meet.

Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import torch
from torch import Tensor

from modlib.networks.units import MIXED, NONE, Units, added, united

FEW = 64  # parts that are taken one by one where they meet


def reduced(units: Units, axes: Sequence[int], keepdim: bool, kind: str, first: Sequence[int]) -> Units:
    """Units of a mean, maximum or the like along axes.

    Of one unit at many places it is that unit: a sum adds its gains in size, as if every place were read by a weight of
    its own. Units of several layers, one of each, meet as in a sum or maximum of them. Several units of one layer
    become ``MIXED``.

    Args:
        units: of what is reduced.
        axes: along which.
        keepdim: whether they stay, of length 1.
        kind: ``sum``, ``mean``, or the name of a function that is not linear.
        first: number of the first unit of every layer.
    """
    rank, linear = len(units.shape), kind in ("sum", "mean")
    axes = [axis % rank for axis in axes]
    others = [axis for axis in range(rank) if axis not in axes]
    shape = [1 if axis in axes else n for axis, n in enumerate(units.shape) if keepdim or axis in others]

    def lines(values: Tensor) -> Tensor:
        return values.permute(0, *(1 + axis for axis in (*others, *axes))).flatten(1 + len(others))

    along = units.each(lines)
    count = along.shape[-1]
    if count <= FEW and (_is_stack(along, first) or (linear and _terms_repeat(along))):
        parts = [along.each(itemgetter((..., place))) for place in range(count)]
        found = added(parts, parts[0].shape) if linear else united(parts, parts[0].shape)
    else:
        found = _of_one_unit(along, linear)
    found = replace(found, gain=found.gains / count) if kind == "mean" else found
    return found.each(lambda part: part.reshape(-1, *shape))


def weighed(units: Units, fixed: Tensor) -> Units:
    """Units of a product of constants (..., i, places) with an activation (..., places, features).

    The units are those of every place; what each is multiplied by is added in size, or with signs where one term stands
    at several places.
    """
    along = units.each(lambda part: part.transpose(-1, -2))
    count, shape = fixed.shape[-1], torch.Size((*units.shape[:-2], fixed.shape[-2], units.shape[-1]))
    fixed = fixed.double()
    if count <= FEW and _terms_repeat(along):
        places = [along.each(itemgetter((..., None, slice(None), place))).to_shape(shape) for place in range(count)]
        return added([one.times(fixed[..., place, None]) for place, one in enumerate(places)], shape)
    seen = united([units], units.shape)
    ids = seen.ids.narrow(-2, 0, 1).expand(-1, *shape)
    return Units(ids, (fixed.abs() @ seen.gains).expand(ids.shape))


def _of_one_unit(along: Units, adds: bool) -> Units:
    """Units along the last axis as one, if they are; their gains added, or the largest of them."""
    along = united([along], along.shape)
    low, high = _bounds(along.ids)
    gains = torch.where(along.ids != NONE, along.gains, 0)
    ids = torch.where((low == high) | (high == NONE), high, MIXED)
    return united([Units(ids, gains.sum(-1) if adds else gains.amax(-1))], ids.shape[1:])


def _bounds(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest unit along the last axis, constants left out; the largest is ``NONE`` if there is none."""
    return torch.where(ids == NONE, torch.iinfo(ids.dtype).max, ids).amin(-1), ids.amax(-1)


def _layer_of(ids: Tensor, first: Sequence[int]) -> Tensor:
    """The layer of every unit, from 1; 0 where there is none."""
    return torch.bucketize(ids.contiguous(), torch.as_tensor(first), right=True)


def _is_stack(along: Units, first: Sequence[int]) -> bool:
    """Whether the last axis has units of several layers side by side, one of each: then these are summed or compared.

    In an axis of the units of a layer, or of several in a row, what is taken along it is a mean over a layer.
    """
    real = along.ids >= 0
    layer = torch.where(real, _layer_of(along.ids, first), 0)
    units, layers = (part.sort(-1).values.diff(dim=-1) != 0 for part in (torch.where(real, along.ids, NONE), layer))
    several = layers.sum(-1) > (~real).any(-1)
    alike = (units.sum(-1) == layers.sum(-1)) | ~several
    rows = (part.reshape(len(along.ids), -1) for part in (alike, several))
    return any(row.all() and other.any() for row, other in zip(*rows, strict=True))


def _terms_repeat(along: Units) -> bool:
    """Whether one term stands twice along the last axis, so that its gains may cancel."""
    if along.terms is None:
        return False
    apart = torch.where(along.ids >= 0, along.terms, -1 - torch.arange(along.shape[-1]))
    return bool((apart.sort(-1).values.diff(dim=-1) == 0).any())


def pooled(units: Units, shape: Sequence[int]) -> Units:
    """Units of what pools or resizes every channel, (n, channels, ...): those of a channel at any place, everywhere."""
    units = united([units], units.shape)
    flat, gains = units.ids.flatten(3), units.gains.flatten(3)
    low, high = _bounds(flat)
    if not ((low == high) | (high == NONE)).all():  # many units in one channel
        rows = Units(*(part.movedim(3, 0).flatten(0, 1) for part in (flat, gains)))
        rows = united([rows], rows.shape)
        high, gains = rows.ids, rows.gains[..., None]
    ids, gains = high, gains.amax(-1)
    spatial = [1] * (len(shape) - 2)

    def spread(values: Tensor) -> Tensor:
        return values.reshape(*values.shape[:3], *spatial).expand(-1, *shape)

    return Units(spread(ids), None if units.gain is None else spread(gains))
