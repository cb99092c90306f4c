"""modlib.training.keras: the recipe of the papers, held against the wrapper of tensorflow-model-optimization."""

import numpy as np
import pytest

from modlib.data.images import Images, load_images
from modlib.errors import InputError
from modlib.training.keras import Recipe, build_mlp, initial_kernels, magnitude_mask, train_mlp


@pytest.fixture(scope="module")
def tiny() -> Images:
    data = load_images("digits")
    return Images("tiny", data.x_train[:330], data.y_train[:330], data.x_test[:50], data.y_test[:50])


def test_pruning_equals_the_wrapper_of_tensorflow_model_optimization(tiny: Images) -> None:
    import tensorflow_model_optimization as tfmot
    import tf_keras

    recipe = Recipe(hidden=(16, 12), epochs=1, pruning_epochs=12, batch_size=32, shuffle=False)
    _, ours = train_mlp(tiny, recipe, seed=3)

    model = build_mlp(64, recipe, seed=3)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(), loss)
    model.fit(tiny.x_train, tiny.y_train, batch_size=32, epochs=1, shuffle=False, verbose=0)
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.5, 0.9, begin_step=0, end_step=11 * 12, frequency=10)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
    wrapped.compile(tf_keras.optimizers.Adam(), loss)
    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    wrapped.fit(tiny.x_train, tiny.y_train, batch_size=32, epochs=12, shuffle=False, verbose=0, callbacks=callbacks)
    theirs = [layer.kernel.numpy() for layer in tfmot.sparsity.keras.strip_pruning(wrapped).layers]

    for mine, reference in zip(ours.kernels, theirs, strict=True):
        assert ((mine == 0) == (reference == 0)).all()
        np.testing.assert_allclose(mine, reference, atol=2e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_seed_decides_the_network(tiny: Images, dropout: float) -> None:
    recipe = Recipe(hidden=(16,), epochs=2, pruning_epochs=2, dropout=dropout, batch_size=32)
    first, again, other = (train_mlp(tiny, recipe, seed)[1].kernels[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
