"""Learn which weights of a frozen network a task needs.

Every weight has a logit. A step draws binary masks from it, one for each part of the batch, and the gradient passes
straight through the threshold to the logits; the weights themselves never change. Works on any torch module as it is.
Chapter: ``weight-masks``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.checks import choice, function, generator, instance, items, real, seed_number, store, whole
from modlib.errors import InputError
from modlib.masks.mask import TOTAL, Mask, check_names, fingerprint, parameter_names
from modlib.masks.sampling import Sampler, dtype_of, laid_out
from modlib.masks.steps import check_learnable, logit_of, take_steps
from modlib.networks.modules import with_gradients
from modlib.networks.network import torch_module
from modlib.reprs import BriefRepr
from modlib.training.steps import Draw, Loss


@dataclass(frozen=True)
class MaskSettings:
    """How a mask is learned; defaults are those of the paper.

    Attributes:
        steps: batches.
        batch_size: examples a step, all samples of the mask together.
        samples: masks that are drawn in a step; each sees an equal part of the batch.
        learning_rate: of Adam, on the logits.
        beta: strength of the regulariser, which adds beta / batch_size times the sum of all logits to the loss.
        keep: probability at the start that a weight is kept.
        clip: largest norm of the gradient of the logits.

    Source: weight-masks 2, A.4 and C.1. Chapter: ``weight-masks``.
    """

    steps: int = 20_000
    batch_size: int = 128
    samples: int = 4
    learning_rate: float = 1e-2
    beta: float = 1e-4
    keep: float = 0.9
    clip: float = 1.0

    def __post_init__(self) -> None:
        store(self, whole, "steps", least=0)
        store(self, whole, "batch_size", "samples")
        if self.batch_size % self.samples:
            raise InputError(f"{self} arrived; expected a batch in as many equal parts as samples")
        real(self.learning_rate, "learning_rate", above=0)
        real(self.beta, "beta", least=0)
        real(self.clip, "clip", above=0)
        real(self.keep, "keep", above=0, below=1)


@dataclass(frozen=True, eq=False, repr=False)
class LearnedMask(BriefRepr):
    """A mask, and how it was learned.

    Attributes:
        mask: keeps the weights with a probability above 0.5.
        probabilities: sigmoid of the logits, by parameter, in [0, 1]; a fixed parameter has 0 and 1.
        losses: loss on its batch without the regulariser, one a step.
        kept: share of the weights with a probability above 0.5, at up to ``KEPT_POINTS`` steps, the last one included.
    """

    mask: Mask
    probabilities: Mapping[str, np.ndarray]
    losses: np.ndarray
    kept: Mapping[int, float]

    def _facts(self) -> dict[str, object]:
        kept = f"{self.mask.remaining()[TOTAL]} of {self.mask.size()[TOTAL]}"
        return {"kept": kept, "steps": len(self.losses), "losses": self.losses[[0, -1]] if len(self.losses) else []}

    def course(self) -> dict[str, float | str]:
        """Has it settled? The first loss, the means of the last two tenths, and shares kept at every fifth point.

        Raises:
            InputError: if there were fewer than two steps.
        """
        if len(self.losses) < 2:
            raise InputError(f"a mask of {len(self.losses)} steps has no course; expected two or more: raise steps")
        tenth = len(self.losses) // 10 or 1
        return {
            "loss_first": round(float(self.losses[0]), 4),
            "loss_before_last": round(float(self.losses[-2 * tenth : -tenth].mean()), 5),
            "loss_last": round(float(self.losses[-tenth:].mean()), 5),
            "kept_course": " ".join(f"{share:.4f}" for share in list(self.kept.values())[4::5]),
        }


def learn_mask(
    model: object,
    draw: Draw,
    settings: MaskSettings,
    rng: np.random.Generator,
    loss: Loss = cross_entropy,
    names: Sequence[str] | None = None,
    fixed: Mask | None = None,
    on_step: Callable[[int, float], object] | None = None,
) -> LearnedMask:
    """Learn a mask over the weights of a frozen network for a target task.

    A weight w_i with logit l_i is used as w_i b_i. With u uniform in (0, 1)

    s_i = u / (u + (1 - u) exp(-l_i)),  b_i = 1 if s_i > 0.5 else 0,

    and the gradient takes db_i / dl_i to be ds_i / dl_i = s_i (1 - s_i). The loss is that of the task plus
    beta / batch_size times the sum of all l_i. This is the paper's Gumbel-sigmoid at its temperature 1, where one
    logistic variable log(u / (1 - u)) takes the place of the difference of two Gumbel ones. Another temperature
    would change gradients, but not how often b_i is 1. The network computes at inference: no dropout, and batch
    normalisation by its running statistics. On a GPU steps are replayed, see ``modlib.training.replay.Replay``, and
    most losses are looked at a thousand at a time.

    Args:
        model: the network, any torch module on any device, which is left as it was, see
            ``modlib.masks.steps.at_inference``; or a Keras model or ``Network``, of which the torch form is taken.
        draw: returns ``n`` examples of the task, inputs (n, ...) and targets (n, ...), for a generator and ``n``.
            See ``draw_from``. Numbers are converted to the precision of the network.
        settings: how.
        rng: decides batches and masks.
        loss: mean loss over examples, of what the network returns and targets. The default takes the logarithm of what
            is a probability, as behind a softmax, and anything else for logits.
        names: parameters to mask, see ``parameter_names``; all by default.
        fixed: a mask whose parameters are applied and not learned, such as that of an output layer.
        on_step: called after every step with its number, from 1, and its loss.

    Raises:
        InputError: if a parameter is not known, nothing is left to learn, ``fixed`` belongs to another network, what is
            drawn does not fit the network or the loss, the loss is not one finite number with a gradient, or the
            network returns no tensor and the loss is the default.

    Source: weight-masks 2 and A.1 to A.3. Chapter: ``weight-masks``.

    Each output copies an input; asked for the first output, the mask keeps the weight that carries it:

    >>> from modlib.training import draw_from
    >>> network = nn.Linear(2, 2, bias=False)
    >>> network.weight.data = torch.eye(2)
    >>> inputs = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    >>> found = learn_mask(
    ...     network,
    ...     draw_from(inputs, inputs[:, 0]),
    ...     MaskSettings(steps=300, batch_size=32, learning_rate=0.05, beta=1.0),
    ...     np.random.default_rng(0),
    ...     loss=lambda outputs, targets: ((outputs[:, 0] - targets) ** 2).mean(),
    ... )
    >>> found.mask, found.mask.keep["weight"].tolist()
    (Mask(weight=1 of 4, total=1 of 4), [[True, False], [False, False]])
    """
    module, rng = with_gradients(torch_module(model)), generator(rng)
    settings = instance(settings, MaskSettings, "settings", "pass MaskSettings()")
    draw, loss = function(draw, "draw", "make it by draw_from"), function(loss, "loss", "of outputs and targets")
    check_learnable(module)
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
    names = parameter_names(module) if names is None else items(names, "names")
    names = list(dict.fromkeys(choice(name, parameters, "a parameter") for name in names))  # each once
    check_names(names)
    if fixed is not None:
        instance(fixed, Mask, "fixed", "learn it by learn_mask").check(module)
        for name, kept in fixed.keep.items():
            parameters[name] = parameters[name] * torch.as_tensor(kept, device=parameters[name].device)
        names = [name for name in names if name not in fixed.keep]
    if not names:
        raise InputError("no parameter is left to learn a mask for; name some that are not fixed")
    weights = [laid_out(parameters.pop(name)) for name in names]
    logits = [torch.full_like(weight, logit_of(settings.keep), dtype=dtype_of(weight)) for weight in weights]
    network = fingerprint(module)
    sampler = Sampler(weights, logits, settings.samples, rng)
    losses, course = take_steps(module, names, sampler, draw, settings, rng, loss, others=parameters, on_step=on_step)
    found = of_logits(names, logits, network, losses, course)
    if fixed is None:
        return found
    keep = {**found.mask.keep, **fixed.keep}
    certain = {name: kept.astype(np.float32) for name, kept in fixed.keep.items()}
    return replace(found, mask=Mask(keep, network), probabilities={**found.probabilities, **certain})


def of_logits(
    names: Sequence[str], logits: Sequence[Tensor], network: str, losses: np.ndarray, course: Mapping[int, float]
) -> LearnedMask:
    """The mask that logits have become.

    Args:
        names: of the parameters.
        logits: of each.
        network: fingerprint of the network that the mask belongs to.
        losses: see ``LearnedMask``.
        course: see ``LearnedMask.kept``.
    """
    found = dict(zip(names, (logit.detach() for logit in logits), strict=True))
    probabilities = {name: torch.sigmoid(logit).cpu().numpy() for name, logit in found.items()}
    keep = {name: (logit > 0).cpu().numpy() for name, logit in found.items()}
    return LearnedMask(Mask(keep, network), probabilities, losses, course)


@dataclass(frozen=True)
class CurvePoint:
    """One strength of the regulariser: how well the mask does, and what it keeps.

    Attributes:
        beta: the strength.
        performance: of the masked network.
        kept: share of the masked parameters' weights that are kept, in [0, 1].
    """

    beta: float
    performance: float
    kept: float


def regularisation_curve(
    model: nn.Module,
    draw: Draw,
    performance: Callable[[nn.Module], float],
    betas: Sequence[float],
    settings: MaskSettings,
    seed: int,
    share: float = 0.95,
    loss: Loss = cross_entropy,
    names: Sequence[str] | None = None,
) -> tuple[float, list[CurvePoint]]:
    """Choose the regulariser as the paper does: as strong as the full task allows.

    A mask is learned for the task that the network was trained on, for every strength. The largest strength is
    chosen at which the masked network keeps a share of the performance of the whole one.

    Args:
        model: the network.
        draw: the full task, see ``learn_mask``.
        performance: of a network on the full task, at least 0; larger is better.
        betas: strengths to try.
        settings: all other settings.
        seed: of every mask.
        share: of the performance that must be left.
        loss: see ``learn_mask``.
        names: see ``learn_mask``.

    Returns:
        The chosen strength, NaN if none leaves enough, and the curve in the order of ``betas``.

    Raises:
        InputError: if there is no strength, or as ``learn_mask`` does.

    Source: weight-masks C.2. Chapter: ``weight-masks``.

    A weak regulariser leaves the weights that are needed, a strong one leaves none:

    >>> from modlib.training import draw_from
    >>> network = nn.Linear(1, 2, bias=False)
    >>> network.weight.data = torch.tensor([[4.0], [-4.0]])
    >>> inputs = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    >>> targets = (inputs[:, 0] < 0).long()
    >>> chosen, curve = regularisation_curve(
    ...     network,
    ...     draw_from(inputs, targets),
    ...     lambda module: float((module(inputs).argmax(1) == targets).float().mean()),
    ...     betas=(0.01, 100.0),
    ...     settings=MaskSettings(steps=100, batch_size=32, learning_rate=0.1),
    ...     seed=0,
    ... )
    >>> chosen, [point.kept for point in curve]
    (0.01, [1.0, 0.0])
    """
    betas = [real(beta, f"betas[{i}]", least=0) for i, beta in enumerate(items(betas, "betas"))]
    seed, share = seed_number(seed), real(share, "share", least=0, most=1)
    needed = share * real(performance(model), "performance(model)", least=0)
    curve = []
    for beta in betas:
        rng = np.random.default_rng(seed)
        mask = learn_mask(model, draw, replace(settings, beta=beta), rng, loss, names).mask
        kept = mask.remaining()[TOTAL] / mask.size()[TOTAL]
        curve.append(CurvePoint(float(beta), performance(mask.apply(model)), kept))
    return max((point.beta for point in curve if point.performance >= needed), default=math.nan), curve
