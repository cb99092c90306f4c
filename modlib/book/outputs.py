"""What an executed notebook may hide: cells that did not run, threads that died, warnings.

A cell that raises stops its notebook, and is noticed. These faults are not: ``sys.exit(0)`` ends a notebook as if all
were well, and what a thread or a warning says is one more line of output.
Chapter: none; all of them are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from modlib.errors import BookError

THREAD = re.compile(r"^Exception in thread .*", re.DOTALL | re.MULTILINE)
WARNING = re.compile(r"^(.+\.py):\d+: \w*Warning: .*", re.MULTILINE)


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


def check_quiet(notebook: NotebookNode, name: str) -> None:
    """Refuse a notebook that shows a warning: to a reader it says nothing but where our files lie.

    Args:
        notebook: executed.
        name: for the message.

    Raises:
        BookError: if a cell caused a warning, of whichever library.
    """
    for place, cell in _code_cells(notebook, name):
        if warning := WARNING.search(_errors(cell)):
            raise BookError(f"{place} causes a warning; remove its cause:\n{warning[0]}")


def _code_cells(notebook: NotebookNode, name: str) -> Iterator[tuple[str, NotebookNode]]:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    yield from ((f"code cell {number} of {name}", cell) for number, cell in enumerate(cells, start=1))


def _errors(cell: NotebookNode) -> str:
    """What a cell wrote to the standard error."""
    streams = (output for output in cell.outputs if output.output_type == "stream")
    return "".join(output.text for output in streams if output.name == "stderr")
