"""What hidden units answer to inputs: their activity after the ReLU, layer by layer.

Chapter: ``coherence``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from modlib.checks import array, arrived, instance, wholes
from modlib.errors import InputError, warn
from modlib.networks.activity import Activity, activities_of, activities_seen, two_that_differ
from modlib.networks.chains import chain
from modlib.networks.execution import Execution, as_taken, fitting
from modlib.networks.frameworks import layout_hint
from modlib.networks.modules import channels_of
from modlib.networks.network import AT_ONCE, Network
from modlib.networks.traces import AnyNetwork, Trace, network_or_trace


def relu_names(network: Network) -> list[str]:
    """Names of the modules whose outputs are the hidden activities, one a hidden layer, from input to output.

    Raises:
        InputError: if not every layer of weights but the last is followed by an ``nn.ReLU`` module of its own.

    >>> from modlib.networks import as_network
    >>> relu_names(as_network(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))))
    ['1']
    """
    network = instance(network, Network, "network", "pass modlib.networks.as_network(model)")
    names = [name for name, _, module in chain(network.module) if isinstance(module, nn.ReLU)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"the nn.ReLU module {', '.join(twice)} is used more than once in a pass; expected a ReLU module of its "
            "own after every layer but the last"
        )
    if len(names) != len(network.layers) - 1 or any(layer.activation != "relu" for layer in network.layers[:-1]):
        raise InputError(
            f"{len(names)} nn.ReLU modules and {len(network.layers)} layers of weights arrived; expected a ReLU module "
            "after every layer but the last: write the network with nn.ReLU() in place of functions, or pass "
            "modlib.trace(model)"
        )
    return names


def hidden_activities(network: AnyNetwork, inputs: np.ndarray, layers: Sequence[int] | None = None) -> list[np.ndarray]:
    """Activity of every hidden unit for every input; that of a channel is the sum over its map, an L1 norm after ReLU.

    Args:
        network: with ReLU after every layer but the last; or a traced network of any shape, whose units have the
            activity behind the last norm or function before they meet others, so before the sum of a skip connection.
            It is summed over places of an image or sequence; that of a head of attention is the sizes of its features.
        inputs: (n, ...), what its module takes.
        layers: numbers of hidden layers of a traced network. By default all of them whose activity is seen, which those
            of all but the last layer of an LSTM are not: a ``ModlibWarning`` names those that are left out.

    Returns:
        For every hidden layer (n, units), float32.

    Raises:
        InputError: as ``relu_names``, or if inputs are not finite or do not fit the network, or the activity of a layer
            in ``layers``, or of all layers, is not seen.

    Source: importance-coherence 3.1.1. Chapter: ``coherence``.

    >>> from modlib.networks import from_arrays
    >>> network = from_arrays([np.array([[1.0, -1.0]]), np.ones((2, 1))])
    >>> [activities.tolist() for activities in hidden_activities(network, np.array([[2.0], [-3.0]]))]
    [[[2.0, 0.0], [0.0, 3.0]]]
    """
    network = network_or_trace(network)
    if isinstance(network, Trace):
        return _checked(_of_trace(network, inputs, layers), inputs)
    if layers is not None:
        raise InputError("layers arrived for a chain; expected a traced network, or no layers: a chain gives all")
    names = relu_names(network)
    inputs = array(inputs, "inputs", dtype=np.float32)
    if inputs.ndim < 2:
        raise InputError(f"inputs = {arrived(inputs)} arrived; expected (n, ...), one row an input")
    parts: list[list[Tensor]] = [[] for _ in names]

    def note(layer: int, output: Tensor) -> None:
        parts[layer].append(output.flatten(2).sum(2) if output.ndim > 2 else output)

    hooks = [
        network.module.get_submodule(name).register_forward_hook(lambda *given, layer=layer: note(layer, given[2]))
        for layer, name in enumerate(names)
    ]
    try:
        with torch.no_grad():
            for batch in torch.as_tensor(inputs).split(AT_ONCE):
                network.module(batch)
    except RuntimeError as error:
        raise InputError(
            f"inputs of shape {inputs.shape} do not fit the network ({error}); expected what its module "
            f"takes{layout_hint(inputs.shape, channels_of(network.module))}"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return _checked([torch.cat(of_layer).numpy() for of_layer in parts], inputs)


def layers_shown(trace: Trace, inputs: np.ndarray) -> list[int]:
    """Numbers of the hidden layers of a traced network whose activity for some inputs is seen.

    Raises:
        InputError: if inputs do not fit the network.
    """
    execution, given = Execution(trace), as_taken(trace, inputs)
    with fitting(trace, given):
        return list(activities_seen(execution, two_that_differ(given)))


def _by_default(execution: Execution, pair: Tensor) -> list[Activity]:
    trace, seen = execution.trace, activities_seen(execution, pair)
    if not seen:
        return activities_of(execution, [trace.layers[number] for number in trace.hidden], pair)  # refuses them by name
    if gone := [trace.layers[number].name for number in trace.hidden if number not in seen]:
        warn(
            f"{len(seen)} of {len(trace.hidden)} hidden layers are returned, for the steps that compute "
            f"{', '.join(gone)} do not show their activity for each input; pass layers={list(seen)}"
        )
    return list(seen.values())


def _of_trace(trace: Trace, inputs: np.ndarray, layers: Sequence[int] | None) -> list[np.ndarray]:
    numbers = () if layers is None else wholes(layers, "layers")
    chosen = [trace.layers[trace.hidden_layer(number)] for number in numbers]
    execution, given = Execution(trace), as_taken(trace, inputs)
    with fitting(trace, given):
        pair = two_that_differ(given)
        places = _by_default(execution, pair) if layers is None else activities_of(execution, chosen, pair)
        parts = []
        for batch in given.split(AT_ONCE):
            with torch.no_grad():
                noted = execution.noted(batch, [place.step for place in places])
                parts.append([place.read(noted[place.step], len(batch)).sum(2) for place in places])
    return [torch.cat(of_layer).numpy() for of_layer in zip(*parts, strict=True)]


def _checked(activities: list[np.ndarray], inputs: np.ndarray) -> list[np.ndarray]:
    if not all(np.isfinite(of_layer).all() for of_layer in activities):
        raise InputError(f"inputs = {arrived(inputs)} arrived; expected some whose activities are finite")
    return activities
