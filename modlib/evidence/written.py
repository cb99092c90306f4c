"""Claims as ``book/claims.yml`` writes them: each with what its entry has in common, nothing checked or looked up.

Chapter: ``scorecard``; every chapter shows its own claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modlib.errors import BookError


@dataclass(frozen=True)
class WrittenClaim:
    """A claim as it is written.

    Attributes:
        keys: what its entry says and what it says itself, which comes first where both do.
        tables: result tables that decide it.
        rows: for every column that picks their rows, its value.
    """

    keys: Mapping[str, Any]
    tables: tuple[str, ...]
    rows: Mapping[str, str]

    @property
    def chapter(self) -> str:
        """Where it is shown; the first table's chapter if it does not say."""
        return str(self.keys.get("chapter", next(iter(self.tables), "")))


def written_claims(path: Path) -> list[WrittenClaim]:
    """All claims of a file, in its order.

    Raises:
        BookError: if the file does not parse as a list of entries with claims.
    """
    try:
        # Every scalar is text, as in the papers' files: `no` stays "no". Where there is libyaml, ten times as fast.
        entries = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        return [_merged(entry, own) for entry in entries for own in entry["claims"]]
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise BookError(
            f"{path} does not parse as a list of entries with claims ({error!r}); compare with git"
        ) from error


def _merged(entry: Mapping[str, Any], own: Mapping[str, Any]) -> WrittenClaim:
    rows = {**entry.get("decided_by", {}), **own.get("decided_by", {})}
    named = rows.pop("table", [])
    return WrittenClaim({**entry, **own}, (named,) if isinstance(named, str) else tuple(named), rows)
