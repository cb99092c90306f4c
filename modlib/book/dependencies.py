"""What a page of the book depends on, computed from its code: files of the library, tables, claims, papers.

A page depends on

- the modules that its code imports, and all that they import (``modlib.book.imports``); a chapter also on all modules
  of its own package;
- the result tables that its code names (``modlib.book.reads``), those that decide the claims that it shows, and a
  chapter's own; with each, on the chapter's ``experiment``, which says what the columns are;
- the claims that it shows, and a chapter's own, as ``book/claims.yml`` writes them; the ``findings`` that hold their
  metrics; the papers whose numbers they are compared with, and those that its code names;
- the ``findings`` of the chapters of which it tells what was found, and the tables of which they tell it;
- the files of ``benchmarks/`` that its code names.

So a claim that is edited elsewhere does not execute a chapter again, although the chapter loads all claims: what it
shows of its own stays the same. Chapters are looked up by name (``modlib.chapters``), which no import statement shows;
the rules for tables and claims account for that. Data sets need no rule: modlib holds their checksums, and the lock
file decides the embedded ones.
Chapter: none; all of them are built this way.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
from collections.abc import Iterable
from pathlib import Path

import yaml

from modlib.book.imports import REGISTRY, Library
from modlib.book.pages import Page
from modlib.book.reads import ANY, Reads, names_read
from modlib.evidence.written import WrittenClaim, written_claims
from modlib.files import checkout, results_folder

# They read what they are asked for; who asks, depends on it.
SERVANTS = ("modlib.tables.", "modlib.verdicts.", "modlib.book.", "modlib.cli.")


class Dependencies:
    """What pages depend on, in one state of the sources, which are read once.

    Args:
        root: folder of the book.

    Raises:
        BookError: if a module of the library or the claims do not parse.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results = results_folder() if root == checkout() else root / "results"
        self.library = Library(root)
        self.claims = written_claims(root / "book" / "claims.yml")
        self._reads = {
            module: names_read(tree, self.library, module)
            for module, tree in self.library.trees.items()
            if not f"{module}.".startswith(SERVANTS)
        }

    def stamp(self, page: Page) -> dict[str, str]:
        """Digest of everything that an executed page depends on, by file; of the claims as one, named ``claims``.

        A page that tells what was found also depends on the address of the ``repository``.

        Raises:
            BookError: if a cell of the page is not Python.
        """
        code = page.code()
        modules, found = self._code_and_reads(page, code)
        claims = self._claims(page, found)
        others = [page.source, *self._papers(found, claims), *self._benchmarks(code), self.root / "requirements.lock"]
        files = {file.relative_to(self.root).as_posix(): file for file in [*self.library.files(modules), *others]}
        tables = [f"{name}{suffix}" for name in self._tables(page, found) for suffix in (".csv", ".json")]
        files |= {f"results/{name}": self.results / name for name in tables}  # they may lie elsewhere
        return {
            **{name: _digest(file.read_bytes()) for name, file in sorted(files.items()) if file.exists()},
            **({"repository": self._repository()} if found.told else {}),
            "claims": _digest(json.dumps([[claim.keys, claim.tables, claim.rows] for claim in claims]).encode()),
            "Python": platform.python_version(),
        }

    def _code_and_reads(self, page: Page, code: ast.Module) -> tuple[set[str], Reads]:
        """Modules that a page depends on, and what they and its code read; either may call for more of the other."""
        own = self.library.below(_package(page.chapter)) if page.chapter else set()
        modules = self.library.reach(self.library.modules(code) | own)
        by_page = names_read(code, self.library)
        while True:
            found = by_page
            for module in modules & self._reads.keys():
                found |= self._reads[module]
            called_for = {f"{_package(name)}.experiment" for name in self._tables(page, found)}
            called_for |= self._findings(self._claims(page, found)) | self._told(found).keys()
            more = self.library.reach(modules | called_for)
            if more == modules:
                return modules, found
            modules = more

    def _claims(self, page: Page, found: Reads) -> list[WrittenClaim]:
        """Claims of a chapter, of other chapters that its page shows, and of the papers' items that it shows."""
        chapters = found.chapters | {page.chapter}
        shown = []
        for claim in self.claims:
            paper, item = claim.keys.get("paper", ""), claim.keys.get("item", "")
            items = {(paper, item), (paper, ANY), (ANY, item), (ANY, ANY)}
            if chapters & {claim.chapter, ANY} or items & found.items:
                shown.append(claim)
        return shown

    def _tables(self, page: Page, found: Reads) -> set[str]:
        """Tables that a page reads, its own, and those that decide its claims."""
        named = found.tables | {table for claim in self._claims(page, found) for table in claim.tables}
        named = named.union(*self._told(found).values())
        stored = {file.stem for file in self.results.glob("*.csv")}
        # a table may not be filled yet
        chapters = {_chapter(module) for module in self.library.below(REGISTRY) - {REGISTRY}}
        known = stored | chapters
        return (known if ANY in named else known & named) | ({page.chapter} if page.chapter else set())

    def _papers(self, found: Reads, claims: Iterable[WrittenClaim]) -> list[Path]:
        named = found.papers | {claim.keys.get("paper") for claim in claims}
        files = (self.root / "book" / "papers").glob("*.csv")
        return [file for file in files if named & {file.stem, ANY}]

    def _benchmarks(self, code: ast.Module) -> list[Path]:
        texts = {node.value for node in ast.walk(code) if isinstance(node, ast.Constant)}
        return [file for file in (self.root / "benchmarks").glob("*") if file.name in texts]

    def _repository(self) -> str:
        """Digest of where the sources are: what was found is told with links to its rows."""
        config = yaml.safe_load((self.root / "_config.yml").read_text(encoding="utf-8"))
        return _digest(json.dumps(config["repository"]).encode())

    def _told(self, found: Reads) -> dict[str, set[str]]:
        """Modules that tell what some chapters found, with the tables of which they tell it."""
        modules = {_chapter(module): module for module in self.library.below(REGISTRY) if module.endswith(".findings")}
        told = modules.keys() if ANY in found.told else modules.keys() & found.told
        return {modules[name]: _named_tables(self.library.trees[modules[name]], name) for name in told}

    def _findings(self, claims: Iterable[WrittenClaim]) -> set[str]:
        """Modules that hold the metrics of some claims; all that may hold those that none names plainly."""
        metrics = {metric for claim in claims for metric in claim.keys.get("criteria", {})}
        named = {
            module: _named_findings(self.library.trees[module])
            for module in self.library.below(REGISTRY)
            if module.endswith(".findings")
        }
        nowhere = metrics.difference(*(names for names, _ in named.values()))
        return {module for module, (names, more) in named.items() if names & metrics or (more and nowhere)}


def _named_findings(tree: ast.Module) -> tuple[set[str], bool]:
    """Keys of ``FINDINGS = {"name": ...}``, and whether there may be more than those that are written down."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["FINDINGS"]:
            keys = node.value.keys if isinstance(node.value, ast.Dict) else [None]
            names = {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
            return names, len(names) < len(keys)
    return set(), False


def _named_tables(tree: ast.Module, chapter: str) -> set[str]:
    """Names of ``TABLES = ("name", ...)``; the chapter's own table if that is not written down."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["TABLES"]:
            return set(ast.literal_eval(node.value))
    return {chapter}


def _package(chapter: str) -> str:
    return f"{REGISTRY}.{chapter.replace('-', '_')}"


def _chapter(module: str) -> str:
    return module.split(".")[2].replace("_", "-")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
