"""The network that is audited, what is known of it, and how thoroughly it is asked.

Chapter: ``your-network``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

import modlib
from modlib.audits.findings import NotDone
from modlib.checks import (
    LARGEST_SEED,
    UNPLACED,
    array,
    function,
    labels as whole_labels,
    seed_number,
    store,
    whole,
    wholes,
)  # fmt: skip
from modlib.errors import InputError
from modlib.files import digest_of
from modlib.graphs.branching import traced_graph
from modlib.graphs.edges import Matrix
from modlib.graphs.neurons import NeuronGraph, neuron_graph
from modlib.networks.network import Network, answers, as_network
from modlib.networks.traces import AnyNetwork, Trace, n_scores
from modlib.reprs import BriefRepr

if TYPE_CHECKING:
    from modlib.training.steps import Draw

WEIGHTS_ALONE = "a list of weights says nothing of biases and activations"
EXAMPLES = 16  # by which a task is known, and what a network computes
SIDE = 32  # of images as they are shown, at most
CHANNELS = (1, 3)  # of images; so many in the last place, and not in the second, are channels last


@dataclass(frozen=True)
class AuditSettings:
    """How thoroughly a network is asked.

    Attributes:
        ks: numbers of modules to try.
        n_shuffles: shuffles of the weights a null model.
        n_starts: clusterings from other random starts that are compared with each other.
        n_random: random sets of units a sub-cluster, and random groupings of units that agreement is compared with.
        n_inputs: inputs at most, drawn from the data.
        n_networks: networks with shuffled weights whose communities are compared with those found.
        mask_steps: steps in which a mask is learned.
        most_operations: floating point operations that a part may cost; it asks less where it would cost more.

    >>> AuditSettings(n_shuffles=0)
    Traceback (most recent call last):
    modlib.errors.InputError: n_shuffles = 0 arrived; expected a whole number of at least 1
    """

    ks: tuple[int, ...] = (2, 4, 7, 10)
    n_shuffles: int = 499
    n_starts: int = 10
    n_random: int = 499
    n_inputs: int = 5000
    n_networks: int = 99
    mask_steps: int = 2000
    most_operations: int = 200_000_000_000_000

    def __post_init__(self) -> None:
        store(self, wholes, "ks", least=2)
        if len(set(self.ks)) < len(self.ks):
            raise InputError(f"ks = {self.ks} arrived; expected every number of modules once: each is tested by itself")
        store(self, whole, "n_starts", "n_inputs", least=2)
        store(self, whole, "n_shuffles", "n_random", "n_networks", "mask_steps")
        store(self, whole, "most_operations", most=LARGEST_SEED)


QUICK = AuditSettings(
    n_shuffles=99,
    n_starts=5,
    n_random=99,
    n_inputs=500,
    n_networks=39,
    mask_steps=300,
    most_operations=2_000_000_000_000,
)


@dataclass(frozen=True, eq=False, repr=False)
class Subject(BriefRepr):
    """A network and its data, as an audit reads them.

    Attributes:
        name: of the network, for the report.
        graph: its neuron graph.
        network: the network itself, a chain or traced, or None where only its weights are known.
        inputs: (n, ...), what the module of the network takes, in random order, or None.
        labels: (n,) classes of the inputs, or None.
        images: (n, height, width), the inputs as grey images of at most 32 x 32, or None if they are none.
        classes: names of the outputs.
        task: draws examples of a task of the reader's own, or None.
        notes: how data were read.
    """

    name: str
    graph: NeuronGraph
    network: AnyNetwork | None
    inputs: np.ndarray | None
    labels: np.ndarray | None
    images: np.ndarray | None
    classes: tuple[str, ...]
    task: Draw | None
    notes: tuple[str, ...]

    def _facts(self) -> dict[str, object]:
        return {"name": self.name, "graph": self.graph, "inputs": self.inputs}

    def asked(self) -> tuple[AnyNetwork, np.ndarray]:
        """The network and the inputs, for a part that needs both.

        Raises:
            NotDone: if one of them is not there.
        """
        if self.network is None:
            raise NotDone(f"this part needs the network itself: {WEIGHTS_ALONE}; pass a model")
        if self.inputs is None:
            raise NotDone("no data arrived; pass inputs of the network, such as its test set")
        return self.network, self.inputs

    def labelled(self) -> tuple[AnyNetwork, np.ndarray, np.ndarray]:
        """The network, the inputs and their classes, for a part that needs all of them.

        Raises:
            NotDone: if one of them is not there.
        """
        network, inputs = self.asked()
        if self.labels is None:
            raise NotDone("no labels arrived; pass the class of every input")
        return network, inputs, self.labels

    def hidden(self, labels: np.ndarray) -> list[np.ndarray]:
        """Labels of vertices for the layers from 1, as ``modlib.graphs.sub_clusters`` takes them.

        Layers of a traced network that are not hidden, or not in the graph, have no labels: ``UNPLACED`` throughout.

        Args:
            labels: (n_vertices,).

        Raises:
            NotDone: if the network is not known.
        """
        if self.network is None:
            raise NotDone(f"this part needs the network itself: {WEIGHTS_ALONE}; pass a model")
        if isinstance(self.network, Trace):
            by_name = self.graph.labels_by_name(labels)
            return [
                by_name[layer.name]
                if number in self.network.hidden and layer.name in by_name
                else np.full(layer.size, UNPLACED)
                for number, layer in enumerate(self.network.layers)
            ][1:]
        by_layer = self.graph.labels_by_layer(labels)
        if self.network.layers[0].kind != "conv":
            by_layer = by_layer[1:]  # of a perceptron the first layer holds the inputs
        return by_layer[: len(self.network.layers) - 1]

    def digest(self, settings: AuditSettings, seed: int) -> dict[str, Any]:
        """All that the findings depend on, short enough for a file name's digest."""
        edges: dict[str, np.ndarray] = {}
        for (i, j), block in self.graph.edges.items():
            edges |= {f"{i}-{j} {part}": array for part, array in _arrays_of(block).items()}
        arrays = {"inputs": self.inputs, "labels": self.labels, "images": self.images}
        weights = {}
        if self.network:
            weights = {name: value.cpu().numpy() for name, value in self.network.module.state_dict().items()}
        drawn = _examples(self.task, seed) if self.task else ()
        return {
            "modlib": modlib.__version__,
            "network": hashlib.sha256(f"{self.network!r} {self.graph!r}".encode()).hexdigest(),
            "weights": digest_of(weights | edges),
            "function": _function(self.network, self.inputs),
            "data": digest_of({name: array for name, array in arrays.items() if array is not None}),
            "classes": list(self.classes),
            "task": digest_of({str(place): part for place, part in enumerate(drawn)}),
            "settings": asdict(settings) | {"ks": list(settings.ks)},
            "seed": seed,
        }


def read_subject(
    model: object,
    data: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    classes: Sequence[str] | None = None,
    task: Draw | None = None,
    name: str | None = None,
    n_inputs: int = AuditSettings.n_inputs,
    seed: int = 0,
) -> Subject:
    """Read a network and its data, or refuse what does not fit before anything is measured.

    Args:
        model: what ``modlib.graphs.neuron_graph`` takes.
        data: (n, ...) inputs. Images are (n, height, width) or (n, channels, height, width); channels in the last
            place are moved where that cannot be mistaken. A perceptron gets them flattened.
        labels: (n,) classes, from 0.
        classes: names of the outputs, their numbers by default.
        task: draws examples of a task of your own for ``modlib.masks.learn_mask``.
        name: of the network, for the report.
        n_inputs: inputs to keep at most, drawn at random.
        seed: decides which.

    Raises:
        GraphError: if the weights make no graph.
        InputError: if the model cannot be read, data and labels do not fit it or each other, or the task draws no
            examples.

    >>> from modlib.networks import side_by_side
    >>> network, x, y, _ = side_by_side(copies=3, n=20, seed=0)
    >>> read_subject(network, x, y, n_inputs=15)
    Subject(name=Network, graph=NeuronGraph(sizes=[2, 12, 12, 4], live=30 of 30, edges=60), inputs=(15, 2) float32)
    """
    if data is None and (labels is not None or task is not None):
        raise InputError("labels or a task arrived without data; pass the inputs that they belong to")
    notes: list[str] = []
    n_inputs, seed = whole(n_inputs, "n_inputs"), seed_number(seed)
    if task is not None:
        _examples(task, seed)  # a task that does not draw any is refused here
    if data is not None:
        data = array(data, "data")
        if data.ndim < 2 or len(data) < 2:
            raise InputError(f"data of shape {data.shape} arrived; expected at least two inputs, (n, ...)")
        if labels is not None:
            labels = whole_labels(labels, "labels", len(data), least=0)
        if len(data) > n_inputs:
            notes.append(f"{n_inputs} of {len(data)} inputs were drawn at random.")
        kept = np.random.default_rng(seed).permutation(len(data))[:n_inputs]
        data, labels = data[kept], None if labels is None else labels[kept]
    network = _network_of(model, data)
    graph = traced_graph(network) if isinstance(network, Trace) else neuron_graph(network or model)
    inputs = images = None
    if data is not None and network is not None:
        inputs, images = _as_taken(data, network, notes)
        if isinstance(network, Network):
            # what does not fit is refused here, not in a part that would be left out
            _ = answers(network.module, inputs[:2]) if labels is None else network.answers(inputs[:2])
    if network is None:
        outputs = graph.sizes[-1]
    elif labels is not None:
        outputs = n_scores(network)
    else:
        outputs = 0 if classes is None else network.n_classes
    names = tuple(map(str, range(outputs) if classes is None else classes))
    if len(names) != outputs and network is not None:
        raise InputError(f"{len(names)} names of classes arrived for {outputs} outputs; expected one name an output")
    if labels is not None:
        labels = whole_labels(labels, "labels", least=0, most=outputs - 1)
    return Subject(name or type(model).__name__, graph, network, inputs, labels, images, names, task, tuple(notes))


def _network_of(model: object, data: np.ndarray | None) -> AnyNetwork | None:
    """The network in a model: a chain if it is one, traced otherwise; None for a list of weights."""
    if isinstance(model, Sequence):
        return None
    if isinstance(model, Trace):
        return model
    try:
        return as_network(model)
    except InputError:
        from modlib.networks.tracing import trace

        taken, faults = [], []
        for example in [None] if data is None else _forms(data[:2]):
            try:
                taken.append(trace(model, example))
            except InputError as error:
                faults.append(error)
            else:
                if example is None or _gives_scores(taken[-1], len(example)):
                    return taken[-1]
        if not taken:
            raise faults[0] from None
        return taken[0]  # it gives something else than scores of classes, however it takes its inputs


def _gives_scores(network: Trace, n: int) -> bool:
    """Whether a network gives one vector for each of n inputs."""
    outputs = network.program.outputs
    return bool(outputs) and outputs[0].ndim == 2 and len(outputs[0]) == n


def _forms(data: np.ndarray) -> list[np.ndarray]:
    """Forms in which a traced network may take inputs: as they are, images with channels first, flat, or tokens.

    As they are comes first, for many a network that takes sequences also takes images, as longer ones.
    """
    real = data.astype(np.float32)
    forms = {form.shape: form for form in (real, _pictures(real), real.reshape(len(real), -1))}
    return [*forms.values(), *([] if np.issubdtype(data.dtype, np.floating) else [data.astype(np.int64)])]


def _pictures(data: np.ndarray) -> np.ndarray:
    """Inputs as images (n, channels, height, width), if they can be; they stay as they are otherwise."""
    if data.ndim == 4 and data.shape[-1] in CHANNELS and data.shape[1] not in CHANNELS:
        return np.ascontiguousarray(data.transpose(0, 3, 1, 2))
    return data[:, None] if data.ndim == 3 else data


def _examples(task: Draw, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What a task draws, by which it is known.

    Raises:
        InputError: if it raises, or gives no inputs and targets that are finite numbers.
    """
    from torch import device

    from modlib.training.steps import drawn

    wanted = "a function of a random generator and a number n that returns n inputs and n targets, two tensors"
    function(task, "task", f"pass {wanted}, see modlib.training.draw_from")

    def draw(rng: np.random.Generator, n: int) -> Any:
        try:
            return task(rng, n)
        except Exception as error:  # the reader's own code
            raise InputError(
                f"the task raised {type(error).__name__}: {error}; expected {wanted}: see modlib.training.draw_from"
            ) from error

    inputs, targets = drawn(draw, np.random.default_rng(seed), EXAMPLES, device("cpu"))
    return array(inputs, "inputs that the task drew"), array(targets, "targets that the task drew")


def _as_taken(data: np.ndarray, network: AnyNetwork, notes: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs as the network takes them, and as grey images, if they are images."""
    pictures = _pictures(data.astype(np.float32))
    images = _small(pictures.mean(axis=1)) if pictures.ndim == 4 else None
    if isinstance(network, Trace):
        example = network.program.inputs[0]
        forms = [form for form in _forms(data) if form.shape[1:] == tuple(example.shape[1:])]
        inputs = forms[0] if example.is_floating_point() else forms[-1]
    else:
        inputs = pictures if network.layers[0].kind == "conv" else data.astype(np.float32).reshape(len(data), -1)
    if inputs.ndim == data.ndim == 4 and inputs.shape != data.shape:
        notes.append(f"Inputs {data.shape} were read as images with channels last, and their axes moved.")
    return inputs, images if np.issubdtype(inputs.dtype, np.floating) else None


def _small(images: np.ndarray) -> np.ndarray:
    """Images whose sides are at most so long: means over blocks of pixels, what is left over at the edges cut off."""
    step = -(-max(images.shape[1:]) // SIDE)
    n, height, width = images.shape[0], *(max(1, length // step) for length in images.shape[1:])
    cut = images[:, : height * step, : width * step]
    return cut.reshape(n, height, -1, width, cut.shape[2] // width).mean(axis=(2, 4))


def _function(network: AnyNetwork | None, inputs: np.ndarray | None) -> str:
    """A digest of what a network computes with its weights: its parts, the steps of a trace, and what it returns.

    Not every step has weights, or shows in the parts; and of outputs those of a few inputs may be equal by chance.
    """
    if network is None:
        return ""
    from torch import as_tensor, no_grad, uint8

    from modlib.networks.execution import as_taken
    from modlib.networks.modules import at_rest, outputs_of
    from modlib.networks.programs import tensors_of

    digest = hashlib.sha256(repr(network.module).encode())
    if isinstance(network, Trace):
        digest.update(network.program.graph.code.encode())
    if inputs is not None:
        few = inputs[:EXAMPLES]
        with suppress(InputError), at_rest(network.module), no_grad():  # a part says what the network does not take
            taken = as_taken(network, few) if isinstance(network, Trace) else as_tensor(network.inputs(few))
            for tensor in tensors_of(outputs_of(network.module, taken)):
                values = tensor.cpu().reshape(-1).contiguous().view(uint8).numpy()  # NumPy lacks some types
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode() + values.tobytes())
    return digest.hexdigest()


def _arrays_of(block: Matrix) -> dict[str, np.ndarray]:
    if isinstance(block, np.ndarray):
        return {"values": block}
    sparse = sp.csr_array(block)
    return {"values": sparse.data, "columns": sparse.indices, "rows": sparse.indptr}
