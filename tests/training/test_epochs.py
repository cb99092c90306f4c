"""modlib.training.epochs: the recipe of Keras and of its pruning wrapper, in PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from modlib.data.images import Images, load_images
from modlib.errors import InputError
from modlib.networks.architectures import glorot_perceptron
from modlib.training import epochs
from modlib.training.epochs import PrunedRecipe, Stage, train_and_prune
from modlib.training.pruning import cubic_sparsity, magnitude_mask

SIZES = (64, 16, 12, 10)
RECIPE = PrunedRecipe(epochs=1, pruning_epochs=12, batch_size=32)


@pytest.fixture(scope="module")
def tiny() -> Images:
    digits = load_images("digits")
    return replace(digits, x_train=digits.x_train[:330], y_train=digits.y_train[:330])


def trained(
    images: Images, recipe: PrunedRecipe, seed: int = 0, module: nn.Module | None = None
) -> tuple[Stage, Stage]:
    module = module or glorot_perceptron(SIZES, np.random.default_rng(0))
    x, y = torch.as_tensor(images.x_train), torch.as_tensor(images.y_train, dtype=torch.long)
    return train_and_prune(module, x, y, recipe, np.random.default_rng(seed))


def kernels(stage: Stage) -> list[np.ndarray]:
    return [layer.kernel for layer in stage.network.layers]


class OrderOfKeras:
    """Random numbers of which the orders of examples are those that ``train_mlp`` draws."""

    def __init__(self, seed: int) -> None:
        self.permutation = np.random.default_rng([seed, 1]).permutation

    def integers(self, high: int) -> int:
        return 0


def test_weights_and_masks_are_those_of_keras_on_the_same_batches(tiny: Images) -> None:
    from modlib.training.keras import Recipe, initial_kernels, train_mlp

    recipe = Recipe(hidden=SIZES[1:-1], epochs=1, pruning_epochs=12, batch_size=32)
    theirs = train_mlp(tiny, recipe, seed=3)
    module = glorot_perceptron(SIZES, np.random.default_rng(0))
    dense = [layer for layer in module if isinstance(layer, nn.Linear)]
    for layer, kernel in zip(dense, initial_kernels(64, recipe, seed=3), strict=True):
        layer.weight.data = torch.as_tensor(kernel.T.copy())
    x, y = torch.as_tensor(tiny.x_train), torch.as_tensor(tiny.y_train, dtype=torch.long)
    ours = train_and_prune(module, x, y, RECIPE, OrderOfKeras(3))  # type: ignore[arg-type]
    for snapshot, stage in zip(theirs, ours, strict=True):
        assert stage.stage == snapshot.stage
        np.testing.assert_allclose(stage.losses, snapshot.losses, rtol=1e-4)
        for kernel, expected in zip(kernels(stage), snapshot.kernels, strict=True):
            assert ((kernel == 0) == (expected == 0)).all()
            np.testing.assert_allclose(kernel, expected, atol=2e-5)


def test_kernels_and_masks_of_convolutions_are_those_of_the_wrapper_of_tensorflow_model_optimization() -> None:
    tfmot, tf_keras = pytest.importorskip("tensorflow_model_optimization"), pytest.importorskip("tf_keras")
    rng = np.random.default_rng(0)
    x, y = rng.random((48, 1, 8, 8), dtype=np.float32), rng.integers(0, 4, 48)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)
    )
    keras = tf_keras.Sequential(
        [
            tf_keras.layers.Input((1, 8, 8)),
            tf_keras.layers.Permute((2, 3, 1)),
            tf_keras.layers.Conv2D(6, 3, padding="same", activation="relu"),
            tf_keras.layers.Conv2D(8, 3, activation="relu"),
            tf_keras.layers.Permute((3, 1, 2)),  # the dense layer reads channel by channel, as PyTorch's does
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(4),
        ]
    )
    layers = [layer for layer in module if isinstance(layer, (nn.Conv2d, nn.Linear))]
    theirs = [layer for layer in keras.layers if layer.weights]
    with torch.no_grad():
        for mine, other in zip(layers, theirs, strict=True):
            kernel = rng.normal(scale=0.2, size=other.kernel.shape).astype(np.float32)
            other.set_weights([kernel, np.zeros(kernel.shape[-1], np.float32)])
            mine.weight.copy_(torch.as_tensor(np.moveaxis(kernel, (-1, -2), (0, 1)).copy()))
            mine.bias.zero_()
    epochs_pruned = 7  # of three steps of 16: the masks are made anew twice
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.5, 0.9, begin_step=0, end_step=3 * epochs_pruned, frequency=10)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(keras, pruning_schedule=schedule)
    wrapped.compile(tf_keras.optimizers.Adam(), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    class SameOrder:
        """The examples as they come."""

        permutation = staticmethod(np.arange)

        def integers(self, high: int) -> int:
            return 0

    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    wrapped.fit(x, y, batch_size=16, epochs=epochs_pruned, shuffle=False, verbose=0, callbacks=callbacks)
    recipe = PrunedRecipe(epochs=0, pruning_epochs=epochs_pruned, batch_size=16)
    targets = torch.as_tensor(y, dtype=torch.long)
    _, pruned = train_and_prune(module, torch.as_tensor(x), targets, recipe, SameOrder())  # type: ignore[arg-type]
    stripped = [layer for layer in tfmot.sparsity.keras.strip_pruning(wrapped).layers if layer.weights]
    for mine, other in zip(pruned.network.layers, stripped, strict=True):
        expected = other.kernel.numpy()
        assert mine.kernel.shape == expected.shape
        assert 0.05 < np.count_nonzero(expected) / expected.size < 0.5
        np.testing.assert_array_equal(mine.kernel == 0, expected == 0)
        np.testing.assert_allclose(mine.kernel, expected, atol=2e-5)


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.77, 0.9])
@pytest.mark.parametrize("n", [1, 10, 4001])
def test_the_weights_that_stay_are_those_of_magnitude_mask_ties_included(n: int, sparsity: float) -> None:
    weight = torch.randn(n, generator=torch.Generator().manual_seed(n))
    for values in (weight, (3 * weight).round()):
        expected = magnitude_mask(values.numpy(), sparsity).astype(bool)
        np.testing.assert_array_equal(epochs._largest(values, sparsity).numpy(), expected)


@pytest.mark.parametrize("place", [0, 329])
def test_a_class_that_no_output_stands_for_is_refused_before_anything_is_learned(tiny: Images, place: int) -> None:
    module = glorot_perceptron(SIZES, np.random.default_rng(0))
    before = module[0].weight.detach().clone()
    labels = tiny.y_train.copy()
    labels[place] = 10
    with pytest.raises(InputError, match="expected classes from 0 to 9"):
        trained(replace(tiny, y_train=labels), RECIPE, module=module)
    assert torch.equal(module[0].weight, before)


def test_a_loss_that_is_not_finite_is_refused(tiny: Images) -> None:
    images = replace(tiny, x_train=tiny.x_train * np.float32(3e38))
    with pytest.raises(InputError, match=r"the loss is (inf|nan) at step 1"):
        trained(images, RECIPE)
    factors = iter([1.0, 1.0, float("nan"), *[1.0] * 20])

    def spoilt(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return next(factors) * nn.functional.cross_entropy(outputs, targets)

    module = glorot_perceptron(SIZES, np.random.default_rng(0))
    x, y = torch.as_tensor(tiny.x_train), torch.as_tensor(tiny.y_train, dtype=torch.long)
    with pytest.raises(InputError, match="the loss is nan in the epoch that ends at step 11"):
        train_and_prune(module, x, y, RECIPE, np.random.default_rng(0), spoilt)


@pytest.mark.parametrize("wrong", [{"x": [[1.0]]}, {"y": [1]}, {"recipe": {"epochs": 1}}])
def test_what_is_no_tensor_or_recipe_is_refused(wrong: dict[str, object]) -> None:
    given: dict[str, object] = {"x": torch.zeros(3, 2), "y": torch.zeros(3, dtype=torch.long), "recipe": RECIPE} | wrong
    with pytest.raises(InputError, match=f"{next(iter(wrong))} = .* arrived; expected"):
        train_and_prune(nn.Linear(2, 2), rng=np.random.default_rng(0), **given)  # type: ignore[arg-type]


def test_the_schedule_is_that_of_tensorflow_model_optimization() -> None:
    tfmot = pytest.importorskip("tensorflow_model_optimization")
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.5, 0.9, begin_step=0, end_step=130, frequency=10)
    for step in (0, 10, 60, 120, 130):
        assert cubic_sparsity(step, 130, 0.5, 0.9) == pytest.approx(float(schedule(step)[1]), abs=1e-6)
    assert cubic_sparsity(500, 130, 0.5, 0.9) == 0.9


def test_a_tenth_of_every_weight_matrix_is_left_and_biases_are_kept(tiny: Images) -> None:
    unpruned, pruned = trained(tiny, RECIPE)
    assert all(np.count_nonzero(kernel) == kernel.size for kernel in kernels(unpruned))
    for layer in pruned.network.layers:
        assert np.count_nonzero(layer.kernel) == round(layer.kernel.size * 0.1)
        assert np.count_nonzero(layer.bias) > layer.bias.size / 2  # units that never answer have none
    assert len(unpruned.losses) == 1
    assert len(pruned.losses) == 13


def test_penalties_make_weights_small_and_are_part_of_the_loss(tiny: Images) -> None:
    plain, absolute, squared = (
        trained(tiny, replace(RECIPE, epochs=8, pruning_epochs=0, **penalty))[0]
        for penalty in ({}, {"l1": 1e-3}, {"l2": 1e-2})
    )

    def size(stage: Stage, power: int) -> float:
        return sum(float((np.abs(kernel) ** power).sum()) for kernel in kernels(stage))

    assert size(absolute, 1) < 0.9 * size(plain, 1)
    assert size(squared, 2) < 0.9 * size(plain, 2)
    # without a step the loss is that of the start, to which the penalty is added
    still = PrunedRecipe(epochs=1, pruning_epochs=0, batch_size=330)
    start = glorot_perceptron(SIZES, np.random.default_rng(0))
    weights = [layer.weight.detach().numpy().astype(float) for layer in start if isinstance(layer, nn.Linear)]
    losses = [trained(tiny, replace(still, **penalty))[0].losses[0] for penalty in ({}, {"l1": 0.1}, {"l2": 0.1})]
    assert losses[1] - losses[0] == pytest.approx(0.1 * sum(np.abs(w).sum() for w in weights), rel=1e-4)
    assert losses[2] - losses[0] == pytest.approx(0.1 * sum((w**2).sum() for w in weights), rel=1e-4)


def test_a_seed_decides_order_and_dropout_and_leaves_the_global_generator_alone(tiny: Images) -> None:
    def with_dropout() -> nn.Module:
        first, *others = glorot_perceptron(SIZES, np.random.default_rng(0))
        return nn.Sequential(first, nn.Dropout(0.5), *others)

    before = torch.random.get_rng_state()
    recipe = replace(RECIPE, pruning_epochs=1)
    first, again, other = (trained(tiny, recipe, seed, with_dropout())[1] for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.losses == again.losses != other.losses
    for one, same in zip(kernels(first), kernels(again), strict=True):
        np.testing.assert_array_equal(one, same)
    assert not first.network.module.training


def test_augmented_inputs_are_what_the_module_sees(tiny: Images) -> None:
    seen = []

    def blank(inputs: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        seen.append(len(inputs))
        return torch.zeros_like(inputs)

    module = glorot_perceptron(SIZES, np.random.default_rng(0))
    first = module[0].weight.detach().clone()
    x, y = torch.zeros(1200, 64), torch.arange(1200) % 10
    rng = np.random.default_rng(0)
    train_and_prune(module, x, y, replace(RECIPE, pruning_epochs=0), rng, augment=blank)
    assert seen == [32 * epochs.TOGETHER] * 2 + [1200 - 64 * epochs.TOGETHER]
    assert torch.equal(module[0].weight, first)  # black images teach the first layer nothing


def test_batches_are_those_of_one_order_however_many_are_augmented_at_once() -> None:
    x, y = torch.arange(330.0)[:, None], torch.arange(330)
    module = nn.Linear(1, 330)
    for together in (1, 3, 16):
        one = epochs._Epochs(module, RECIPE, nn.functional.cross_entropy, lambda inputs, _: -inputs, 11, pruned=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(epochs, "TOGETHER", together)
            batches = list(one._batches(x, y, np.random.default_rng(0)))
        assert [len(inputs) for inputs, _ in batches] == [32] * 10 + [10]
        order = torch.cat([targets for _, targets in batches])
        assert order.tolist() == np.random.default_rng(0).permutation(330).tolist()
        assert torch.equal(torch.cat([inputs for inputs, _ in batches])[:, 0], -order.float())


def test_as_many_inputs_as_examples_are_expected_of_an_augmentation(tiny: Images) -> None:
    x, y = torch.as_tensor(tiny.x_train), torch.as_tensor(tiny.y_train, dtype=torch.long)
    with pytest.raises(InputError, match=r"augment returned .* for 330 examples; expected as many inputs"):
        train_and_prune(nn.Linear(64, 10), x, y, RECIPE, np.random.default_rng(0), augment=lambda inputs, _: inputs[:0])


def test_adam_of_captured_steps_makes_the_updates_of_the_ordinary_one() -> None:
    ordinary, captured = (glorot_perceptron((5, 4, 3), np.random.default_rng(0)) for _ in range(2))
    pairs = [(ordinary, epochs._Adam(ordinary, late=False)), (captured, epochs._Adam(captured, late=True))]
    rng = np.random.default_rng(1)
    for step in range(1, 201):
        scale = 10.0 ** rng.uniform(-8, 1)  # about epsilon as well, where it matters when it is added
        gradients = [scale * rng.normal(size=tuple(p.shape)) for p in ordinary.parameters()]
        for module, adam in pairs:
            for parameter, gradient in zip(module.parameters(), gradients, strict=True):
                parameter.grad = torch.as_tensor(gradient, dtype=torch.float32)
            adam.count(step)
            adam.step()
        for one, other in zip(ordinary.parameters(), captured.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": -1}, {"batch_size": 0}, {"l1": -1.0}, {"l2": float("nan")}, {"final_sparsity": 1.0}],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        replace(RECIPE, **wrong)


def test_unequal_numbers_of_examples_and_targets_are_refused() -> None:
    with pytest.raises(InputError, match="3 examples and 2 targets"):
        train_and_prune(nn.Linear(2, 2), torch.zeros(3, 2), torch.zeros(2), RECIPE, np.random.default_rng(0))
