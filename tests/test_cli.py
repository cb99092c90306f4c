"""modlib.cli: what a person types, and what a wrong word gets."""

import sys
from pathlib import Path

import pytest
from toy import TOY
from typer.testing import CliRunner

from modlib import chapters
from modlib.cli import app, main
from modlib.tables import read_table


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


def test_tables_lists_every_chapter_with_a_table(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tables", "--results", str(tmp_path)])
    assert done.exit_code == 0
    assert all(name in done.output for name in chapters.NAMES)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "dropuot", "--grid", "smoke"], "chapter 'dropuot' arrived"),
        (["run", "dropout", "--grid", "everything"], "profile 'everything' arrived"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset"], "expected NAME=VALUE"),
        (["run", "dropout", "--grid", "smoke", "-p", "dataset=imagenet"], "dataset = imagenet arrived"),
        (["run", "dropout", "--jobs", "2"], "arrived without --grid"),
        (["run", "dropuot"], "dropuot"),
        (["verify", "dropuot"], "chapter 'dropuot' arrived"),
    ],
)
def test_a_wrong_word_gets_a_clear_message(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in say(monkeypatch, capsys, *words)
