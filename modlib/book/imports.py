"""Which modules of the library does code depend on? Its import statements say so, and theirs in turn.

Sources are parsed, nothing is imported. An import counts wherever it stands, in a function too. A package re-exports
names lazily (its ``__init__.pyi`` says from where), so a name counts for the module that it comes from, however it is
reached: ``from modlib.graphs import cluster``, ``from modlib import graphs`` with ``graphs.cluster``, ``import modlib
as ml`` with ``ml.cluster``. Where code cannot be followed it depends on more: on a whole package if it hands the
package on, on the whole library if it imports everything (``*``) or a module whose name it computes.
Chapter: none; ``modlib.book.dependencies`` decides with it which chapters are executed again.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from modlib.errors import BookError

Place: TypeAlias = tuple[str, str]  # a module, and a name in it; an empty name is the module itself

PACKAGE = "modlib"
REGISTRY = "modlib.chapters"  # imports chapters by their names; modlib.book.dependencies accounts for them
DYNAMIC = {"import_module", "__import__"}


@dataclass(frozen=True)
class Use:
    """A place where code uses a name of the library.

    Attributes:
        node: the import statement, or the expression that names it.
        module: module that holds the name, such as ``modlib.graphs.spectral``.
        name: what is used of the module; empty if it is only loaded, ``*`` if it is handed on as a whole, with all
            modules below it.
    """

    node: ast.AST
    module: str
    name: str = ""


class Library:
    """The modules of ``modlib``, as their import statements connect them.

    Args:
        root: folder that holds ``modlib``.

    Attributes:
        trees: syntax tree of every module, by its name.

    Raises:
        BookError: if a module does not parse.
    """

    def __init__(self, root: Path) -> None:
        self._paths = {
            ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
            for path in sorted((root / PACKAGE).rglob("*.py"))
        }
        self.trees = {module: _parsed(path) for module, path in self._paths.items()}
        self._bound = {module: self._names_bound(module) for module in self._paths}
        self._used: dict[tuple[ast.AST, str], list[Use]] = {}
        self._imports = {module: self.modules(tree, module) for module, tree in self.trees.items()}

    def below(self, name: str) -> set[str]:
        """A module and all modules below it; empty if there is none."""
        return {module for module in self._paths if f"{module}.".startswith(f"{name}.")}

    def files(self, modules: Iterable[str]) -> list[Path]:
        """Sources of some modules, with the stubs from which packages re-export lazily."""
        paths = [self._paths[module] for module in modules]
        return sorted(file for path in paths for file in (path, path.with_suffix(".pyi")) if file.exists())

    def reach(self, modules: Iterable[str]) -> set[str]:
        """All modules that are loaded, now or later, for some modules: packages around them, and what they import."""
        found: set[str] = set()
        todo = list(modules)
        while todo:
            module = todo.pop()
            if module in self._paths and module not in found:
                found.add(module)
                todo += [module.rpartition(".")[0], *self._imports[module]]
        return found

    def modules(self, tree: ast.AST, inside: str = "") -> set[str]:
        """Modules that code uses itself.

        Args:
            tree: the code.
            inside: module that it is; empty for a script.
        """
        found: set[str] = set()
        for use in self.uses(tree, inside):
            found |= self.below(use.module) if use.name == "*" else {use.module}
        return found

    def uses(self, tree: ast.AST, inside: str = "") -> list[Use]:
        """Places where code uses names of the library.

        Args:
            tree: the code.
            inside: module that it is; empty for a script.
        """
        if (tree, inside) not in self._used:
            self._used[tree, inside] = list(self._find_uses(tree, inside))
        return self._used[tree, inside]

    def _find_uses(self, tree: ast.AST, inside: str) -> Iterator[Use]:
        nodes = nodes_of(tree)
        bound: dict[str, set[Place]] = {}
        for node, module, name, local in self._statements(nodes, inside):
            places, passed = self._origins(module, name)
            yield Use(node, PACKAGE, "*") if name == "*" else Use(node, module)
            yield from (Use(node, *place) for place in places | passed)
            # `import modlib.graphs` binds the name modlib
            bound.setdefault(local, set()).update({(PACKAGE, "")} if local == PACKAGE else places)
        within = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
        for node in nodes:
            if _names(node) & DYNAMIC and inside != REGISTRY:
                yield Use(node, PACKAGE, "*")
            if isinstance(node, ast.Attribute | ast.Name) and id(node) not in within:
                root, *attributes = _chain(node)
                for place in bound.get(root, ()):
                    yield from self._followed(node, place, attributes)

    def _followed(self, node: ast.AST, start: Place, attributes: list[str]) -> Iterator[Use]:
        """What ``start.a.b`` uses: the names that its attributes lead to; a module that it ends on as a whole."""
        places = {start}
        for attribute in attributes:
            ahead = {place for place in places if place[1]}
            for module, _ in places - ahead:
                found, passed = self._origins(module, attribute)
                yield from (Use(node, *place) for place in passed)
                ahead |= found
            places = ahead
        for module, name in places:
            yield Use(node, module, name or "*")

    def _origins(self, module: str, name: str, seen: frozenset[Place] = frozenset()) -> tuple[set[Place], set[Place]]:
        """Where a name of a module comes from, and the modules that import it on the way there."""
        below = f"{module}.{name}" if name else module
        if below in self._paths:
            return {(below, "")}, set()
        further = self._bound.get(module, {}).get(name) if (module, name) not in seen else None
        if not further:
            return {(module, name)}, set()
        places: set[Place] = set()
        passed: set[Place] = {(module, "")}
        for place in further:
            found, on_the_way = self._origins(*place, seen | {(module, name)})
            places, passed = places | found, passed | on_the_way
        return places, passed

    def _names_bound(self, module: str) -> dict[str, set[Place]]:
        """Names that a module imports or re-exports lazily, and what each is called where it comes from."""
        bound: dict[str, set[Place]] = {}
        for file in self.files([module]):
            for _, origin, name, local in self._statements(nodes_of(_parsed(file)), module):
                bound.setdefault(local, set()).add((origin, name))
        return bound

    def _statements(self, nodes: Iterable[ast.AST], inside: str) -> Iterator[tuple[ast.AST, str, str, str]]:
        """Imports of the library: statement, module, name within it (empty for itself), and the name it gets here."""
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == PACKAGE:
                        yield node, alias.name, "", alias.asname or PACKAGE
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node, inside)
                if module.split(".")[0] == PACKAGE:
                    for alias in node.names:
                        yield node, module, alias.name, alias.asname or alias.name

    def _absolute(self, node: ast.ImportFrom, inside: str) -> str:
        """Module from which a statement imports; ``from .a import b`` counts from the package around it."""
        if not node.level:
            return node.module or ""
        above = node.level - self._is_package(inside)
        parts = inside.split(".")[: -above or None]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def _is_package(self, module: str) -> bool:
        return module in self._paths and self._paths[module].name == "__init__.py"


def _parsed(path: Path) -> ast.Module:
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise BookError(f"{path} does not parse as Python ({error}); correct it") from error


@functools.lru_cache(4096)
def parsed(source: str) -> ast.Module:
    """The syntax tree of a text, made once and changed by nobody.

    Raises:
        SyntaxError: if the text is not Python.
    """
    return ast.parse(source)


@functools.lru_cache(4096)
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All nodes of a syntax tree, in the order of ``ast.walk``."""
    return tuple(ast.walk(tree))


def _names(node: ast.AST) -> set[str]:
    """Names that a node mentions: its own, that of its attribute, those that it imports."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return {name}
        case ast.ImportFrom(names=names):
            return {alias.name for alias in names}
    return set()


def _chain(node: ast.expr) -> list[str]:
    """``a.b.c`` as its names; one empty name for what does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else [""]
