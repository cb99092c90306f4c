"""The examples in docstrings: they give what they say, and no public function is without one."""

import doctest
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

import modlib.exercises
import modlib.stats

MODLIB = Path(modlib.__file__).parent
PACKAGES = (
    *("audits", "communities", "data", "graphs", "lesions", "masks", "networks", "notions", "responses", "training"),
)
WITH_EXAMPLES = sorted(path for path in MODLIB.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))


def public_functions() -> dict[str, Callable[..., object]]:
    """Functions that a package re-exports, by the name under which it is imported, and those of two modules."""
    found = {
        f"{module.__name__.removeprefix('modlib.')}.{name}": value
        for module in (modlib.exercises, modlib.stats)
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    for package in PACKAGES:
        module = importlib.import_module(f"modlib.{package}")
        found |= {f"{package}.{name}": getattr(module, name) for name in module.__all__}
    return {name: value for name, value in found.items() if inspect.isfunction(value) and "modlib" in value.__module__}


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(MODLIB)))
def test_examples_give_what_they_say(path: Path) -> None:
    name = ".".join(path.relative_to(MODLIB.parent).with_suffix("").parts)
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted > 0, "its examples are in no docstring"
    assert done.failed == 0, "see what was printed"


def test_every_public_function_has_an_example() -> None:
    functions = public_functions()
    assert {"stats.holm", "graphs.ncut", "networks.from_arrays", "masks.learn_mask"} <= set(functions)
    without = [name for name, function in functions.items() if ">>> " not in (inspect.getdoc(function) or "")]
    assert not without, f"no example in the docstring of {', '.join(without)}; add two to five lines that teach"


def test_no_package_escapes_the_check() -> None:
    measures = {path.parent.name for path in MODLIB.glob("*/__init__.pyi")}
    assert measures - set(PACKAGES) == {"evidence", "tables", "verdicts", "zoo"}  # the book's own, not measures
