"""What an audit may cost: less is asked where it would cost more, and the report says so."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from modlib.audits import AuditSettings, audit
from modlib.audits.effort import FEW_DRAWS, FEW_INPUTS, affordable, batches, operations
from modlib.audits.findings import NotDone
from modlib.networks import as_network, side_by_side
from modlib.networks.tracing import trace

SMALL = AuditSettings(ks=(2,), n_shuffles=19, n_starts=2, n_random=39, n_inputs=200, n_networks=29, mask_steps=3)
counts = st.integers(1, 1000)


@given(st.floats(1, 1e9), st.floats(1, 1e4), counts, counts, counts)
def test_what_is_asked_fits_the_budget_and_is_never_more_than_was_wanted(budget, each, inputs, draws, items) -> None:
    try:
        effort = affordable(budget, each, inputs, draws, items)
    except NotDone:
        assert each * min(inputs, FEW_INPUTS) * (1 + min(draws, FEW_DRAWS)) > budget
        return
    assert each * effort.inputs * (1 + effort.draws) * effort.items <= budget
    assert min(inputs, FEW_INPUTS) <= effort.inputs <= inputs
    assert min(draws, FEW_DRAWS) <= effort.draws <= draws
    assert 1 <= effort.items <= items
    assert bool(effort.reduced) == ((effort.inputs, effort.draws, effort.items) != (inputs, draws, items))


def test_operations_of_a_pass_are_two_a_weight_and_place() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.Flatten(), torch.nn.Linear(3 * 25, 4))
    assert operations(as_network(model), np.zeros((7, 2, 5, 5), np.float32)) == 2 * (2 * 3 * 9 * 25 + 75 * 4)


class LastState(torch.nn.Module):
    """What an LSTM of two layers says in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(5, 8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0][:, -1]


def test_operations_of_recurrent_layers_are_two_a_weight_and_step() -> None:
    x = np.zeros((3, 7, 5), np.float32)
    assert operations(trace(LastState(), x), x) == 2 * 7 * 4 * 8 * (5 + 8 + 8 + 8)


def test_a_network_without_a_product_takes_some_operation() -> None:
    tokens = np.zeros((3, 7), np.int64)
    assert operations(trace(torch.nn.Sequential(torch.nn.Embedding(9, 4)), tokens), tokens) == 1


def test_a_recurrent_network_that_returns_its_state_is_audited() -> None:
    x = np.random.default_rng(0).normal(size=(60, 7, 5)).astype(np.float32)
    report = audit(LastState(), x, np.arange(60) % 8, settings=replace(SMALL, n_inputs=60))
    assert not report["clusterable"].left_out


@pytest.mark.parametrize("side", [3, 100, 600])
def test_batches_are_all_inputs_in_order_and_small_where_images_are_large(side: int) -> None:
    inputs = np.broadcast_to(np.arange(9.0)[:, None, None, None], (9, 3, side, side))
    parts = list(batches(inputs))
    assert [part[0, 0, 0, 0] for part in parts] == sorted(part[0, 0, 0, 0] for part in parts)
    assert sum(map(len, parts)) == 9
    assert all(len(part) * part[0].size * 64 <= 2**28 for part in parts)


def test_an_audit_within_a_small_budget_says_what_it_left_aside() -> None:
    network, x, y, _ = side_by_side(copies=4, n=200, seed=0)
    each = operations(network, x.astype(np.float32)) / 2
    budget = int(each * FEW_INPUTS * (1 + FEW_DRAWS) * 2.5)
    report = audit(network, x, y, settings=replace(SMALL, most_operations=budget, mask_steps=300))
    assert len(report["lesions"].tables["lesions"]) == 2
    assert report["lesions"].says[-1].endswith("100 inputs, 19 draws each, 2 of 4 cases.")
    for part in ("similar", "masks"):
        assert "are allowed" in report[part].left_out
    assert audit(network, x, y, settings=SMALL)["lesions"].found.arrays["random"].shape == (4, 39)  # type: ignore[union-attr]
