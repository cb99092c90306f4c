"""Every public function of the measures, called with nearly anything.

It answers, and then with finite numbers and the same ones when it is asked again, or it raises one of modlib's errors.
``FUZZ_EXAMPLES`` says how many calls a quick function gets, 2,000 by default; ``make fuzz`` makes 100,000. A call that
fails is made as small as it gets, and shown. ``FUZZ_SEED`` draws other calls.
"""

import dataclasses
import importlib
import os
import socket
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from fuzz import makers as some
from fuzz.choices import Choices, Make, just, lists, one_of, smallest, whole, words
from test_examples import public_functions

from modlib.data.composites import KINDS
from modlib.errors import ModlibError
from modlib.graphs import NULLS
from modlib.masks import MaskSettings
from modlib.networks import BatchNorm, Layer, Trace, lstm_encoder_decoder, trace
from modlib.responses import ImageSettings
from modlib.training import Clusterable, draw_from

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))

NAMED = Mapping[Any, Make[Any]]
rng, seed, few, flag, share = some.generators, some.seeds, some.few, some.flags, some.shares
special = words(some.SPECIAL)
inputs = some.numbers(5, 4)
classes = some.numbers(5, whole=3)
nulls, routes = words(NULLS), words(["auto", "bipartite", "arpack", "amg"])
ks, counts = lists(few, 1, 2), whole(1, 3)
test = {"graph": some.graphs, "n_shuffles": counts, "seed": seed, "null": nulls, "route": routes, "n_init": counts}
lesion = {"network": some.networks, "images": inputs, "labels": classes, "zero_biases": flag}
unit_sets = words([[[0]], [[1]], [[0, 1]], [[0], [1]], [[1], [0, 1]]])
part_lists = lists(some.parts, 1, 2)
mask_pair = {"first": some.masks, "second": some.masks}
halves = {"first": some.numbers(4), "second": some.numbers(4)}
counts_of_data = {"n": few, "seed": seed, "n_test": few}
known = {"seed": seed, "n": few}
draws = just(draw_from(torch.eye(2), torch.arange(2)))
sizes = {
    "sources": few,
    "targets": few,
    "width": few,
    "embedding": words([2, 4]),
    "hidden": few,
    "layers": few,
    "rng": rng,
}


def linear(choose: Choices) -> torch.nn.Module:
    torch.manual_seed(seed(choose))
    return torch.nn.Linear(2, 2)


def traced(choose: Choices) -> Trace:
    return trace(torch.nn.Sequential(linear(choose), torch.nn.ReLU(), linear(choose)))


def few_steps(choose: Choices) -> MaskSettings:
    return MaskSettings(steps=counts(choose), batch_size=4, samples=1 + choose(2))


ARGUMENTS: dict[str, NAMED] = {
    "exercises.check_answer": {
        "answer": special, "right": one_of(special, some.arrays), "hint": just("Count."), "within": share,
        "mistakes": words([(), [(1.0, "That is one.")], [1.0]]), "among": words([(), ("layer", "degree")]),
    },
    "exercises.check_function": {
        "function": words([abs, len, lambda x: ..., lambda x: 1 / 0]), "like": words([abs, np.negative]),
        "tries": lists(lambda choose: (special(choose),), 1, 3), "hint": just("Count."), "within": share,
        "mistakes": words([(), [(np.negative, "Its sign.")]]),
    },
    "stats.monte_carlo_p": {
        "value": special, "null": some.samples, "side": words(["small", "large"]),
        "ties": words(["against", "for"]),
    },
    "stats.monte_carlo_interval": {"p": share, "n_random": words([9, 19]), "level": share},
    "stats.ranks_behind": {"printed": words(["0.034", "1.", "0", "1.000", "0.0340", "2.5"]), "n": whole(1, 400)},
    "stats.z_score": {"value": special, "null": some.samples},
    "stats.cohens_d": {"first": some.samples, "second": some.samples},
    "stats.pooled_mean_sd": {"means": some.numbers(3), "sds": some.numbers(3, least=0), "n": few},
    "stats.fisher_combined": {"p": some.p_values, "n_random": words([9, 19])},
    "stats.chi_squared_uniform": {"p": some.p_values, "n_random": words([9, 19])},
    "stats.benjamini_hochberg": {"p": some.p_values, "level": share},
    "stats.holm": {"p": some.p_values, "level": share},
    "stats.median_p": {"p": some.p_values},
    "graphs.eigenvalue_gradient": {"kernels": some.kernels, "which": ks},
    "graphs.laplacian_eigenvalues": {"kernels": some.kernels, "which": ks},
    "graphs.consumer_graph": {"network": one_of(traced, linear), "scaled": flag},
    "graphs.chain_graph": {"edge_matrices": some.chains},
    "graphs.edge_weights": {"weight": some.matrices, "position": few},
    "graphs.neuron_graph": {"network": some.chains},
    "graphs.shuffle_graph": {"graph": some.graphs, "null": nulls, "rng": rng},
    "graphs.shuffle_matrix": {"matrix": some.matrices, "null": nulls, "rng": rng},
    "graphs.shuffle_test": {**test, "k": few},
    "graphs.shuffle_tests": {**test, "ks": ks},
    "graphs.shuffled_ncuts": {
        "graph": some.graphs, "ks": ks, "null": nulls, "seeds": just(np.random.SeedSequence(0).spawn(2)),
        "route": routes, "n_init": counts,
    },
    "graphs.cluster": {"graph": some.adjacencies, "k": few, "rng": rng, "route": routes, "n_init": counts},
    "graphs.cluster_for_each_k": {"graph": some.adjacencies, "ks": ks, "rng": rng, "route": routes, "n_init": counts},
    "graphs.clusters_of": {
        ("graph", "embedding"): some.graph_and_embedding, "ks": ks, "rng": rng, "n_init": counts
    },
    "graphs.share_between_layers": {("graph", "embedding"): some.graph_and_embedding},
    "graphs.ncut": {("graph", "labels"): some.graph_and_labels},
    "graphs.spectral_embedding": {"graph": some.adjacencies, "k": few, "route": routes, "rng": rng},
    "graphs.hidden_labels": {"network": some.networks, "k": few, "rng": rng},
    "graphs.layer_and_cluster": {"name": words(["2-7", "2-", "-1", "1-2-3", "²-1"])},
    "graphs.sub_clusters": {"labels": lists(some.partitions, 1, 2), "at_least": few, "at_most": share},
    "lesions.damages": {
        **lesion, "layer": few, "sets": unit_sets, "lesioned": words([None, {1: [0]}, {2: [1]}, {"1": [0]}, {0: [0]}])
    },
    "lesions.lesion_tests": {**lesion, "parts": part_lists, "n_random": counts, "rng": rng},
    "lesions.double_lesions": {**lesion, "parts": part_lists, "n_random": counts, "rng": rng},
    "lesions.lesion_profiles": {"network": some.networks, "inputs": inputs, "labels": classes, "layer": few},
    "lesions.kind": {"part": some.parts, "drop": words([-1.0, 0.0, 0.005, 0.2]), "random_drops": some.numbers(3)},
    "lesions.kind_in_first_paper": {
        "part": some.parts, "drop": words([-1.0, 0.0, 0.005, 0.2]), "random_drops": some.numbers(3)
    },
    "responses.hidden_activities": {"network": some.networks, "inputs": inputs},
    "responses.channel_measures": {"network": some.networks, "inputs": inputs, "n_upstream": few},
    "responses.relu_names": {"network": some.networks},
    "responses.align_signs": {"images": some.numbers(3, 4), "rng": rng, "sweeps": few},
    "responses.contrast": {"image": some.numbers(4)},
    "responses.halves": {"image": some.halves, "stacked": flag},
    "responses.likeness": halves,
    "responses.mean_image": {"images": some.numbers(3, 4), "rng": rng, "sweeps": few},
    "responses.one_sidedness": halves,
    "responses.spearman": {"activities": some.numbers(5, 2), "pixels": some.numbers(5, 3)},
    "responses.visualise": {
        "network": some.networks, "layer": few, "sets": unit_sets, "shape": words([(1, 2, 2), (4, 1, 1), (1, 3, 3)]),
        "seed": seed, "settings": lambda choose: ImageSettings(steps=counts(choose)),
    },
    "communities.agreement": {
        "first": some.partitions, "second": some.partitions, "groups": one_of(just(None), some.partitions)
    },
    "communities.matched_groups": {"levels": some.numbers(8), "size": few},
    "communities.permuted_labels": {
        "labels": some.partitions, "rng": rng, "groups": one_of(just(None), some.partitions)
    },
    "communities.consensus": {"partitions": lists(some.numbers(4, whole=3), 1, 4)},
    "communities.similarity_by_chance": {
        "first": some.partitions, "second": some.partitions, "groups": one_of(just(None), some.partitions)
    },
    "communities.adjacency": {"similarity": some.similarities()},
    "communities.effective_number": {"labels": some.partitions},
    "communities.element_similarity": {"first": some.partitions, "second": some.partitions},
    "communities.find_communities": {
        "similarity": some.similarities(), "rng": rng, "steps": words([0, 1, 200]), "spectral_start": flag
    },
    "communities.dealt_similarity": {"similarity": some.similarities(), "rng": rng},
    "communities.leiden": {"similarity": some.similarities(), "rng": rng, "resolution": share},
    "communities.modularity_test": {"similarity": some.similarities(), "rng": rng, "n_null": counts},
    "communities.modularity": {"similarity": some.similarities(5), "labels": some.numbers(5, whole=3)},
    "communities.similarities": {
        "model": some.networks, "inputs": inputs, "labels": classes, "layers": words([None, ["1"], ["x"]])
    },
    "communities.transferability": {
        "first_similarity": some.similarities(4), "first": some.numbers(4, whole=2),
        "second_similarity": some.similarities(4), "second": some.numbers(4, whole=2),
    },
    "masks.chance_sharing": mask_pair,
    "masks.intersection_over_union": mask_pair,
    "masks.learn_class_masks": {
        "network": some.networks, "inputs": inputs, "labels": classes, "settings": few_steps, "rng": rng
    },
    "masks.learn_mask": {
        "model": linear, "draw": draws, "settings": few_steps, "rng": rng,
        "names": words([None, ["weight"], ["nothing"]]), "fixed": one_of(just(None), some.masks),
    },
    "masks.learn_with_weights": {
        "module": linear, "draw": draws, "settings": few_steps, "rng": rng, "keep_used": words([None, 0.5]),
        "used": words([None, {"weight": np.ones((2, 2), dtype=bool)}, {"weight": np.ones(2)}, {"x": None}]),
    },
    "masks.learn_permuted_mask": {
        "model": linear, "inputs": some.numbers(6, 2), "targets": some.numbers(6, whole=3), "settings": few_steps,
        "rng": rng, "names": words([None, ["weight"], ["nothing"]]),
    },
    "masks.parameter_names": {
        "module": linear, "masked": words([("*",), ["*.weight"], ["weight"]]), "unmasked": words([(), ["bias"], ["*"]])
    },
    "masks.random_mask": {"mask": some.masks, "rng": rng},
    "masks.reuse": {"masks": lists(some.masks, 1, 3)},
    "masks.sharing": {"target": some.masks, "reference": some.masks},
    "masks.thinned_mask": {"mask": some.masks, "removed": share, "rng": rng},
    "masks.union_before": {"masks": lists(some.masks, 1, 3), "task": few},
    "notions.divided_by_notion": {
        "network": some.networks, "inputs": inputs, "labels": classes, "k": few, "seed": seed, "masks": few_steps,
        "notions": lists(words(["weights", "covariance", "images", "loss Hessian", "lesions", "masks", "no"]), 1, 3),
    },
    "notions.profile_similarity": {"profiles": some.numbers(4, 3)},
    "notions.similarity_clusters": {"similarity": some.similarities(), "k": few, "rng": rng},
    "networks.answers": {"module": linear, "inputs": some.numbers(3, 2)},
    "networks.as_network": {"model": one_of(linear, some.networks)},
    "networks.idle_weights": known,
    "networks.rotated_functions": known,
    "networks.shared_part": known,
    "networks.two_functions": {**known, "together": flag, "crossing": share},
    "networks.fold_batch_norm": {
        "kernel": some.numbers(2, 3), "gamma": some.numbers(3), "variance": some.numbers(3, least=0),
        "epsilon": words([0.0, 1e-3]),
    },
    "networks.from_arrays": {
        "kernels": some.kernels, "biases": words([None, [None], [np.zeros(2)]]),
        "activation": words(["relu", "linear", "x"]),
    },
    "networks.glorot_perceptron": {"sizes": some.widths, "rng": rng},
    "networks.greedy": {
        "module": lambda choose: lstm_encoder_decoder(5, 3, 3, rng(choose)).eval(),
        "sources": lambda choose: some.numbers(2, 3, whole=7)(choose) - 1, "steps": few,
    },
    "networks.load_network": {"path": words(["nowhere.npz", "nowhere.pt", ".", "nowhere"]), "activation": just("relu")},
    "networks.lstm_encoder_decoder": {**sizes, "dropout": share},
    "networks.ordered_weights": {
        "state": words(
            [{}, {"weight": np.ones(3)}, {"a": {"kernel": np.ones((2, 3))}, "b": {"kernel": np.ones((3, 2))}}]
        ),
        "order": words([None, ["a"], ["b", "a"], ["c"], []]),
    },
    "networks.perceptron": {"sizes": some.widths, "rng": rng},
    "networks.planted_kernels": {"channels": some.widths, "modules": few, "seed": seed, "outside": share, "side": few},
    "networks.planted_weights": {"widths": some.widths, "modules": few, "seed": seed, "outside": share},
    "networks.random_weights": {"widths": some.widths, "seed": seed, "density": share},
    "networks.repeated_lstm": {"inputs": few, "hidden": few, "outputs": few, "steps": few, "rng": rng},
    "networks.side_by_side": {"copies": few, "n": few, "seed": seed},
    "networks.cifar_resnet": {"depth": words([8, 14, 20, 21]), "rng": rng, "classes": few},
    "networks.simple_cnn": {"rng": rng, "dropout": flag, "classes": few},
    "networks.small_cnn": {"rng": rng, "channels": few, "classes": few, "side": words([4, 8, 6]), "dropout": flag},
    "networks.torch_module": {"model": one_of(linear, some.networks)},
    "networks.trace": {"model": linear, "inputs": some.numbers(5, 2)},
    "networks.transformer_encoder_decoder": {**sizes, "heads": words([1, 2]), "dropout": share, "tied": flag},
    "networks.vgg16": {"rng": rng, "classes": few, "dropout": flag},
    "data.add_or_multiply": {"rng": rng, "n": few, "only": words([None, "addition", "multiplication"])},
    "data.double_addition": {"rng": rng, "n": few, "shown": words([(0, 1), (0,), [1], (2,)])},
    "data.compose": {"images": some.images, "kind": words(KINDS), "seed": seed},
    "data.load_composite": {"name": words(["digits halves-same", "digits", "x y"]), "seed": seed},
    "data.load_colour_images": {"name": words(["digits", "mnist", "imagenet"])},
    "data.load_images": {"name": words(["digits", "imagenet"])},
    "data.smaller": {"images": some.images, "factor": few},
    "data.line_images": {**counts_of_data, "side": few, "most": few},
    "data.mix": {"first": some.images, "second": some.images, "kind": words(["overlapping", "separate"])},
    "data.polynomial_values": counts_of_data,
    "data.random_images": {**counts_of_data, "pixels": few, "classes": few},
    "data.commands": {"primitives": words([("walk",), ["run", "jump"], ["hop"]]), "joined": flag},
    "data.interpret": {"command": words(["jump", "turn left twice and walk", "walk and", "and", "twice", "x after x"])},
    "data.load_scan": {"split": words(["jmp"])},
    "data.load_questions": {"task": words(["sorting"]), "n": few, "n_test": few},
    "data.small_questions": {"rng": rng},
    "data.small_scan": {"split": words(["simple", "length", "jump", "turn_left"]), "rng": rng},
    "data.split_commands": {
        "known": words([["walk", "jump", "jump twice"], ["walk"], ["hop"]]), "longest": few, "rng": rng,
        "split": words(["simple", "length", "jump", "turn_left"]),
    },
    "training.magnitude_mask": {"weights": some.matrices, "sparsity": one_of(share, special)},
    "training.cubic_sparsity": {"step": few, "steps": few, "initial": share, "final": share},
    "training.draw_tags": {"widths": some.widths, "start": just(Clusterable(2)), "rng": rng},
    "training.clusterable_kernels": {("kernels", "tags"): some.kernels_and_tags, "start": just(Clusterable(2))},
    "training.normalise_neurons": {("kernels", "biases"): some.kernels_and_biases},
    # settings, which are checked as they are made
    "responses.ImageSettings": {"steps": few, "learning_rate": share, "jitter": few, "scale": words([1, 1.1, 3])},
    "masks.MaskSettings": {
        "steps": few, "batch_size": few, "samples": few, "learning_rate": share, "beta": share, "keep": share,
        "clip": share,
    },
    "data.Images": {
        "name": just("made up"), "x_train": some.numbers(3, 4), "y_train": some.numbers(3, whole=4),
        "x_test": some.numbers(2, 4), "y_test": some.numbers(2, whole=4),
    },
    "graphs.SubCluster": {
        "layer": few, "cluster": few, "units": lists(whole(0, 3), 1, 2), "pool": just(np.arange(4)), "width": just(4)
    },
    "networks.BatchNorm": {
        "gamma": some.numbers(3), "beta": some.numbers(3), "mean": some.numbers(3), "variance": some.numbers(3),
        "epsilon": share,
    },
    "networks.Layer": {
        "name": just("first"), "kernel": some.numbers(4, 3), "bias": one_of(just(None), some.numbers(3)),
        "activation": words(["relu", "linear"]),
        "batch_norm": words([None, BatchNorm(*np.ones((4, 3)), 0.1), BatchNorm(*np.ones((4, 2)), 0.1)]),
    },
    "networks.Network": {
        "layers": lists(
            words([Layer("a", np.ones((4, 3)), None), Layer("b", np.ones((3, 3)), np.ones(3)), None]), 0, 3
        ),
        "module": words([torch.nn.Identity(), None]),
        "input_norm": words([None, BatchNorm(*np.ones((4, 4)), 0.1), BatchNorm(*np.ones((4, 2)), 0.1)]),
    },
    "networks.UnitLayer": {
        "name": just("first"), "size": few, "kind": words(["dense", "conv"]), "positions": flag, "axis": few
    },
    "networks.Weights": {
        "layer": few, "kernel": some.numbers(4, 3), "groups": few, "unit": some.numbers(3, whole=3),
        "reads": words([{}, {0: sp.eye_array(4, format="csr")}, {0: np.eye(4)}, {"a": None}]),
        "gain": one_of(just(None), some.numbers(3)),
    },
    "masks.Mask": {"keep": just({"w": np.ones(2, dtype=bool)}), "network": just("a")},
    "training.Clusterable": {"n_clusters": few, "beta": share},
    "training.EigenvaluePenalty": {"weight": share, "which": ks},
    "training.PrunedRecipe": {
        "epochs": few, "pruning_epochs": few, "batch_size": few, "l1": share, "l2": share, "initial_sparsity": share,
        "final_sparsity": share,
    },
    "training.Regularisation": {"l1": share, "l2": share, "dropout": share},
    "training.Settings": {
        "hidden": some.widths, "batch_size": few, "patience": few, "max_epochs": few, "validation": share
    },
    "training.WeightPenalty": {"kind": words(["l1", "l2"]), "first": words(["l1", "l2"]), "rate": share},
    "training.Steps": {"steps": few, "batch_size": few, "learning_rate": share, "clip": share},
}  # fmt: skip

# They take functions that train or measure, or do all of it, and their own numbers go through the doors of those above.
NOT_ALONE = {
    *("audits.audit", "audits.read_subject", "communities.sweep"),
    *("masks.learn_in_turn", "masks.mask_controls", "masks.mask_membership", "masks.regularisation_curve"),
    *("training.draw_from", "training.eigenvalue_sum"),
    *("training.train_and_prune", "training.train_mlps", "training.train_steps", "training.trained_once"),
}
TENTH = {  # a call takes milliseconds
    *("communities.agreement", "communities.consensus", "communities.element_similarity"),
    *("communities.modularity_test", "communities.transferability", "data.commands", "data.polynomial_values"),
    *("graphs.chain_graph", "graphs.cluster", "graphs.cluster_for_each_k", "graphs.clusters_of"),
    *(
        "graphs.consumer_graph",
        "graphs.eigenvalue_gradient",
        "graphs.hidden_labels",
        "graphs.laplacian_eigenvalues",
        "graphs.neuron_graph",
    ),
    *("lesions.lesion_profiles", "networks.idle_weights", "networks.rotated_functions", "networks.shared_part"),
    *("networks.two_functions", "notions.similarity_clusters"),
    *("graphs.share_between_layers", "graphs.shuffle_graph", "graphs.shuffled_ncuts", "graphs.spectral_embedding"),
    *("lesions.damages", "lesions.double_lesions", "lesions.lesion_tests", "networks.answers", "networks.as_network"),
    *("networks.from_arrays", "networks.glorot_perceptron", "networks.lstm_encoder_decoder", "networks.perceptron"),
    *("networks.repeated_lstm", "networks.side_by_side", "networks.torch_module", "networks.trace"),
    *("responses.channel_measures", "responses.hidden_activities", "responses.relu_names"),
}
HUNDREDTH = {  # they train, shuffle, load data, or make a large network
    *("communities.similarities", "data.load_colour_images", "data.load_composite", "data.load_images"),
    *(
        "data.small_questions",
        "data.small_scan",
        "graphs.shuffle_test",
        "graphs.shuffle_tests",
        "masks.learn_mask",
        "masks.learn_permuted_mask",
        "masks.learn_with_weights",
    ),
    *("masks.learn_class_masks", "notions.divided_by_notion"),
    *("networks.greedy", "networks.simple_cnn", "networks.small_cnn", "networks.transformer_encoder_decoder"),
    "networks.cifar_resnet",
    *("networks.vgg16", "responses.visualise"),
}
NAN = {  # where a docstring says so: what has no spread, no length or no weight
    *(
        "communities.modularity_test",
        "stats.z_score",
        "stats.cohens_d",
        "responses.likeness",
        "responses.one_sidedness",
        "responses.visualise",
    ),
    *("masks.sharing", "masks.intersection_over_union", "masks.reuse"),
    "networks.Weights",  # a graph refuses those that are not finite
    "training.Steps",  # its clip may be infinite
}


def calls_of(name: str) -> int:
    return max(5, EXAMPLES // (100 if name in HUNDREDTH else 10 if name in TENTH else 1))


def flat(found: Any) -> list[np.ndarray]:
    """All numbers and texts in an answer, as arrays."""
    if isinstance(found, torch.nn.Module):
        return [tensor.detach().numpy() for tensor in found.state_dict().values()]
    if dataclasses.is_dataclass(found):
        return [array for field in dataclasses.fields(found) for array in flat(getattr(found, field.name))]
    if isinstance(found, Mapping):
        return [array for value in found.values() for array in flat(value)]
    if isinstance(found, list | tuple):
        return [array for value in found for array in flat(value)]
    return [sp.coo_array(found).toarray() if sp.issparse(found) else np.asarray(found)]


def is_finite(array: np.ndarray) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def fault(name: str, function: Callable[..., Any], choose: Choices) -> str:
    """What is wrong with a call, in a word or two; nothing if it is an answer or an error of ours."""
    try:
        found = flat(function(**some.calls(choose, ARGUMENTS[name])))
        again = flat(function(**some.calls(Choices(again=choose.made), ARGUMENTS[name])))
    except ModlibError:
        return ""
    except Exception as error:
        return f"raises {type(error).__name__}"
    if name not in NAN and not all(map(is_finite, found)):
        return "is not finite"
    same = (np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(found, again, strict=True))
    return "" if all(same) else "differs when it is asked again"


@pytest.fixture(autouse=True)
def nothing_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data sets but those of scikit-learn, and no network to get them from."""

    def refuse(*_: object) -> None:
        raise OSError("no network here")

    monkeypatch.setenv("MODLIB_DATA", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_every_public_function_is_here() -> None:
    made = {name for name in ARGUMENTS if name.rpartition(".")[2][0].isupper()}
    assert set(ARGUMENTS) - made == set(public_functions()) - NOT_ALONE
    assert set(ARGUMENTS) >= TENTH | HUNDREDTH | NAN


@pytest.mark.parametrize("name", ARGUMENTS)
def test_anything_gets_an_answer_or_a_clear_error(name: str) -> None:
    package, _, attribute = name.partition(".")
    function = getattr(importlib.import_module(f"modlib.{package}"), attribute)
    for number in range(calls_of(name)):
        choose = Choices(zlib.crc32(f"{SEED} {name} {number}".encode()))
        if wrong := fault(name, function, choose):
            made = smallest(choose.made, lambda tried: fault(name, function, Choices(again=tried)) == wrong)
            given = some.calls(Choices(again=made), ARGUMENTS[name])
            pytest.fail(f"{name} {wrong}: {', '.join(f'{key}={value!r}' for key, value in given.items())}")
