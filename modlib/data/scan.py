"""SCAN: commands in a small language, and the actions that they stand for.

The language is small enough to write down all of it: 20,910 commands. What a split holds out follows from a rule, but
for the simple one, which is random and comes from the authors' files. Chapter: ``systematic-generalisation``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from modlib.checks import choice, flag, generator, instance, items, whole
from modlib.errors import DataError, InputError
from modlib.files import data_folder, quiet_pooch
from modlib.reprs import BriefRepr

PRIMITIVES = ("walk", "look", "run", "jump")
DIRECTIONS = ("left", "right")
WORDS = (*PRIMITIVES, "turn", *DIRECTIONS, "opposite", "around", "twice", "thrice", "and", "after")
ACTIONS = ("I_WALK", "I_LOOK", "I_RUN", "I_JUMP", "I_TURN_LEFT", "I_TURN_RIGHT")
TIMES = {"twice": 2, "thrice": 3}
SPLITS = ("simple", "length", "jump", "turn_left")
HELD_OUT = 0.2  # share of the commands in the test part of the simple split
LONGEST_TRAINED = 22  # actions, in the length split
SOURCE = "https://raw.githubusercontent.com/brendenlake/SCAN/master/"
FILES = {  # where each split lies, and the SHA-256 of its two files
    "simple": (
        "simple_split/tasks_{}_simple.txt",
        "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd",
        "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6",
    ),
    "length": (
        "length_split/tasks_{}_length.txt",
        "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2",
        "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3",
    ),
    "jump": (
        "add_prim_split/tasks_{}_addprim_jump.txt",
        "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23",
        "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5",
    ),
    "turn_left": (
        "add_prim_split/tasks_{}_addprim_turn_left.txt",
        "1b3fed86055dd7689d217f1b90cc8960aeb1cf200f4f209dc47935761b05304c",
        "15a82c2d25ac7c3c1fff7e18051fb085974ef3617de895c520d02144396a10e2",
    ),
}


@dataclass(frozen=True, repr=False)
class Scan(BriefRepr):
    """A split of SCAN.

    Attributes:
        name: one of ``SPLITS``, or what it is a part of.
        train: commands to learn from; some splits repeat a command many times.
        test: commands to be tested on, none of them in ``train``.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """SHA-256 over the commands of both parts."""
        return hashlib.sha256("\n".join((*self.train, "", *self.test)).encode()).hexdigest()


def commands(primitives: Sequence[str] = PRIMITIVES, joined: bool = True) -> list[str]:
    """All commands of the language.

    C -> S and S | S after S | S;  S -> V twice | V thrice | V;  V -> U | D | U opposite L | U around L, where U may be
    ``turn``;  D -> U L | turn L;  L -> left | right.

    Args:
        primitives: words for U, out of ``PRIMITIVES``; all four give 20,910 commands.
        joined: whether two commands may be joined by ``and`` or ``after``.

    Raises:
        InputError: if there is no primitive, or one is not known.

    Source: weight-masks 4; Lake and Baroni 2018, figure 6. Chapter: ``systematic-generalisation``.

    >>> known = commands(["jump"], joined=False)
    >>> known[:3], len(known), len(commands())
    (['jump', 'jump twice', 'jump thrice'], 39, 20910)
    """
    joined = flag(joined, "joined")
    primitives = [choice(word, PRIMITIVES, "a primitive") for word in items(primitives, "primitives")]
    turns = [f"{how}{to}" for how in ("", "opposite ", "around ") for to in DIRECTIONS]
    directed = [f"{verb} {turn}" for verb in (*primitives, "turn") for turn in turns]
    simple = [f"{verb}{times}" for verb in (*primitives, *directed) for times in ("", " twice", " thrice")]
    both = [f"{first} {how} {second}" for how in ("and", "after") for first, second in product(simple, repeat=2)]
    return simple + (both if joined else [])


def interpret(command: str) -> list[str]:
    """The actions that a command stands for.

    [[x and y]] = [[x]] [[y]];  [[x after y]] = [[y]] [[x]];  [[x twice]] = [[x]] [[x]], and so on with thrice;
    [[u left]] = I_TURN_LEFT [[u]];  [[u opposite left]] = I_TURN_LEFT I_TURN_LEFT [[u]];
    [[u around left]] = four times I_TURN_LEFT [[u]];  [[turn]] is nothing.

    Raises:
        InputError: if it is no command of the language.

    Source: Lake and Baroni 2018, figure 7. Chapter: ``systematic-generalisation``.

    >>> interpret("jump left twice after walk")
    ['I_WALK', 'I_TURN_LEFT', 'I_JUMP', 'I_TURN_LEFT', 'I_JUMP']
    """
    command = instance(command, str, "command", "pass a text such as 'jump twice'")
    for word, order in (("and", 1), ("after", -1)):
        first, joined, second = command.partition(f" {word} ")
        if joined:
            return [action for part in (first, second)[::order] for action in _actions(part, command)]
    return _actions(command, command)


def load_scan(split: str) -> Scan:
    """A split of SCAN, see ``split_commands``; its files are downloaded once into ``$MODLIB_DATA``/scan and checked.

    Raises:
        InputError: if there is no such split.
        DataError: if a file cannot be downloaded, or is not what it should be.

    Source: weight-masks 4 and C.6.1. Chapter: ``systematic-generalisation``.

    Its files are a download; without one, see ``small_scan``. A name that is not known is refused before:

    >>> load_scan("jmp")
    Traceback (most recent call last):
        ...
    modlib.errors.InputError: split = 'jmp' arrived; expected one of jump, length, simple, turn_left; did you mean jump?
    """
    choice(split, SPLITS, "split")
    where, *sums = FILES[split]
    parts = [_read(where.format(part), known) for part, known in zip(("train", "test"), sums, strict=True)]
    return Scan(split, *parts)


def small_scan(split: str, rng: np.random.Generator) -> Scan:
    """A part of SCAN that needs no file, 390 commands: those of one part, and pairs of those without a direction.

    Split as all of SCAN is, see ``split_commands``; the length split trains on up to six actions.

    Raises:
        InputError: if there is no such split.

    Source: none. Chapter: ``systematic-generalisation``.

    >>> small_scan("length", np.random.default_rng(0))
    Scan(name=length, train=354 of str, test=36 of str)
    """
    rng = generator(rng)
    choice(split, SPLITS, "split")
    known = commands(joined=False)
    pairs = [command for command in commands()[len(known) :] if not set(command.split()) & {*DIRECTIONS}]
    return split_commands(known + pairs, split, rng, longest=6)


def split_commands(known: Sequence[str], split: str, rng: np.random.Generator, longest: int = LONGEST_TRAINED) -> Scan:
    """Split commands by the rule of a split.

    ``simple`` holds out a random fifth, ``length`` commands of more than ``longest`` actions, ``jump`` and
    ``turn_left`` all commands that use those words with others; the words alone are a tenth of the training part.

    Args:
        known: commands.
        split: one of ``SPLITS``.
        rng: decides what the simple split holds out.
        longest: number of actions up to which the length split trains.

    Raises:
        InputError: if there is no such split.

    Source: weight-masks 4; Lake and Baroni 2018, experiments 1 to 3. Chapter: ``systematic-generalisation``.

    >>> split_commands(["walk", "walk twice", "jump", "jump twice"], "jump", np.random.default_rng(0)).test
    ('jump twice',)
    """
    rng, longest = generator(rng), whole(longest, "longest", least=0)
    choice(split, SPLITS, "split")
    known = [instance(command, str, "a command", "pass some of commands()") for command in items(known, "known")]
    if split == "simple":
        held = set(rng.permutation(len(known))[: round(HELD_OUT * len(known))].tolist())
        tested = [i in held for i in range(len(known))]
    elif split == "length":
        tested = [len(interpret(command)) > longest for command in known]
    else:
        alone = split.replace("_", " ")
        tested = [f" {alone} " in f" {command} " and command != alone for command in known]
    train, test = ([c for c, held in zip(known, tested, strict=True) if held is part] for part in (False, True))
    if split in ("jump", "turn_left"):
        train += [alone] * (len(train) // 9 - 1)
    return Scan(split, tuple(train), tuple(test))


def _actions(part: str, command: str) -> list[str]:
    """The actions of a command, or of the part on one side of its ``and`` or ``after``."""
    words = part.split()
    times = TIMES[words.pop()] if words and words[-1] in TIMES else 1
    match words:
        case [verb] if verb in PRIMITIVES:
            return [_action(verb)] * times
        case [verb, *how, to] if to in DIRECTIONS and verb in (*PRIMITIVES, "turn"):
            turn, act = [f"I_TURN_{to.upper()}"], [_action(verb)] if verb != "turn" else []
            match how:
                case []:
                    return (turn + act) * times
                case ["opposite"]:
                    return (turn * 2 + act) * times
                case ["around"]:
                    return (turn + act) * 4 * times
    raise InputError(f"command {command!r} arrived; expected one such as 'jump around left twice and walk'")


def _action(primitive: str) -> str:
    return f"I_{primitive.upper()}"


def _read(where: str, known: str) -> tuple[str, ...]:
    pooch = quiet_pooch()

    folder = data_folder() / "scan"
    try:
        path = Path(pooch.retrieve(SOURCE + where, known, fname=Path(where).name, path=folder))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{Path(where).name} is not in {folder} and its download failed ({error}); check the network, or put a "
            "copy there"
        ) from error
    lines = [line.removeprefix("IN: ").strip() for line in path.read_text(encoding="utf-8").splitlines()]
    found = [line.split(" OUT: ") for line in lines]
    return tuple(command for command, _ in found)
