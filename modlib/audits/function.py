"""Parts of an audit that ask what the modules do: without them, for what, and whether their units are alike.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from modlib.audits.effort import affordable, batches, operations
from modlib.audits.findings import Findings, NotDone
from modlib.audits.structure import LEVEL, OnStep, power
from modlib.audits.subject import AuditSettings, Subject
from modlib.communities.partitions import effective_number, find_communities
from modlib.communities.similarity import ROUNDING, similarities
from modlib.errors import InputError
from modlib.graphs.subclusters import SubCluster, sub_clusters
from modlib.lesions.damage import LesionTest, lesion_tests
from modlib.lesions.kinds import Kind, kind
from modlib.networks.network import AT_ONCE, Network, from_arrays
from modlib.networks.traces import AnyNetwork, Trace
from modlib.responses.activations import hidden_activities, layers_shown, relu_names
from modlib.responses.correlations import contrast, mean_image, spearman
from modlib.stats import benjamini_hochberg, monte_carlo_p

COVARIANCE, HESSIAN = "normalised covariance", "normalised loss Hessian"  # alike upstream, and downstream


def lesions(
    subject: Subject, found: Mapping[str, Findings], settings: AuditSettings, rng: np.random.Generator, on_step: OnStep
) -> Findings:
    """What the network loses without each sub-cluster, and without as many random units of the same layer.

    Raises:
        NotDone: if network, data, labels or sub-clusters are missing.
    """
    network, inputs, labels = subject.labelled()
    parts = _sub_clusters(subject, found)
    each = operations(network, inputs) / 2  # what lies before the lesion is computed once
    effort = affordable(settings.most_operations, each, len(inputs), settings.n_random, len(parts))
    largest = sorted(parts, key=lambda part: -len(part.units))[: effort.items]
    parts = [part for part in parts if part in largest]
    inputs, labels = inputs[: effort.inputs], labels[: effort.inputs]  # they are in random order
    tests: list[LesionTest] = []
    for _, group in groupby(parts, key=attrgetter("layer")):
        tests += lesion_tests(network, inputs, labels, list(group), effort.draws, rng)
        on_step(len(tests), len(parts))
    table = pd.DataFrame(
        {
            **_names(subject, parts),
            "lost": [test.damage.drop for test in tests],
            "by random units": [test.random_drops.mean() for test in tests],
            "p": [monte_carlo_p(test.damage.drop, test.random_drops, side="large") for test in tests],
            "kind": [str(kind(test.part, test.damage.drop, test.random_drops)) for test in tests],
            "class hurt most": [subject.classes[_class_hurt_most(test, labels)] for test in tests],
        }
    )
    table.insert(7, "significant", benjamini_hochberg(table["p"].to_numpy(), LEVEL))
    important = int((table["kind"] == str(Kind.IMPORTANT)).sum())
    says = (
        f"{int(table['significant'].sum())} of {len(table)} sub-clusters cost more accuracy than random units of their "
        f"layer, and {important} are important in the papers' sense.",
        "A lesion sets the weights into its units to zero and keeps their biases; the authors' code sets these to zero "
        "too, which may find more: see damages, zero_biases=True.",
        power(len(table), effort.draws),
        *filter(None, [effort.reduced]),
    )
    return Findings(says, {"lesions": table}, {"random": np.array([test.random_drops for test in tests])})


def responses(
    subject: Subject, found: Mapping[str, Findings], settings: AuditSettings, rng: np.random.Generator, on_step: OnStep
) -> Findings:
    """What the units of each sub-cluster respond to: the class, and with images the image; against random units.

    Raises:
        NotDone: if network, data or sub-clusters are missing, or there are neither labels nor images.
    """
    network, inputs = subject.asked()
    _need_hidden(network)
    labels, images = subject.labels, subject.images
    if labels is None and images is None:
        raise NotDone("inputs are no images and have no labels; pass labels, or images as (n, height, width)")
    activities = _activities(network, inputs)
    parts = [part for part in _sub_clusters(subject, found) if part.layer in activities]
    if not parts:
        raise NotDone("no layer with sub-clusters shows its activity: each lies in a step that computes several")
    lines, drawn = [], []
    for layer, group in groupby(parts, key=attrgetter("layer")):
        of_units = None if images is None else spearman(activities[layer], images.reshape(len(images), -1))
        of_classes = None if labels is None else _class_means(activities[layer], labels)
        for part in group:
            sets = part.and_random(settings.n_random, rng)
            line: dict[str, object] = {}
            if labels is not None and of_classes is not None:
                means = of_classes[sets].mean(axis=1)  # (sets, classes)
                most, random = means[0].max(), means[1:].max(axis=1)
                line["answers most to"] = subject.classes[int(np.unique(labels)[means[0].argmax()])]
                line |= {"by": most, "random units by": random.mean()}
                line["p of class"] = monte_carlo_p(most, random, side="large")
            if of_units is not None:
                pictures = [mean_image(of_units[units], rng) for units in sets]
                own, *others = map(contrast, pictures)
                drawn.append(pictures[0])
                line |= {"contrast": own, "of random units": np.mean(others)}
                line["p of image"] = monte_carlo_p(own, np.array(others), side="large")
            lines.append(line)
            on_step(len(lines), len(parts))
    table = pd.DataFrame(_names(subject, parts)).join(pd.DataFrame(lines))
    tests = [column for column in ("p of class", "p of image") if column in table]
    rejected = benjamini_hochberg(table[tests].to_numpy().ravel(), LEVEL).reshape(len(table), -1)
    says = []
    for column, which in zip(tests, rejected.T, strict=True):
        table[column.replace("p of", "significant by")] = which
        what = "answer more to one class" if column == "p of class" else "share one image more"
        says.append(f"The units of {int(which.sum())} of {len(table)} sub-clusters {what} than random units do.")
    arrays = {} if images is None else {"images": np.array(drawn).reshape(-1, *images.shape[1:])}
    says += [power(rejected.size, settings.n_random), *_not_told(network, activities)]
    return Findings(tuple(says), {"responses": table}, arrays)


def similar(subject: Subject, settings: AuditSettings, rng: np.random.Generator, on_step: OnStep) -> Findings:
    """Whether units fall into communities that see the same or do the same, more than with shuffled weights.

    Raises:
        NotDone: if network or data are missing, or there is no hidden layer.
    """
    network, inputs = subject.asked()
    _need_hidden(network)
    each = operations(network, inputs)
    if isinstance(network, Network) and network.is_relu_perceptron():  # a gradient of every unit and output
        each *= 1 + min(network.layers[0].kernel.shape) + network.layers[-1].kernel.shape[1]
    effort = affordable(settings.most_operations, each, len(inputs), settings.n_networks, 1)
    inputs, labels = inputs[: effort.inputs], None if subject.labels is None else subject.labels[: effort.inputs]
    own = _alike(network, inputs, labels)
    lines, arrays = [], {}
    for layer, measures in own.items():
        for measure, matrix in measures.items():
            communities = find_communities(matrix, rng)
            arrays[f"{measure} {layer}"] = communities.labels
            lines.append(
                {
                    "layer": network.layer_name(layer),
                    "measure": measure,
                    "Q": communities.q,
                    "communities": effective_number(communities.labels),
                }
            )
    random = []
    for number in range(1, effort.draws + 1):
        other = _alike(_shuffled(network, rng), inputs, labels, list(own))
        random.append([find_communities(m, rng).q for measures in other.values() for m in measures.values()])
        on_step(number, effort.draws)
    null = np.array(random)
    table = pd.DataFrame(lines)
    table["Q of shuffled weights"] = null.mean(axis=0)
    table["p"] = [monte_carlo_p(q, null[:, row], side="large") for row, q in enumerate(table["Q"])]
    table["significant"] = benjamini_hochberg(table["p"].to_numpy(), LEVEL)
    says = [
        f"In {int(table['significant'].sum())} of {len(table)} cases units fall into clearer communities than in the "
        "same network with shuffled weights.",
        power(len(table), effort.draws),
        *filter(None, [effort.reduced]),
        *_not_told(network, own),
    ]
    if HESSIAN not in set(table["measure"]):
        says.append(
            "Only what units see is compared, not what they do: measures by gradients take a pass a unit and input "
            "where the network is no perceptron with ReLU; modlib.similarities computes them."
        )
    return Findings(tuple(says), {"communities": table}, arrays)


def _sub_clusters(subject: Subject, found: Mapping[str, Findings]) -> list[SubCluster]:
    """Sub-clusters that random units can be compared with: not the whole layer, and not a single unit."""
    if subject.network is not None:
        _need_hidden(subject.network)
    labels = subject.hidden(found["modules"].arrays["labels"])
    parts = [part for part in sub_clusters(labels, at_least=2) if len(part.units) < len(part.pool)]
    if not parts:
        raise NotDone("every module holds whole hidden layers, so there are no other units to compare it with")
    return parts


def _hidden(network: AnyNetwork) -> list[int]:
    """Numbers of the hidden layers."""
    return list(network.hidden if isinstance(network, Trace) else range(1, len(network.layers)))


def _need_hidden(network: AnyNetwork) -> None:
    if not _hidden(network):
        raise NotDone("the network has no hidden layer, whose units this part asks about")


def _class_hurt_most(test: LesionTest, labels: np.ndarray) -> int:
    """The class that a lesion hurts most."""
    return int(np.unique(labels)[test.damage.class_drops.argmax()])


def _names(subject: Subject, parts: list[SubCluster]) -> dict[str, list[object]]:
    assert subject.network is not None
    return {
        "layer": [subject.network.layer_name(part.layer) for part in parts],
        "module": [part.cluster for part in parts],
        "units": [len(part.units) for part in parts],
        "of": [part.width for part in parts],
    }


def _class_means(activities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean of every unit's standardised activity over the inputs of every class, (units, classes)."""
    scores = _standardised(activities)
    return np.array([scores[labels == label].mean(axis=0) for label in np.unique(labels)]).T


def _activities(network: AnyNetwork, inputs: np.ndarray, layers: list[int] | None = None) -> dict[int, np.ndarray]:
    """Activities (n, units) of some hidden layers, by their number; by default of all whose activity is seen.

    Raises:
        NotDone: if none is.
    """
    if isinstance(network, Network):
        try:
            relu_names(network)
        except InputError:  # other functions, whose layers have the same numbers in a trace
            from modlib.networks.tracing import trace

            network = trace(network, inputs[:2])
    chosen = None  # of a chain, which gives all
    if isinstance(network, Trace):
        chosen = layers_shown(network, inputs[:AT_ONCE]) if layers is None else layers
        if not chosen:
            raise NotDone("no hidden layer shows its activity: each lies in a step that computes several")
    parts = [hidden_activities(network, batch, chosen) for batch in batches(inputs)]
    shown = chosen or _hidden(network)
    return {layer: np.concatenate(of_layer) for layer, of_layer in zip(shown, zip(*parts, strict=True), strict=True)}


def _not_told(network: AnyNetwork, seen: Collection[int]) -> list[str]:
    """Which hidden layers are left out, in a sentence; none if all are seen."""
    names = [network.layer_name(layer) for layer in _hidden(network) if layer not in seen]
    told = f"Not told: {', '.join(names)}, for the steps that compute them do not show their activity for each input."
    return [told] if names else []


def _standardised(activities: np.ndarray) -> np.ndarray:
    """Activities with mean 0 and spread 1 over the inputs; 0 for a unit that never changes.

    A spread that single precision cannot tell from the rounding of a constant is none.
    """
    activities = activities.astype(np.float64)
    mean, spread = activities.mean(axis=0), activities.std(axis=0)
    changes = spread > ROUNDING * np.abs(mean)
    return np.divide(activities - mean, spread, out=np.zeros_like(activities), where=changes)


def _alike(
    network: AnyNetwork, inputs: np.ndarray, labels: np.ndarray | None, seen: list[int] | None = None
) -> dict[int, dict[str, np.ndarray]]:
    """Similarities of the units of the hidden layers, by number and measure; see ``_activities``."""
    if isinstance(network, Network) and network.is_relu_perceptron():
        layers = similarities(network, inputs, labels).values()
        return {
            layer: {name: alike[name] for name in (COVARIANCE, HESSIAN)} for layer, alike in enumerate(layers, start=1)
        }
    found = {}
    for layer, activities in _activities(network, inputs, seen).items():
        scores = _standardised(activities)
        found[layer] = {COVARIANCE: np.abs(scores.T @ scores) / len(scores)}
    return found


def _shuffled(network: AnyNetwork, rng: np.random.Generator) -> AnyNetwork:
    """The network with the weights of every layer in random places; biases and norms stay where they are."""
    if isinstance(network, Network) and network.is_relu_perceptron():
        kernels = [rng.permutation(layer.kernel.ravel()).reshape(layer.kernel.shape) for layer in network.layers]
        return from_arrays(kernels, [layer.bias for layer in network.layers])
    import copy

    import torch

    module: Any = copy.deepcopy(network.program.graph if isinstance(network, Trace) else network.module)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                places = torch.as_tensor(rng.permutation(parameter.numel()))
                parameter.copy_(parameter.flatten()[places].reshape(parameter.shape))
    if isinstance(network, Trace):
        return replace(network, program=replace(network.program, graph=module))
    return replace(network, module=module)
