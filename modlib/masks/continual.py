"""Tasks learned one after the other: each trains free weights and a mask together; what the mask keeps is then frozen.

A task may use frozen weights but not change them, so it never harms an earlier one. Do later tasks reuse what earlier
ones have learned? Chapter: ``transfer``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modlib.checks import arrived, function, generator, instance, items, mapping, real, whole
from modlib.errors import InputError
from modlib.masks.learning import LearnedMask, MaskSettings, of_logits
from modlib.masks.mask import Mask, fingerprint, parameter_names, sharing
from modlib.masks.sampling import Sampler, dtype_of, laid_out
from modlib.masks.steps import check_learnable, logit_of, take_steps
from modlib.networks.modules import with_gradients, with_values
from modlib.training.steps import Draw, Loss

Kept = Mapping[str, np.ndarray]


def learn_in_turn(
    make: Callable[[np.random.Generator], nn.Module],
    draws: Sequence[Draw],
    settings: MaskSettings,
    rng: np.random.Generator,
    keep_used: float | None = None,
    unfrozen: Sequence[str] = (),
    loss: Loss = cross_entropy,
    on_task: Callable[[int, nn.Module, LearnedMask], object] | None = None,
) -> tuple[nn.Module, list[Mask]]:
    """Learn tasks one after the other in one network.

    Before a task all weights that no earlier mask keeps start anew, and so do the logits of all weights.

    Args:
        make: a network at its start, for a generator; always of the same shape.
        draws: examples of each task.
        settings: how weights and masks are learned; ``keep`` is the probability at the start for a free weight.
        rng: decides starts, batches and masks.
        keep_used: the same for a weight that an earlier mask keeps; ``settings.keep`` by default. A larger one prefers
            what is there.
        unfrozen: patterns of parameters that start anew for every task and are never frozen, such as ``0.*``.
        loss: mean loss over examples, of outputs and targets.
        on_task: called after every task with its number, from 0, the masked network, and how its mask was learned.

    Returns:
        The network after the last task, and a mask of it for every task, over all parameters that are frozen.

    Raises:
        InputError: if there is no task, all parameters are ``unfrozen``, a pattern matches none, or as
            ``learn_with_weights`` does.

    Source: weight-masks 3.3 and C.5, and the authors' code. Chapter: ``transfer``.

    The second task is the first one again, so its mask keeps just what is there:

    >>> from modlib.networks import perceptron
    >>> from modlib.training import draw_from
    >>> inputs = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    >>> draw = draw_from(inputs, (inputs[:, 0] > 0).long())
    >>> settings = MaskSettings(steps=300, batch_size=32, learning_rate=0.05, beta=1.0)
    >>> network, masks = learn_in_turn(
    ...     lambda rng: perceptron((2, 2), rng), [draw, draw], settings, np.random.default_rng(0), keep_used=0.95
    ... )
    >>> masks[1], reuse(masks)[0]["total"]
    (Mask(0.weight=1 of 4, 0.bias=0 of 2, total=1 of 6), 1.0)
    """
    draws, rng = items(draws, "draws"), generator(rng)
    make = function(make, "make", "it returns a network for a generator")
    module = make(rng)
    anew = parameter_names(module, unfrozen) if unfrozen else []
    frozen = [name for name, _ in module.named_parameters() if name not in anew]
    if not frozen:
        raise InputError(f"unfrozen = {list(unfrozen)} arrived; expected patterns that leave a parameter to be frozen")
    used: dict[str, np.ndarray] = {}
    learned: list[Kept] = []
    for task, draw in enumerate(draws):
        if task:
            _start_anew(module, make(rng), used)
        found = learn_with_weights(module, draw, settings, rng, used, keep_used, loss)
        if on_task:
            on_task(task, found.mask.apply(module), found)
        learned.append({name: found.mask.keep[name] for name in frozen})
        used = {name: used.get(name, False) | kept for name, kept in learned[-1].items()}
    network = fingerprint(module)
    return module, [Mask(keep, network) for keep in learned]


def learn_with_weights(
    module: nn.Module,
    draw: Draw,
    settings: MaskSettings,
    rng: np.random.Generator,
    used: Kept | None = None,
    keep_used: float | None = None,
    loss: Loss = cross_entropy,
) -> LearnedMask:
    """Train the free weights of a network, in place, together with a mask over all of its weights.

    As in ``learn_mask`` a weight w_i with logit l_i is used as w_i b_i. Adam changes both: the gradient of a weight is
    that of the samples in which it is kept, and a used weight has none. The norm that is clipped is that of both.

    Args:
        module: the network. It computes at inference: no dropout, and buffers stay as they are.
        draw: examples of the task.
        settings: how; the learning rate is that of weights and logits.
        rng: decides batches and masks.
        used: for some parameters a boolean array, true where the weight is frozen; by default all weights are free.
        keep_used: probability at the start that a frozen weight is kept; ``settings.keep`` by default.
        loss: mean loss over examples, of outputs and targets.

    Returns:
        The mask, of the network as it is now.

    Raises:
        InputError: if ``used`` does not fit the network, a probability is not between 0 and 1, or the loss is not
            finite.

    Source: weight-masks 3.3 and C.5. Chapter: ``transfer``.

    A weight that is used stays as it is; the other one is trained:

    >>> from modlib.training import draw_from
    >>> network = nn.Linear(1, 2, bias=False)
    >>> network.weight.data = torch.tensor([[0.5], [0.5]])
    >>> inputs = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    >>> found = learn_with_weights(
    ...     network,
    ...     draw_from(inputs, (inputs[:, 0] < 0).long()),
    ...     MaskSettings(steps=100, batch_size=32, learning_rate=0.05),
    ...     np.random.default_rng(0),
    ...     used={"weight": np.array([[True], [False]])},
    ... )
    >>> (network.weight.flatten() - 0.5).sign().tolist()
    [0.0, -1.0]
    """
    module = with_gradients(with_values(instance(module, nn.Module, "module", "pass a torch module")))
    rng = generator(rng)
    check_learnable(module)
    settings = instance(settings, MaskSettings, "settings", "pass MaskSettings()")
    draw, loss = function(draw, "draw", "make it by draw_from"), function(loss, "loss", "of outputs and targets")
    parameters = dict(module.named_parameters())
    used = mapping({} if used is None else used, "used", "pass {name of a parameter: boolean array}")
    _check_used(used, parameters)
    prefer = settings.keep if keep_used is None else real(keep_used, "keep_used", above=0, below=1)
    frozen = {name: torch.as_tensor(kept, device=parameters[name].device) for name, kept in used.items()}
    weights = [laid_out(parameter.detach().clone()).requires_grad_() for parameter in parameters.values()]
    logits = []
    for name, weight in zip(parameters, weights, strict=True):
        logit = torch.full_like(weight, logit_of(settings.keep), dtype=dtype_of(weight))
        if name in frozen:
            logit[frozen[name]] = logit_of(prefer)
        logits.append(logit)
    sampler = Sampler(weights, logits, settings.samples, rng)

    def freeze() -> None:
        for name, weight in zip(parameters, weights, strict=True):
            if name in frozen:
                weight.grad.masked_fill_(frozen[name], 0)  # type: ignore[union-attr]

    losses, course = take_steps(module, list(parameters), sampler, draw, settings, rng, loss, mend=freeze)
    with torch.no_grad():
        for parameter, weight in zip(parameters.values(), weights, strict=True):
            parameter.copy_(weight)
    return of_logits(list(parameters), logits, fingerprint(module), losses, course)


def union_before(masks: Sequence[Mask], task: int) -> Mask:
    """What the masks of all earlier tasks keep together.

    Raises:
        InputError: if there is no such task, or none before it.

    >>> masks = [Mask({"w": np.array(kept, dtype=bool)}, "") for kept in ([1, 0, 0], [0, 1, 0], [0, 1, 1])]
    >>> union_before(masks, 2).keep["w"].tolist()
    [True, True, False]
    """
    masks = _masks(masks)
    task = whole(task, "task", most=len(masks) - 1)
    union = masks[0]
    for mask in masks[1:task]:
        union = union | mask
    return union


def reuse(masks: Sequence[Mask]) -> list[dict[str, float]]:
    """For every task but the first: the share of its weights that an earlier task uses too, by parameter and in total.

    s(t, r) of ``sharing``, where r is the union of the masks before t.

    Raises:
        InputError: if they belong to different networks or parameters.

    Source: weight-masks 2 and 3.3. Chapter: ``transfer``.

    >>> masks = [Mask({"w": np.array(kept, dtype=bool)}, "") for kept in ([1, 0, 0], [0, 1, 0], [0, 1, 1])]
    >>> [shares["total"] for shares in reuse(masks)]
    [0.0, 0.5]
    """
    masks = _masks(masks)
    return [sharing(masks[task], union_before(masks, task)) for task in range(1, len(masks))]


def _masks(masks: Sequence[Mask]) -> list[Mask]:
    return [instance(mask, Mask, "a mask", "learn them by learn_in_turn") for mask in items(masks, "masks", least=2)]


def _start_anew(module: nn.Module, fresh: nn.Module, used: Kept) -> None:
    """Take every weight that is not used from another network of the same shape."""
    start = dict(fresh.named_parameters())
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            kept = torch.as_tensor(used.get(name, False), device=parameter.device)
            parameter.copy_(torch.where(kept, parameter, start[name]))


def _check_used(used: Kept, parameters: Mapping[str, Tensor]) -> None:
    for name, kept in used.items():
        shape = tuple(parameters[name].shape) if name in parameters else None
        if not isinstance(kept, np.ndarray) or shape != kept.shape or kept.dtype != bool:
            raise InputError(
                f"used[{name!r}] = {arrived(kept)} arrived; expected a boolean array of the shape of the parameter, "
                f"{shape or 'but the network has none of that name'}"
            )
