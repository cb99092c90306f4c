"""The last parts of an audit: which weights a class or a task needs, and where the notions of modularity agree.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from modlib.audits.effort import operations
from modlib.audits.findings import Findings, NotDone
from modlib.audits.structure import LEVEL, OnStep
from modlib.audits.subject import AuditSettings, Subject
from modlib.checks import UNPLACED
from modlib.errors import InputError
from modlib.networks.network import answers
from modlib.networks.traces import AnyNetwork, Trace
from modlib.stats import benjamini_hochberg, monte_carlo_p

if TYPE_CHECKING:
    from torch import nn

    from modlib.masks.mask import Mask
    from modlib.training.steps import Draw

PASSES, A_WEIGHT = 3, 100  # operations of a step: forth and back for every example, and of every weight's logit
LEARNING_RATE = 0.05  # of the logits, five times the paper's for a hundredth of its steps
BETA = 1e-3


def masks(subject: Subject, settings: AuditSettings, seed: int, on_step: OnStep) -> Findings:
    """Which weights all classes need and which without one of them; or which weights a task of the reader's needs.

    Raises:
        NotDone: if network, data or labels are missing, there is one class, or the network is too large.
    """
    from modlib.masks.learning import LearnedMask, MaskSettings, learn_mask

    network, inputs = subject.asked()
    how = MaskSettings(steps=settings.mask_steps, learning_rate=LEARNING_RATE, beta=BETA)
    weights = sum(parameter.numel() for parameter in network.module.parameters())
    needed = how.steps * (PASSES * how.batch_size * operations(network, inputs) + A_WEIGHT * weights)
    if needed > settings.most_operations:
        raise NotDone(
            f"a mask over {weights:,} weights in {how.steps} steps would take {needed:.0e} operations, and "
            f"{settings.most_operations:.0e} are allowed; set fewer mask_steps or more most_operations"
        )
    learned: dict[str, LearnedMask] = {}

    def learn(name: str, draw: Draw, total: int, fixed: Mask | None = None) -> None:
        before = len(learned) * how.steps
        rng = np.random.default_rng(seed)  # the same for all, so that masks differ by their examples alone

        def step(number: int, loss: float) -> None:
            on_step(before + number, total * how.steps)

        learned[name] = learn_mask(network.module, draw, how, rng, fixed=fixed, on_step=step)

    if subject.task is not None:
        learn("task", subject.task, 1)
        share = _kept(learned["task"].mask.keep)
        by_layer = _by_layer({"kept": learned["task"].mask.keep})
        return Findings((f"Your task keeps {share:.0%} of the weights.",), {"weights kept": by_layer})
    import torch

    from modlib.training.steps import draw_from

    _, _, labels = subject.labelled()
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise NotDone("all labels are of one class; pass inputs of at least two")
    dropped = int(classes[counts.argmax()])
    shown = np.arange(len(labels)) % 2 == 0  # learned on one half, asked about the other
    if not all(np.isin(classes, labels[half]).all() for half in (shown, ~shown)):
        raise NotDone("too few inputs of every class to learn on a half of them and ask about the other; pass more")
    fixed = None
    for name, chosen in (("all classes", shown), ("without one", shown & (labels != dropped))):
        targets = torch.as_tensor(labels[chosen], dtype=torch.long)
        learn(name, draw_from(torch.as_tensor(inputs[chosen]), targets), 2, fixed)
        fixed = _output_layer(network, learned[name].mask)  # or the class would be cut off there
    lines: list[dict[str, object]] = []
    modules = {"whole network": network.module}
    modules |= {name: one.mask.apply(network.module) for name, one in learned.items()}
    for name, module in modules.items():
        right = _answers(network, module, inputs[~shown]) == labels[~shown]
        of_class = labels[~shown] == dropped
        lines.append(
            {
                "mask": name,
                "weights kept": _kept(learned[name].mask.keep) if name in learned else 1.0,
                "accuracy on the class": right[of_class].mean(),
                "on the others": right[~of_class].mean(),
            }
        )
    table = pd.DataFrame(lines)
    all_classes, without = learned["all classes"].mask.keep, learned["without one"].mask.keep
    alone = {name: kept & ~without[name] for name, kept in all_classes.items()}
    accuracies = table[["accuracy on the class", "on the others"]].to_numpy(float)
    (own_whole, others_whole), (own, others), (own_without, others_without) = accuracies
    says = (
        f"The class is {subject.classes[dropped]}, the one with most inputs. With a mask that is learned without it "
        f"the network answers {own_without:.1%} of it right, with one that is learned with it {own:.1%}, without any "
        f"{own_whole:.1%}; of the other classes {others_without:.1%}, {others:.1%} and {others_whole:.1%}.",
        f"{_kept(alone):.1%} of the weights are kept with the class and not without it.",
    )
    return Findings(says, {"masks": table, "weights kept": _by_layer({"all": all_classes, "for the class": alone})})


def agreement(
    subject: Subject, found: Mapping[str, Findings], settings: AuditSettings, rng: np.random.Generator
) -> Findings:
    """Where modules by weights and communities by function are the same groups of units.

    Raises:
        NotDone: if no hidden layer has both.
    """
    from sklearn.metrics import adjusted_rand_score

    network, _ = subject.asked()
    by_weights = subject.hidden(found["modules"].arrays["labels"])
    groups: dict[int, dict[str, np.ndarray]] = {layer: {"weights": w} for layer, w in enumerate(by_weights, start=1)}
    for key, labels in found["similar"].arrays.items():
        measure, place = key.rsplit(" ", 1)
        groups.setdefault(int(place), {})[measure] = labels
    lines = []
    for layer, partitions in sorted(groups.items()):
        for first, second in combinations(partitions, 2):
            used = (partitions[first] != UNPLACED) & (partitions[second] != UNPLACED)
            one, other = partitions[first][used], partitions[second][used]
            if min(len(np.unique(one)), len(np.unique(other))) < 2:
                continue  # a single group agrees with anything
            index = adjusted_rand_score(one, other)
            chance = [adjusted_rand_score(rng.permutation(one), other) for _ in range(settings.n_random)]
            lines.append(
                {
                    "layer": network.layer_name(layer),
                    "groups by": first,
                    "and by": second,
                    "agreement": index,
                    "p": monte_carlo_p(index, np.array(chance), side="large"),
                }
            )
    if not lines:
        raise NotDone("in no hidden layer do two notions find two groups each")
    table = pd.DataFrame(lines)
    table["significant"] = benjamini_hochberg(table["p"].to_numpy(), LEVEL)
    pairs = [
        f"{a} and {b}: {int(rows['significant'].sum())} of {len(rows)} layers, mean {rows['agreement'].mean():.2f}"
        for (a, b), rows in table.groupby(["groups by", "and by"], sort=False)
    ]
    return Findings(("Groups agree more than by chance by " + "; ".join(pairs) + ".",), {"agreement": table})


def _answers(network: AnyNetwork, module: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """What the network says with other weights."""
    if isinstance(network, Trace):
        return replace(network, program=replace(network.program, module=module)).answers(inputs)
    return answers(module, inputs)


def _output_layer(network: AnyNetwork, mask: Mask) -> Mask:
    """The part of a mask that lies on the layers of weights that only outputs show.

    Raises:
        NotDone: if no parameter of the network is theirs.
    """
    if isinstance(network, Trace):
        names = [network.layers[number].name for number in sorted(network.outputs.difference(network.hidden))]
    else:
        names = [network.layers[-1].name]
    try:
        return mask.of_layers(names)
    except InputError as error:
        raise NotDone(f"the outputs are no layer of weights of their own: {', '.join(names)}") from error


def _kept(keep: Mapping[str, np.ndarray]) -> float:
    return sum(int(kept.sum()) for kept in keep.values()) / sum(kept.size for kept in keep.values())


def _by_layer(masks: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    first = next(iter(masks.values()))
    sizes = {"parameter": list(first), "weights": [kept.size for kept in first.values()]}
    return pd.DataFrame(sizes | {name: [kept.mean() for kept in keep.values()] for name, keep in masks.items()})
