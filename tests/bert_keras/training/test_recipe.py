"""The recipe: learning rate over time, AdamW's arithmetic, and what is refused."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras import BadInput, BertConfig
from bert_keras.training.optimizer import AdamW, clip_by_global_norm
from bert_keras.training.recipe import Recipe, steps_per_execution
from bert_keras.training.schedule import PhasedSchedule, WarmupLinearDecay, WarmupPolynomialDecay


def rates(schedule, steps):
    return np.array([float(schedule(step)) for step in range(steps)])


class TestSchedule:
    def test_it_rises_to_the_peak_and_falls_to_0(self):
        found = rates(WarmupLinearDecay(1.0, total_steps=10, warmup_steps=2), 11)
        np.testing.assert_allclose(found, [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0], atol=1e-6)

    def test_without_warm_up_the_first_step_is_at_the_peak(self):
        np.testing.assert_allclose(rates(WarmupLinearDecay(2.0, 4, 0), 5), [2, 1.5, 1, 0.5, 0])

    def test_warm_up_alone_never_falls_before_the_end(self):
        np.testing.assert_allclose(rates(WarmupLinearDecay(1.0, 4, 4), 4), [0.25, 0.5, 0.75, 1.0])

    def test_beyond_the_end_the_rate_stays_0(self):
        assert float(WarmupLinearDecay(1.0, 4, 1)(100)) == 0

    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 10**6), st.floats(0, 1), st.data())
    def test_the_rate_is_between_0_and_the_peak_and_never_0_within_the_run(self, total, share, data):
        schedule = WarmupLinearDecay(3e-5, total, int(share * total))
        step = data.draw(st.integers(0, total - 1))
        assert 0 < float(schedule(step)) <= 3e-5 * (1 + 1e-6)

    @pytest.mark.parametrize("warmup", [-1, 5])
    def test_warm_up_lies_within_the_run(self, warmup):
        with pytest.raises(ValueError, match=rf"warmup_steps is {warmup}; expected 0 to total_steps \(4\)"):
            WarmupLinearDecay(1.0, 4, warmup)

    def test_it_comes_back_from_its_config(self):
        schedule = WarmupLinearDecay(1e-3, 20, 3)
        back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
        np.testing.assert_array_equal(rates(back, 20), rates(schedule, 20))


class TestPolynomialSchedule:
    def test_it_falls_by_a_power_of_what_is_left_to_its_end(self):
        found = rates(WarmupPolynomialDecay(1.0, total_steps=6, warmup_steps=2, power=0.5, end=0.2), 8)
        fall = [0.2 + 0.8 * math.sqrt(left / 4) for left in (4, 3, 2, 1, 0, 0)]
        np.testing.assert_allclose(found, [0.5, 1.0, *fall], rtol=1e-6)

    def test_a_power_of_0_is_refused(self):
        with pytest.raises(ValueError, match="power is 0; expected a number above 0"):
            WarmupPolynomialDecay(1.0, 4, 1, power=0)


class TestPhases:
    SCHEDULE = [WarmupLinearDecay(1.0, 4, 2), WarmupLinearDecay(0.5, 2, 1)]

    def test_each_phase_counts_its_own_steps(self):
        found = rates(PhasedSchedule(self.SCHEDULE, [4, 2]), 7)
        np.testing.assert_allclose(found, [0.5, 1.0, 1.0, 0.5, 0.5, 0.5, 0.0], rtol=1e-6)

    def test_it_comes_back_from_its_config(self):
        schedule = PhasedSchedule(self.SCHEDULE, [4, 2])
        back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
        np.testing.assert_array_equal(rates(back, 7), rates(schedule, 7))

    @pytest.mark.parametrize("steps", [[4], [4, 0]])
    def test_every_phase_needs_steps(self, steps):
        with pytest.raises(ValueError, match="expected a number of at least 1 for each of 2 schedules"):
            PhasedSchedule(self.SCHEDULE, steps)


def numpy_adamw(start, grads, names, rate, decay, clip, beta_1=0.9, beta_2=0.999, epsilon=1e-6):
    """The weights after each step (Loshchilov & Hutter 2019, algorithm 2; decay scaled by the learning rate)."""
    weights = [np.array(weight, "float64") for weight in start]
    m, v = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    history = []
    for step, step_grads in enumerate(grads, 1):
        norm = math.sqrt(sum((grad.astype("float64") ** 2).sum() for grad in step_grads))
        scale = min(1.0, clip / norm) if clip and norm else 1.0
        lr = rate(step - 1)
        for i, grad in enumerate(step_grads):
            grad = grad.astype("float64") * scale
            m[i] = beta_1 * m[i] + (1 - beta_1) * grad
            v[i] = beta_2 * v[i] + (1 - beta_2) * grad**2
            if names[i] not in ("bias", "gamma", "beta"):
                weights[i] = weights[i] - lr * decay * weights[i]
            mean, square = m[i] / (1 - beta_1**step), v[i] / (1 - beta_2**step)
            weights[i] = weights[i] - lr * mean / (np.sqrt(square) + epsilon)
        history.append([w.copy() for w in weights])
    return history


NAMES = ("kernel", "bias", "gamma", "beta", "token_embeddings", "position_embeddings")


class TestAdamW:
    @pytest.mark.parametrize("clip", [None, 0.5, 100.0])
    @pytest.mark.parametrize("decay", [0.0, 0.1])
    def test_the_trajectory_equals_numpys(self, clip, decay):
        random = np.random.default_rng(0)
        start = [random.normal(size=(3, 2)).astype("float32") for _ in NAMES]
        grads = [[random.normal(size=(3, 2)).astype("float32") for _ in NAMES] for _ in range(6)]
        variables = [keras.Variable(value, name=name) for value, name in zip(start, NAMES)]
        schedule = WarmupLinearDecay(0.05, 6, 2)
        # Large enough to show where it is added.
        optimizer = AdamW(schedule, weight_decay=decay, global_clipnorm=clip, epsilon=1e-3)
        rate = lambda step: float(schedule(step))  # noqa: E731
        expected = numpy_adamw(start, grads, NAMES, rate, decay, clip, epsilon=1e-3)
        for step, step_grads in enumerate(grads):
            optimizer.apply([tf.constant(grad) for grad in step_grads], variables)
            for variable, value in zip(variables, expected[step]):
                np.testing.assert_allclose(variable.numpy(), value, atol=2e-5, err_msg=f"{variable.name}, step {step}")

    def test_only_kernels_and_embeddings_decay(self):
        variables = [keras.Variable(np.ones(2, "float32"), name=name) for name in NAMES]
        AdamW(0.1, weight_decay=0.5).apply([tf.zeros(2)] * len(NAMES), variables)
        values = {variable.name: float(variable[0]) for variable in variables}
        assert values == {"bias": 1, "gamma": 1, "beta": 1, **{
            name: pytest.approx(0.95) for name in ("kernel", "token_embeddings", "position_embeddings")
        }}  # fmt: skip

    def test_the_encoders_weights_decay_by_their_names(self, make_classifier):
        model = make_classifier()
        optimizer = Recipe().optimizer(1)
        optimizer.build(model.trainable_variables)
        kept = {v.path.split("/")[-1] for v in model.trainable_variables if not optimizer._use_weight_decay(v)}
        decayed = {v.path.split("/")[-1] for v in model.trainable_variables if optimizer._use_weight_decay(v)}
        assert kept == {"bias", "gamma", "beta"}
        assert decayed == {"kernel", "token_embeddings", "segment_embeddings", "position_embeddings"}

    def test_clipping_scales_all_gradients_by_their_joint_norm(self):
        clipped = clip_by_global_norm([tf.constant([3.0]), tf.constant([[4.0]])], 1.0)
        np.testing.assert_allclose(clipped[0], [0.6], rtol=1e-6)
        np.testing.assert_allclose(clipped[1], [[0.8]], rtol=1e-6)

    def test_clipping_leaves_small_gradients_and_zeros_alone(self):
        assert [float(g[0]) for g in clip_by_global_norm([tf.constant([0.3]), tf.constant([0.4])], 1.0)] == [
            pytest.approx(0.3),
            pytest.approx(0.4),
        ]
        assert float(clip_by_global_norm([tf.constant([0.0])], 1.0)[0][0]) == 0

    def test_sparse_gradients_of_embeddings_are_taken(self):
        table = keras.Variable(np.ones((4, 2), "float32"), name="token_embeddings")
        sparse = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 1]), tf.constant([4, 2]))
        dense = keras.Variable(np.ones((4, 2), "float32"), name="token_embeddings")
        for variable, grad in ((table, sparse), (dense, tf.convert_to_tensor(sparse))):
            AdamW(0.1).apply([grad], [variable])
        np.testing.assert_allclose(table.numpy(), dense.numpy())

    @pytest.mark.parametrize("name", ["clipnorm", "clipvalue", "amsgrad", "use_ema", "gradient_accumulation_steps"])
    def test_what_it_does_not_do_is_refused(self, name):
        with pytest.raises(ValueError, match=f"{name} is not supported; use keras.optimizers.AdamW"):
            AdamW(**{name: 2})

    def test_it_comes_back_from_its_config(self):
        optimizer = Recipe(learning_rate=1e-3, weight_decay=0.2, clip=0.7, layer_decay=0.9).optimizer(50)
        back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
        assert type(back) is AdamW and back.get_config() == optimizer.get_config()
        assert (back.weight_decay, back.global_clipnorm, back.epsilon) == (0.2, 0.7, 1e-6)
        assert back.layer_decay == 0.9


class TestRecipe:
    def test_without_arguments_it_is_berts(self):
        expected = {"learning_rate": 5e-5, "warmup": 0.1, "weight_decay": 0.01, "clip": 1.0, "layer_decay": 1.0}
        assert dataclasses.asdict(Recipe()) == expected

    def test_the_optimizer_warms_up_over_a_tenth_and_ends_at_0(self):
        optimizer = Recipe(learning_rate=1.0).optimizer(200)
        schedule = optimizer._learning_rate
        assert (schedule.peak, schedule.total_steps, schedule.warmup_steps) == (1.0, 200, 20)
        assert (optimizer.weight_decay, optimizer.global_clipnorm) == (0.01, 1.0)

    def test_clip_0_means_no_clipping(self):
        assert Recipe(clip=0).optimizer(10).global_clipnorm is None

    @pytest.mark.parametrize("field, value, said", [
        ("learning_rate", 0, "learning_rate is 0; expected a number above 0"),
        ("learning_rate", -1e-5, "learning_rate is -1e-05; expected a number of at least 0"),
        ("learning_rate", math.nan, "learning_rate is nan"),
        ("learning_rate", "5e-5", "learning_rate is '5e-5'"),
        ("warmup", 1.1, "warmup is 1.1; expected a share of all steps, from 0 to 1"),
        ("warmup", -0.1, "warmup is -0.1"),
        ("weight_decay", -1, "weight_decay is -1"),
        ("weight_decay", True, "weight_decay is True"),
        ("clip", math.inf, "clip is inf"),
        ("clip", None, "clip is None"),
        ("layer_decay", 0, "layer_decay is 0; expected a number above 0, at most 1"),
        ("layer_decay", 1.5, "layer_decay is 1.5"),
    ])  # fmt: skip
    def test_a_bad_number_is_named(self, field, value, said):
        with pytest.raises(BadInput) as caught:
            Recipe(**{field: value})
        assert said in str(caught.value)


class TestStepsPerExecution:
    def test_a_big_model_returns_after_every_step_and_a_tiny_one_after_many(self):
        assert steps_per_execution(BertConfig.from_name("base"), 32 * 128) == 1
        assert steps_per_execution(BertConfig.from_name("tiny"), 16 * 10) == 32

    @pytest.mark.parametrize("name", ["tiny", "mini", "small", "medium", "base", "large"])
    @pytest.mark.parametrize("tokens", [1, 100, 10_000, 1_000_000])
    def test_it_is_from_1_to_32(self, name, tokens):
        assert steps_per_execution(BertConfig.from_name(name), tokens) in range(1, 33)

    def test_more_tokens_never_mean_more_steps(self):
        found = [steps_per_execution(BertConfig.from_name("mini"), tokens) for tokens in range(100, 20_000, 300)]
        assert found == sorted(found, reverse=True)
