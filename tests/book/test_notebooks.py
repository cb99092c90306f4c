"""The strict front door of chapters."""

import ast
import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, strategies as st

from modlib.book import notebooks
from modlib.book.twins import sync
from modlib.errors import BookError, DataError, InputError
from modlib.files import checkout

PARAMETERS = """\
dataset = "digits"  # which images
seed = 0  # decides the network
rate = 0.5  # dropout
dropout = False  # after every hidden layer
ks = [2, 4]  # numbers of clusters
"""


def chapter(
    root: Path, parameters: str = PARAMETERS, tag: str = "parameters", code: str = "print(dataset, seed)"
) -> Path:
    """A chapter NAME = tiny with its notebook; returns the text twin."""
    twin = root / "notebooks" / "tiny.md"
    twin.parent.mkdir(exist_ok=True)
    cells = f"```{{code-cell}} ipython3\n:tags: [{tag}]\n\n{parameters}```\n\n```{{code-cell}} ipython3\n{code}\n```\n"
    header = "---\nkernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n\n"
    twin.write_text(f"{header}# Tiny\n\nSome text.\n\n{cells}")
    sync(root=root)
    return twin


def test_parameters_are_read_with_type_and_comment(tmp_path):
    known = notebooks.read_parameters(chapter(tmp_path).with_suffix(".ipynb"))
    assert list(known) == ["dataset", "seed", "rate", "dropout", "ks"]
    assert known["rate"] == notebooks.Parameter("rate", 0.5, "dropout")
    assert str(known["ks"]) == "ks: a list of int = [2, 4]  # numbers of clusters"


@pytest.mark.parametrize(
    "parameters",
    [
        "seed = 0\n",  # no comment
        "seed = 2 * 3  # derived\n",
        "seed, k = 0, 1  # two at once\n",
        "seed = None  # has no type\n",
        "import numpy  # not a parameter\n",
        "seed = (  # not Python\n",
    ],
)
def test_a_parameters_cell_holds_plain_literals_with_comments(tmp_path, parameters):
    with pytest.raises(BookError, match="parameters cell"):
        notebooks.read_parameters(chapter(tmp_path, parameters).with_suffix(".ipynb"))


def test_there_is_exactly_one_parameters_cell(tmp_path):
    with pytest.raises(BookError, match="0 cells with the tag 'parameters'"):
        notebooks.read_parameters(chapter(tmp_path, tag="other").with_suffix(".ipynb"))


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (False, "yes", True),
        (True, "False", False),
        (1, "12", 12),
        (1, "-3", -3),
        (0.5, "1", 1.0),
        (0.5, "1e-3", 0.001),
        ("a", "7", "7"),
        ([1], "[2, 4]", [2, 4]),
        ([1], "[]", []),
        ([], "['a', 1]", ["a", 1]),
    ],
)
def test_texts_become_values_by_the_type_of_the_default(default, text, value):
    found = notebooks.convert(notebooks.Parameter("name", default, "comment"), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (False, "1"),
        (1, "1.5"),
        (1, "many"),
        (0.5, "nan"),
        (0.5, "x"),
        ([1], "2"),
        ([1], "[1, 'a']"),
        ([1], "[1"),
        ([], "2"),
    ],
)
def test_ill_typed_texts_are_refused(default, text):
    with pytest.raises(InputError, match=r"parameter name = .* arrived; expected"):
        notebooks.convert(notebooks.Parameter("name", default, "comment"), text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"datset": "mnist"},
            r"no parameter 'datset'. Did you mean dataset\? It has:\n  dataset: a text = 'digits'  # which",
        ),
        ({"seed": "first"}, "parameter seed = 'first' arrived; expected a whole number"),
    ],
)
def test_an_unknown_or_ill_typed_parameter_is_refused_before_anything_runs(tmp_path, monkeypatch, given, message):
    chapter(tmp_path)
    monkeypatch.setattr(notebooks, "execute", lambda *_: pytest.fail("the notebook ran"))
    with pytest.raises(InputError, match=message):
        notebooks.run_chapter("tiny", given, tmp_path / "out.ipynb", tmp_path)
    assert not (tmp_path / "out.ipynb").exists()


def test_a_chapter_runs_with_other_parameters_and_tells_how_long_it_will_take(tmp_path, capsys, monkeypatch):
    loaded = []
    monkeypatch.setattr(notebooks, "load_images", loaded.append)
    twin = chapter(tmp_path)
    source = twin.with_suffix(".ipynb").read_bytes()
    out = notebooks.run_chapter("tiny", {"dataset": "mnist", "seed": "3"}, tmp_path / "out.ipynb", tmp_path)
    assert "not run on this machine yet" in capsys.readouterr().out
    assert loaded == ["mnist"]
    executed = nbformat.read(out, as_version=4)
    assert executed.cells[-1].outputs[0].text == "mnist 3\n"
    assert twin.with_suffix(".ipynb").read_bytes() == source
    times = json.loads((tmp_path / "_build" / "times" / "tiny.json").read_text())
    assert list(times) == ['{"dataset": "mnist", "seed": 3}']
    assert "expect about" in notebooks.expected_time(tmp_path, "tiny", {"dataset": "mnist", "seed": 3})


def test_a_text_that_is_none_of_those_that_its_comment_lists_is_refused():
    parameter = notebooks.Parameter("dataset", "digits", "images of the run: digits (scaled up), mnist or cifar10")
    assert parameter.values == ("digits", "mnist", "cifar10")
    assert notebooks.convert(parameter, "cifar10") == "cifar10"
    with pytest.raises(InputError, match="dataset = 'imagenet' arrived; expected one of cifar10, digits, mnist"):
        notebooks.convert(parameter, "imagenet")
    assert notebooks.Parameter("k", 4, "number: of clusters").values == ()


def test_data_that_cannot_be_downloaded_fail_before_a_kernel_starts(tmp_path, monkeypatch):
    chapter(tmp_path)
    monkeypatch.setenv("MODLIB_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no route to host")))
    monkeypatch.setattr(notebooks, "execute", lambda *_, **__: pytest.fail("the notebook ran"))
    with pytest.raises(DataError, match=r"mnist is not in .*no route to host.*check the network, or put a copy there"):
        notebooks.run_chapter("tiny", {"dataset": "mnist"}, tmp_path / "out.ipynb", tmp_path)


def test_an_error_of_modlib_in_a_notebook_is_its_message_without_a_traceback(tmp_path):
    chapter(tmp_path, code="from modlib.data import load_images\nload_images('imagenet')")
    with pytest.raises(BookError, match=r"^tiny.ipynb: data set = 'imagenet' arrived; .*\n\(code cell 3; .*\)$"):
        notebooks.run_chapter("tiny", {}, tmp_path / "out.ipynb", tmp_path)


@given(st.text() | st.text(alphabet="'\"\\\n\r{}#\u2028a "))
def test_a_text_reaches_the_kernel_as_the_same_literal_whatever_is_in_it(text):
    from papermill.translators import PythonTranslator

    [statement] = ast.parse(PythonTranslator.codify({"text": text})).body
    assert isinstance(statement, ast.Assign)
    assert ast.literal_eval(statement.value) == text


def test_a_chapter_that_never_ran_here_tells_what_its_stored_networks_took(tmp_path, monkeypatch):
    (tmp_path / "measured").mkdir()
    monkeypatch.setenv("MODLIB_RESULTS", str(tmp_path / "measured"))
    run = {"id": "a", "profile": "paper", "date": "d", "commit": "c", "seconds": 1260.0, "rows": 2}
    cells = {"paper,0": "0" * 16, "paper,1": "1" * 16, "smoke,0": "2" * 16}
    provenance = {"table": "tiny", "runs": [run, {**run, "id": "b", "profile": "smoke"}], "cells": cells}
    (tmp_path / "measured" / "tiny.json").write_text(json.dumps(provenance))
    assert "and the 2 cells of its table, at the papers' size, took 21 min" in notebooks.expected_time(
        tmp_path, "tiny", {}
    )


@pytest.mark.parametrize("damaged", ["", '{"{}": 4', "5", "[1, 2]", '{"{}": "long"}', '{"{}": null}'])
def test_times_that_were_damaged_are_forgotten_and_kept_anew(tmp_path, damaged):
    notebooks.remember_time(tmp_path, "tiny", {}, 3)
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    kept.write_text(damaged)
    assert "not run on this machine yet" in notebooks.expected_time(tmp_path, "tiny", {})
    notebooks.remember_time(tmp_path, "tiny", {"seed": 1}, 70)
    assert "expect about 70 s" in notebooks.expected_time(tmp_path, "tiny", {"seed": 1})


def test_a_run_that_ends_before_its_end_fails(tmp_path):
    chapter(tmp_path, code="import sys\nsys.exit(0)")
    with pytest.raises(BookError, match="code cell 3 of tiny ended with SystemExit 0"):
        notebooks.run_chapter("tiny", {}, tmp_path / "out.ipynb", tmp_path)


def test_a_cell_that_raises_fails_the_run_and_keeps_what_was_reached(tmp_path):
    chapter(tmp_path, code="1 / 0")
    with pytest.raises(BookError, match="failed in code cell 3 with ZeroDivisionError"):
        notebooks.run_chapter("tiny", {}, tmp_path / "out.ipynb", tmp_path)
    assert (tmp_path / "out.ipynb").exists()


def test_a_kernel_without_a_package_cannot_import_it(tmp_path):
    code = "assert 'hide' not in dir()\nimport csv\nimport colorsys"
    twin = chapter(tmp_path, code=code).with_suffix(".ipynb")
    with pytest.raises(BookError, match="No module named 'colorsys', on purpose"):
        notebooks.execute(twin, tmp_path / "out.ipynb", {}, tmp_path, without=["torch", "colorsys"])


@pytest.mark.parametrize(("deaths", "message"), [(2, None), (3, "before replying"), (1, "in cell 2")])
def test_a_kernel_that_dies_as_it_starts_is_started_again(tmp_path, monkeypatch, deaths, message):
    from nbclient.exceptions import DeadKernelError

    starts = []

    def execute_notebook(*_args, **_settings):
        starts.append(1)
        if message == "in cell 2":
            raise DeadKernelError(message)
        if len(starts) <= deaths:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return nbformat.v4.new_notebook()

    monkeypatch.setattr("papermill.execute_notebook", execute_notebook)
    twin = chapter(tmp_path).with_suffix(".ipynb")
    if message is None:
        notebooks.execute(twin, tmp_path / "out.ipynb", {}, tmp_path)
    else:
        with pytest.raises(BookError, match=message):
            notebooks.execute(twin, tmp_path / "out.ipynb", {}, tmp_path)
    assert len(starts) == min(deaths + (message is None), 3)


@pytest.mark.parametrize(
    "output", ["out.html", "notebooks/tiny.ipynb", "notebooks/other.ipynb", "x/../notebooks/o.ipynb"]
)
def test_a_run_overwrites_no_chapter(tmp_path, output):
    chapter(tmp_path)
    with pytest.raises(InputError, match=r"output .* arrived|is among the chapters"):
        notebooks.run_chapter("tiny", {}, tmp_path / output, tmp_path)


def test_an_unknown_chapter_is_refused(tmp_path):
    chapter(tmp_path)
    (tmp_path / "outside.ipynb").write_text("{}")
    for name in ("tniy", "../outside", "", ".", str(tmp_path / "outside")):
        with pytest.raises(InputError, match=f"{name!r} arrived; expected one of tiny"):
            notebooks.run_chapter(name, {}, tmp_path / "out.ipynb", tmp_path)


def test_a_notebook_can_check_what_plain_papermill_lets_through():
    notebooks.check_parameters(profile=("smoke", ("smoke", "quick")), seed=(3, int))
    with pytest.raises(InputError, match="profile = 'large' arrived; expected one of smoke, quick"):
        notebooks.check_parameters(profile=("large", ("smoke", "quick")))
    with pytest.raises(InputError, match="seed = '3' arrived; expected int"):
        notebooks.check_parameters(seed=("3", int))
    with pytest.raises(InputError, match="removed = 10 arrived; expected a whole number from 0 to 9"):
        notebooks.check_parameters(removed=(10, range(10)))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seed", -1, "whole number of at least 0"),
        ("networks", 0, "whole number of at least 1"),
        ("rate", -1.0, "number above 0"),
        ("rate", float("nan"), "number above 0"),
        ("rate", float("inf"), "number above 0"),
    ],
)
def test_a_number_that_counts_nothing_is_refused_before_anything_runs(tmp_path, name, value, expected):
    with pytest.raises(InputError, match=f"parameter {name} = {value} arrived; expected a {expected}"):
        notebooks.check_parameters(**{name: (value, type(value))})
    if value != value or value == float("inf"):  # which are no literals
        return
    path = chapter(tmp_path, f"{name} = {type(value)(2)}  # some\n").with_suffix(".ipynb")
    with pytest.raises(InputError, match=f"parameter {name} = {value} arrived; expected a {expected}"):
        notebooks.resolve(path, {name: str(value)})
    assert notebooks.resolve(path, {name: "1"}) == {name: 1}


def test_the_parameters_of_the_chapters_are_explained():
    for notebook in (checkout() / "notebooks").glob("*.ipynb"):
        parameters = notebooks.read_parameters(notebook)
        assert "seed" in parameters, notebook
        assert all(parameter.comment for parameter in parameters.values()), notebook


@pytest.mark.parametrize("twin", sorted((checkout() / "notebooks").glob("*.md")), ids=lambda path: path.stem)
def test_every_name_that_a_chapter_takes_from_the_library_is_there(twin: Path) -> None:
    code = "\n".join(cell.source for cell in notebooks.read_notebook(twin).cells if cell.cell_type == "code")
    tree = ast.parse(code)
    found = [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "modlib"
        for alias in node.names
    ]
    assert found
    for module, name in found:
        assert hasattr(import_module(module), name) or find_spec(f"{module}.{name}"), f"{module} has no {name}"
    anew = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    modules = {name: f"{module}.{name}" for module, name in found if name not in anew and _is_module(module, name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            module = modules[node.value.id]
            assert hasattr(import_module(module), node.attr), f"{module} has no {node.attr}"


def _is_module(package: str, name: str) -> bool:
    return hasattr(import_module(package), "__path__") and find_spec(f"{package}.{name}") is not None
