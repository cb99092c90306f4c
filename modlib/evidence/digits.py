"""Numbers as readers see them: with a minus sign, and without an exponent. Chapter: every chapter tells some."""

from __future__ import annotations

import numpy as np

MINUS = "\N{MINUS SIGN}"
LEAST_P = 0.001  # smaller p-values are told as such


def signed(value: float, form: str) -> str:
    """A number as a sentence says it: with a minus sign in place of a hyphen, and with none before zero.

    Args:
        value: the number.
        form: as Python formats it.

    >>> signed(-1.26, ".1f"), signed(-0.001, ".1f"), signed(-np.inf, ".1f")
    ('−1.3', '0.0', '−inf')
    """
    text = format(value, form)
    is_zero = np.isfinite(value) and not set(text) & set("123456789")
    return text.lstrip("-") if is_zero else text.replace("-", MINUS)


def p_in_words(p: float) -> str:
    """A p-value as a sentence or a title says it: one that no digit tells is below 0.001.

    Args:
        p: in [0, 1].

    Chapter: ``hypothesis-tests``.

    >>> p_in_words(0.0412), p_in_words(3e-20)
    ('0.041', 'below 0.001')
    """
    return f"{p:.3f}" if p >= LEAST_P else f"below {LEAST_P:g}"


def plain(value: float, sign: bool = False) -> str:
    """A number in the two digits that count most, without an exponent.

    Args:
        value: the number.
        sign: whether a number above zero gets its sign, too.

    >>> plain(-0.0000116), plain(0.0147, sign=True), plain(1234.5), plain(0.0)
    ('−0.000012', '+0.015', '1200', '0')
    """
    if value == 0:
        return "0"
    text = np.format_float_positional(value, precision=2, unique=False, fractional=False, trim="-", sign=sign)
    return text.replace("-", MINUS)
