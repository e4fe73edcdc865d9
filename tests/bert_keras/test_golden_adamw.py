"""The optimizer beside torch's AdamW with gradient clipping, over 20 steps. See tests/golden/make_adamw.py."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.training.optimizer import AdamW
from bert_keras.training.schedule import WarmupLinearDecay

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "adamw.npz"


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rates of a list, one a step."""

    def __init__(self, rates):
        self.rates = tf.constant(rates, tf.float32)

    def __call__(self, step):
        return tf.gather(self.rates, tf.convert_to_tensor(step))


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def trajectory(golden):
    """`(kernels, biases)` after each step of our optimizer on the golden problem."""
    layer = keras.layers.Dense(3)
    layer.build((None, 4))
    layer.kernel.assign(golden["start"])
    optimizer = AdamW(
        Rates(golden["learning_rates"]),
        weight_decay=float(golden["weight_decay"]),
        epsilon=float(golden["epsilon"]),
        global_clipnorm=float(golden["clip_norm"]),
    )
    kernels, biases = [], []
    for _ in range(int(golden["steps"])):
        with tf.GradientTape() as tape:
            logits = layer(golden["features"])
            losses = keras.losses.sparse_categorical_crossentropy(golden["labels"], logits, from_logits=True)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, [layer.kernel.value, layer.bias.value]), [layer.kernel, layer.bias])
        kernels.append(layer.kernel.numpy())
        biases.append(layer.bias.numpy())
    return np.stack(kernels), np.stack(biases)


def test_kernels_follow_torchs_trajectory(trajectory, golden):
    np.testing.assert_allclose(trajectory[0], golden["kernels"], rtol=0, atol=2e-5)


def test_biases_follow_torchs_trajectory_without_weight_decay(trajectory, golden):
    np.testing.assert_allclose(trajectory[1], golden["biases"], rtol=0, atol=2e-5)


def test_from_the_end_of_the_warm_up_on_rates_equal_transformers_linear_schedule(golden):
    warmup, steps = int(golden["warmup_steps"]), int(golden["steps"])
    schedule = WarmupLinearDecay(float(golden["peak_learning_rate"]), steps, warmup)
    rates = [float(schedule(step)) for step in range(warmup, steps)]
    np.testing.assert_allclose(rates, golden["learning_rates"][warmup:], rtol=1e-6)
