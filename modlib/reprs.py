"""How objects that hold arrays print: a line of facts at the prompt, a small table in a notebook.

Chapter: none; every object of the measures prints so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from html import escape
from typing import Any

FEW = 12  # values that are shown one by one
IN_SIGHT = 15  # rows of a table, at most; of a longer one the others scroll or fold
AS_IT_IS = "tex2jax_ignore mathjax_ignore"  # classes of HTML where what is between dollars is no formula


class BriefRepr:
    """Base of a dataclass that prints facts about its arrays in place of the arrays.

    The dataclass is made with ``repr=False``. It shows its fields, unless it names other facts in ``_facts``.
    """

    def _facts(self) -> Mapping[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={brief(value)}" for name, value in self._facts().items())
        return f"{type(self).__name__}({facts})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(brief(value))}</td></tr>" for name, value in self._facts().items()
        )
        return f'<table class="{AS_IT_IS}"><caption>{type(self).__name__}</caption>{rows}</table>'


def brief(value: Any) -> str:
    """A value in a few characters: numbers to four digits, large arrays as shape and type, long lists as a count.

    >>> import numpy as np
    >>> brief(np.zeros((784, 256))), brief(np.array([0.5, 1 / 3])), brief([0.1] * 500)
    ('(784, 256) float64', '[0.5, 0.3333]', '500 of float')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return brief([f"{key}: {brief(item)}" for key, item in value.items()])
    if isinstance(value, list | tuple):
        few = len(value) <= FEW
        return f"[{', '.join(map(brief, value))}]" if few else f"{len(value)} of {type(value[0]).__name__}"
    if hasattr(value, "shape"):  # an array or a tensor
        few = value.ndim == 0 or (value.ndim == 1 and len(value) <= FEW)
        return brief(value.tolist()) if few else f"{tuple(value.shape)} {value.dtype}"
    return repr(value)


def mean_of(values: Any) -> str:
    """The mean of an array of random draws, and how many they are, in words.

    >>> import numpy as np
    >>> mean_of(np.array([0.5, 1.0]))
    '0.75 (mean of 2)'
    """
    return f"{brief(float(values.mean()))} (mean of {len(values)})"
