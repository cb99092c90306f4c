"""Questions: what is made, what is held out, and what is said where nothing can be made."""

import hashlib
import sys
from fractions import Fraction
from pathlib import Path
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


LINES = [f"{level}\tSort {i}, 1.\t1, {i}\n" for level in LEVELS for i in (2, 3, 4)]


def with_digest(text: str) -> str:
    return f"{text}sha256\t{hashlib.sha256(text.encode()).hexdigest()}\n"


def written(folder, text):
    folder.mkdir()
    path = folder / "sort-3.tsv"
    path.write_text(text)
    return path


def test_the_first_questions_of_a_level_are_held_out(folder):
    written(folder, with_digest("".join(LINES)))
    data = load_questions("sort", 3, n_test=1)
    for level in LEVELS:
        assert data.test[level] == (("Sort 2, 1.", "1, 2"),)
        assert data.train[level] == (("Sort 3, 1.", "1, 3"), ("Sort 4, 1.", "1, 4"))


RIGHT = with_digest("".join(LINES))


@pytest.mark.parametrize(
    "text", ["", "".join(LINES), RIGHT[:-1], RIGHT[:60], RIGHT[60:], RIGHT.replace("3, 1", "1, 3"), LINES[0] + RIGHT]
)
def test_a_file_that_is_not_as_it_was_written_is_refused(folder, text):
    path = written(folder, text)
    with pytest.raises(DataError, match=r"sort-3\.tsv is damaged: its last line is not the digest"):
        load_questions("sort", 3, n_test=1)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"sort-3\.tsv cannot be read .*delete it"):
        load_questions("sort", 3, n_test=1)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"sort-3\.tsv cannot be read .*delete it"):
        load_questions("sort", 3, n_test=1)


def test_more_held_out_than_there_are_is_refused(folder):
    written(folder, with_digest("".join(LINES[:-1])))
    with pytest.raises(InputError, match="n = 3 and n_test = 2 arrived, of which 2 hard questions of sort come"):
        load_questions("sort", 3, n_test=2)
    with pytest.raises(InputError, match="task = 'sorting' arrived"):
        load_questions("sorting", 3)


def uv_that(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of uv: a few lines of Python."""
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport os, sys\n{says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('no such package', file=sys.stderr); sys.exit(2)", r"uv ended with 2, and said 'no such package"),
        ("pass", "some level has no question"),
    ],
)
def test_where_nothing_can_be_made_nothing_is_left_and_the_reason_is_said(folder, tmp_path, monkeypatch, program, said):
    uv_that(program, tmp_path, monkeypatch)
    with pytest.raises(DataError, match=said):
        load_questions("sort", 30_000)
    assert list(folder.iterdir()) == []


def test_without_uv_or_a_folder_to_write_to_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(mathematics.shutil, "which", lambda *_, **__: None)
    with pytest.raises(DataError, match="uv, which makes it, is not here; pip install uv"):
        load_questions("sort", 30_000)
    monkeypatch.undo()
    uv_that("pass", tmp_path, monkeypatch)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODLIB_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written .*set MODLIB_DATA"):
        load_questions("sort", 30_000)


def test_questions_are_made_in_an_environment_of_their_own_where_sets_have_an_order(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    note = tmp_path / "note.txt"
    uv_that(
        f"open(sys.argv[-1], 'w').write({''.join(LINES)!r})\n"
        f"open({str(note)!r}, 'w').write(' '.join(sys.argv) + repr(sorted(x for x in os.environ if 'PYTHON' in x)))",
        tmp_path,
        monkeypatch,
    )
    assert load_questions("sort", 3, n_test=1).train["easy"][0] == ("Sort 3, 1.", "1, 3")
    asked = note.read_text()
    assert asked.endswith("['PYTHONHASHSEED']")
    assert all(word in asked.split() for word in ("--isolated", "--no-project", *mathematics.PACKAGES))
    assert " comparison sort 3 " in asked
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
