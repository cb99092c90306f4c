"""Chapters as notebooks: their parameters and their execution.

Its parameters are the plain literals of the one cell tagged ``parameters``. Papermill alone only
warns about a parameter that it does not know; here it is refused before anything runs.
Chapter: all of them are run this way.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import logging
import math
import re
import time
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import jupytext
import nbformat
from nbformat import NotebookNode

from modlib import errors
from modlib.book.outputs import check_complete
from modlib.data.images import NAMES as DATA_SETS, load_images
from modlib.errors import BookError, InputError, nearest
from modlib.files import build_folder, checkout, replace_file
from modlib.tables.durations import duration, took

Value: TypeAlias = bool | int | float | str | list

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # of terminals, in tracebacks
STARTS = 3  # kernels pick a port before they take it; of two that pick the same one dies as it starts
HIDE = "from modlib.book.absent import hide; hide({}); del hide"
BOOLEANS = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a chapter.

    Attributes:
        name: its variable in the notebook.
        default: its value in the notebook; every other value must have the same type.
        comment: what it means.
    """

    name: str
    default: Value
    comment: str

    @property
    def values(self) -> tuple[str, ...]:
        """What a text may be: the words of its comment after a colon, such as ``digits, mnist or cifar10``.

        Anything, if there is no colon; and whatever a parameter may be that is no text.
        """
        listed = self.comment.rpartition(": ")[2] if ": " in self.comment and isinstance(self.default, str) else ""
        return tuple(re.findall(r"\w+", re.sub(r"\(.*?\)|\bor\b", "", listed)))

    def __str__(self) -> str:
        return f"{self.name}: {_type_name(self.default)} = {self.default!r}  # {self.comment}"


def read_parameters(notebook: Path) -> dict[str, Parameter]:
    """Parameters of a notebook, by name, in their order.

    Raises:
        BookError: if there is not exactly one cell tagged ``parameters``, or if it holds anything but
            lines of the form ``name = literal  # comment``.
    """
    cells = [cell for cell in read_notebook(notebook).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise BookError(
            f"{notebook} has {len(cells)} cells with the tag 'parameters'; expected exactly one, "
            "with a line 'name = literal  # comment' for every parameter"
        )
    source = cells[0].source
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise BookError(f"the parameters cell of {notebook} is not Python ({error}); correct it") from error
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    parameters = {}
    for statement in statements:
        name, default = _assignment(statement)
        comment = comments.get(statement.end_lineno or 0, "")
        if name is None or default is None or not comment:
            raise BookError(
                f"the parameters cell of {notebook} holds {ast.unparse(statement)!r}; expected a line "
                "'name = literal  # comment' with a number, a text, True, False or a list. "
                "Put derived values in the next cell: a new parameter would not reach them here"
            )
        parameters[name] = Parameter(name, default, comment)
    return parameters


def convert(parameter: Parameter, text: str) -> Value:
    """Value of a parameter from the text of a command line, by the type of its default.

    Raises:
        InputError: if the text has no value of that type.
    """
    default = parameter.default
    if parameter.values and text not in parameter.values:
        raise InputError(f"parameter {parameter.name} = {text!r} arrived; {nearest(text, parameter.values)}")
    try:
        if isinstance(default, bool):
            return BOOLEANS[text.lower()]
        if isinstance(default, str):
            return text
        if isinstance(default, list):
            value = ast.literal_eval(text)
            kinds = {type(item) for item in value} if isinstance(value, list) else {None}
            wrong = not kinds <= {type(default[0])} if default else None in kinds
        else:
            value = type(default)(text)
            wrong = not math.isfinite(value)
        if wrong:
            raise ValueError(text)
    except (KeyError, ValueError, SyntaxError) as error:
        raise InputError(
            f"parameter {parameter.name} = {text!r} arrived; expected {_type_name(default)} "
            f"({parameter.comment}), such as {default!r}"
        ) from error
    return value


def resolve(notebook: Path, given: Mapping[str, str]) -> dict[str, Value]:
    """Values of the parameters that are given as texts.

    Raises:
        BookError: if the notebook's parameters cell is not what it should be.
        InputError: if a parameter is not known, has the wrong type or is out of range.
    """
    known = read_parameters(notebook)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            listing = "\n".join(f"  {parameter}" for parameter in known.values())
            raise InputError(f"{notebook.stem} has no parameter {name!r}.{hint} It has:\n{listing}")
    values = {name: convert(known[name], text) for name, text in given.items()}
    for name, value in values.items():
        _check_range(name, value)
    return values


def check_parameters(**given: tuple[object, type | Sequence[object]]) -> None:
    """Refuse values that plain papermill would let through; for the cell after the parameters.

    Args:
        given: for every parameter its value and either its type or the values that it may have, as in
            ``check_parameters(profile=(profile, PROFILES), seed=(seed, int))``.

    Raises:
        InputError: if a value is not of that type, or not one of those values; if a seed is below 0, another whole
            number below 1, or any other number not above 0.
    """
    for name, (value, expected) in given.items():
        if isinstance(expected, type):
            right, wanted = type(value) is expected, expected.__name__
        elif isinstance(expected, range):
            right, wanted = value in expected, f"a whole number from {expected[0]} to {expected[-1]}"
        else:
            right, wanted = value in expected, f"one of {', '.join(map(str, expected))}"
        if not right:
            raise InputError(f"parameter {name} = {value!r} arrived; expected {wanted}")
        if isinstance(expected, type):
            _check_range(name, value)


def _check_range(name: str, value: object) -> None:
    """Refuse a number that counts or measures nothing."""
    least = 0 if name == "seed" else 1
    if type(value) is int and value < least:
        raise InputError(f"parameter {name} = {value} arrived; expected a whole number of at least {least}")
    if type(value) is float and not 0 < value < math.inf:
        raise InputError(f"parameter {name} = {value} arrived; expected a number above 0")


def run_chapter(name: str, parameters: Mapping[str, str], output: Path, root: Path | None = None) -> Path:
    """Execute a chapter with other parameters, and write the executed notebook.

    Everything is checked before anything runs.

    Args:
        name: chapter, such as ``dropout``.
        parameters: texts, converted by the types of the defaults.
        output: notebook to write.
        root: folder of the book, the checkout by default.

    Raises:
        InputError: if the chapter, a parameter or its type is not known.
        BookError: if the notebook fails, or its parameters cell is not what it should be.
    """
    root = root or checkout()
    chapters = [path.stem for path in (root / "notebooks").glob("*.ipynb")]
    if name not in chapters:  # also of a path, which may lead elsewhere
        raise InputError(f"chapter {name!r} arrived; {nearest(name, chapters)}")
    notebook = root / "notebooks" / f"{name}.ipynb"
    if output.suffix != ".ipynb":
        raise InputError(f"output {output} arrived; expected a file that ends in .ipynb")
    if output.resolve().parent == notebook.resolve().parent:
        raise InputError(
            f"output {output} is among the chapters; write to another folder, nothing is overwritten there"
        )
    values = resolve(notebook, parameters)
    for value in values.values():
        if value in DATA_SETS:  # what cannot be downloaded fails here, before a kernel starts
            load_images(str(value))
    print(f"{name}: {expected_time(root, name, values)}")
    seconds = execute(notebook, output, values, root, progress=True)
    remember_time(root, name, values, seconds)
    return output


def files_of(chapter: str, root: Path | None = None) -> Path:
    """Folder for files that a chapter writes when it is executed; the site has them in ``_static/NAME``.

    Args:
        chapter: its name.
        root: folder of the book, the checkout by default.
    """
    return build_folder(root) / "executed" / "notebooks" / chapter


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Value],
    cwd: Path,
    progress: bool = False,
    without: Sequence[str] = (),
) -> float:
    """Run a notebook with papermill; returns the seconds it took.

    Args:
        notebook: what to run.
        output: executed notebook, written cell by cell; of a run that fails it holds what was reached.
        parameters: values that differ from the notebook's own.
        cwd: working directory of the notebook.
        progress: whether to show a progress bar.
        without: packages that its kernel cannot import, as where they are not installed.

    Raises:
        BookError: if a cell raises or is left out, a thread dies, or the kernel does.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.WARNING)
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = ["--log-level=CRITICAL"]  # what a kernel says of its ports and its end is noise
    if without:
        arguments.append(f"--IPKernelApp.exec_lines={HIDE.format(', '.join(map(repr, without)))}")
    began = time.perf_counter()
    try:
        for left in reversed(range(STARTS)):
            try:
                executed = papermill.execute_notebook(
                    notebook.resolve(),
                    output.resolve(),
                    dict(parameters),
                    progress_bar=progress,
                    cwd=cwd.resolve(),
                    extra_arguments=arguments,
                )
                break
            except DeadKernelError:  # after its first cell
                raise
            except RuntimeError:  # before it
                if not left:
                    raise
    except PapermillExecutionError as error:
        if isinstance(getattr(errors, error.ename, None), type):  # it says itself what to do
            raise BookError(
                f"{notebook.name}: {error.evalue}\n(code cell {error.exec_count}; the traceback is in {output})"
            ) from error
        trace = COLOUR.sub("", "\n".join(error.traceback))
        raise BookError(
            f"{notebook.name} failed in code cell {error.exec_count} with {error.ename}: {error.evalue}\n"
            f"{trace}\nCorrect the cell; what was reached is in {output}"
        ) from error
    except RuntimeError as error:
        raise BookError(
            f"the kernel of {notebook.name} died ({error}), perhaps for lack of memory; what was reached is in {output}"
        ) from error
    check_complete(executed, notebook.stem)
    return time.perf_counter() - began


def remember_time(root: Path, name: str, parameters: Mapping[str, Value], seconds: float) -> None:
    """Keep how long a run took, for the next one with the same parameters."""
    path = _times_file(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    times = _times(path) | {_times_key(parameters): round(seconds, 1)}
    replace_file(path, json.dumps(times, indent=1) + "\n")


def _times(path: Path) -> dict[str, float]:
    """Seconds by parameters; none if the file is not there, or was cut off or changed."""
    try:
        return {key: float(seconds) for key, seconds in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def expected_time(root: Path, name: str, parameters: Mapping[str, Value]) -> str:
    """What former runs, or those of the stored table, tell of how long a run will take, in words."""
    times = _times(_times_file(root, name))
    if (key := _times_key(parameters)) in times:
        return f"expect about {times[key]:.0f} s, as in the last run with these parameters"
    if "{}" in times:
        return f"no run with these parameters yet; with the defaults it took {times['{}']:.0f} s"
    usual = "not run on this machine yet; with the defaults a chapter takes about a minute of processor time"
    if measured := took(name, "paper"):
        cells, seconds = measured
        return f"{usual}, and the {cells} cells of its table, at the papers' size, took {duration(seconds)}"
    return usual


def read_notebook(path: Path) -> NotebookNode:
    """A notebook from an ipynb file, or from a text twin.

    Raises:
        BookError: if the file does not parse.
    """
    try:
        return jupytext.read(path, fmt="md:myst") if path.suffix == ".md" else nbformat.read(path, as_version=4)
    except Exception as error:  # jupytext and nbformat raise errors of many kinds
        raise BookError(f"{path} does not parse as a notebook ({error}); restore it, or write it again") from error


def _assignment(statement: ast.stmt) -> tuple[str | None, Value | None]:
    """Name and value of ``name = literal``; None for what it is not."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            try:
                literal: Any = ast.literal_eval(value)
            except ValueError:
                return name, None
            return name, literal if isinstance(literal, bool | int | float | str | list) else None
    return None, None


def _type_name(default: Value) -> str:
    if isinstance(default, bool):
        return "yes or no"
    if isinstance(default, list) and default:
        return f"a list of {type(default[0]).__name__}"
    return {int: "a whole number", float: "a number", str: "a text", list: "a list"}[type(default)]


def _times_file(root: Path, name: str) -> Path:
    return build_folder(root) / "times" / f"{name}.json"


def _times_key(parameters: Mapping[str, Value]) -> str:
    return json.dumps(dict(parameters), sort_keys=True)
