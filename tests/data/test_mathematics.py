"""Questions: what is made, what is held out, and what is said where nothing can be made."""

import subprocess
import sys
from fractions import Fraction
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from modlib.data import mathematics, mathematics_questions
from modlib.data.mathematics import AREAS, LEVELS, load_questions, small_questions
from modlib.errors import DataError, InputError
from modlib.files import data_folder

KEPT = sorted((data_folder() / "mathematics").glob("sort-*.tsv"))


def test_small_questions_ask_for_sorted_numbers_and_none_is_held_out_and_shown():
    data = small_questions(np.random.default_rng(0))
    for count, level in enumerate(LEVELS, start=2):
        pairs = [*data.train[level], *data.test[level]]
        assert len(data.test[level]) * 4 == len(data.train[level])
        assert len({question for question, _ in pairs}) == len(pairs) == 5000
        for question, answer in pairs:
            numbers = [int(number) for number in question.removeprefix("Sort ").removesuffix(".").split(", ")]
            assert [int(number) for number in answer.split(", ")] == sorted(numbers)
            assert len(numbers) == count
    assert data.checksum == small_questions(np.random.default_rng(0)).checksum
    assert data.checksum != small_questions(np.random.default_rng(1)).checksum


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MODLIB_DATA", str(tmp_path))
    return tmp_path / "mathematics"


def written(folder, lines):
    folder.mkdir()
    path = folder / "sort-3.tsv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


LINES = [f"{level}\tSort {i}, 1.\t1, {i}" for level in LEVELS for i in (2, 3, 4)]


def test_the_first_questions_of_a_level_are_held_out(folder):
    written(folder, LINES)
    data = load_questions("sort", 3, n_test=1)
    for level in LEVELS:
        assert data.test[level] == (("Sort 2, 1.", "1, 2"),)
        assert data.train[level] == (("Sort 3, 1.", "1, 3"), ("Sort 4, 1.", "1, 4"))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*LINES[:4], "easy\tSort 1."], r"sort-3\.tsv, line 5: 'easy.*expected a level, a question and an answer"),
        ([*LINES[:4], "simple\tSort 1.\t1"], "line 5: 'simple"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(folder, lines, said):
    written(folder, lines)
    with pytest.raises(DataError, match=said):
        load_questions("sort", 3, n_test=1)


def test_more_held_out_than_there_are_is_refused(folder):
    written(folder, LINES[:-1])
    with pytest.raises(InputError, match="n = 3 and n_test = 2 arrived, of which 2 hard questions of sort come"):
        load_questions("sort", 3, n_test=2)
    with pytest.raises(InputError, match="task = 'sorting' arrived"):
        load_questions("sorting", 3)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory"), "No such file"),
        (subprocess.CalledProcessError(1, "uv"), "uv ended with 1, and has said why"),
    ],
)
def test_where_nothing_can_be_made_nothing_is_left_and_the_reason_is_said(folder, monkeypatch, error, said):
    def fails(command, **_):
        raise error

    monkeypatch.setattr(mathematics.subprocess, "run", fails)
    with pytest.raises(DataError, match=rf"sort-30000\.tsv is not in .*{said}.*needs the program uv"):
        load_questions("sort", 30_000)
    assert list(folder.iterdir()) == []


def test_questions_are_made_in_an_environment_of_their_own_where_sets_have_an_order(folder, monkeypatch):
    asked = {}

    def run(command, check):
        asked.update(command=command, seed=mathematics.subprocess.os.environ["PYTHONHASHSEED"], check=check)
        with open(command[-1], "w") as file:
            file.writelines(f"{line}\n" for line in LINES)

    monkeypatch.setattr(mathematics.subprocess, "run", run)
    load_questions("sort", 3, n_test=1)
    assert asked["check"]
    assert asked["seed"] == "0"
    assert {"--isolated", "--no-project", *mathematics.PACKAGES} <= set(asked["command"])
    assert asked["command"][-4:-1] == ["comparison", "sort", "3"]
    assert [path.name for path in folder.iterdir()] == ["sort-3.tsv"]


def test_what_is_too_long_or_there_already_is_not_written(monkeypatch, tmp_path):
    made = iter(
        [("a", "1"), ("b" * 161, "1"), ("c", "1" * 31), ("a", "2"), ("d", "3"), ("a", "1"), ("e", "4"), ("f", "5")]
    )

    def train(entropy):
        return {"comparison": {"sort": make}}

    def make():
        question, answer = next(made)
        return SimpleNamespace(question=question, answer=answer)

    package = {
        "mathematics_dataset": {},
        "mathematics_dataset.generate": {"_make_entropy_fn": lambda place, count: (place, count)},
        "mathematics_dataset.generate_settings": {"MAX_QUESTION_LENGTH": 160, "MAX_ANSWER_LENGTH": 30},
        "mathematics_dataset.modules": {"modules": SimpleNamespace(train=train)},
    }
    for name, what in package.items():
        module = ModuleType(name)
        vars(module).update(what)
        monkeypatch.setitem(sys.modules, name, module)
    path = tmp_path / "made.tsv"
    mathematics_questions.write("comparison", "sort", 2, path)
    assert path.read_text().splitlines() == ["easy\ta\t1", "medium\td\t3", "hard\te\t4", "hard\tf\t5"]


@pytest.mark.skipif(not KEPT, reason="questions of Mathematics are not here")
def test_the_package_sorts_as_python_does():
    path = KEPT[0]
    data = load_questions("sort", int(path.stem.removeprefix("sort-")), n_test=10)
    known = [pair for part in (data.train, data.test) for level in LEVELS for pair in part[level][:2000]]
    for question, answer in known:
        numbers = [Fraction(number) for number in answer.split(", ")]
        assert numbers == sorted(numbers, reverse=" de" in question), question
    assert set(AREAS) == {"add_or_sub", "linear_1d", "differentiate", "sort", "collect"}
