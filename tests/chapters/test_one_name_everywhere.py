"""A chapter NAME has notebooks/NAME.md, results/NAME.csv, modlib/chapters/NAME/, its tests and its claims."""

import ast
from pathlib import Path

import pytest
import yaml

from modlib.chapters import NAMES, SHOWN_ELSEWHERE, TABLES, find_experiment, findings, package
from modlib.errors import InputError
from modlib.files import checkout
from modlib.tables.runner import Experiment
from modlib.verdicts.claims import load
from modlib.verdicts.scorecard import CARD, FOUND, POWER

ROOT = checkout()
PARTS = {"__init__", "experiment", "findings", "figures"}  # of a chapter's package; one may have a module of its own
OWN = {
    "class-removal": {"masks"},
    "clusterability": {"fading"},
    "do-the-measures-agree": {"agreement", "ranks"},
    "systematic-generalisation": {"material"},
}
NO_PAPER = {"your-network"}  # a page that runs live only: no paper claims anything there, and no table is stored


def folder(name: str) -> Path:
    return ROOT.joinpath(*package(name).split("."))


def test_the_chapters_are_the_notebooks_of_the_table_of_contents() -> None:
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    pages = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    notebooks = sorted(page.removeprefix("notebooks/") for page in pages if page.startswith("notebooks/"))
    assert sorted({*NAMES, *NO_PAPER}) == notebooks
    packages = {path.parent.name.replace("_", "-") for path in (ROOT / "modlib" / "chapters").glob("*/__init__.py")}
    assert packages == set(TABLES)


def test_every_stored_table_is_that_of_an_experiment() -> None:
    tables = {path.stem for path in (ROOT / "results").glob("*.json")}
    assert tables == {path.stem for path in (ROOT / "results").glob("*.csv")} - {CARD, FOUND, POWER}
    assert tables == set(TABLES)


@pytest.mark.parametrize(("name", "chapter"), SHOWN_ELSEWHERE.items())
def test_a_table_without_a_page_is_shown_by_the_one_that_is_named(name: str, chapter: str) -> None:
    assert chapter in NAMES
    assert f'stored_rows("{name}")' in (ROOT / "notebooks" / f"{chapter}.md").read_text()
    assert find_experiment(name).name == name
    assert (ROOT / "tests" / "chapters" / f"test_{name.replace('-', '_')}.py").exists()


@pytest.mark.parametrize("name", ["", "rows", "../dropout", "dropout.experiment", "class", "drop\0out"])
def test_what_is_no_chapter_is_refused_whatever_its_name(name: str) -> None:
    with pytest.raises(InputError, match="expected one of"):
        find_experiment(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_has_its_name_everywhere(name: str) -> None:
    assert (ROOT / "notebooks" / f"{name}.md").exists()
    assert (ROOT / "notebooks" / f"{name}.ipynb").exists()
    assert (ROOT / "results" / f"{name}.csv").exists()
    assert (ROOT / "results" / f"{name}.json").exists()
    assert (ROOT / "tests" / "chapters" / f"test_{name.replace('-', '_')}.py").exists()
    assert {path.stem for path in folder(name).glob("*.py")} <= PARTS | OWN.get(name, set())
    experiment = find_experiment(name)
    assert isinstance(experiment, Experiment)
    assert experiment.name == name
    assert [claim for claim in load() if claim.chapter == name], f"book/claims.yml has no claim of the chapter {name}"


def test_every_finding_of_a_chapter_decides_a_claim() -> None:
    assert {metric for claim in load() for metric in claim.criteria} == set(findings())


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_says_in_its_package_what_it_asks(name: str) -> None:
    said = ast.get_docstring(ast.parse((folder(name) / "__init__.py").read_text()))
    assert said is not None
    assert said.startswith(f"Chapter ``{name}``: ")
    assert said.endswith("?")
