"""modlib.book.absent: a process in which a package is not to be had."""

import importlib
import sys

import pytest

from modlib.book.absent import hide
from modlib.errors import InputError


@pytest.fixture(autouse=True)
def finders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])


def test_a_hidden_package_is_as_missing_as_one_that_is_not_installed_and_no_other_is() -> None:
    hide("this", "absent_too")
    for name in ("this", "this.part", "absent_too"):
        with pytest.raises(ModuleNotFoundError) as missing:
            importlib.import_module(name)
        assert missing.value.name in (name, "this")
    assert importlib.import_module("json")


def test_what_has_been_imported_cannot_be_hidden() -> None:
    with pytest.raises(InputError, match="json has been imported already"):
        hide("absent_too", "json")
