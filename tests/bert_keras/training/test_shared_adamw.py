"""The optimizer of models that take turns: what rests stays, and each weight counts its own updates."""

import keras
import numpy as np
import tensorflow as tf

from bert_keras.training.distribution import with_gradient_scale
from bert_keras.training.optimizer import AdamW, SharedAdamW

SETTINGS = {"learning_rate": 0.1, "weight_decay": 0.1, "global_clipnorm": None}
GRADIENTS = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def weight(name="kernel"):
    return keras.Variable(np.array([1.0, -2.0, 3.0], "float32"), name=name)


def step(optimizer, gradient, variable):
    optimizer.apply([tf.constant(gradient)], [variable])


def test_where_all_weights_are_updated_in_every_step_it_is_adamw():
    found = []
    for kind in (AdamW, SharedAdamW):
        variable, optimizer = weight(), kind(**SETTINGS)
        for gradient in GRADIENTS:
            step(optimizer, gradient, variable)
        found.append(variable.numpy())
    np.testing.assert_allclose(found[1], found[0], atol=1e-7)


def test_a_weight_that_rests_stays_whatever_its_momentum_and_decay():
    turning, resting, optimizer = weight("turning"), weight("resting"), SharedAdamW(**SETTINGS)
    optimizer.build([turning, resting])
    step(optimizer, GRADIENTS[0], resting)
    before = resting.numpy()
    for gradient in GRADIENTS[1:]:
        step(optimizer, gradient, turning)
    np.testing.assert_array_equal(resting.numpy(), before)


def test_a_weight_whose_turn_comes_late_moves_as_if_it_were_the_first():
    """With the number of all steps in the bias correction its first updates would be larger."""
    alone, optimizer = weight(), AdamW(**SETTINGS)
    for gradient in GRADIENTS[:3]:
        step(optimizer, gradient, alone)
    other, late, shared = weight("other"), weight("late"), SharedAdamW(**SETTINGS)
    shared.build([other, late])
    for _ in range(50):
        step(shared, GRADIENTS[3], other)
    for gradient in GRADIENTS[:3]:
        step(shared, gradient, late)
    np.testing.assert_allclose(late.numpy(), alone.numpy(), atol=1e-6)


def test_a_scaled_gradient_leaves_the_value_of_the_loss():
    variable = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        loss = with_gradient_scale(variable**2, 2.5)
    assert (float(loss), float(tape.gradient(loss, variable))) == (9.0, 15.0)
