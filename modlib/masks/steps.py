"""The steps in which logits are learned, whether the weights under a mask are frozen or trained with it.

Chapters: ``weight-masks`` and, with the weights, ``transfer``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from modlib.errors import InputError
from modlib.masks.sampling import Sampler
from modlib.networks.modules import are_probabilities, at_rest, device_of, log_of, outputs_of
from modlib.training.replay import Replay
from modlib.training.steps import Draw, Loss, Losses, adam_for, drawn, loss_of

if TYPE_CHECKING:
    from modlib.masks.learning import MaskSettings

KEPT_POINTS = 50  # at which the course of a mask is noted


def logit_of(probability: float) -> float:
    """The number whose sigmoid is a probability, log(p / (1 - p))."""
    return math.log(probability / (1 - probability))


def take_steps(
    module: nn.Module,
    names: Sequence[str],
    sampler: Sampler,
    draw: Draw,
    settings: MaskSettings,
    rng: np.random.Generator,
    loss: Loss,
    others: Mapping[str, Tensor] = MappingProxyType({}),
    mend: Callable[[], object] | None = None,
    on_step: Callable[[int, float], object] | None = None,
) -> tuple[np.ndarray, dict[int, float]]:
    """Change the logits of a sampler, and those of its weights that have a gradient, by steps of Adam.

    Args:
        module: the network.
        names: of the parameters that the sampler draws, in its order.
        sampler: draws masked weights.
        draw: examples of the task.
        settings: how; the learning rate is that of weights and logits, and the norm that is clipped that of both.
        rng: decides batches.
        loss: mean loss over examples, of outputs and targets.
        others: parameters that take the place of the network's own.
        mend: called when gradients are known, before they are clipped.
        on_step: called after every step with its number, from 1, and its loss.

    Returns:
        The loss of every step without the regulariser, and the share of weights with a probability above 0.5 by step.

    Raises:
        InputError: if what is drawn does not fit the network or the loss, or the loss is not one finite number.

    Source: weight-masks A.1 to A.3. Chapter: ``weight-masks``.
    """
    alpha = settings.beta / settings.batch_size
    slopes = {weight: 0.0 for weight in sampler.weights if weight.requires_grad}
    slopes |= {logit.requires_grad_(): alpha for logit in sampler.logits}  # the gradient of the regulariser
    for tensor in slopes:
        tensor.grad = torch.empty_like(tensor)
    learned = list(slopes)
    adam = adam_for(learned, settings.learning_rate)
    n_weights = sum(weight.numel() for weight in sampler.weights)
    every = max(1, math.ceil(settings.steps / KEPT_POINTS))
    device, dtype = device_of(module), sampler.weights[0].dtype
    losses, course = Losses(settings.steps, device, on_step), {}
    loss_of_all = loss_of_samples(module, others, loss)

    def take(inputs: Tensor, targets: Tensor) -> Tensor:
        inputs, targets = (part.unflatten(0, (settings.samples, -1)) for part in (inputs, targets))
        of_task = loss_of_all(dict(zip(names, sampler.draw(), strict=True)), inputs, targets)
        losses.check(of_task)
        for tensor, slope in slopes.items():  # the task's is added
            tensor.grad.fill_(slope)  # type: ignore[union-attr]
        _backward(of_task)
        if mend:
            mend()
        nn.utils.clip_grad_norm_(learned, settings.clip)
        adam.step()
        return of_task.detach()

    with at_inference(module), torch.enable_grad(), sampler.seeded():
        replayed = Replay(take, module)
        for step in range(1, settings.steps + 1):
            inputs, targets = drawn(draw, rng, settings.batch_size, device)
            if inputs.is_floating_point():
                inputs = inputs.to(dtype)
            if step == 1:
                with torch.no_grad():
                    outputs = outputs_of(module, inputs)
                if loss is cross_entropy and isinstance(outputs, Tensor) and are_probabilities(outputs):
                    loss_of_all = loss_of_samples(module, others, _of_probabilities)
            losses.check_targets(outputs, targets, loss)
            losses.note(replayed(inputs, targets))
            if step % every == 0 or step == settings.steps:
                course[step] = sum(int(torch.count_nonzero(logit > 0)) for logit in sampler.logits) / n_weights
    return losses.all(), course


def _backward(loss: Tensor) -> None:
    try:
        loss.backward()
    except RuntimeError as error:
        if "sparse" not in str(error):
            raise
        raise InputError(
            f"the network has sparse gradients, in which no mask is learned ({error}); expected "
            "functional.embedding(..., sparse=False) in its forward"
        ) from error


def _of_probabilities(outputs: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(log_of(outputs), targets)


def check_learnable(module: nn.Module) -> None:
    """Refuse a network whose parameters no mask can be learned for.

    Raises:
        InputError: if they have eight bits, or gradients that are sparse.
    """
    tiny = [name for name, parameter in module.named_parameters() if "float8" in str(parameter.dtype)]
    if tiny:
        raise InputError(
            f"{tiny[0]} has eight bits, in which PyTorch does not compute; expected more: pass model.float()"
        )
    sparse = [name for name, part in module.named_modules() if getattr(part, "sparse", False)]
    if sparse:
        raise InputError(
            f"the embedding {', '.join(sparse)} has sparse gradients, in which no mask is learned; expected "
            "sparse=False: set it on a copy"
        )


@contextmanager
def at_inference(module: nn.Module) -> Iterator[None]:
    """A network ``at_rest`` for the time of the block.

    PyTorch's attention takes its ordinary path meanwhile, and so do recurrent layers on a GPU; the fast ones for
    inference have no gradient.
    """
    fast, cudnn = torch.backends.mha.get_fastpath_enabled(), torch.backends.cudnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.cudnn.enabled = cudnn and not any(isinstance(part, nn.RNNBase) for part in module.modules())
    try:
        with at_rest(module):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.cudnn.enabled = cudnn


def loss_of_samples(
    module: nn.Module, frozen: Mapping[str, Tensor], loss: Loss
) -> Callable[[Mapping[str, Tensor], Tensor, Tensor], Tensor]:
    """Mean loss over samples of the weights, each with its part of the batch.

    All samples are computed at once where every layer of the network has a batching rule, else one after another.
    """

    def of_one(sampled: Mapping[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        outputs = functional_call(module, {**frozen, **sampled}, (inputs,))
        if loss is cross_entropy and not isinstance(outputs, Tensor):
            raise InputError(
                f"the network returns a {type(outputs).__name__}; expected a tensor of class scores, or a loss that "
                "takes what it returns: pass loss=lambda outputs, targets: ..."
            )
        return loss_of(loss, outputs, targets)

    at_once = vmap(of_one)
    batched = True

    def of_all(sampled: Mapping[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal batched
        if batched:
            try:
                return at_once(sampled, inputs, targets).mean()
            except (RuntimeError, InputError):  # no batching rule; a fault of the network itself comes again below
                batched = False
        # unbind, as the gradient of an index is a tensor of zeros as large as all samples
        weights = zip(*(tensor.unbind() for tensor in sampled.values()), strict=True)
        parts = zip(weights, inputs.unbind(), targets.unbind(), strict=True)
        return torch.stack([of_one(dict(zip(sampled, tensors, strict=True)), *part) for tensors, *part in parts]).mean()

    return of_all
