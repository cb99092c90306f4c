"""Eight ways to say that two hidden units do the same thing.

Upstream, two units are alike if they respond alike to the inputs; downstream, if the outputs or the loss
respond alike to them. Either is measured by covariances or by gradients, plain or normalised. In a ReLU
perceptron all gradients are products of masked weight matrices, which few large matrix products
compute; for any other torch module they come from torch.func. Chapter: ``upstream-downstream``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from modlib.checks import array, arrived, choice, items, labels as whole_labels
from modlib.errors import InputError
from modlib.networks.network import Network, as_network, torch_module
from modlib.networks.traces import Trace

if TYPE_CHECKING:
    from torch import Tensor, nn

PLAIN = ("covariance", "input sensitivity", "output sensitivity", "loss Hessian")
MEASURES = (*PLAIN, *(f"normalised {name}" for name in PLAIN))
UPSTREAM = tuple(name for name in MEASURES if name.endswith(("covariance", "input sensitivity")))
DOWNSTREAM = tuple(name for name in MEASURES if name not in UPSTREAM)
EPSILON = 1e-12  # smallest size of a unit in a normalisation
ROUNDING = 1e-6  # spread of a unit over its mean below which it is a constant, as far as single precision tells
Forward: TypeAlias = "Callable[..., tuple[Tensor, Tensor]]"  # of inputs, and of activity that replaces their own
WORKSPACE = 2**20  # numbers that the largest intermediate array holds: few enough for a processor cache


def similarities(
    model: object,
    inputs: np.ndarray,
    labels: np.ndarray | None = None,
    layers: Sequence[str] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """All eight similarities between the units of every hidden layer, over a data set.

    With K inputs x, hidden activity h, outputs y and cross-entropy loss, the four plain measures are the
    absolute values of

    - covariance: sum_x (h - mean)(h - mean)^T / (K - 1),
    - input sensitivity: mean_x J J^T, J = dh/dx,
    - output sensitivity: mean_x J^T J, J = dy/dh,
    - loss Hessian: mean_x d^2 loss / dh^2,

    and each has a normalised form, see ``normalise``. The units of a convolution are its channels: a matrix
    is computed at every position, and their mean is taken before the absolute value. A unit that never changes has
    covariances of 0, and outputs that are probabilities, behind a softmax, have the loss of their logarithms.

    Args:
        model: a torch module, a Keras model, a ``Network`` or a ``Trace``. It is measured at inference.
        inputs: (K, ...), what the torch form of the model takes, K at least 2.
        labels: (K,) classes. The loss Hessian of a piecewise linear network does not depend on them, so
            they may be left out for a ReLU perceptron; given, they are checked all the same.
        layers: names. That of a hidden layer of weights stands for its activity, behind the norm and activation that
            follow, as in ``modlib.responses.hidden_activities``; that of another submodule for what it returns. By
            default the hidden layers of a ReLU perceptron, of any other module its activation modules between two
            layers of weights, of a trace all its hidden layers.

    Returns:
        For every layer, from input to output, and every name in ``MEASURES``, a matrix (n, n), float64.

    Raises:
        InputError: if inputs are not finite or do not fit the model, if there is no hidden layer or no such
            submodule, if labels are missing or no classes of the model, or if a layer of a trace cannot be given other
            activities, as a recurrent one, whose units read each other, or heads of attention.

    Source: upstream-downstream 3.1, equations 1 to 5. Chapter: ``upstream-downstream``.

    Two units with the same weights do the same, and one with other inputs does not:

    >>> from modlib.networks import from_arrays
    >>> weights = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # units 0 and 1 see the first input
    >>> (found,) = similarities(from_arrays([weights, weights.T]), np.eye(2)).values()
    >>> found["normalised input sensitivity"].round(2).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    import torch

    from modlib.networks.modules import with_gradients

    inputs = array(inputs, "inputs")
    if inputs.ndim < 2 or len(inputs) < 2:
        raise InputError(f"inputs = {arrived(inputs)} arrived; expected at least two, of shape (n, ...)")
    network = _perceptron(model) if layers is None and not isinstance(model, Trace) else None
    with torch.no_grad():
        if isinstance(model, Trace):
            with_gradients(model.module)
            plain = _of_trace(model, inputs, labels, layers)
        elif network is not None:
            if labels is not None:
                whole_labels(labels, "labels", len(inputs), 0, network.layers[-1].kernel.shape[-1] - 1)
            plain = _of_perceptron(network, inputs)
        else:
            plain = _of_module(with_gradients(torch_module(model)), inputs, labels, layers)
    out = {}
    for layer, matrices in plain.items():
        if not all(np.isfinite(matrix).all() for matrix in matrices):
            raise InputError(f"inputs = {arrived(inputs)} arrived; expected some whose activities have finite squares")
        found = {name: np.abs((matrix + matrix.T) / 2) for name, matrix in zip(PLAIN, matrices, strict=True)}
        out[layer] = found | {f"normalised {name}": normalise(matrix) for name, matrix in found.items()}
    return out


def normalise(similarity: np.ndarray) -> np.ndarray:
    """S_ij / (max(sqrt S_ii, epsilon) max(sqrt S_jj, epsilon)): the diagonal of a unit with any effect becomes 1.

    The paper bounds the product, the authors' code either factor, as here: a unit of a confident network may
    have little effect on the loss, and still be like another.

    Source: upstream-downstream 3.1, equation 5. Chapter: ``upstream-downstream``.
    """
    size = np.maximum(np.sqrt(np.diag(similarity)), EPSILON)
    return similarity / np.outer(size, size)


def _perceptron(model: object) -> Network | None:
    """The network, if it is a perceptron with ReLU after all layers but the last and nothing else; None otherwise."""
    import torch

    try:
        network = as_network(model)
    except InputError:
        if isinstance(model, torch.nn.Module):
            return None
        raise
    return network if network.is_relu_perceptron() else None


def _of_perceptron(network: Network, inputs: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Closed forms. With masks D (diagonal, 0 or 1), h_l = D_l (W_l h_{l-1} + b_l).

    Upstream, J_l = D_l W_l ... D_1 W_1. Only J J^T is needed, so W_1 is replaced by its triangular factor
    R, W_1 W_1^T = R R^T, which is smaller. Downstream, J_l = W_L D_{L-1} ... W_{l+1}, and the Hessian is
    J^T (diag p - p p^T) J = (C^T J)^T (C^T J) with C = diag(sqrt p) - p sqrt(p)^T.
    """
    import torch

    weights = [torch.tensor(layer.kernel.T.copy(), dtype=torch.float32) for layer in network.layers]
    biases = [
        torch.zeros(len(weight)) if layer.bias is None else torch.tensor(layer.bias, dtype=torch.float32)
        for layer, weight in zip(network.layers, weights, strict=True)
    ]
    flat = inputs.reshape(len(inputs), -1)
    if flat.shape[1] != weights[0].shape[1]:
        raise InputError(
            f"inputs of shape {inputs.shape} arrived for a network with {weights[0].shape[1]} inputs; "
            f"expected (n, {weights[0].shape[1]}), or images of as many numbers"
        )
    widths = [len(weight) for weight in weights[:-1]]
    root = torch.linalg.qr(weights[0].T, mode="r").R.T.contiguous()  # (n_1, min(n_1, inputs))
    sums = [_Sums.of_layer(n) for n in widths]
    for start in _batches(len(flat), max(widths) * max(root.shape[1], len(weights[-1]))):
        batch = torch.tensor(flat[start], dtype=torch.float32)
        hidden, masks = _add_activities(sums, batch, weights, biases)
        _add_upstream(sums, masks, weights, root)
        _add_downstream(sums, masks, weights, torch.softmax(hidden @ weights[-1].T + biases[-1], dim=1))
    sums[0].input_sensitivity *= (root @ root.T).double()
    return {network.layers[layer].name: part.matrices(len(flat)) for layer, part in enumerate(sums)}


@dataclass(eq=False)
class _Sums:
    """What is summed over the inputs for the n units of a layer.

    Attributes:
        centre: activities of the first input, (n,), which all others are told from; empty before it.
        mean: activities less the centre, (n,).
        covariance: their products, (n, n).
        input_sensitivity: J J^T of ``similarities``, (n, n).
        output_sensitivity: J^T J, (n, n).
        hessian: of the loss, (n, n).
    """

    centre: Tensor
    mean: Tensor
    covariance: Tensor
    input_sensitivity: Tensor
    output_sensitivity: Tensor
    hessian: Tensor

    @classmethod
    def of_layer(cls, n: int) -> _Sums:
        """No input yet."""
        import torch

        mean, *matrices = (torch.zeros(*shape, dtype=torch.float64) for shape in ((n,), *[(n, n)] * 4))
        return cls(torch.empty(0), mean, *matrices)

    def matrices(self, count: int) -> list[np.ndarray]:
        """The measures of ``PLAIN`` over so many inputs."""
        import torch

        mean = self.mean / count
        centred = (self.covariance - count * torch.outer(mean, mean)) / (count - 1)
        covariance = _without_constants(centred, (mean + self.centre.double()) ** 2)
        gradients = self.input_sensitivity, self.output_sensitivity, self.hessian
        return [covariance.numpy(), *((total / count).numpy() for total in gradients)]


def _add_activities(
    sums: list[_Sums], hidden: Tensor, weights: list[Tensor], biases: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Forward through the hidden layers: activity of the last one, and where units of each are active."""
    import torch

    masks = []
    for part, weight, bias in zip(sums, weights, biases, strict=False):
        hidden = torch.relu(hidden @ weight.T + bias)
        masks.append((hidden > 0).float())
        if not part.centre.numel():
            part.centre = hidden[0].clone()
        shifted = hidden - part.centre  # or a large constant would drown what changes
        part.mean += shifted.sum(0).double()
        part.covariance += (shifted.T @ shifted).double()
    return hidden, masks


def _add_upstream(sums: list[_Sums], masks: list[Tensor], weights: list[Tensor], root: Tensor) -> None:
    """Derivatives of activities by the inputs, from the first hidden layer on; its own lack W_1 W_1^T, a constant."""
    sums[0].input_sensitivity += (masks[0].T @ masks[0]).double()
    # (units, batch, directions), so that every product is one large matrix product
    upstream = masks[0].T[:, :, None] * root[:, None, :]
    for part, mask, weight in zip(sums[1:], masks[1:], weights[1:], strict=False):
        upstream = (weight @ upstream.flatten(1)).unflatten(1, upstream.shape[1:])
        upstream *= mask.T[:, :, None]
        part.input_sensitivity += (upstream.flatten(1) @ upstream.flatten(1).T).double()


def _add_downstream(sums: list[_Sums], masks: list[Tensor], weights: list[Tensor], p: Tensor) -> None:
    """Derivatives of outputs, whose probabilities are p, and of the loss, from the last hidden layer back."""
    import torch

    downstream = weights[-1].expand(len(p), -1, -1)  # (batch, outputs, units)
    for layer in reversed(range(len(sums))):
        if layer < len(sums) - 1:
            downstream = (downstream * masks[layer + 1][:, None, :]) @ weights[layer + 1]
        flat = downstream.flatten(0, 1)
        sums[layer].output_sensitivity += (flat.T @ flat).double()
        mean = torch.einsum("bo,bou->bu", p, downstream)
        curved = (p.sqrt()[:, :, None] * (downstream - mean[:, None, :])).flatten(0, 1)
        sums[layer].hessian += (curved.T @ curved).double()


def _of_module(
    module: nn.Module, inputs: np.ndarray, labels: np.ndarray | None, layers: Sequence[str] | None
) -> dict[str, list[np.ndarray]]:
    """The definitions, by torch.func: vector-Jacobian products, and Hessian-vector products of the loss."""
    import torch

    from modlib.networks.modules import at_rest, outputs_of, precision_of, scores_in

    known = dict(module.named_modules())
    names = None if layers is None else [choice(name, known, "a hidden layer") for name in items(layers, "layers")]
    x = torch.as_tensor(inputs).to(precision_of(module))
    with at_rest(module):
        scores_in(outputs_of(module, x[:1]), module)
        names = _hidden_layers(module, x[:1]) if names is None else names
        weighted = [name for name in names if isinstance(known[name], torch.nn.Linear | torch.nn.modules.conv._ConvNd)]
        found = _of_layers(module, inputs, labels, weighted) if weighted else {}
        return {name: found.get(name) or _of_submodule(module, known[name], x, labels) for name in names}


def _of_layers(
    module: nn.Module, inputs: np.ndarray, labels: np.ndarray | None, names: Sequence[str]
) -> dict[str, list[np.ndarray]]:
    """Those of hidden layers of weights, by name: their activity is found by tracing the module."""
    from modlib.networks.tracing import trace

    found = trace(module, inputs[:2])
    hidden = {found.layers[number].name for number in found.hidden}
    if twice := [name for name in names if f"{name} (2)" in hidden]:
        raise InputError(
            f"the layer {twice[0]!r} is called more than once in a pass; expected once: pass modlib.trace(model) and "
            "the names of its layers, one a call"
        )
    return _of_trace(found, inputs, labels, [name for name in names if name in hidden]) if hidden & set(names) else {}


def _hidden_layers(module: nn.Module, x: Tensor) -> list[str]:
    """Activation functions with a layer of weights before and after them, in the order of a pass of the input."""
    from modlib.networks.modules import ACTIVATIONS

    leaves: list[tuple[str, nn.Module]] = []
    hooks = [
        part.register_forward_hook(lambda part, *_, name=name: leaves.append((name, part)))
        for name, part in module.named_modules()
        if name and not list(part.children())
    ]
    try:
        module(x)
    finally:
        for hook in hooks:
            hook.remove()
    weighted = [i for i, (_, m) in enumerate(leaves) if list(m.parameters())]
    found = [
        name
        for i, (name, m) in enumerate(leaves)
        if type(m).__name__ in ACTIVATIONS.values() and weighted and weighted[0] < i < weighted[-1]
    ]
    if not found:
        raise InputError(
            f"the {type(module).__name__} calls no activation module between two layers of weights; pass layers, names "
            "of submodules whose outputs are hidden activities, or modlib.trace(model)"
        )
    return list(dict.fromkeys(found))  # one that is called twice is refused where it is measured


def _of_trace(
    trace: Trace, inputs: np.ndarray, labels: np.ndarray | None, layers: Sequence[str] | None
) -> dict[str, list[np.ndarray]]:
    """The same definitions for layers of a traced network."""
    from modlib.networks.activity import Activity, activities_of, two_that_differ
    from modlib.networks.execution import Execution, Values, as_taken

    known = {trace.layers[number].name: trace.layers[number] for number in trace.hidden}
    names = (
        list(known) if layers is None else [choice(name, known, "a hidden layer") for name in items(layers, "layers")]
    )
    x = as_taken(trace, inputs)
    if not x.is_floating_point():
        raise InputError("the network takes whole numbers, along which there are no gradients; trace what reads them")
    _ = trace.n_classes  # what gives no vector is refused
    execution = Execution(trace)
    places = activities_of(execution, [known[name] for name in names], two_that_differ(x))
    for name, place in zip(names, places, strict=True):
        if known[name].kind == "recurrent" or place.merged:
            raise InputError(
                f"the units of layer {name!r} are heads of attention, or read each other, so their activity cannot be "
                "replaced; expected other layers: leave it out of layers="
            )

    def measured(place: Activity) -> list[np.ndarray]:
        def forward(batch: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
            seen: list[Tensor] = []

            def change(_: Values, value: Tensor) -> Tensor:
                seen.append(place.read(value, len(batch)) if hidden is None else hidden)
                return value if hidden is None else place.written(value, hidden)

            outputs = execution.outputs(execution.begin(batch), 0, {place.step: change})
            return seen[0], outputs

        return _of_forward(forward, x, labels)

    return {name: measured(place) for name, place in zip(names, places, strict=True)}


def _of_submodule(module: nn.Module, submodule: nn.Module, x: Tensor, labels: np.ndarray | None) -> list[np.ndarray]:
    from torch.func import functional_call

    def forward(batch: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hidden activity and outputs; the activity is replaced by ``hidden`` where that is given."""
        seen = []

        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            seen.append(output if hidden is None else hidden)
            return seen[-1].clone()  # the next function may work in place

        handle = submodule.register_forward_hook(hook)
        try:  # a pass may write into buffers, which it may not under torch.func
            outputs = functional_call(module, {name: buffer.clone() for name, buffer in module.named_buffers()}, batch)
        finally:
            handle.remove()
        if len(seen) != 1:
            raise InputError(
                f"the {type(submodule).__name__} whose output was to be measured is called {len(seen)} times in a "
                "pass; expected once: give every place of the network a module of its own"
            )
        return seen[0], outputs

    first, outputs = forward(x[:1])
    if first.ndim not in (2, 4) or outputs.ndim != 2:
        raise InputError(
            f"hidden activity of shape {tuple(first.shape)} and outputs of shape {tuple(outputs.shape)} arrived; "
            "expected (n, units) or (n, channels, height, width), and outputs (n, classes)"
        )
    return _of_forward(forward, x, labels)


def _of_forward(forward: Forward, x: Tensor, labels: np.ndarray | None) -> list[np.ndarray]:
    """The plain measures of a layer, from its activity (n, units, ...) and the outputs (n, classes) that follow."""
    import torch

    first, outputs = forward(x[:1])
    classes = outputs.shape[1]
    targets = torch.as_tensor(whole_labels(labels, "labels", len(x), 0, classes - 1), dtype=torch.long)
    units, positions = first.shape[1], int(np.prod(first.shape[2:]))
    means = torch.zeros(units, positions, dtype=torch.float64)
    moments, *gradients = (torch.zeros(units, units, dtype=torch.float64) for _ in PLAIN)
    largest = units * max(x[0].numel(), classes * positions, units * positions)
    for batch in _batches(len(x), largest):
        hidden = forward(x[batch])[0]
        flat = hidden.reshape(len(hidden), units, positions).double()
        if batch.start == 0:
            centre = flat[0]
        flat = flat - centre  # not in place: of a model in double precision this is the activity itself
        means += flat.sum(0)
        moments += torch.einsum("bup,bvp->uv", flat, flat)
        for total, part in zip(gradients, _gradient_sums(forward, x[batch], targets[batch], hidden), strict=True):
            total += part.double()
    count = len(x)
    mean = means / count
    covariance = (moments - count * mean @ mean.T) / (count - 1)
    covariance = _without_constants(covariance, ((mean + centre) ** 2).sum(1))
    return [(total / positions).numpy() for total in (covariance, *(total / count for total in gradients))]


def _without_constants(covariance: Tensor, squared_mean: Tensor) -> Tensor:
    """Covariances with 0 for units whose variance is no more than the rounding of their mean."""
    changes = (covariance.diagonal() > ROUNDING**2 * squared_mean).double()
    return covariance * changes.outer(changes)


def _gradient_sums(forward: Forward, x: Tensor, targets: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over a batch and over positions: J J^T of the units, J^T J of the outputs, Hessian of the loss."""
    import torch

    from modlib.networks.modules import are_probabilities, log_of

    def downstream(activity: Tensor) -> Tensor:
        return forward(x, activity)[1]

    def loss(activity: Tensor) -> Tensor:
        outputs = downstream(activity)
        scores = log_of(outputs) if behind_softmax else outputs
        return torch.nn.functional.cross_entropy(scores, targets, reduction="sum")

    behind_softmax = are_probabilities(downstream(hidden))
    batch, units = hidden.shape[:2]
    upstream_sum, downstream_sum, hessian = (hidden.new_zeros(units, units) for _ in range(3))
    pull_back = torch.func.vjp(lambda inputs: forward(inputs)[0], x)[1]
    for seeds in _unit_vectors(hidden):
        jacobian = torch.func.vmap(pull_back)(seeds)[0].flatten(2)  # (units, batch, inputs)
        upstream_sum += torch.einsum("ubi,vbi->uv", jacobian, jacobian)
    pull_back = torch.func.vjp(downstream, hidden)[1]
    for seeds in _unit_vectors(downstream(hidden)):
        jacobian = torch.func.vmap(pull_back)(seeds)[0].reshape(len(seeds), batch, units, -1)
        downstream_sum += torch.einsum("obup,obvp->uv", jacobian, jacobian)
    for position, seeds in enumerate(_unit_vectors(hidden)):
        rows = torch.func.vmap(lambda seed: torch.func.jvp(torch.func.grad(loss), (hidden,), (seed,))[1])(seeds)
        hessian += rows.reshape(units, batch, units, -1)[..., position].sum(1)
    return upstream_sum, downstream_sum, hessian


def _unit_vectors(like: Tensor) -> Iterator[Tensor]:
    """For every position, the tangents (units, *like.shape) that are 1 for one unit at that position."""
    import torch

    units, positions = like.shape[1], int(np.prod(like.shape[2:]))
    for position in range(positions):
        seeds = torch.zeros(units, len(like), units, positions, dtype=like.dtype)
        seeds[torch.arange(units), :, torch.arange(units), position] = 1
        yield seeds.reshape(units, *like.shape)


def _batches(count: int, numbers_each: int) -> list[slice]:
    size = max(1, min(count, WORKSPACE // numbers_each))
    return [slice(start, start + size) for start in range(0, count, size)]
