"""Which result tables, claims and papers does code read? The names that it passes to functions that read them say so.

Names are texts, or variables that hold texts. A name that is computed may be any name, and a function of
``modlib.verdicts`` that is not known here may read anything.
Chapter: none; ``modlib.book.dependencies`` decides with it which chapters are executed again.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from modlib.book.imports import Library, Use, nodes_of

Values: TypeAlias = Mapping[str, Sequence[ast.expr | None]]

ANY = "*"
EVERY = 10**6  # all arguments are names
# What the names are that a function gets, and how many of its arguments, from the first, are names.
READERS = {
    ("modlib.verdicts.stored", "stored_rows"): ("tables", 1),
    ("modlib.verdicts.stored", "paper_rows"): ("tables", EVERY),
    ("modlib.verdicts.stored", "still_missing"): ("tables", 1),
    ("modlib.tables.results", "read_table"): ("tables", 1),
    ("modlib.tables.integrity", "read_accounted"): ("tables", 1),
    ("modlib.tables.integrity", "read_provenance"): ("tables", 1),
    ("modlib.tables.results", "caption"): ("tables", 1),
    ("modlib.tables.runner", "missing_cells"): ("tables", 1),
    ("modlib.chapters", "find_experiment"): ("tables", 1),
    ("modlib.files", "results_folder"): ("tables", 1),  # it gets none, so it may be any
    ("modlib.verdicts.cards", "show"): ("chapters", 1),
    ("modlib.verdicts.cards", "table"): ("chapters", 1),
    ("modlib.verdicts.found", "found_box"): ("told", 1),
    ("modlib.verdicts.found", "first_sentences"): ("told", EVERY),
    ("modlib.verdicts.found", "sentences"): ("told", 1),
    ("modlib.evidence.papers", "paper_values"): ("papers", 1),
    ("modlib.evidence.papers", "printed_at"): ("papers", 1),
}
SIDE_BY_SIDE = ("modlib.verdicts.cards", "side_by_side")  # a paper, then items of it
RESTS_ON = ("modlib.verdicts.stored", "rests_on")  # gets rows, which another function has read
ANYTHING = ("modlib.verdicts.", "modlib.chapters.findings.")  # what else is there may read anything
GROWS = {"append", "extend", "insert", "add", "update"}  # a list or set
KEYWORDS = {"name", "names", "chapter", "paper"}  # that hold names


@dataclass
class Reads:
    """What code reads, by name; ``*`` stands for any.

    Attributes:
        tables: result tables.
        chapters: whose claims are judged.
        items: papers and their items whose claims are judged.
        papers: whose printed numbers are read.
        told: chapters of which it is told what was found.
    """

    tables: set[str] = field(default_factory=set)
    chapters: set[str] = field(default_factory=set)
    items: set[tuple[str, str]] = field(default_factory=set)
    papers: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def __or__(self, other: Reads) -> Reads:
        return Reads(
            self.tables | other.tables,
            self.chapters | other.chapters,
            self.items | other.items,
            self.papers | other.papers,
            self.told | other.told,
        )


def names_read(tree: ast.AST, library: Library, inside: str = "") -> Reads:
    """What code reads.

    Args:
        tree: the code.
        library: whose functions it calls.
        inside: module that it is; empty for a script.
    """
    nodes = nodes_of(tree)
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    values = _values(nodes)
    found = Reads()
    for use in library.uses(tree, inside):
        place, call = (use.module, use.name), calls.get(id(use.node))
        if _reads_anything(use):
            found |= Reads({ANY}, {ANY}, {(ANY, ANY)}, {ANY}, {ANY})
        if isinstance(use.node, ast.Import | ast.ImportFrom):
            continue
        if place in READERS:
            kind, n_names = READERS[place]
            getattr(found, kind).update(_names(call, 0, n_names, values))
        elif place == SIDE_BY_SIDE:
            papers, items = _names(call, 0, 1, values), _names(call, 1, EVERY, values)
            found.items |= {(paper, item) for paper in papers for item in items}
    return found


def _reads_anything(use: Use) -> bool:
    """Whether a name is of the verdicts, but none that is known here; or is a whole module that reads."""
    if use.name == ANY:
        return any(f"{module}.".startswith(f"{use.module}.") for module, _ in READERS)
    known = (use.module, use.name) in {*READERS, SIDE_BY_SIDE, RESTS_ON}
    return bool(use.name) and not known and f"{use.module}.{use.name}.".startswith(ANYTHING)


def _names(call: ast.Call | None, start: int, end: int, values: Values) -> set[str]:
    """Texts among some arguments of a call; any for what is computed, or for a function that is only handed on."""
    if call is None:
        return {ANY}
    chosen = call.args[start:end] + [key.value for key in call.keywords if key.arg is None or key.arg in KEYWORDS]
    return set().union(*(_texts(node, values, frozenset()) for node in chosen)) if chosen else {ANY}


def _texts(node: ast.expr | None, values: Values, seen: frozenset[str]) -> set[str]:
    """Texts that an expression may have, or may be made of; any if that is not known."""
    match node:
        case ast.Constant(value=value) if value is not None:
            return {value} if isinstance(value, str) else set()
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return _all_texts(parts, values, seen)
        case ast.Starred(value=value):
            return _texts(value, values, seen)
        case ast.Name(id=name) if name in values and name not in seen:
            return _all_texts(values[name], values, seen | {name})
    return {ANY}


def _all_texts(nodes: Iterable[ast.expr | None], values: Values, seen: frozenset[str]) -> set[str]:
    return set().union(*(_texts(node, values, seen) for node in nodes))


def _values(nodes: Sequence[ast.AST]) -> Values:
    """What every variable is set to, anywhere, or is an element of; None where that is not an expression."""
    values: dict[str, list[ast.expr | None]] = defaultdict(list)
    known = set()
    for node in nodes:
        targets: list[ast.expr]
        value: ast.expr | None
        match node:
            case ast.Assign():
                targets, value = node.targets, node.value
            case ast.AnnAssign() | ast.NamedExpr():
                targets, value = [node.target], node.value
            case ast.For() | ast.comprehension():
                targets, value = [node.target], node.iter
            case _:
                continue
        for name in (part for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)):
            values[name.id].append(value)
            known.add(id(name))
    for node in nodes:
        if isinstance(node, ast.arg):
            values[node.arg].append(None)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in known:
            values[node.id].append(None)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in GROWS:
            values[node.value.id].append(None)
    return values
