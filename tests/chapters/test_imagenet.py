"""Chapter ``imagenet``: its grid, what its rows hold, and what is found in them."""

import pandas as pd
import pytest

from modlib.chapters.imagenet.experiment import EXPERIMENT, cells
from modlib.tables import PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_no_network_is_measured_twice(profile: str) -> None:
    grid = pd.DataFrame(cells(profile))
    assert not grid.duplicated(list(EXPERIMENT.cell_key)).any()
