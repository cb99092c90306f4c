"""Chapter ``systematic-generalisation``: which weights do SCAN's commands need, learned from a part of them?

A network is trained on the simple split and knows nearly every command. Masks are then learned on all that it was
trained on (the control), on a random half of that, and on what each systematic split trains on. A cell is one mask of
a network, or a network that is trained on a systematic split directly. Networks and control masks are kept in the
cache, so that cells can share them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from modlib.data.scan import SPLITS, Scan, load_scan, small_scan
from modlib.files import cache_file
from modlib.tables import PROFILE, SHARE, Cell, Experiment, Row, integer, number, numbers, optional, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from modlib.masks.learning import LearnedMask
    from modlib.masks.mask import Mask

CONTROL, HALF = "all", "half"  # what a mask was learned on, where it is not a systematic split
SYSTEMATIC = SPLITS[1:]
MASK, DIRECT = "mask", "direct"
BATCH = 256  # of the paper
BETAS = {"lstm": 3e-5, "lstm 200": 3e-5, "transformer": 1e-3}  # of the regulariser, for that batch
CELL_KEY = ("profile", "dataset", "network", "study", "trained_on", "seed")
ROW_KEY = ("layer",)
FULL = {"network_steps": 25_000, "mask_steps": 25_000}
# On one kind of machine all is equal. Elsewhere training drifts from the last digits.
TOLERANCE = {
    "network_steps": 0.0,
    "network_rate": 0.0,
    "mask_steps": 0.0,
    "mask_rate": 0.0,
    "batch_size": 0.0,
    "parameter": 0.0,
    "size": 0.0,
    "kept": math.inf,
    "shared": math.inf,
    "union": math.inf,
    "by_chance": math.inf,
    "by_chance_sd": math.inf,
    "p": 1.0,
    **{f"{network}_{split}": 0.1 for network in ("whole", "masked") for split in SPLITS},
    "removed_by_token": 0.3,
    "loss_first": 1.0,
    "loss_before_last": 0.3,
    "loss_last": 0.3,
    "kept_course": 0.05,
}
# A network that is trained on a split directly has no mask, and what is of a mask is empty.
COLUMNS = {
    "profile": PROFILE,
    "dataset": text(),
    "network": text(*BETAS),
    "study": text(MASK, DIRECT),
    "trained_on": text(CONTROL, HALF, *SYSTEMATIC),
    "seed": integer(),
    "layer": integer(),
    "network_steps": integer(1),
    "network_rate": number(0),
    "mask_steps": integer(1),
    "mask_rate": number(0),
    "batch_size": integer(1),
    "parameter": optional(text()),
    "size": optional(integer(1)),
    "kept": optional(integer()),
    "shared": optional(integer()),
    "union": optional(integer()),
    "by_chance": optional(number(0)),
    "by_chance_sd": optional(number(0)),
    "p": optional(SHARE),
    **{f"whole_{split}": SHARE for split in SPLITS},
    **{f"masked_{split}": optional(SHARE) for split in SPLITS},
    "removed_by_token": optional(numbers(0, 1)),
    "loss_first": optional(number(0)),
    "loss_before_last": optional(number(0)),
    "loss_last": optional(number(0)),
    "kept_course": optional(numbers(0, 1)),
}


@dataclass(frozen=True)
class Plan:
    """What is trained of one network.

    Attributes:
        network: see ``modlib.zoo.scan.NETWORKS``.
        dataset: ``scan``, or ``small scan``, which needs no file.
        seeds: number of networks.
        network_steps: batches of a network; 25,000 in the paper.
        network_rate: learning rate of a network; 0.001 in the paper.
        mask_steps: batches of a mask; 25,000 in the paper.
        mask_rate: learning rate of a mask; 0.01 in the paper.
        batch_size: commands a batch, of networks and masks; 256 in the paper.
        masks: what masks are learned on.
        direct: splits that networks are trained on directly.
    """

    network: str
    dataset: str
    seeds: int
    network_steps: int
    network_rate: float
    mask_steps: int
    mask_rate: float
    batch_size: int
    masks: tuple[str, ...] = (CONTROL, HALF, *SYSTEMATIC)
    direct: tuple[str, ...] = SYSTEMATIC


PLANS: dict[str, tuple[Plan, ...]] = {
    "smoke": (
        Plan("lstm", "small scan", 1, 3, 1e-3, 2, 0.05, 16, (CONTROL, "jump"), ("jump",)),
        Plan("transformer", "small scan", 1, 3, 1e-3, 2, 0.05, 16, (CONTROL, "jump"), ()),
    ),
    "quick": (Plan("transformer", "small scan", 1, 600, 1e-3, 300, 0.05, 64, direct=()),),
    # a processor takes 0.2 s a step even for a quarter of the batch: fewer steps, and larger rates
    "paper": (
        Plan("lstm", "scan", 3, 4000, 2e-3, 1500, 3e-2, 64),
        Plan("transformer", "scan", 3, 4000, 1e-3, 1500, 3e-2, 64),
        Plan("lstm 200", "scan", 3, 4000, 2e-3, 1500, 3e-2, 64, (CONTROL,), ()),
    ),
}


def cells(profile: str) -> list[Cell]:
    """All of the first network of every kind, the control first, for other masks need it; then the next ones."""
    found: list[Cell] = []
    for seed in range(max(plan.seeds for plan in PLANS[profile])):
        for plan in PLANS[profile]:
            studies = [*((MASK, name) for name in plan.masks), *((DIRECT, name) for name in plan.direct)]
            common = {"profile": profile, "dataset": plan.dataset, "network": plan.network}
            if seed < plan.seeds:
                found += [{**common, "study": study, "trained_on": on, "seed": seed} for study, on in studies]
    return found


def measure(cell: Cell) -> list[Row]:
    """Rows of a mask, one a layer and one for all of them; or the row of a network trained on a split directly."""
    from modlib.masks.mask import Mask
    from modlib.zoo.scan import exactly_right, tokens

    plan = next(p for p in PLANS[cell["profile"]] if p.network == cell["network"])
    seed, on = int(cell["seed"]), str(cell["trained_on"])
    splits = {split: _split(plan.dataset, split) for split in SPLITS}
    tested = {split: tokens(part.test) for split, part in splits.items()}

    def accuracies(module: nn.Module, name: str) -> Row:
        return {f"{name}_{split}": round(exactly_right(module, part), 4) for split, part in tested.items()}

    how: Row = {
        name: getattr(plan, name) for name in ("network_steps", "network_rate", "mask_steps", "mask_rate", "batch_size")
    }
    if cell["study"] == DIRECT:
        module = _network(plan, splits[on], seed)
        return [_row({"layer": 0, **how, **accuracies(module, "whole")})]
    whole = splits["simple"]
    module = _network(plan, whole, seed)
    path = _cache_path("scan-mask", plan, whole, seed)
    if on == CONTROL or not path.exists():
        found = _learn(module, plan, whole.train, [seed, 2])
        found.mask.save(path)
    control = Mask.load(path)
    if on != CONTROL:
        half = np.random.default_rng([seed, 5]).permutation(whole.train)[::2].tolist()
        shown = half if on == HALF else splits[on].train
        found = _learn(module, plan, shown, [seed, 3, [HALF, *SYSTEMATIC].index(on)])
    about = {
        **how,
        **accuracies(module, "whole"),
        **accuracies(found.mask.apply(module), "masked"),
        "removed_by_token": _removed_by_token(found.mask, control),
        **found.course(),
    }
    return [_row({**row, **about}) for row in _layers(found.mask, control)]


def _row(values: Row) -> Row:
    """The same columns for masks and for networks that have none."""
    return {column: values.get(column, "") for column in (*ROW_KEY, *TOLERANCE)}


def _split(dataset: str, split: str) -> Scan:
    return load_scan(split) if dataset == "scan" else small_scan(split, np.random.default_rng(0))


def _network(plan: Plan, data: Scan, seed: int) -> nn.Module:
    from modlib.training.steps import Steps
    from modlib.zoo.scan import CLIP, trained_on_scan

    settings = Steps(plan.network_steps, plan.batch_size, plan.network_rate, CLIP)
    path = _cache_path("scan", plan, data, seed)
    return trained_on_scan(plan.network, data, settings, seed, path)


def _learn(module: nn.Module, plan: Plan, shown: Sequence[str], seed: Sequence[int]) -> LearnedMask:
    """A mask over all weights but embeddings and biases."""
    from modlib.masks.learning import MaskSettings, learn_mask
    from modlib.masks.mask import parameter_names
    from modlib.zoo.scan import CLIP, draw_commands, taught_for, token_loss, tokens

    beta = BETAS[plan.network] * plan.batch_size / BATCH  # so that a logit is pushed as hard as in the paper
    settings = MaskSettings(plan.mask_steps, plan.batch_size, learning_rate=plan.mask_rate, beta=beta, clip=CLIP)
    names = parameter_names(module, unmasked=["*embedding*", "*bias*"])
    draw = draw_commands(tokens(shown), taught_for(plan.network))
    return learn_mask(module, draw, settings, np.random.default_rng(list(seed)), token_loss, names)


def _layers(mask: Mask, control: Mask) -> list[Row]:
    """What a mask keeps and shares with the control, by parameter; layer 0 is all of them."""
    from modlib.masks.mask import TOTAL, chance_sharing

    chance, kept, size, union = (
        chance_sharing(mask, control),
        mask.remaining(),
        mask.size(),
        (mask | control).remaining(),
    )
    return [
        {
            "layer": layer,
            "parameter": name,
            "size": size[name],
            "kept": kept[name],
            "shared": chance[name].shared,
            "union": union[name],
            "by_chance": round(chance[name].expected, 3),
            "by_chance_sd": round(chance[name].sd, 3),
            "p": float(f"{chance[name].p:.4g}"),
        }
        for layer, name in enumerate((TOTAL, *mask.keep))
    ]


def _removed_by_token(mask: Mask, control: Mask) -> str:
    """For every action, then the end: the share of the control's output weights that a mask removes."""
    before, now = (part.keep["output.weight"] for part in (control, mask))
    return " ".join(f"{share:.4f}" for share in (before & ~now).sum(1) / np.maximum(before.sum(1), 1))


def _cache_path(what: str, plan: Plan, data: Scan, seed: int) -> Path:
    settings = {"data": data.checksum, "plan": asdict(plan), "seed": seed}
    return cache_file(f"{what}-{plan.network.replace(' ', '-')}-{data.name}-{seed}", settings)


EXPERIMENT = Experiment(
    "systematic-generalisation", cells, measure, CELL_KEY, ROW_KEY, TOLERANCE, FULL, columns=COLUMNS,
    network_key=("dataset", "network", "seed"),
)  # fmt: skip
