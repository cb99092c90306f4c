"""Plant faults in the measures, one at a time, and see which their own tests notice.

Faults come from ``draw.py``, one a line, on standard input. Every one gets a process of its own, forked from this one,
which has loaded what takes long to load; in it the changed file is imported in place of the module. Its tests are those
of ``tests/graphs/test_shuffles.py`` for ``modlib/graphs/shuffles.py``, or where there is no such file those beside it
that name the module, or all; and the examples in its docstrings.
"""

import difflib
import importlib
import json
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest
from scipy.stats import binomtest

BOUND = 0.85  # of the faults are to be noticed; about a tenth changes no answer, see CONTRIBUTING
PATIENCE = 10  # times the processor time of the tests without a fault; then it counts as noticed: it does not end
LOADED = ("hypothesis.strategies", "igraph", "leidenalg", "matplotlib.pyplot", "networkx", "pandas", "sklearn.cluster")


class Planted(MetaPathFinder):
    """Finds a file in place of one module."""

    def __init__(self, module: str, file: Path) -> None:
        self.module, self.file = module, file

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        return spec_from_file_location(fullname, self.file) if fullname == self.module else None


def tests_of(path: Path) -> list[str]:
    inside = path.relative_to("modlib")
    own = Path("tests", inside.parent, f"test_{inside.name}")
    beside = sorted(own.parent.glob("test_*.py"))
    naming = [file for file in beside if f" {module_of(path)} " in file.read_text("utf-8")]
    example = f"tests/test_examples.py::test_examples_give_what_they_say[{inside}]"
    found = [own] if own.exists() else naming or beside
    return [*map(str, found), *([example] if ">>> " in path.read_text("utf-8") else [])]


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)


def run(path: Path, source: str, limit: float) -> tuple[bool, float]:
    """Whether the tests of a module pass with another source of it, and the processor time in which they ended."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, path.name)  # a file, so that what numba compiled of the right one is not taken
        file.write_text(source, encoding="utf-8")
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            sys.meta_path.insert(0, Planted(module_of(path), file))
            os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests_of(path)]))
        _, status, used = os.wait4(child, 0)
        return status == 0, used.ru_utime + used.ru_stime


def main() -> int:
    for name in LOADED:
        importlib.import_module(name)
    limits: dict[Path, float] = {}
    noticed = tried = 0
    for line in sys.stdin:
        fault = json.loads(line)
        path, tried = Path(fault["path"]), tried + 1
        source = path.read_text(encoding="utf-8")
        if path not in limits:
            passed, seconds = run(path, source, limit=600)
            if not passed:
                raise SystemExit(f"the tests of {path} do not pass without a fault: {' '.join(tests_of(path))}")
            limits[path] = 10 + PATIENCE * seconds
        if run(path, fault["source"], limits[path])[0]:
            lines = source.splitlines(), fault["source"].splitlines()
            print(*difflib.unified_diff(*lines, str(path), n=0, lineterm=""), sep="\n", flush=True)
        else:
            noticed += 1
        print(f"{noticed} of {tried} noticed, {path}", file=sys.stderr, flush=True)
    if not tried:
        raise SystemExit("no fault arrived; expected those that draw.py prints")
    low, high = binomtest(noticed, tried).proportion_ci()
    print(f"noticed: {noticed} of {tried}, drawn from {fault['of']} places; 95% interval {low:.3f} to {high:.3f}")
    return int(noticed / tried < BOUND)


if __name__ == "__main__":
    raise SystemExit(main())
