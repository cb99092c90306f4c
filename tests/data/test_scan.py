"""SCAN: its grammar makes the authors' files, command by command."""

import hashlib
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from modlib.data.scan import ACTIONS, SPLITS, WORDS, commands, interpret, load_scan, small_scan, split_commands
from modlib.errors import DataError, InputError
from modlib.files import data_folder

needs_files = pytest.mark.skipif(
    not (data_folder() / "scan" / "tasks_train_simple.txt").exists(), reason="the files of SCAN are not here"
)


# SHA-256 over the lines of the authors' files, each once and sorted: every command with its actions.
EVERY_LINE = "345bff3c25864652f326ba1960aa515d156b63f45067ea57268f71d7362a2440"


def digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(lines))).encode()).hexdigest()


@pytest.mark.parametrize(
    ("command", "actions"),
    [
        ("jump", "I_JUMP"),
        ("jump left", "I_TURN_LEFT I_JUMP"),
        ("jump around right", "I_TURN_RIGHT I_JUMP " * 4),
        ("turn left twice", "I_TURN_LEFT I_TURN_LEFT"),
        ("jump thrice", "I_JUMP I_JUMP I_JUMP"),
        ("jump opposite left and walk thrice", "I_TURN_LEFT I_TURN_LEFT I_JUMP I_WALK I_WALK I_WALK"),
        (
            "jump opposite left after walk around left",
            "I_TURN_LEFT I_WALK " * 4 + "I_TURN_LEFT I_TURN_LEFT I_JUMP",
        ),
        ("turn opposite right", "I_TURN_RIGHT I_TURN_RIGHT"),
    ],
)
def test_the_examples_of_the_authors_figure_mean_what_it_says(command: str, actions: str):
    assert interpret(command) == actions.split()


def test_the_language_has_as_many_commands_words_and_actions_as_the_paper_says():
    known = commands()
    assert len(known) == len(set(known)) == 20_910
    assert {word for command in known for word in command.split()} == set(WORDS)
    assert {action for command in known for action in interpret(command)} == set(ACTIONS)
    assert (len(WORDS), len(ACTIONS)) == (13, 6)
    assert max(len(interpret(command)) for command in known) == 48


def test_the_grammar_makes_every_line_of_the_authors_files_where_they_are_not_here_either():
    assert digest(f"IN: {command} OUT: {' '.join(interpret(command))}" for command in commands()) == EVERY_LINE


@needs_files
def test_the_grammar_regenerates_every_line_of_the_files():
    known = set(commands())
    for name in ("simple", "length", "addprim_jump", "addprim_turn_left"):
        lines = []
        for part in ("train", "test"):
            lines += (data_folder() / "scan" / f"tasks_{part}_{name}.txt").read_text().splitlines()
        assert digest(line.strip() for line in lines) == EVERY_LINE
        for line in lines:
            command, actions = line.removeprefix("IN: ").split(" OUT: ")
            assert command.strip() in known
            assert interpret(command) == actions.split()


@needs_files
@pytest.mark.parametrize("split", SPLITS)
def test_the_rule_of_a_split_holds_out_what_the_authors_do(split: str):
    stored, made = load_scan(split), split_commands(commands(), split, np.random.default_rng(0))
    assert not set(stored.train) & set(stored.test)
    assert set(stored.train) | set(stored.test) == set(commands())
    assert (len(made.train), len(made.test)) == (len(stored.train), len(stored.test))
    if split != "simple":  # which holds out other commands with another generator
        assert Counter(made.train) == Counter(stored.train)
        assert Counter(made.test) == Counter(stored.test)


@pytest.mark.parametrize("split", SPLITS)
def test_the_embedded_part_is_split_by_the_same_rules(split: str):
    made = small_scan(split, np.random.default_rng(0))
    assert not set(made.train) & set(made.test)
    assert len(set(made.train) | set(made.test)) == 390
    assert set(made.train) | set(made.test) <= set(commands())
    assert made.test
    again = small_scan(split, np.random.default_rng(0))
    assert made == again
    assert made.checksum == again.checksum
    if split == "jump":
        assert {command for command in made.train if "jump" in command} == {"jump"}
        assert made.train.count("jump") == pytest.approx(len(made.train) / 10, abs=1)
    if split == "length":
        assert max(len(interpret(command)) for command in made.train) == 6
        assert min(len(interpret(command)) for command in made.test) > 6


@pytest.mark.parametrize(
    "command",
    [
        "", "hop", "jump left right", "jump twice twice", "turn", "and", "jump and", "left", "jump and hop",
        "walk and look and run", "jump after walk and look after run", "walk after look after run", "walk and and run",
    ],
)  # fmt: skip
def test_what_is_no_command_is_refused(command: str):
    with pytest.raises(InputError, match=f"command '{command}' arrived; expected one such as"):
        interpret(command)


def test_unknown_splits_and_primitives_are_refused():
    with pytest.raises(InputError, match=r"split = 'lenght' arrived; .*length"):
        load_scan("lenght")
    with pytest.raises(InputError, match="split = 'lenght' arrived"):
        small_scan("lenght", np.random.default_rng(0))
    with pytest.raises(InputError, match="a primitive = 'hop'"):
        commands(["hop"])


def test_a_download_that_fails_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MODLIB_DATA", str(tmp_path))
    monkeypatch.setattr("pooch.retrieve", _no_network)
    with pytest.raises(DataError, match=r"tasks_train_addprim_jump\.txt is not in"):
        load_scan("jump")


def _no_network(*_args, **_kwargs):
    raise OSError("no network")
