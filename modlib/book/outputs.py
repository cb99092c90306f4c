"""What an executed notebook may hide: cells that did not run, threads that died, warnings, outputs nobody can read.

A cell that raises stops its notebook, and is noticed. These faults are not: ``sys.exit(0)`` ends a notebook as if all
were well, what a thread or a warning says is one more line of output, and a figure without words or a table of 50 rows
looks like any other.
Chapter: none; all of them are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from modlib.errors import BookError
from modlib.reprs import IN_SIGHT

THREAD = re.compile(r"^Exception in thread .*", re.DOTALL | re.MULTILINE)
WARNING = re.compile(r"^(.+\.py):\d+: (\w*Warning): .*", re.MULTILINE)
FEWEST = 8  # words that say what is to be seen in a figure
SMALLEST = 9  # pixels that its letters measure at least, where the window is 1,400 wide
TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
FOLDED = re.compile(r"<details(?! open).*?</details>|<div class=\"long\".*?</div>", re.DOTALL)
CELL = re.compile(r"ipykernel_\d+/\d+\.py$")  # what Python calls the file of a cell


@dataclass(frozen=True)
class Picture:
    """A figure that a cell shows.

    Attributes:
        cell: where, in words.
        png: the picture, in base 64.
        drawn: what is drawn, as the cell describes it; nothing if it does not.
        seen: what is to be seen in it, as ``modlib.plots.show`` was told; nothing if it was not.
        smallest_text: pixels that its smallest letters measure on the page; 0 if nobody measured them.
    """

    cell: str
    png: str
    drawn: str
    seen: str
    smallest_text: float


def pictures(notebook: NotebookNode, name: str = "") -> list[Picture]:
    """The figures of an executed notebook, in their order.

    Args:
        notebook: executed.
        name: of it, for what is said of its cells.
    """
    found = []
    for place, cell in _code_cells(notebook, name):
        drawn = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                said = output.get("metadata", {}).get("image/png", {})
                png = output.data["image/png"].strip().replace("\n", "")
                found.append(Picture(place, png, drawn, said.get("alt", ""), float(said.get("smallest_text", 0))))
    return found


def rows_of(table: str) -> int:
    """How many rows the HTML of a table has below its head."""
    return table.rpartition("<tbody")[2].count("<tr")


def check_shown(notebook: NotebookNode, name: str) -> None:
    """Refuse figures that some readers cannot read, and tables that are too long to look at.

    Args:
        notebook: executed.
        name: for the message.

    Raises:
        BookError: if a figure has no description, if what is to be seen in it is not said in its own words, if its
            letters are too small, or if a table has more rows in sight than a screen.
    """
    for picture in pictures(notebook, name):
        if not picture.drawn:
            raise BookError(
                f"{picture.cell} shows a figure; describe what is drawn in its metadata, mystnb: image: alt"
            )
        if len(picture.seen.split()) < FEWEST or picture.drawn.startswith(picture.seen[: len(picture.seen) // 2]):
            raise BookError(
                f"{picture.cell} shows a figure of which is said {picture.seen!r}; say in {FEWEST} words or more what "
                "is to be seen in it, not what is drawn, with plots.show in place of plt.show"
            )
        if picture.smallest_text < SMALLEST:
            raise BookError(
                f"{picture.cell} shows a figure whose smallest letters measure {picture.smallest_text} pixels; "
                f"make them {SMALLEST} at least, or the figure narrower"
            )
    for place, cell in _code_cells(notebook, name):
        if "hide-cell" in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            for table in TABLE.findall(FOLDED.sub("", output.get("data", {}).get("text/html", ""))):
                if (rows := rows_of(table)) > IN_SIGHT:
                    raise BookError(
                        f"{place} shows a table with {rows} rows in sight; show {IN_SIGHT} at most, or use "
                        "plots.table, of which the others scroll"
                    )


def check_complete(notebook: NotebookNode, name: str) -> None:
    """Refuse a notebook that did not run to its end.

    Args:
        notebook: executed.
        name: for the message.

    Raises:
        BookError: if a cell ended in an error or was not executed, or a thread died of one.
    """
    for place, cell in _code_cells(notebook, name):
        for output in cell.outputs:
            if output.output_type == "error":
                raise BookError(
                    f"{place} ended with {output.ename} {output.evalue}; let it run to its end: what comes after it is "
                    "not executed"
                )
        if died := THREAD.search(_errors(cell)):
            raise BookError(f"a thread died in {place}; correct it:\n{died[0]}")
        if cell.source.strip() and cell.execution_count is None:
            raise BookError(f"{place} was not executed; look for what ends the notebook before it, or skips the cell")


def check_quiet(notebook: NotebookNode, name: str, root: Path) -> None:
    """Refuse a notebook that shows a warning of our own code, or of any library that numbers went wrong.

    Other warnings of libraries may stay: some depend on the machine, such as that of a graphics card without a driver.

    Args:
        notebook: executed.
        name: for the message.
        root: folder that holds ``modlib``.

    Raises:
        BookError: if a line of ``modlib`` or of the notebook itself caused a warning, or any a ``RuntimeWarning``.
    """
    for place, cell in _code_cells(notebook, name):
        for warning in WARNING.finditer(_errors(cell)):
            own = CELL.search(warning[1]) or Path(warning[1]).is_relative_to(root.resolve() / "modlib")
            if own or warning[2] == RuntimeWarning.__name__:
                raise BookError(f"{place} causes a warning; remove its cause:\n{warning[0]}")


def _code_cells(notebook: NotebookNode, name: str) -> Iterator[tuple[str, NotebookNode]]:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    yield from ((f"code cell {number} of {name}", cell) for number, cell in enumerate(cells, start=1))


def _errors(cell: NotebookNode) -> str:
    """What a cell wrote to the standard error."""
    streams = (output for output in cell.outputs if output.output_type == "stream")
    return "".join(output.text for output in streams if output.name == "stderr")
