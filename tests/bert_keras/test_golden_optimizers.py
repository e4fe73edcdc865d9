"""LAMB, AdamW without bias correction, and the polynomial schedule beside others'.

The golden file is made by tests/golden/make_optimizers.py.
"""

from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "optimizers.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def make_optimizer(golden):
    """`make_optimizer(name, learning_rate)`: one of the golden ones."""
    from bert_keras.training.lamb import LAMB
    from bert_keras.training.optimizer import AdamW

    def make(name, learning_rate):
        settings = {"weight_decay": float(golden["weight_decay"]), "epsilon": float(golden["epsilon"])}
        settings["global_clipnorm"] = None
        if name == "lamb":
            return LAMB(learning_rate, **settings)
        return AdamW(learning_rate, bias_correction=False, **settings)

    return make


@pytest.mark.parametrize("name", ["lamb", "adamw_uncorrected"])
def test_weights_follow_the_golden_trajectory(golden, make_optimizer, name):
    import keras
    import tensorflow as tf

    kernel = keras.Variable(golden["start"], name="kernel")
    bias = keras.Variable(np.zeros(3, "float32"), name="bias")
    optimizer = make_optimizer(name, 0.0)
    for step, rate in enumerate(golden["learning_rates"]):
        optimizer.learning_rate = float(rate)
        with tf.GradientTape() as tape:
            logits = tf.matmul(golden["features"], kernel.value) + bias.value
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=golden["labels"], logits=logits)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, [kernel.value, bias.value]), [kernel, bias])
        np.testing.assert_allclose(kernel.numpy(), golden[f"{name}_kernels"][step], rtol=0, atol=2e-5)
        np.testing.assert_allclose(bias.numpy(), golden[f"{name}_biases"][step], rtol=0, atol=2e-5)


def test_from_the_end_of_the_warm_up_on_rates_equal_transformers_polynomial_schedule(golden):
    from bert_keras.training.schedule import WarmupPolynomialDecay

    peak, end, power = (float(golden[name]) for name in ("peak", "end", "power"))
    steps, warmup = int(golden["steps"]), int(golden["warmup_steps"])
    schedule = WarmupPolynomialDecay(peak, steps, warmup, power=power, end=end)
    rates = [float(schedule(step)) for step in range(warmup, steps)]
    np.testing.assert_allclose(rates, golden["learning_rates"][warmup:], rtol=1e-5)


@pytest.mark.parametrize("name", ["lamb", "adamw_uncorrected"])
def test_they_come_back_from_their_configs(make_optimizer, name):
    import keras

    optimizer = make_optimizer(name, 0.1)
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(back) is type(optimizer) and back.get_config() == optimizer.get_config()
    assert back.bias_correction == (name == "lamb")


def test_a_weight_of_zeros_leaves_zero_under_lamb(make_optimizer):
    import keras
    import tensorflow as tf

    kernel = keras.Variable(np.zeros(3, "float32"), name="kernel")
    make_optimizer("lamb", 0.1).apply([tf.constant([1.0, -2.0, 3.0])], [kernel])
    np.testing.assert_allclose(kernel.numpy(), [-0.1, 0.1, -0.1], atol=1e-3)
