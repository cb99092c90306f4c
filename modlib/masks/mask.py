"""Binary masks over the weights of a network: what they keep, what they share, and what chance would share.

A mask says for every weight of a frozen network whether a task needs it, see ``modlib.masks.learning``. Two masks
of one network are compared parameter by parameter. Chapters: ``weight-masks``, ``class-removal``.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from modlib.checks import arrived, instance, items, mapping
from modlib.errors import DataError, InputError
from modlib.files import read_arrays, replacing
from modlib.networks.network import torch_module
from modlib.reprs import BriefRepr

if TYPE_CHECKING:
    from torch import nn

PREFIX = "keep/"  # of the arrays in a file
TOTAL = "total"  # what all parameters together are called beside their names


@dataclass(frozen=True, eq=False, repr=False)
class Mask(BriefRepr):
    """Which weights of a network are kept.

    Attributes:
        keep: for every masked parameter, by its name in the network, a boolean array of its shape; true is kept.
            Parameters that are not named are untouched.
        network: ``fingerprint`` of the network that it belongs to.

    Source: weight-masks 2. Chapter: ``weight-masks``.
    """

    keep: Mapping[str, np.ndarray]
    network: str

    def _facts(self) -> dict[str, object]:
        return {name: f"{kept} of {self.size()[name]}" for name, kept in self.remaining().items()}

    def __post_init__(self) -> None:
        keep = mapping(self.keep, "keep", "pass a boolean array for every parameter, by its name")
        wrong = [f"{name} ({_kind(kept)})" for name, kept in keep.items() if _kind(kept) != "bool"]
        instance(self.network, str, "network", "pass the fingerprint of a network")
        if wrong or not self.keep:
            raise InputError(
                f"a mask over {', '.join(wrong) or 'nothing'} arrived; expected a boolean array a parameter"
            )
        check_names(self.keep)

    def __invert__(self) -> Mask:
        """The inverse mask: keeps what this one removes."""
        return Mask({name: ~kept for name, kept in self.keep.items()}, self.network)

    def __or__(self, other: Mask) -> Mask:
        """The union: keeps what either keeps."""
        return self._join(other, np.logical_or)

    def __and__(self, other: Mask) -> Mask:
        """The intersection: keeps what both keep."""
        return self._join(other, np.logical_and)

    def _join(self, other: Mask, how: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Mask:
        check_alike(self, other)
        return Mask({name: how(kept, other.keep[name]) for name, kept in self.keep.items()}, self.network)

    def remaining(self) -> dict[str, int]:
        """Number of weights that are kept, by parameter and in ``total``."""
        counts = {name: int(kept.sum()) for name, kept in self.keep.items()}
        return {**counts, TOTAL: sum(counts.values())}

    def size(self) -> dict[str, int]:
        """Number of weights that are masked, kept or not, by parameter and in ``total``."""
        counts = {name: kept.size for name, kept in self.keep.items()}
        return {**counts, TOTAL: sum(counts.values())}

    def of_layers(self, names: Sequence[str]) -> Mask:
        """The part of the mask that lies on the parameters of some layers.

        Args:
            names: of the layers, as the network's module has them, such as ``fc`` or ``0``; empty for a module that is
                a layer itself.

        Raises:
            InputError: if the mask has no parameter of theirs.

        >>> mask = Mask({name: np.ones(2, dtype=bool) for name in ("0.weight", "0.bias", "10.weight")}, "a network")
        >>> list(mask.of_layers(["0"]).keep)
        ['0.weight', '0.bias']
        """
        layers = set(items(names, "names", least=0))
        if not (keep := {name: kept for name, kept in self.keep.items() if name.rpartition(".")[0] in layers}):
            raise InputError(f"layers {sorted(layers)} arrived; the mask has parameters {', '.join(self.keep)}")
        return Mask(keep, self.network)

    def apply(self, model: object) -> nn.Module:
        """A copy of the network without the weights that are removed; the network itself is not changed.

        Args:
            model: the network that the mask was learned on.

        Raises:
            InputError: if it is another network, see ``check``.
        """
        import torch

        self.check(model)
        masked = copy.deepcopy(torch_module(model))
        parameters = dict(masked.named_parameters())
        with torch.no_grad():
            for name, kept in self.keep.items():
                parameters[name].mul_(torch.as_tensor(kept, device=parameters[name].device))
        return masked

    def check(self, model: object) -> None:
        """Refuse a network that the mask does not belong to.

        Raises:
            InputError: if names, shapes or values of its parameters are others than those of the mask's network.
        """
        module = torch_module(model)
        shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
        for name, kept in self.keep.items():
            if shapes.get(name) != kept.shape:
                found = f"has {name} {shapes[name]}" if name in shapes else f"has the parameters {', '.join(shapes)}"
                raise InputError(f"the network {found}; the mask expects {name} {kept.shape}: it is another network's")
        if fingerprint(module) != self.network:
            raise InputError(
                "the network has other weights than the one that the mask was learned on; a mask fits its own network "
                "only: load the weights that were frozen then"
            )

    def save(self, path: str | Path) -> None:
        """Write the mask to an ``.npz`` file of bits, without pickles.

        Raises:
            InputError: if the path is no name of a file.
            DataError: if the file cannot be written.
        """
        if not isinstance(path, str | Path):
            raise InputError(f"path = {arrived(path)} arrived; expected the name of a file")
        arrays = {PREFIX + name: np.packbits(kept) for name, kept in self.keep.items()}
        shapes = {"shape/" + name: np.array(kept.shape, dtype=np.int64) for name, kept in self.keep.items()}
        try:
            with replacing(Path(path)) as part, part.open("wb") as file:
                np.savez_compressed(file, network=np.array(self.network), **arrays, **shapes)  # type: ignore[arg-type]
        except OSError as error:
            raise DataError(f"{path} cannot be written ({error}); give the name of a file in another folder") from error

    @classmethod
    def load(cls, path: str | Path) -> Mask:
        """Read a mask that ``save`` wrote.

        Raises:
            DataError: if the file is missing or damaged, or is no mask.
        """
        try:
            arrays = read_arrays(Path(path))
            names = [key.removeprefix(PREFIX) for key in arrays if key.startswith(PREFIX)]
            keep = {}
            for name in names:
                shape = tuple(arrays["shape/" + name].tolist())
                bits = np.unpackbits(arrays[PREFIX + name])[: math.prod(shape)]
                keep[name] = bits.reshape(shape).astype(bool)
            return cls(keep, str(arrays["network"]))
        except (DataError, ValueError, KeyError, TypeError) as error:
            why = error.__cause__ or error if isinstance(error, DataError) else repr(error)
            raise DataError(f"{path} does not read as a mask ({why}); save it again with Mask.save") from error


def fingerprint(module: nn.Module) -> str:
    """A hash of all parameters and buffers of a network: names, shapes and values."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        kind = str(tensor.dtype).removeprefix("torch.")
        digest.update(f"{name} {kind} {tuple(tensor.shape)}".encode())
        # as bytes, because numpy has no bfloat16
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def parameter_names(module: nn.Module, masked: Sequence[str] = ("*",), unmasked: Sequence[str] = ()) -> list[str]:
    """Names of the parameters to be masked.

    Args:
        module: a network. A parameter that is used twice (tied weights, a module that is called twice) has one name,
            the first.
        masked: patterns such as ``*.weight`` of which a name must match one.
        unmasked: patterns of names to leave out, such as ``embedding.*``.

    Raises:
        InputError: if a pattern matches no parameter, or none is left.

    Source: weight-masks C.6.1. Chapter: ``weight-masks``.

    >>> from torch import nn
    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> parameter_names(network, ["*.weight"]), parameter_names(network, unmasked=["2.*"])
    (['0.weight', '2.weight'], ['0.weight', '0.bias'])
    """
    from torch import nn

    module = instance(module, nn.Module, "module", "pass a torch module")
    masked, unmasked = items(masked, "masked", least=0), items(unmasked, "unmasked", least=0)
    for pattern in (*masked, *unmasked):
        instance(pattern, str, "a pattern", "pass names of parameters, such as '*.weight'")
    aliases: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        aliases.setdefault(id(parameter), []).append(name)
    every = [name for names in aliases.values() for name in names]
    for pattern in (*masked, *unmasked):
        if not any(fnmatchcase(name, pattern) for name in every):
            raise InputError(f"the pattern {pattern!r} matches no parameter; there are {', '.join(every)}")

    def matches(names: list[str], patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

    found = [names[0] for names in aliases.values() if matches(names, masked) and not matches(names, unmasked)]
    if not found:
        raise InputError(f"masked = {list(masked)} and unmasked = {list(unmasked)} leave no parameter to mask")
    return found


def check_names(names: Collection[str]) -> None:
    """Refuse parameters of which one is called what they are called together.

    Raises:
        InputError: if one is named ``total``.
    """
    if TOTAL in names:
        raise InputError(
            f"a parameter named {TOTAL} arrived, as all of them together are called; expected another name: rename "
            "it, or mask others only"
        )


def sharing(target: Mask, reference: Mask) -> dict[str, float]:
    """Share of a mask's weights that another one keeps too, by parameter and in ``total``.

    s(t, r) = sum_i t_i r_i / sum_i t_i, in [0, 1]; NaN where the target keeps nothing.

    Args:
        target: t.
        reference: r; the union of all others where there are several.

    Raises:
        InputError: if they belong to different networks or parameters.

    Source: weight-masks 2. Chapter: ``weight-masks``.

    >>> target, reference = (Mask({"w": np.array(kept, dtype=bool)}, "") for kept in ([1, 1, 0, 0], [1, 1, 1, 1]))
    >>> sharing(target, reference)["total"], sharing(reference, target)["total"]
    (1.0, 0.5)
    """
    check_alike(target, reference)
    return _ratio((target & reference).remaining(), target.remaining())


def intersection_over_union(first: Mask, second: Mask) -> dict[str, float]:
    """Weights that both masks keep over those that either keeps, by parameter and in ``total``; NaN if none does.

    Raises:
        InputError: if they belong to different networks or parameters.

    Source: weight-masks B.1. Chapter: ``weight-masks``.

    >>> first, second = (Mask({"w": np.array(kept, dtype=bool)}, "") for kept in ([1, 1, 1, 0], [0, 1, 1, 1]))
    >>> intersection_over_union(first, second)
    {'w': 0.5, 'total': 0.5}
    """
    check_alike(first, second)
    return _ratio((first & second).remaining(), (first | second).remaining())


@dataclass(frozen=True)
class ChanceSharing:
    """What two independent masks of the same densities would share, beside what two masks do.

    Attributes:
        shared: number of weights that both keep.
        expected: mean of that number by chance.
        sd: its standard deviation by chance.
        p: two-sided p-value that the masks are independent, in [0, 1].
    """

    shared: int
    expected: float
    sd: float
    p: float


def chance_sharing(first: Mask, second: Mask) -> dict[str, ChanceSharing]:
    """Shared weights against independent masks with as many weights in every parameter.

    Of n weights let the masks keep a and b, in random places: the number shared is hypergeometric with mean a b / n.
    The p-value is twice the smaller tail, at most 1. In ``total`` means and variances of the parameters add up and
    the p-value is that of a normal distribution.

    Raises:
        InputError: if they belong to different networks or parameters.

    Source: none; the paper has no null model for sharing. Chapter: ``weight-masks``.

    Of 8 weights both masks keep the same 4, where chance would share 2:

    >>> mask = Mask({"w": np.arange(8) < 4}, "")
    >>> found = chance_sharing(mask, mask)["w"]
    >>> found.shared, found.expected, round(found.p, 4)
    (4, 2.0, 0.0286)
    """
    from scipy.stats import hypergeom, norm

    check_alike(first, second)
    both, ours, theirs, sizes = (
        (first & second).remaining(),
        first.remaining(),
        second.remaining(),
        first.size(),
    )
    found = {}
    for name in first.keep:
        n, a, b = sizes[name], ours[name], theirs[name]
        law = hypergeom(n, a, b)
        tails = law.cdf(both[name]), law.sf(both[name] - 1)
        sd = math.sqrt(a * b * (n - a) * (n - b) / (n * n * max(n - 1, 1)))
        found[name] = ChanceSharing(both[name], a * b / n, sd, float(min(1.0, 2 * min(tails))))
    mean, sd = sum(f.expected for f in found.values()), math.sqrt(sum(f.sd**2 for f in found.values()))
    p = float(2 * norm.sf(abs(both[TOTAL] - mean) / sd)) if sd else 1.0
    return {**found, TOTAL: ChanceSharing(both[TOTAL], mean, sd, p)}


def _kind(kept: object) -> str:
    return str(kept.dtype) if isinstance(kept, np.ndarray) else type(kept).__name__


def check_alike(first: Mask, second: Mask) -> None:
    """Refuse two masks that cannot be compared.

    Raises:
        InputError: if they belong to different networks or parameters.
    """
    first, second = (instance(mask, Mask, "a mask", "learn it by learn_mask") for mask in (first, second))
    if first.network != second.network:
        raise InputError("masks of two different networks arrived; only masks of one network can be compared")
    if (shapes := {name: kept.shape for name, kept in first.keep.items()}) != (
        others := {name: kept.shape for name, kept in second.keep.items()}
    ):
        raise InputError(f"masks over {shapes} and over {others} arrived; expected the same parameters in both")


def _ratio(part: Mapping[str, int], whole: Mapping[str, int]) -> dict[str, float]:
    return {name: part[name] / count if count else math.nan for name, count in whole.items()}
