"""modlib.cli: what a person types, and what a wrong word gets."""

import sys
from pathlib import Path

import pytest
from toy import FAULTS, TOY
from typer.testing import CliRunner

from modlib import chapters
from modlib.cli import app, main
from modlib.tables import read_table, runner


@pytest.fixture
def toy_chapter(monkeypatch: pytest.MonkeyPatch) -> None:
    find = chapters.find_experiment
    monkeypatch.setattr(chapters, "find_experiment", lambda name: TOY if name == "toy" else find(name))


def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What ``modlib WORDS`` prints on its way to exit status 2."""
    monkeypatch.setattr(sys, "argv", ["modlib", *words])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    return capsys.readouterr().err


@pytest.mark.usefixtures("toy_chapter")
def test_run_with_a_grid_fills_the_table_and_verify_agrees(tmp_path: Path) -> None:
    words = ["run", "toy", "--grid", "smoke", "-p", "dataset=a", "--results", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "12 new rows" in done.output
    assert set(read_table(TOY, tmp_path)["dataset"]) == {"a"}
    assert CliRunner().invoke(app, ["verify", "toy", "--results", str(tmp_path)]).exit_code == 0


@pytest.mark.usefixtures("toy_chapter")
def test_verify_fails_on_a_tampered_row(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["run", "toy", "--grid", "smoke", "--results", str(tmp_path)])
    table = read_table(TOY, tmp_path)
    table["value"] += 1
    table.to_csv(tmp_path / "toy.csv", index=False)
    done = CliRunner().invoke(app, ["verify", "toy", "--sample", "1", "--results", str(tmp_path)])
    assert done.exit_code == 1
    assert "2 value(s) differ" in done.output


def test_a_run_with_failures_names_them_says_what_to_type_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chapters, "find_experiment", lambda name: FAULTS)
    words = ["run", "toy", "--grid", "smoke", "-p", "seed=0", "--jobs", "2", "--results", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert "6 new rows in the table of toy" in done.output
    assert "failed: ValueError: no such network" in done.output
    assert (
        f"again: modlib run toy --grid smoke -p dataset=a -p dropout=yes -p seed=0 --results {tmp_path}" in done.output
    )


@pytest.mark.usefixtures("toy_chapter")
def test_check_finds_a_changed_digit_that_seal_takes_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    CliRunner().invoke(app, ["run", "toy", "--grid", "smoke", "--results", str(tmp_path)])
    words = ["check", "toy", "--results", str(tmp_path)]
    assert CliRunner().invoke(app, words).output == "toy: 24 rows are what was stored\n"
    path = tmp_path / "toy.csv"
    path.write_text(path.read_text().replace(",none,", ",some,", 1))
    assert "the rows of the cell smoke,a,no,0 were changed" in say(monkeypatch, capsys, *words)
    assert CliRunner().invoke(app, [*words, "--seal"]).exit_code == 0
    assert CliRunner().invoke(app, words).exit_code == 0
    assert "--seal arrived without a chapter" in say(monkeypatch, capsys, "check", "--seal")


def test_check_looks_at_every_table() -> None:
    done = CliRunner().invoke(app, ["check"])
    assert done.exit_code == 0
    assert [line.split(":")[0] for line in done.output.splitlines()] == list(chapters.NAMES)


def test_tables_lists_every_chapter_with_a_table(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tables", "--results", str(tmp_path)])
    assert done.exit_code == 0
    assert all(name in done.output for name in chapters.NAMES)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "dropuot", "--grid", "smoke"], "did you mean dropout?"),
        (["run", "dropout", "--grid", "everything"], "profile 'everything' arrived"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset"], "expected NAME=VALUE"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset=imagenet"], "dataset = imagenet arrived"),
        (["run", "dropout", "--jobs", "2"], "arrived without --grid"),
        (["run", "dropuot"], "did you mean dropout?"),
        (["verify", "dropuot"], "did you mean dropout?"),
        (["new-chapter", "dropout"], "chapters/dropout is there already"),
        (["new-chapter", "Two Words"], "chapter 'Two Words' arrived"),
        (["run", "[red]", "--grid", "smoke"], "chapter '[red]' arrived"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset=[/b] :smile: [a]"], "dataset = [/b] :smile: [a] arrived"),
    ],
)
def test_a_wrong_word_gets_a_clear_message(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in say(monkeypatch, capsys, *words)


def test_a_folder_without_notebooks_is_not_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("book", "notebooks"):
        (tmp_path / name).mkdir()
    for name in ("_toc.yml", "_config.yml"):
        (tmp_path / name).touch()
    monkeypatch.setenv("MODLIB_ROOT", str(tmp_path))
    assert "so nothing was checked" in say(monkeypatch, capsys, "sync", "--check")


@pytest.mark.usefixtures("toy_chapter")
def test_brackets_in_values_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "verify", lambda *_: [runner.Difference("dataset=[red]", "value", "[1, 2]", "[bold]")])
    done = CliRunner().invoke(app, ["verify", "toy"])
    assert all(text in done.output for text in ("dataset=[red]", "[1, 2]", "[bold]"))
