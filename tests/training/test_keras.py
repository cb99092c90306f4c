"""modlib.training.keras: the recipe of the papers, held against the wrapper of tensorflow-model-optimization."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from modlib.data.images import Images, load_images
from modlib.errors import InputError
from modlib.files import cache_file
from modlib.graphs.eigenvalues import laplacian_eigenvalues
from modlib.training.initialisation import Clusterable
from modlib.training.keras import Recipe, Snapshot, build_mlp, initial_kernels, magnitude_mask, train_mlp
from modlib.training.regularisers import EigenvaluePenalty, Kind, WeightPenalty


@pytest.fixture(scope="module")
def tiny() -> Images:
    data = load_images("digits")
    return Images("tiny", data.x_train[:330], data.y_train[:330], data.x_test[:50], data.y_test[:50])


@pytest.fixture(scope="module")
def even(tiny: Images) -> Images:
    """As many examples as fill their batches: with a last batch that is smaller, training is compiled twice."""
    return replace(tiny, x_train=tiny.x_train[:320], y_train=tiny.y_train[:320])


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return Recipe(hidden=(16, 12), epochs=1, pruning_epochs=12, batch_size=32, shuffle=False)


@pytest.fixture(scope="module")
def epochs() -> list[tuple[str, int, float]]:
    """What ``on_epoch`` heard while the fixture ``trained`` was made."""
    return []


@pytest.fixture(scope="module")
def trained(tiny: Images, recipe: Recipe, epochs: list[tuple[str, int, float]]) -> tuple[Snapshot, Snapshot]:
    return train_mlp(tiny, recipe, seed=3, on_epoch=lambda *heard: epochs.append(heard))


def test_pruning_equals_the_wrapper_of_tensorflow_model_optimization(
    tiny: Images, recipe: Recipe, trained: tuple[Snapshot, Snapshot]
) -> None:
    import tensorflow_model_optimization as tfmot
    import tf_keras

    model = build_mlp(64, recipe, seed=3)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(), loss)
    model.fit(tiny.x_train, tiny.y_train, batch_size=32, epochs=1, shuffle=False, verbose=0)
    unpruned = [layer.kernel.numpy() for layer in model.layers]
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.5, 0.9, begin_step=0, end_step=11 * 12, frequency=10)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
    wrapped.compile(tf_keras.optimizers.Adam(), loss)
    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    wrapped.fit(tiny.x_train, tiny.y_train, batch_size=32, epochs=12, shuffle=False, verbose=0, callbacks=callbacks)
    pruned = [layer.kernel.numpy() for layer in tfmot.sparsity.keras.strip_pruning(wrapped).layers]

    for mine, reference in zip(trained[0].kernels, unpruned, strict=True):
        np.testing.assert_allclose(mine, reference, atol=2e-5)
    for mine, reference in zip(trained[1].kernels, pruned, strict=True):
        assert ((mine == 0) == (reference == 0)).all()
        np.testing.assert_allclose(mine, reference, atol=2e-5)


def test_penalties_stay_on_while_pruning_as_with_the_wrapper(
    tiny: Images, recipe: Recipe, trained: tuple[Snapshot, Snapshot]
) -> None:
    import tensorflow_model_optimization as tfmot
    import tf_keras

    # without L1: its slope jumps where a weight passes 0, and then rounding decides what follows
    penalised = replace(recipe, epochs=0, penalty=WeightPenalty("l2", first="l2", rate=1e-2))
    pruned = train_mlp(tiny, penalised, seed=3)[1]
    model = build_mlp(64, penalised, seed=3)
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.5, 0.9, begin_step=0, end_step=11 * 12, frequency=10)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    wrapped.compile(tf_keras.optimizers.Adam(), loss, metrics=["accuracy"])
    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    heard = wrapped.fit(
        tiny.x_train, tiny.y_train, batch_size=32, epochs=12, shuffle=False, verbose=0, callbacks=callbacks
    )
    stripped = tfmot.sparsity.keras.strip_pruning(wrapped)
    for mine, layer in zip(pruned.kernels, stripped.layers, strict=True):
        np.testing.assert_allclose(mine, layer.kernel.numpy(), atol=2e-5)
    np.testing.assert_allclose(pruned.losses, heard.history["loss"], rtol=1e-4)
    assert pruned.accuracy["fit"] == pytest.approx(heard.history["accuracy"][-1], abs=1.5 / 330)
    sizes = [sum((kernel**2).sum() for kernel in kernels) for kernels in (pruned.kernels, trained[1].kernels)]
    assert sizes[0] < 0.8 * sizes[1]


def test_a_penalty_may_end_where_pruning_begins(even: Images, recipe: Recipe) -> None:
    penalised = replace(recipe, penalty=WeightPenalty("l2", first="l2", rate=1e-2))
    on, off = (train_mlp(even, replace(penalised, penalty_while_pruning=stays), 3) for stays in (None, False))
    for mine, other in zip(on[0].kernels, off[0].kernels, strict=True):
        np.testing.assert_array_equal(mine, other)
    sizes = [sum(float((kernel**2).sum()) for kernel in pruned.kernels) for _, pruned in (on, off)]
    assert sizes[0] < 0.8 * sizes[1]
    assert off[1].losses[1] < on[1].losses[1] - 0.5 * 1e-2 * sizes[0]  # the loss is without it, too
    assert penalised.settings() == {k: v for k, v in penalised.settings().items() if k != "penalty_while_pruning"}


def test_with_dropout_fit_reports_the_accuracy_of_networks_with_units_dropped(even: Images) -> None:
    recipe = Recipe(hidden=(64, 64), dropout=0.5, epochs=60, pruning_epochs=0, batch_size=32)
    end, _ = train_mlp(even, recipe, seed=0)
    rng, shares = np.random.default_rng(0), []
    for _ in range(20):
        values = even.x_train
        for kernel, bias in zip(end.kernels[:-1], end.biases[:-1], strict=True):
            values = np.maximum(values @ kernel + bias, 0)
            values = values * (rng.random(values.shape) < 0.5) / 0.5
        logits = values @ end.kernels[-1] + end.biases[-1]
        shares.append(float((logits.argmax(axis=1) == even.y_train).mean()))
    assert end.accuracy["fit"] == pytest.approx(np.mean(shares), abs=0.06)
    assert end.accuracy["fit"] < end.accuracy["train"] - 0.06


def test_without_an_epoch_fit_reports_nothing(tiny: Images, recipe: Recipe) -> None:
    assert all(np.isnan(s.accuracy["fit"]) for s in train_mlp(tiny, replace(recipe, epochs=0, pruning_epochs=0), 0))


@pytest.mark.parametrize(("kind", "first"), [("l1", "l1"), ("l2", "l2"), ("l2", "l1")])
def test_a_penalty_is_added_over_all_weights_and_no_bias(kind: Kind, first: Kind) -> None:
    model = build_mlp(6, Recipe(hidden=(5, 4), penalty=WeightPenalty(kind, first, rate=0.1)), 3)
    kernels = [layer.kernel.numpy() for layer in model.layers]
    for layer in model.layers:
        layer.bias.assign_add(np.ones(layer.bias.shape))
    kinds = [first, kind, kind]
    expected = [0.1 * (np.abs(k) if name == "l1" else k**2).sum() for k, name in zip(kernels, kinds, strict=True)]
    np.testing.assert_allclose([float(term) for term in model.losses], expected, rtol=1e-5)
    assert not build_mlp(6, Recipe(hidden=(5, 4)), 3).losses


def test_the_eigenvalue_penalty_lowers_eigenvalues_and_keeps_neurons_at_one_norm(even: Images) -> None:
    recipe = Recipe(hidden=(16, 12), epochs=15, pruning_epochs=2, batch_size=32)
    penalty = EigenvaluePenalty(weight=1.0)
    found = {}
    for name, settings in (("none", recipe), ("penalised", replace(recipe, eigenvalues=penalty))):
        unpruned, pruned = train_mlp(even, settings, seed=0)
        found[name] = laplacian_eigenvalues(unpruned.kernels, penalty.which).sum()
    assert found["penalised"] < 0.9 * found["none"]
    for kernel, bias in zip(unpruned.kernels[:-1], unpruned.biases[:-1], strict=True):
        np.testing.assert_allclose((kernel**2).sum(axis=0) + bias**2, 2, rtol=0.05)  # after one step
    for kernel in pruned.kernels:
        assert np.count_nonzero(kernel) < 0.2 * kernel.size


def test_a_network_may_start_with_clusters() -> None:
    start = Clusterable(3, 0.5)
    plain = initial_kernels(64, Recipe(hidden=(16, 12)), seed=4)
    clustered = initial_kernels(64, Recipe(hidden=(16, 12), clusterable=start), seed=4)
    np.testing.assert_array_equal(plain[0], clustered[0])
    np.testing.assert_array_equal(plain[2], clustered[2])
    np.testing.assert_allclose(np.unique((clustered[1] / plain[1]).round(4)), [0.5, 2])


def test_fields_that_are_none_are_not_in_the_settings_that_name_a_cached_network() -> None:
    old = [
        "hidden",
        "epochs",
        "pruning_epochs",
        "dropout",
        "batch_size",
        "initial_sparsity",
        "final_sparsity",
        "shuffle",
    ]
    assert list(Recipe().settings()) == old
    assert "penalty" in Recipe(penalty=WeightPenalty("l1", "l1")).settings()
    name = cache_file("digits-plain-0", {"data": "", "recipe": Recipe().settings(), "seed": 0}).name
    assert name == "digits-plain-0-377d42e7de2a.npz"


def test_a_tenth_of_every_kernel_is_left(trained: tuple[Snapshot, Snapshot]) -> None:
    unpruned, pruned = trained
    assert [kernel.shape for kernel in pruned.kernels] == [(64, 16), (16, 12), (12, 10)]
    for kernel in pruned.kernels:
        assert np.count_nonzero(kernel) == round(kernel.size * 0.1)
    assert all(np.count_nonzero(kernel) == kernel.size for kernel in unpruned.kernels)
    assert (unpruned.stage, pruned.stage) == ("unpruned", "pruned")


def test_a_snapshot_says_how_well_its_own_weights_do(tiny: Images, trained: tuple[Snapshot, Snapshot]) -> None:
    for snapshot in trained:
        for split, x, y in (("train", tiny.x_train, tiny.y_train), ("test", tiny.x_test, tiny.y_test)):
            for kernel, bias in zip(snapshot.kernels[:-1], snapshot.biases[:-1], strict=True):
                x = np.maximum(x @ kernel + bias, 0)
            labels = (x @ snapshot.kernels[-1] + snapshot.biases[-1]).argmax(axis=1)
            assert snapshot.accuracy[split] == pytest.approx((labels == y).mean(), abs=1.5 / len(y))


def test_every_epoch_is_reported_with_its_loss(
    trained: tuple[Snapshot, Snapshot], epochs: list[tuple[str, int, float]]
) -> None:
    assert [(stage, number) for stage, number, _ in epochs] == [
        ("unpruned", 1),
        *(("pruned", number) for number in range(2, 14)),
    ]
    losses = [loss for _, _, loss in epochs]
    assert trained[0].losses == losses[:1]
    assert trained[1].losses == losses
    assert 1 < losses[1] < losses[0] < 4  # ln 10 = 2.3 is chance


def test_a_seed_decides_the_network(tiny: Images) -> None:
    recipe = Recipe(hidden=(16,), epochs=1, pruning_epochs=1, dropout=0.5, batch_size=33)
    first, again = (train_mlp(tiny, recipe, seed=0) for _ in range(2))
    for one, two in zip(first, again, strict=True):
        assert one.losses == two.losses
        for mine, same in zip(one.kernels + one.biases, two.kernels + two.biases, strict=True):
            np.testing.assert_array_equal(mine, same)


def test_without_epochs_a_network_is_as_it_was_initialised(tiny: Images) -> None:
    recipe = Recipe(hidden=(16,), epochs=0, pruning_epochs=0)
    before, after = train_mlp(tiny, recipe, seed=5)
    for kernels in (before.kernels, after.kernels):
        for kernel, start in zip(kernels, initial_kernels(64, recipe, seed=5), strict=True):
            np.testing.assert_array_equal(kernel, start)
    assert after.losses == []


def test_initial_weights_are_glorot_uniform_and_each_layer_has_its_own() -> None:
    kernels = initial_kernels(784, Recipe(), seed=1)
    assert [kernel.shape for kernel in kernels] == [(784, 256), (256, 256), (256, 256), (256, 256), (256, 10)]
    for kernel in kernels:
        limit = np.sqrt(6 / sum(kernel.shape))
        assert limit * 0.99 < np.abs(kernel).max() <= limit
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.03)
    assert not np.array_equal(kernels[1], kernels[2])
    assert not np.array_equal(kernels[0], initial_kernels(784, Recipe(), seed=2)[0])


def test_dropout_follows_every_hidden_layer_and_no_other() -> None:
    kinds = [type(layer).__name__ for layer in build_mlp(5, Recipe(hidden=(4, 3), dropout=0.2)).layers]
    assert kinds == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert "Dropout" not in [type(layer).__name__ for layer in build_mlp(5, Recipe(hidden=(4, 3))).layers]


@given(st.integers(1, 200), st.floats(0, 0.99), st.integers(0, 99))
def test_a_mask_keeps_the_largest_weights(n: int, sparsity: float, seed: int) -> None:
    weights = np.random.default_rng(seed).permutation(np.arange(1, n + 1)).astype(np.float32)
    weights[::2] *= -1
    mask = magnitude_mask(weights, sparsity)
    kept = int(mask.sum())
    assert abs(kept - max(1, n * (1 - sparsity))) <= 0.5 + 1e-4 * n or kept == 1
    assert set(np.abs(weights[mask == 1]).astype(int)) == set(range(n - kept + 1, n + 1))


def test_outputs_have_tags_where_a_recipe_says_so() -> None:
    usual = Recipe(hidden=(16, 12), clusterable=Clusterable(10, 0.6))
    plain, tagged = (initial_kernels(8, recipe, 0) for recipe in (usual, replace(usual, tagged_outputs=True)))
    factors = tagged[-1] / plain[-1]
    assert set(factors.astype(float).round(4).ravel()) == {0.6, 4.6}
    for first, second in zip(plain[:-1], tagged[:-1], strict=True):
        np.testing.assert_array_equal(first, second)
    assert "tagged_outputs" not in usual.settings()  # or cached networks would lose their names


def test_tensorflow_that_was_in_use_before_is_taken_as_it_is_with_a_warning() -> None:
    used = "import tensorflow as tf; tf.constant(1.0) + 1; import modlib.training.keras"
    run = subprocess.run([sys.executable, "-c", used], capture_output=True, text=True, check=True)
    assert "ModlibWarning: TensorFlow computed before modlib set its number of threads" in run.stderr


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", ">i4"])
def test_the_smallest_whole_number_is_the_largest_weight(kind: str) -> None:
    least = int(np.iinfo(kind).min)
    for others in ([1, 3, 100], [1, 3, -least - 1]):  # the last is nearer to it than double precision tells
        weights = np.array([others[0], least, *others[1:]], kind)
        assert magnitude_mask(weights, 0.75).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout": 1.0}, "dropout = 1.0 arrived; expected a finite number of at least 0 and below 1"),
        (
            {"initial_sparsity": 0.9, "final_sparsity": 0.5},
            "initial_sparsity = 0.9 arrived; expected a finite number of at least 0 and at most 0.5",
        ),
        ({"final_sparsity": 1.0}, "final_sparsity = 1.0 arrived; expected a finite number of at least 0 and below 1"),
        ({"epochs": -1}, "epochs = -1 arrived; expected a whole number of at least 0"),
        ({"hidden": ()}, "expected a list with at least 1 in it"),
        ({"batch_size": 0}, "batch_size = 0 arrived; expected a whole number of at least 1"),
        ({"epochs": True}, "epochs = True arrived"),
        ({"shuffle": 1}, "shuffle = 1 arrived; expected True or False"),
        ({"dropout": "0.5"}, "dropout = '0.5' arrived"),
        ({"penalty": "l1"}, r"penalty = 'l1' arrived; expected a WeightPenalty"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**change)  # type: ignore[arg-type]
