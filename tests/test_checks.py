"""modlib.checks: settings are stored as they are computed with."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from modlib.audits import AuditSettings
from modlib.checks import array, labels
from modlib.errors import InputError
from modlib.masks import MaskSettings
from modlib.responses.features import ImageSettings
from modlib.training import Clusterable, EigenvaluePenalty, PrunedRecipe, Settings, Steps
from modlib.training.recipes import Recipe

CLASSES = (
    AuditSettings, Clusterable, EigenvaluePenalty, ImageSettings, MaskSettings, PrunedRecipe, Recipe, Settings, Steps,
)  # fmt: skip


@pytest.mark.parametrize("kind", [float, np.int64])
@pytest.mark.parametrize("settings", CLASSES)
def test_whole_numbers_of_other_types_are_stored_as_those_of_python(settings: Any, kind: Any) -> None:
    usual = settings()
    wholes = {name: kind(value) for name, value in asdict(usual).items() if type(value) is int}
    lists = {name: [kind(one) for one in value] for name, value in asdict(usual).items() if isinstance(value, tuple)}
    assert wholes | lists
    made = settings(**wholes, **lists)
    assert json.dumps(asdict(made)) == json.dumps(asdict(usual))  # by which a cached network is known
    assert hash(made) == hash(usual)


@pytest.mark.parametrize("settings", CLASSES)
def test_truth_values_and_parts_of_numbers_are_no_whole_numbers(settings: Any) -> None:
    for name, value in asdict(settings()).items():
        for wrong in (True, 2.5):
            if type(value) is int or isinstance(value, tuple):
                with pytest.raises(InputError, match=rf"{name}.* = {wrong} arrived"):
                    settings(**{name: [wrong] if isinstance(value, tuple) else wrong})


@pytest.mark.parametrize("kind", [">f8", ">f4", ">i8", "<f8"])
def test_arrays_in_the_other_byte_order_are_turned_into_those_of_this_machine(kind: str) -> None:
    given = np.arange(6).astype(kind)
    for found in (array(given, "x"), labels(given, "y")):
        assert found.dtype.isnative
        assert found.tolist() == given.tolist()
