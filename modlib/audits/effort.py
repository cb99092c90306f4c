"""How much a part of an audit may cost: what it would take is counted before, and less is asked where it is too much.

Chapter: ``your-network``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from modlib.audits.findings import NotDone
from modlib.networks.network import AT_ONCE
from modlib.networks.traces import AnyNetwork

FEW_INPUTS, FEW_DRAWS = 100, 19  # what is asked at least
WIDTH = 64  # channels of a usual network's largest layer
VALUES_AT_ONCE = 2**28  # numbers of that layer, all inputs of a batch together: a gigabyte


@dataclass(frozen=True)
class Effort:
    """What a part asks in the end.

    Attributes:
        inputs: how many inputs.
        draws: random draws an item.
        items: what is measured, such as sub-clusters.
        reduced: in words, if it is less than was wanted; empty otherwise.
    """

    inputs: int
    draws: int
    items: int
    reduced: str = ""


def affordable(budget: float, each: float, inputs: int, draws: int, items: int) -> Effort:
    """As much as fits a budget: fewer draws first, then fewer inputs, then the first items only.

    Args:
        budget: floating point operations.
        each: operations of one input of one draw of one item.
        inputs: how many are wanted.
        draws: random draws that are wanted beside every item.
        items: how many are wanted.

    Raises:
        NotDone: if not even one item fits.

    >>> affordable(1e9, 1e3, inputs=500, draws=99, items=10).reduced
    ''
    >>> affordable(1e7, 1e3, inputs=500, draws=99, items=10).reduced
    'To stay within 1e+07 operations: 100 inputs, 19 draws each, 5 of 10 cases.'
    """
    few_inputs, few_draws = min(inputs, FEW_INPUTS), min(draws, FEW_DRAWS)
    for n_inputs, n_draws in ((inputs, draws), (inputs, few_draws), (few_inputs, few_draws)):
        of_item = each * n_inputs * (1 + n_draws)
        fitting = min(items, int(budget // of_item))
        if fitting == items:
            break
    if not fitting:
        raise NotDone(
            f"it would take {of_item:.0e} operations at least, and {budget:.0e} are allowed; raise most_operations, or "
            "pass smaller inputs"
        )
    if (n_inputs, n_draws, fitting) == (inputs, draws, items):
        return Effort(inputs, draws, items)
    cases = f", {fitting} of {items} cases" if fitting < items else ""
    reduced = f"{n_inputs} inputs, {n_draws} draws each{cases}"
    return Effort(n_inputs, n_draws, fitting, f"To stay within {budget:.0e} operations: {reduced}.")


def operations(network: AnyNetwork, inputs: np.ndarray) -> float:
    """Floating point operations of a forward pass of one input, at least one."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these flags warn of Intel's graphics cards
        # oneDNN computes an LSTM in one step, whose operations are not counted.
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            network.module(torch.as_tensor(inputs[:1]))
    return max(1.0, float(counter.get_total_flops()))  # looking up a table is none


def batches(inputs: np.ndarray) -> Iterator[np.ndarray]:
    """Inputs in parts whose activities fit the memory, however large an image is."""
    step = max(1, min(AT_ONCE, VALUES_AT_ONCE // (WIDTH * inputs[0].size)))
    return (inputs[start : start + step] for start in range(0, len(inputs), step))
