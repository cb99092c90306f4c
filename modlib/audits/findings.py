"""What a part of an audit found: tables, arrays and sentences, kept in a file so that an audit can go on later.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from modlib.errors import ModlibError
from modlib.reprs import BriefRepr

SAYS = "says"  # the array that holds the sentences


class NotDone(ModlibError):
    """A part of an audit was left out; the message says why, and what would bring it back."""


@dataclass(frozen=True, eq=False, repr=False)
class Findings(BriefRepr):
    """What a part of an audit found.

    Attributes:
        says: sentences that answer the question of the part.
        tables: rows, by the name of the table; columns hold numbers, words, or yes and no.
        arrays: what later parts and figures need, by name.
    """

    says: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def _facts(self) -> dict[str, object]:
        return {"says": self.says, "tables": list(self.tables), "arrays": list(self.arrays)}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays that need no pickle: ``array/NAME``, ``table/NAME/COLUMN``, and ``says``."""
        columns = {
            f"table/{name}/{column}": values.to_numpy() if pd.api.types.is_numeric_dtype(values) else _words(values)
            for name, table in self.tables.items()
            for column, values in table.items()
        }
        return {f"array/{name}": array for name, array in self.arrays.items()} | columns | {SAYS: np.array(self.says)}

    @classmethod
    def from_arrays(cls, stored: Mapping[str, np.ndarray]) -> Findings:
        """What ``to_arrays`` wrote.

        >>> found = Findings(("It is.",), {"units": pd.DataFrame({"layer": ["a", "b"], "units": [3, 4]})})
        >>> Findings.from_arrays(found.to_arrays()).tables["units"].to_dict("list")
        {'layer': ['a', 'b'], 'units': [3, 4]}
        """
        tables: dict[str, dict[str, np.ndarray]] = {}
        for key, values in stored.items():
            if key.startswith("table/"):
                name, column = key.split("/", 2)[1:]
                tables.setdefault(name, {})[column] = values
        arrays = {key.removeprefix("array/"): values for key, values in stored.items() if key.startswith("array/")}
        return cls(tuple(stored[SAYS].tolist()), {name: pd.DataFrame(table) for name, table in tables.items()}, arrays)


def _words(values: pd.Series) -> np.ndarray:
    return np.array([str(value) for value in values])
