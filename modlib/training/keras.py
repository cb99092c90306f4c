"""Training and pruning of multilayer perceptrons with Keras, as in the clusterability papers.

tensorflow-model-optimization needs Keras 2 (``tf_keras``); this is the one place that says so. Ten steps
at a time are compiled by XLA, which is several times faster for networks of this size than ``fit``. The
pruning schedule is that of tensorflow-model-optimization, and a test holds weights and masks equal to
those of its ``prune_low_magnitude`` wrapper. XLA writes code for AVX2 on every processor, so that the same seed
gives the same network, see ``modlib.processor``. Chapter: ``clusterability``.
"""

from __future__ import annotations

import math
import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Callable, Sequence

import numpy as np

from modlib.data.images import Images
from modlib.errors import InputError, extra, warn
from modlib.graphs.eigenvalues import eigenvalue_gradient
from modlib.processor import limit_xla
from modlib.training.initialisation import clusterable_kernels, draw_tags
from modlib.training.pruning import magnitude_mask
from modlib.training.recipes import Recipe as Recipe, Snapshot as Snapshot
from modlib.training.regularisers import EigenvaluePenalty, WeightPenalty, normalise_neurons

with extra("keras", "training with Keras"):
    limit_xla()
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf_keras

# One thread: the order of a sum is then always the same, and two processes beat two threads for small networks.
try:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
except RuntimeError:
    warn(
        "TensorFlow computed before modlib set its number of threads, so networks may differ in their last digits from "
        "run to run; import modlib.training.keras first where they must not"
    )

STEPS = 10  # steps a compiled call, and the pruning frequency of the papers
Step = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def build_mlp(n_inputs: int, recipe: Recipe, n_outputs: int = 10, seed: int = 0) -> tf_keras.Model:
    """Untrained ReLU perceptron with logits at the end; Glorot uniform weights, zero biases.

    Args:
        n_inputs: number of input pixels.
        recipe: widths, dropout rate, penalty and clusters of the start.
        n_outputs: number of classes.
        seed: decides the weights, and what dropout draws.
    """
    seeds = [int(s) for s in np.random.SeedSequence([seed, 0]).generate_state(2 * len(recipe.hidden) + 1)]
    layers: list[tf_keras.layers.Layer] = [tf_keras.layers.Input((n_inputs,))]
    for i, width in enumerate(recipe.hidden):
        init = tf_keras.initializers.GlorotUniform(seed=seeds[2 * i])
        penalty = _keras_penalty(recipe.penalty, first=i == 0)
        layers.append(tf_keras.layers.Dense(width, "relu", True, init, "zeros", penalty, name=f"hidden_{i + 1}"))
        if recipe.dropout:
            # A generator of its own: XLA does not honour the seeds of stateful random operations.
            layers.append(tf_keras.layers.Dropout(recipe.dropout, seed=seeds[2 * i + 1] % 2**31, force_generator=True))
    init = tf_keras.initializers.GlorotUniform(seed=seeds[-1])
    penalty = _keras_penalty(recipe.penalty, first=False)
    layers.append(tf_keras.layers.Dense(n_outputs, kernel_initializer=init, kernel_regularizer=penalty, name="logits"))
    model = tf_keras.Sequential(layers)
    if recipe.clusterable:
        dense, tags = _dense(model), initial_tags(recipe, seed)
        initial, outputs = [layer.kernel.numpy() for layer in dense], bool(recipe.tagged_outputs)
        kernels = clusterable_kernels(initial, tags, recipe.clusterable, outputs)
        for layer, kernel in zip(dense, kernels, strict=True):
            layer.kernel.assign(kernel)
    return model


def _keras_penalty(penalty: WeightPenalty | None, first: bool) -> tf_keras.regularizers.Regularizer | None:
    if penalty is None:
        return None
    kind = tf_keras.regularizers.L1 if penalty.kind_in(first) == "l1" else tf_keras.regularizers.L2
    return kind(penalty.rate)


def eigenvalue_sum(kernels: Sequence[tf.Tensor], which: Sequence[int]) -> tf.Tensor:
    """``modlib.training.regularisers.eigenvalue_sum`` as a loss term of TensorFlow; not for code compiled by XLA."""

    def measured(*arrays: np.ndarray) -> list[np.ndarray]:
        values, gradient = eigenvalue_gradient(arrays, which)
        return [np.asarray(part, dtype=np.float32) for part in (values.sum(), *gradient)]

    value, *slopes = tf.numpy_function(measured, kernels, [tf.float32] * (len(kernels) + 1))
    # the value at the present weights, with its gradient: their difference from themselves is 0 but has a slope
    changes = [
        tf.reduce_sum(tf.ensure_shape(slope, kernel.shape) * (kernel - tf.stop_gradient(kernel)))
        for slope, kernel in zip(slopes, kernels, strict=True)
    ]
    return tf.ensure_shape(value, ()) + tf.add_n(changes)


def initial_tags(recipe: Recipe, seed: int) -> list[np.ndarray]:
    """Cluster that every hidden neuron of a network starts in.

    Raises:
        InputError: if the recipe gives its networks no clusters.
    """
    if recipe.clusterable is None:
        raise InputError(f"{recipe} arrived; expected one whose field clusterable is set")
    return draw_tags(recipe.hidden, recipe.clusterable, np.random.default_rng([seed, 2]))


def initial_kernels(n_inputs: int, recipe: Recipe, seed: int) -> list[np.ndarray]:
    """Weight matrices of an untrained network with ten classes."""
    model = build_mlp(n_inputs, recipe, seed=seed)
    return [layer.kernel.numpy() for layer in _dense(model)]


def train_mlp(
    data: Images, recipe: Recipe, seed: int, on_epoch: Callable[[str, int, float], None] | None = None
) -> tuple[Snapshot, Snapshot]:
    """Train a perceptron, then go on with magnitude pruning; both stages with Adam and cross-entropy.

    The share of zeros in every kernel follows s_t = s_f + (s_i - s_f)(1 - t/T)^3, updated every tenth
    step; a weight once at zero may come back. Pruning starts with a fresh optimiser.

    Args:
        data: training and test examples.
        recipe: architecture and schedule.
        seed: decides initial weights, dropout and the order of the examples.
        on_epoch: called with stage, epoch (from 1) and mean loss after every epoch.

    Returns:
        The network right before pruning, and at the end.

    Source: pruned-modular 3, 3.1, A.2. Chapter: ``clusterability``.
    """
    model = build_mlp(data.x_train.shape[1], recipe, int(data.y_train.max()) + 1, seed)
    order = np.random.default_rng([seed, 1])
    losses: list[float] = []

    def report(stage: str) -> Callable[[float], None]:
        def note(loss: float) -> None:
            losses.append(loss)
            if on_epoch:
                on_epoch(stage, len(losses), loss)

        return note

    masked = [(layer.kernel, tf.Variable(tf.ones_like(layer.kernel))) for layer in _dense(model)]
    optimiser = tf_keras.optimizers.Adam()
    optimiser.build(model.trainable_variables)
    fresh = [variable.numpy() for variable in optimiser.variables]
    # Compiled once: before pruning all masks are 1. Compiling takes longer than the training of a small network.
    step = _compiled_steps(model, masked, optimiser, data, recipe.eigenvalues, penalised=True)
    hits = _fit(step, masked, data, recipe, recipe.epochs, order, None, report("unpruned"))
    before = _snapshot("unpruned", model, data, losses, hits)
    steps = -(-len(data.x_train) // recipe.batch_size) * recipe.pruning_epochs
    schedule = None
    if steps:
        schedule = tfmot.sparsity.keras.PolynomialDecay(
            recipe.initial_sparsity, recipe.final_sparsity, begin_step=0, end_step=steps, frequency=STEPS
        )
    for variable, value in zip(optimiser.variables, fresh, strict=True):
        variable.assign(value)
    if recipe.penalty_while_pruning is False:
        step = _compiled_steps(model, masked, optimiser, data, recipe.eigenvalues, penalised=False)
    hits = _fit(step, masked, data, recipe, recipe.pruning_epochs, order, schedule, report("pruned"))
    return before, _snapshot("pruned", model, data, losses, hits)


def _fit(
    step: Step,
    masked: Sequence[tuple[tf.Variable, tf.Variable]],
    data: Images,
    recipe: Recipe,
    epochs: int,
    order: np.random.Generator,
    schedule: tfmot.sparsity.keras.PolynomialDecay | None,
    report: Callable[[float], None],
) -> float:
    """Train in place; weights are masked before every step and after every epoch, by masks that a schedule decides.

    Returns:
        The share of examples that were classified correctly in the last epoch; NaN without any epoch.
    """
    n, batch, done, share = len(data.x_train), recipe.batch_size, 0, math.nan
    for _ in range(epochs):
        indices = order.permutation(n) if recipe.shuffle else np.arange(n)
        whole = indices[: n // batch * batch].reshape(-1, batch)
        batches: list[np.ndarray] = [*whole]
        if n % batch:
            batches.append(indices[n // batch * batch :])
        total, hits, at = 0.0, 0, 0
        while at < len(batches):
            if schedule and (done + 1) % STEPS == 0:
                # the wrapper counts steps from 1 and updates its masks before the forward pass
                update, sparsity = schedule(tf.constant(done + 1, dtype=tf.int64))
                if update:
                    for kernel, mask in masked:
                        mask.assign(magnitude_mask(kernel.numpy(), float(sparsity)))
            until = min(at + (STEPS - 1 - done) % STEPS if (done + 1) % STEPS else at + STEPS, len(batches))
            until = max(until, at + 1)
            group = batches[at:until]
            if len(group[-1]) != len(group[0]):
                group = group[:-1]
            padded = np.zeros((STEPS, len(group[0])), dtype=np.int32)
            padded[: len(group)] = group
            loss, right = step(tf.constant(padded), tf.constant(len(group)))
            total += float(loss) * len(group[0])
            hits += int(right)
            at += len(group)
            done += len(group)
        for kernel, mask in masked:
            kernel.assign(kernel * mask)
        report(total / n)
        share = hits / n
    return share


def _compiled_steps(
    model: tf_keras.Model,
    masked: Sequence[tuple[tf.Variable, tf.Variable]],
    optimiser: tf_keras.optimizers.Optimizer,
    data: Images,
    eigenvalues: EigenvaluePenalty | None,
    penalised: bool,
) -> Step:
    """A compiled function: up to STEPS optimiser steps on given batches.

    It returns the sum of their losses, and how many examples were classified correctly, as they were trained on.
    """
    x, y = tf.constant(data.x_train), tf.constant(data.y_train)
    loss_of = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    kernels, biases = [kernel for kernel, _ in masked], [layer.bias for layer in _dense(model)]

    @tf.function(jit_compile=eigenvalues is None)  # XLA cannot call numpy
    def steps(batches: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        total, hits = tf.constant(0.0), tf.constant(0)
        for i in tf.range(count):
            for kernel, mask in masked:
                kernel.assign(kernel * mask)
            if eigenvalues:
                for variable, value in zip((*kernels, *biases), _normalised(kernels, biases), strict=True):
                    variable.assign(tf.ensure_shape(value, variable.shape))
            with tf.GradientTape() as tape:
                wanted, logits = tf.gather(y, batches[i]), model(tf.gather(x, batches[i]), training=True)
                loss = loss_of(wanted, logits)
                for term in model.losses if penalised else ():
                    loss += term
                if eigenvalues:
                    loss += eigenvalues.rate * eigenvalue_sum(kernels, eigenvalues.which)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimiser.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            total += loss
            said = tf.argmax(logits, axis=1, output_type=wanted.dtype)
            hits += tf.reduce_sum(tf.cast(said == wanted, tf.int32))
        return total, hits

    return steps


def _normalised(kernels: Sequence[tf.Variable], biases: Sequence[tf.Variable]) -> list[tf.Tensor]:
    def normalise(*arrays: np.ndarray) -> list[np.ndarray]:
        return [array for part in normalise_neurons(arrays[: len(kernels)], arrays[len(kernels) :]) for array in part]

    normalised: list[tf.Tensor] = tf.numpy_function(normalise, [*kernels, *biases], [tf.float32] * (2 * len(kernels)))
    return normalised


def _snapshot(stage: str, model: tf_keras.Model, data: Images, losses: list[float], fit_accuracy: float) -> Snapshot:
    accuracy = {"fit": fit_accuracy}
    for split, x, y in (("train", data.x_train, data.y_train), ("test", data.x_test, data.y_test)):
        logits = np.concatenate([model(x[i : i + 8192], training=False).numpy() for i in range(0, len(x), 8192)])
        accuracy[split] = float((logits.argmax(axis=1) == y).mean())
    dense = _dense(model)
    return Snapshot(stage, [d.kernel.numpy() for d in dense], [d.bias.numpy() for d in dense], accuracy, list(losses))


def _dense(model: tf_keras.Model) -> list[tf_keras.layers.Dense]:
    return [layer for layer in model.layers if isinstance(layer, tf_keras.layers.Dense)]
