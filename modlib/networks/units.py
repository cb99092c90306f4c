"""Which units every number of an activation comes from: what tracing carries through a forward pass.

A unit is an output of a layer of weights, or an input. Whatever only moves numbers about does the same to their units;
sums, products and concatenations have the units of all their parts. Chapter: ``clusterability``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

NONE = -1  # a constant: it comes from no unit
MIXED = -2  # of many units at once, as a mean over a layer: it may shift or scale units, but stands for none of them


@dataclass(frozen=True, eq=False)
class Units:
    """The units of every number of an activation.

    Attributes:
        ids: ``(m, *shape)`` whole numbers: the up to m units that a number comes from, ``NONE`` or ``MIXED``.
        scale: ``(m, *shape)`` by what batch normalisations and constants on the way from the unit have multiplied it,
            in size; None for 1.
    """

    ids: Tensor
    scale: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """Shape of the activation."""
        return self.ids.shape[1:]

    def times(self, factor: Tensor) -> Units:
        """The same units, multiplied by a factor (which broadcasts)."""
        scale = torch.ones(self.ids.shape) if self.scale is None else self.scale
        return Units(self.ids, scale * factor)


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
    ids = _stacked([move([part.ids[row] for part in layered]) for row in range(depth)])
    if all(part.scale is None for part in layered):
        return _each(Units, ids)
    scales = [torch.ones(part.ids.shape) if part.scale is None else part.scale for part in layered]
    return _each(Units, ids, _stacked([move([scale[row] for scale in scales]) for row in range(depth)]))


def united(parts: Sequence[Units], shape: Sequence[int]) -> Units:
    """Units of a function that works number by number: those of all its arguments, which broadcast to a shape."""
    ids = torch.cat([_padded(part.ids, shape) for part in parts])
    scale = None
    if any(part.scale is not None for part in parts):
        scales = [torch.ones(part.ids.shape) if part.scale is None else part.scale for part in parts]
        scale = torch.cat([_padded(part, shape) for part in scales])
    if len(parts) > 1:
        kept = _rows_that_count(ids, scale)
        ids, scale = ids[kept], None if scale is None else scale[kept]
    return Units(ids, scale)


def reduced(units: Units, reduce: Callable[[Tensor, str], Tensor]) -> Units:
    """Units of a mean, maximum or the like along axes: those along them if it is one unit, else ``MIXED``.

    Args:
        units: of what is reduced.
        reduce: reduces by ``amin`` or ``amax``.
    """
    rows = [(reduce(row, "amin"), reduce(row, "amax")) for row in units.ids]
    ids = torch.stack([torch.where(low == high, low, MIXED) for low, high in rows])
    scale = None if units.scale is None else torch.stack([reduce(row, "amax") for row in units.scale])
    return Units(ids, scale)


def pooled(units: Units, shape: Sequence[int]) -> Units:
    """Units of what pools or resizes every channel, (n, channels, ...): those of a channel at any place, everywhere."""
    flat, scale = units.ids.flatten(3), None if units.scale is None else units.scale.flatten(3)
    if not (flat == flat[..., :1]).all():  # many units in one channel
        flat = flat.movedim(3, 0).flatten(0, 1)[..., None]
        scale = None if scale is None else scale.movedim(3, 0).flatten(0, 1)[..., None]
        kept = _rows_that_count(flat, scale)
        flat, scale = flat[kept], None if scale is None else scale[kept]
    spatial = [1] * (len(shape) - 2)

    def spread(values: Tensor) -> Tensor:
        return values[..., 0].reshape(*values.shape[:3], *spatial).expand(-1, *shape)

    return Units(spread(flat), None if scale is None else spread(scale))


def incidence(units: Units, axis: int, n_units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Which units are read as which feature, where features lie along an axis.

    Returns:
        Units, features and largest scales of all pairs that occur, each once, (pairs,); whether a feature is ``MIXED``
        only, so that no unit stands for it.
    """
    ids = units.ids.movedim(axis if axis < 0 else axis + 1, 0).flatten(1)
    features = torch.arange(len(ids))[:, None].expand_as(ids)
    real = ids >= 0
    lost = ((ids == MIXED).any(1) & ~real.any(1)).any()
    keys, pair = np.unique((features[real] * n_units + ids[real]).numpy(), return_inverse=True)
    scale = np.ones(len(keys))
    if units.scale is not None:
        scale = np.zeros(len(keys))
        np.maximum.at(scale, pair, units.scale.movedim(axis if axis < 0 else axis + 1, 0).flatten(1)[real].numpy())
    return keys % n_units, keys // n_units, scale, bool(lost)


def together(units: Units, axes: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of units that lie beside each other along axes of an activation, row by row."""
    if not len(axes):
        return []
    shape = units.shape
    kept = [axis for axis in range(len(shape)) if axis not in [axis % len(shape) for axis in axes]]
    lines = units.ids.permute(0, *(1 + axis for axis in kept), *(1 + axis % len(shape) for axis in axes))
    lines = lines.flatten(1 + len(kept)).flatten(0, -2) if kept else lines.flatten(1)
    lines = torch.unique(lines, dim=0)
    first, second = lines[:, :-1].flatten(), lines[:, 1:].flatten()
    real = (first >= 0) & (second >= 0)
    return [(first[real].numpy(), second[real].numpy())]


def _rows_that_count(ids: Tensor, scale: Tensor | None) -> list[int]:
    """Rows that hold a unit and do not repeat an earlier one; the first one if none does."""
    kept: list[int] = []
    for row in range(len(ids)):
        if (ids[row] == NONE).all() or (scale is None and any(torch.equal(ids[row], ids[other]) for other in kept)):
            continue
        kept.append(row)
    return kept or [0]


def _to_depth(part: Units | Tensor, depth: int) -> Units:
    if isinstance(part, Tensor):
        return Units(torch.full((depth, *part.shape), NONE))
    missing = depth - len(part.ids)
    if not missing:
        return part
    ids = torch.cat([part.ids, torch.full((missing, *part.shape), NONE)])
    return Units(ids, None if part.scale is None else torch.cat([part.scale, torch.ones(missing, *part.shape)]))


def _padded(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Rows with the missing leading axes of a shape, broadcast to it."""
    return values.reshape(len(values), *[1] * (len(shape) + 1 - values.ndim), *values.shape[1:]).expand(-1, *shape)


def _stacked(rows: list[Any]) -> Any:
    """Rows of the results of a function: a tensor, or a tuple of tensors."""
    if isinstance(rows[0], Tensor):
        return torch.stack(rows)
    return tuple(torch.stack(list(part)) for part in zip(*rows, strict=True))


def _each(make: Callable[..., Units], *parts: Any) -> Any:
    return make(*parts) if isinstance(parts[0], Tensor) else tuple(map(make, *parts))
