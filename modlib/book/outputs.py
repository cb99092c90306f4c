"""What an executed notebook may hide: cells that did not run, threads that died, warnings of our own code.

A cell that raises stops its notebook, and is noticed. These faults are not: ``sys.exit(0)`` ends a notebook as if all
were well, and what a thread or a warning says is one more line of output.
Chapter: none; all of them are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from modlib.errors import BookError

THREAD = re.compile(r"^Exception in thread .*", re.DOTALL | re.MULTILINE)
WARNING = re.compile(r"^(.+\.py):\d+: \w*Warning: .*", re.MULTILINE)
CELL = re.compile(r"ipykernel_\d+/\d+\.py$")  # what Python calls the file of a cell


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
    """Refuse a notebook that shows a warning of our own code; those of other libraries may stay.

    Args:
        notebook: executed.
        name: for the message.
        root: folder that holds ``modlib``.

    Raises:
        BookError: if a line of ``modlib`` or of the notebook itself caused a warning.
    """
    for place, cell in _code_cells(notebook, name):
        for warning in WARNING.finditer(_errors(cell)):
            if CELL.search(warning[1]) or Path(warning[1]).is_relative_to(root.resolve() / "modlib"):
                raise BookError(f"{place} causes a warning; remove its cause:\n{warning[0]}")


def _code_cells(notebook: NotebookNode, name: str) -> Iterator[tuple[str, NotebookNode]]:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    yield from ((f"code cell {number} of {name}", cell) for number, cell in enumerate(cells, start=1))


def _errors(cell: NotebookNode) -> str:
    """What a cell wrote to the standard error."""
    streams = (output for output in cell.outputs if output.output_type == "stream")
    return "".join(output.text for output in streams if output.name == "stderr")
