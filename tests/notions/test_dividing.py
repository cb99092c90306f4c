"""Every notion finds the modules that it can see, and is at chance where it cannot see them.

Mutual information with what is known is adjusted: 0 is what permuted labels give, 1 is all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from modlib.communities import agreement
from modlib.errors import InputError
from modlib.masks import Mask, intersection_over_union, learn_class_masks
from modlib.networks import (
    KnownModules,
    Network,
    as_network,
    from_arrays,
    idle_weights,
    random_weights,
    rotated_functions,
    shared_part,
    side_by_side,
    two_functions,
)
from modlib.notions import NOTIONS, divided_by_notion, profile_similarity, similarity_clusters
from modlib.notions.dividing import MASKS
from modlib.zoo import dense_readers, readers_with_a_trunk, two_readers

BY_WEIGHTS = NOTIONS[:2]


def divided(known: KnownModules, k: int = 2, notions: Sequence[str] = NOTIONS) -> dict[str, list[np.ndarray]]:
    """Labels of every hidden layer by notions, as many modules as there are."""
    found = divided_by_notion(known.network, known.inputs, known.labels, k, seed=0, notions=notions)
    return {notion: [division.labels for division in divisions] for notion, divisions in found.items()}


def information(found: dict[str, list[np.ndarray]], truth: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """Adjusted mutual information of every notion with what is known, for every hidden layer."""
    return {
        notion: np.array([agreement(*pair).mutual_information for pair in zip(truth, layers, strict=True)])
        for notion, layers in found.items()
    }


def over_seeds(make: Callable[[int], KnownModules], seeds: int = 3) -> dict[str, np.ndarray]:
    """The same, mean over several networks, of which one may lie anywhere."""
    every = [information(divided(known), known.functions) for known in map(make, range(seeds))]
    return {notion: np.mean([found[notion] for found in every], axis=0) for notion in NOTIONS}


@pytest.fixture(scope="module")
def of_idle() -> dict[str, dict[str, np.ndarray]]:
    known = idle_weights(0, 400)
    found = divided(known)
    return {"functions": information(found, known.functions), "idle": information(found, known.idle)}


def test_notions_do_not_see_how_strongly_a_unit_is_driven() -> None:
    """Rectified units whose inputs are twice to eight times as large and their outputs as much smaller do the same."""
    known = two_functions(0, 200)
    layers = known.network.layers
    kernels, biases = [layer.kernel for layer in layers], [layer.bias for layer in layers]
    scale = 2.0 ** np.random.default_rng(0).integers(0, 4, kernels[0].shape[1])
    driven = [kernels[0] * scale, kernels[1] / scale[:, None], *kernels[2:]]
    scaled = replace(known, network=from_arrays(driven, [biases[0] * scale, *biases[1:]]))
    notions = ("covariance", "images", "input sensitivity", "loss Hessian", "output sensitivity", "lesions")
    before, after = divided(known, notions=notions), divided(scaled, notions=notions)
    for notion in notions:
        for one, other in zip(before[notion], after[notion], strict=True):
            np.testing.assert_array_equal(one, other, notion)


def test_notions_of_what_units_do_find_functions_behind_idle_weights(of_idle) -> None:
    found = of_idle["functions"]
    for notion in ("images", "loss Hessian", "output sensitivity", "lesions"):
        assert found[notion].mean() > 0.6, notion
    assert found["masks"][1:].mean() > 0.5
    assert found["input sensitivity"][1:].mean() > 0.8


def test_notions_of_weights_see_nothing_but_the_idle_ones(of_idle) -> None:
    for notion in BY_WEIGHTS:
        assert of_idle["idle"][notion].mean() > 0.9, notion
        assert of_idle["functions"][notion].mean() < 0.1, notion
    for notion in ("images", "loss Hessian", "output sensitivity", "lesions", "masks"):
        assert of_idle["idle"][notion].mean() < 0.2, notion
    # gradients with regard to inputs that never change count as others do
    assert of_idle["idle"]["input sensitivity"][0] > 0.4


def test_no_notion_of_weights_finds_rotated_functions_and_others_do() -> None:
    found = {notion: values[1] for notion, values in over_seeds(lambda seed: rotated_functions(seed, 400)).items()}
    for notion in BY_WEIGHTS:
        assert found[notion] < 0.1, notion
    for notion in ("images", "input sensitivity", "output sensitivity"):
        assert found[notion] > 0.9, notion
    for notion in ("loss Hessian", "lesions", "masks"):
        assert found[notion] > 0.5, notion
    # one half is silent while the other speaks, and so they are correlated, as in the network that is not rotated
    assert found["covariance"] < 0.6


def test_a_quarter_of_the_weights_across_hide_functions_from_some_and_a_half_from_all_but_cuts_within_layers() -> None:
    quarter, half = (
        information(divided(known), known.functions)
        for known in (two_functions(0, 400, crossing=crossing) for crossing in (0.25, 0.5))
    )
    for found in (quarter, half):
        assert found["weights within layers"].min() > 0.8
        assert found["weights"].mean() < 0.1  # which are cut between layers
    for notion in ("input sensitivity", "output sensitivity"):
        assert quarter[notion].mean() > 0.6, notion
    assert quarter["loss Hessian"].mean() > 0.3
    for notion in ("images", "masks"):
        assert quarter[notion].mean() < 0.1, notion
    assert quarter["covariance"].mean() < 0.4
    assert 0.1 < quarter["lesions"].mean() < 0.6
    for notion in NOTIONS[2:]:
        assert half[notion].mean() < 0.25, notion


def test_a_part_that_serves_two_functions_is_a_module_of_its_own() -> None:
    """Inputs and outputs tell it apart where they are near: its inputs in late layers, its outputs in early ones."""
    known = shared_part(0, 400)
    found = information(divided(known, 3), known.functions)
    for notion in BY_WEIGHTS:
        assert found[notion].min() > 0.6, notion
    assert found["input sensitivity"][2] > 0.9
    for notion in ("loss Hessian", "output sensitivity"):
        assert found[notion][0] > 0.9 > 0.6 > found[notion][2], notion
    assert found["images"].mean() > 0.3
    for notion in ("covariance", "lesions", "masks"):
        assert 0.1 < found[notion].mean() < 0.6, notion


def test_functions_that_were_learned_are_found_by_all_that_do_not_go_by_what_is_active_together() -> None:
    known = two_readers(0, 400)
    for notion, found in information(divided(known), known.functions).items():
        if notion in ("covariance", "images"):
            assert found.mean() < 0.4, notion
        else:
            assert found.mean() > 0.8, notion


def test_above_a_trunk_functions_are_found_by_what_units_do_and_not_by_what_moves_them() -> None:
    known = readers_with_a_trunk(0, 400)
    what_they_do = ("weights within layers", "loss Hessian", "output sensitivity")
    what_moves_them = ("covariance", "images", "input sensitivity")
    labels = divided(known, notions=(*what_they_do, *what_moves_them, "lesions"))
    found = {notion: values[1:] for notion, values in information(labels, known.functions).items()}
    for notion in what_they_do:
        assert found[notion].mean() > 0.7, notion
    assert found["lesions"].mean() > 0.4
    for notion in what_moves_them:
        assert found[notion].mean() < 0.3, notion


def test_weights_tell_little_of_what_training_made_of_a_network_with_all_of_them() -> None:
    known = dense_readers(0, 400)
    seen = information(divided(known, notions=BY_WEIGHTS), known.functions)
    assert seen["weights"].mean() < 0.1  # which are cut between layers
    assert seen["weights within layers"][0] > 0.3 > seen["weights within layers"][1:].mean()


def test_activity_tells_functions_that_are_used_together_and_hardly_those_used_in_turn() -> None:
    both = {}
    for together in (True, False):
        known = two_functions(0, 600, together=together)
        found = information(divided(known, notions=("covariance", "weights")), known.functions)
        both[together] = {notion: values.mean() for notion, values in found.items()}
    assert both[True]["covariance"] > 0.9
    assert both[False]["covariance"] < 0.5
    assert both[True]["weights"] == both[False]["weights"] == pytest.approx(1)


def test_nothing_is_found_where_there_is_nothing() -> None:
    for notion, values in over_seeds(lambda seed: two_functions(seed, 300, crossing=1.0)).items():
        assert abs(values.mean()) < 0.1, notion


def test_the_same_seed_gives_the_same_divisions_whichever_notions_are_asked() -> None:
    network, inputs, classes, _ = side_by_side(copies=4, n=80, seed=0)
    few = replace(MASKS, steps=3)
    every = divided_by_notion(network, inputs, classes, 2, seed=1, masks=few)
    some = divided_by_notion(network, inputs, classes, 2, seed=1, notions=("masks", "images"), masks=few)
    assert list(every) == list(NOTIONS)
    for notion, divisions in some.items():
        for one, other in zip(divisions, every[notion], strict=True):
            assert np.array_equal(one.labels, other.labels)
            assert one.q == other.q


def test_masks_overlap_by_the_weights_that_those_of_two_classes_keep() -> None:
    known = two_functions(0, 200)
    notions = ("masks", "images")
    found = divided_by_notion(known.network, known.inputs, known.labels, 2, seed=3, notions=notions)
    rng = np.random.default_rng(3).spawn(len(NOTIONS))[NOTIONS.index("masks")]
    learned = learn_class_masks(known.network, known.inputs, known.labels, MASKS, rng)
    for layer, division in zip(known.network.layers[:-1], found["masks"], strict=True):
        name, held = f"{layer.name}.weight", layer.kernel.T != 0
        kept = [Mask({name: one.mask.keep[name] & held}, "") for one in learned]
        each = [intersection_over_union(*pair)[name] for pair in combinations(kept, 2)]
        assert division.overlap == pytest.approx(np.mean(each))
        assert 0 < division.overlap < 0.9
    assert all(division.overlap is None for division in found["images"])


def test_a_dead_unit_has_no_activity_and_cost_but_weights_and_gradients_behind_it() -> None:
    kernels = random_weights((4, 6, 6, 3), 0)
    biases = [np.zeros(6), np.zeros(6), np.zeros(3)]
    biases[0][2] = -1e3
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 4))
    network = from_arrays(kernels, biases)
    found = divided_by_notion(network, inputs, network.answers(inputs), 2, seed=0)
    for notion in ("covariance", "images", "input sensitivity", "lesions"):
        assert found[notion][0].labels[2] == -1, notion
    for notion in ("weights", "loss Hessian", "output sensitivity"):
        assert found[notion][0].labels[2] >= 0, notion


def test_profiles_are_alike_by_their_shape_and_not_by_level_or_size() -> None:
    rng = np.random.default_rng(0)
    profiles = rng.normal(size=(6, 10))
    found = profile_similarity(profiles)
    assert found == pytest.approx(np.clip(np.corrcoef(profiles), 0, 1))
    assert profile_similarity(profiles * 1e200 + 3) == pytest.approx(profile_similarity(profiles * 1e200))
    assert profile_similarity(3 * profiles + 5) == pytest.approx(found)
    assert profile_similarity(profiles + 1e6) == pytest.approx(found, abs=1e-6)
    beside = profile_similarity(np.vstack([profiles, np.full(10, 1e6), np.full(10, 0.1)]))
    assert beside[:6, :6] == pytest.approx(found, abs=1e-6)
    assert not beside[6:].any()  # constant profiles, whatever rounding leaves of them


def test_clusters_of_a_similarity_graph_are_its_blocks_and_lonely_units_are_set_apart() -> None:
    similarity = np.kron(np.eye(3), np.ones((4, 4)))
    similarity[0, 1:] = similarity[1:, 0] = 0
    labels = similarity_clusters(similarity, 3, np.random.default_rng(0))
    assert labels[0] == -1
    assert len(set(zip(np.repeat([0, 1, 2], 4)[1:], labels[1:], strict=True))) == 3
    assert similarity_clusters(np.eye(3), 2, np.random.default_rng(0)).tolist() == [-1, -1, -1]
    assert similarity_clusters(similarity[:3, :3], 2, np.random.default_rng(0)).tolist() == [-1, 0, 1]


def test_other_networks_notions_and_labels_are_refused() -> None:
    network, inputs, classes, _ = side_by_side(copies=2, n=20, seed=0)
    good = {"network": network, "inputs": inputs, "labels": classes, "k": 2, "seed": 0}
    for changed in ({"notions": ("weight",)}, {"labels": classes + 4}, {"inputs": inputs[:, :1]}, {"k": 0}):
        with pytest.raises(InputError):
            divided_by_notion(**good | changed)
    with pytest.raises(InputError, match="weights"):
        divided_by_notion(**good, notions=("weight",))


def in_channels(network: Network) -> Network:
    """A perceptron whose hidden units are channels of convolutions, for images of one pixel."""
    parts: list[nn.Module] = []
    for layer in network.layers[:-1]:
        parts += [nn.Conv2d(*layer.kernel.shape, 1, bias=layer.bias is not None), nn.ReLU()]
    last = network.layers[-1]
    parts += [nn.Flatten(), nn.Linear(*last.kernel.shape, bias=last.bias is not None)]
    weighted = [part for part in parts if list(part.parameters())]
    with torch.no_grad():
        for part, layer in zip(weighted, network.layers, strict=True):
            part.weight.copy_(torch.as_tensor(layer.kernel.T.copy()).reshape(part.weight.shape))
            if layer.bias is not None:
                part.bias.copy_(torch.as_tensor(layer.bias.copy()))
    return as_network(nn.Sequential(*parts))


def test_channels_are_divided_as_units_that_compute_the_same() -> None:
    known = two_functions(0, 100)  # as many as the input sensitivity of channels takes
    network, images = in_channels(known.network), known.inputs[:, :, None, None]
    found = divided_by_notion(network, images, known.labels, 2, seed=0)
    others = [notion for notion in NOTIONS if notion not in (*BY_WEIGHTS, "masks")]
    of_units = divided_by_notion(known.network, known.inputs, known.labels, 2, seed=0, notions=others)
    assert all(len(divisions) == len(known.functions) == 3 for divisions in found.values())
    for notion in others:
        for one, other in zip(found[notion], of_units[notion], strict=True):
            assert agreement(other.labels, one.labels).mutual_information > 0.9, notion
    # the graph of channels has neither inputs nor outputs, and masks are drawn anew
    seen = information({name: [one.labels for one in found[name]] for name in (*BY_WEIGHTS, "masks")}, known.functions)
    assert all(seen[notion].mean() > 0.9 for notion in BY_WEIGHTS)
    assert seen["masks"][1:].mean() > 0.5
    with pytest.raises(InputError, match="inputs"):
        divided_by_notion(network, known.inputs, known.labels, 2, seed=0)
