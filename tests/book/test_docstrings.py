"""Docstrings as Sphinx reads them."""

import pytest

from modlib.book.docstrings import restructured


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A_{uv} = |w_{uv}|", r"A\_{uv} = \|w\_{uv}\|"),
        ("x_train, y_train: ``a_|b|`` stays", "x_train, y_train: ``a_|b|`` stays"),
        (":param x_: the |w|", r":param x_: the \|w\|"),
        (":raises GraphError: if |w| is NaN", r":raises ~modlib.errors.GraphError: if \|w\| is NaN"),
        (":raises ValueError: never", ":raises ValueError: never"),
        ("    >>> a_ | b", "    >>> a_ | b"),
        (".. attribute:: w_", ".. attribute:: w_"),
    ],
)
def test_formulas_are_escaped_and_errors_linked(line, expected):
    assert restructured(line) == expected
