"""What the columns of a result table may hold, and whether a file holds just that.

A file that is not what its code would write is refused as a whole, with line and column: a table that is read wrong
decides claims wrong. Chapters: all with a result table.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from modlib.errors import ResultsError, TableMissing, nearest

if TYPE_CHECKING:
    from modlib.tables.experiment import Experiment

Record: TypeAlias = tuple[str, ...]  # the fields of a line, as text
NUMBER = r"-?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|inf)"
PATTERNS = {
    "integer": re.compile(r"-?\d+"),
    "number": re.compile(NUMBER),
    "numbers": re.compile(f"{NUMBER}(?: {NUMBER})*"),
}
INFINITE = 1e9  # what is as large is a ratio over zero, or over what rounding left of it
CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)


@dataclass(frozen=True)
class Column:
    """What the fields of a column may hold.

    Attributes:
        kind: ``text``, one ``integer`` or ``number``, or ``numbers`` with a space between them.
        least: smallest number.
        most: largest number.
        values: all texts that there are; any by default.
        empty: whether a field may be empty, for a value that does not exist.
    """

    kind: Literal["text", "integer", "number", "numbers"]
    least: float = -math.inf
    most: float = math.inf
    values: tuple[str, ...] = ()
    empty: bool = False

    def fault(self, field: str) -> str | None:
        """What was expected instead of a field; None if the field is right."""
        if not field:
            return None if self.empty else "a value"
        if self.kind == "text":
            return None if not self.values or field in self.values else f"one of {', '.join(self.values)}"
        right = PATTERNS[self.kind].fullmatch(field) is not None
        if right and (self.least > -math.inf or self.most < math.inf):
            found = [float(token) for token in field.split(" ")]
            right = self.least <= min(found) and max(found) <= self.most
        return None if right else f"{self.kind} from {self.least:g} to {self.most:g}"

    def parse(self, field: str) -> Any:
        """The value of a field that is right; NaN if it is empty."""
        if self.kind in ("text", "numbers"):
            return field or math.nan
        return int(field) if self.kind == "integer" and field else float(field or math.nan)

    def write(self, value: Any) -> str:
        """The field of a value; what the column may not hold is written as it is, and refused by ``fault``."""
        if value is None or value != value or value == "":
            return ""
        if isinstance(value, str) or self.kind in ("text", "numbers"):
            return str(value)
        if self.kind == "integer" and float(value).is_integer():
            return str(int(value))
        return repr(float(value))


def text(*values: str) -> Column:
    """A column of text: one of some values, or any."""
    return Column("text", values=values)


def integer(least: float = 0, most: float = math.inf) -> Column:
    """A column of whole numbers in a range, not negative by default."""
    return Column("integer", least, most)


def number(least: float = -math.inf, most: float = math.inf) -> Column:
    """A column of numbers in a range."""
    return Column("number", least, most)


def numbers(least: float = -math.inf, most: float = math.inf) -> Column:
    """A column of lists of numbers, each in a range."""
    return Column("numbers", least, most)


def number_lists(texts: Iterable[str]) -> np.ndarray:
    """The numbers of a column of ``numbers``, (rows, numbers a row).

    Raises:
        ValueError: if rows have different numbers of them, or something is no number.

    >>> number_lists(["1 2.5", "-3 inf"]).tolist()
    [[1.0, 2.5], [-3.0, inf]]
    """
    lists = [text.split() for text in texts]
    return np.array(lists, dtype=float).reshape(len(lists), len(lists[0]) if lists else 0)


def optional(column: Column) -> Column:
    """The same column, in which fields may be empty."""
    return replace(column, empty=True)


PROFILES = ("smoke", "quick", "paper")
PROFILE, YES_NO, SHARE = text(*PROFILES), text("yes", "no"), number(0, 1)


def remedy(experiment: Experiment) -> str:
    """What to do about a damaged table."""
    return f"restore it with: git checkout -- results/{experiment.name}.csv results/{experiment.name}.json"


@dataclass(frozen=True, eq=False)
class Stored:
    """A table as it is stored, after every check that needs no other file.

    Attributes:
        columns: those of the file; some of ``experiment.added`` may be absent.
        lines: the fields of every line, as text.
        records: the same with all columns of the experiment.
    """

    columns: tuple[str, ...]
    lines: list[Record]
    records: list[Record]


def read_stored(experiment: Experiment, path: Path) -> Stored:
    """The lines of a table.

    Raises:
        TableMissing: if there is no such file.
        ResultsError: naming line and column, if it is not text in UTF-8, has other columns, a field that its column
            may not hold, or a key that is doubled or out of order.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        wanted = f"modlib run {experiment.name} --grid paper"
        raise TableMissing(f"there is no table {path}; fill it with: {wanted}") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}); make it a readable file") from error
    header, *lines = _lines(experiment, path, raw)
    _check_header(experiment, path, header)
    for line, fields in enumerate(lines, start=2):
        if len(fields) != len(header):
            raise _damaged(experiment, path, line, f"{len(fields)} fields arrived; expected {len(header)}")
    for place, name in enumerate(header):
        right: set[str] = set()  # many columns repeat few values
        for line, fields in enumerate(lines, start=2):
            if fields[place] not in right:
                if expected := experiment.columns[name].fault(fields[place]):
                    what = f"column {name!r}: {_short(fields[place])} arrived; expected {expected}"
                    raise _damaged(experiment, path, line, what)
                right.add(fields[place])
    records = lines if header == tuple(experiment.columns) else _migrated(experiment, header, lines)
    keys = [sort_key(experiment, record) for record in records]
    for line, (before, key) in enumerate(pairwise(keys), start=3):
        if key <= before:
            what = "repeats the key of" if key == before else "belongs before"
            raise _damaged(experiment, path, line, f"the row {what} the one above; expected the order of keys")
    return Stored(header, lines, records)


def records_of(experiment: Experiment, rows: Iterable[dict[str, Any]]) -> list[Record]:
    """The lines that store some rows.

    Raises:
        ResultsError: if a row has other columns, or a value that its column may not hold.
    """
    columns, records = experiment.columns, []
    for row in rows:
        if set(row) != set(columns):
            differ = ", ".join(sorted(set(row) ^ set(columns)))
            raise ResultsError(
                f"a row of {experiment.name} differs from its table in the columns {differ}; "
                "make measure and columns of the experiment agree, or name a new column in `added`"
            )
        record = tuple(column.write(row[name]) for name, column in columns.items())
        check_record(experiment, record)
        records.append(record)
    return records


def check_record(experiment: Experiment, record: Record) -> None:
    """Refuse a line that its table may not hold.

    Raises:
        ResultsError: naming the column.
    """
    for (name, column), field in zip(experiment.columns.items(), record, strict=True):
        if expected := column.fault(field):
            raise ResultsError(
                f"a row of {experiment.name} has {name} = {_short(field)}; expected {expected}: "
                "correct measure or columns of the experiment"
            )


def sort_key(experiment: Experiment, record: Record) -> tuple[Any, ...]:
    """What orders the rows of a table: the values of the key, cell first."""
    return tuple(column.parse(record[place]) for place, column in experiment.key_columns)


def as_text(records: Iterable[Sequence[str]]) -> str:
    """Lines of a CSV file."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(records)
    return written.getvalue()


def _lines(experiment: Experiment, path: Path, raw: bytes) -> list[Record]:
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _damaged(experiment, path, line, f"byte {raw[error.start]:#04x} arrived; expected UTF-8") from error
    if conflict := CONFLICT.search(decoded):
        line = decoded[: conflict.start()].count("\n") + 1
        raise _damaged(experiment, path, line, "a conflict of git is not resolved; expected the rows of one side")
    if "\r" in decoded:
        line = decoded[: decoded.index("\r")].count("\n") + 1
        raise _damaged(experiment, path, line, "a carriage return arrived; expected lines that end with a line feed")
    reader = csv.reader(io.StringIO(decoded, newline=""), strict=True)
    try:
        lines = [tuple(fields) for fields in reader]
    except csv.Error as error:
        raise _damaged(experiment, path, reader.line_num, f"{error}; expected comma-separated values") from error
    if not decoded.endswith("\n"):
        raise _damaged(experiment, path, max(len(lines), 1), "the file is cut off; expected a line feed at its end")
    return lines


def _check_header(experiment: Experiment, path: Path, header: Record) -> None:
    wanted = tuple(name for name in experiment.columns if name in header or name not in experiment.added)
    for name in header:
        if header.count(name) > 1:
            raise _damaged(experiment, path, 1, f"column {name!r} is there twice; expected it once")
        if name not in experiment.columns:
            said = nearest(name, experiment.columns)
            raise _damaged(experiment, path, 1, f"column {_short(name)} arrived; {said}")
    if lost := [name for name in wanted if name not in header]:
        raise _damaged(experiment, path, 1, f"column {', '.join(lost)} is not there; expected all of the table's")
    if header != wanted:
        raise _damaged(experiment, path, 1, f"the columns are {', '.join(header)}; expected {', '.join(wanted)}")


def _migrated(experiment: Experiment, header: Record, lines: list[Record]) -> list[Record]:
    """Lines with what ``experiment.added`` says in columns that they lack."""
    usual = {name: experiment.columns[name].write(value) for name, value in experiment.added.items()}
    return [
        tuple((usual | dict(zip(header, fields, strict=True)))[name] for name in experiment.columns) for fields in lines
    ]


def _damaged(experiment: Experiment, path: Path, line: int, what: str) -> ResultsError:
    return ResultsError(f"{path}, line {line}: {what}; {remedy(experiment)}")


def _short(field: str) -> str:
    return repr(field if len(field) <= 40 else field[:37] + "...")
