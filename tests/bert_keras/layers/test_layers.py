"""Each layer beside the same arithmetic in float64 numpy."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras.layers import (
    AttentionBias,
    BertEmbeddings,
    EncoderBlock,
    LayerNorm,
    Linear,
    MeanPooler,
    Pooler,
    SelfAttention,
)
from bert_keras.layers.embeddings import sinusoidal_table

ACTIVATIONS = {
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    None: lambda x: x,
}


def numbers(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


def randomized(layer, scale=0.3):
    """The layer with every weight random, so that no bias or shift is a silent 0 or 1."""
    for number, weight in enumerate(layer.weights):
        weight.assign(numbers(*weight.shape, seed=100 + number, scale=scale))
    return layer


def layer_norm(x, gamma, beta, epsilon=1e-12):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(x, mask, heads, qkv, output):
    """Self-attention head by head. Returns the output and the probabilities."""
    batch, length, dim = x.shape
    width = dim // heads
    query, key, value = np.split(x @ qkv[0] + qkv[1], 3, axis=-1)
    context = np.zeros_like(query)
    maps = np.zeros((batch, heads, length, length))
    for row in range(batch):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = query[row, :, part] @ key[row, :, part].T / math.sqrt(width)
            maps[row, head] = softmax(np.where(mask[row][None, :], scores, -np.inf))
            context[row, :, part] = maps[row, head] @ value[row, :, part]
    return context @ output[0] + output[1], maps


def weights_of(layer):
    return [np.asarray(weight, "float64") for weight in layer.weights]


class TestLayerNorm:
    def test_values_equal_numpys(self):
        layer = LayerNorm(epsilon=1e-3)
        layer.build((None, 7))
        x = numbers(2, 3, 7, scale=5) + 2
        expected = layer_norm(x.astype("float64"), *weights_of(randomized(layer)), 1e-3)
        np.testing.assert_allclose(np.asarray(layer(x)), expected, atol=1e-5)

    def test_it_starts_as_mean_0_and_variance_1(self):
        y = np.asarray(LayerNorm()(numbers(4, 64, scale=9) + 30))
        np.testing.assert_allclose(y.mean(-1), 0, atol=1e-5)
        np.testing.assert_allclose(y.var(-1), 1, atol=1e-4)

    def test_bfloat16_computes_in_float32(self):
        """A large mean with a small spread: in bfloat16 the spread would be gone."""
        x = keras.ops.cast(numbers(8, 64) + 16, "bfloat16")
        layer = LayerNorm(dtype="mixed_bfloat16")
        y = layer(x)
        assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
        x = np.asarray(keras.ops.cast(x, "float32"), "float64")
        np.testing.assert_allclose(np.asarray(keras.ops.cast(y, "float32")), layer_norm(x, 1, 0), rtol=2**-8, atol=1e-3)

    def test_equal_values_give_the_shift_and_no_nan(self):
        y = np.asarray(LayerNorm()(np.full((1, 8), 3.0, "float32")))
        np.testing.assert_array_equal(y, 0)


class TestLinear:
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    @pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6), (2, 2, 3, 6)])
    def test_values_equal_numpys(self, activation, shape):
        layer = Linear(4, activation)
        x = numbers(*shape, scale=2)
        layer.build(shape)
        kernel, bias = weights_of(randomized(layer))
        np.testing.assert_allclose(np.asarray(layer(x)), ACTIVATIONS[activation](x @ kernel + bias), atol=2e-6)

    def test_erf_and_tanh_gelu_differ(self):
        x = np.linspace(-3, 3, 50, dtype="float32")[:, None]
        outputs = []
        for activation in ("gelu", "gelu_tanh"):
            layer = Linear(1, activation)
            layer.build((None, 1))
            layer.kernel.assign([[1.0]])
            outputs.append(np.asarray(layer(x)))
        assert 1e-4 < np.abs(outputs[0] - outputs[1]).max() < 1e-3

    def test_another_activation_is_refused(self):
        with pytest.raises(ValueError, match="activation is 'swish'; expected one of None, gelu"):
            Linear(3, "swish")

    def test_kernels_start_within_two_standard_deviations(self):
        keras.utils.set_random_seed(0)
        layer = Linear(200, initializer_range=0.02)
        layer.build((None, 200))
        kernel = np.asarray(layer.kernel)
        assert np.abs(kernel).max() <= 0.04 + 1e-6
        assert 0.016 < kernel.std() < 0.019  # 0.88 x 0.02: what the cut leaves
        assert not np.asarray(layer.bias).any()


class TestSinusoidalTable:
    def test_values_are_those_of_the_formula(self):
        table = sinusoidal_table(50, 6)
        for position in (0, 1, 7, 49):
            for column in range(6):
                angle = position / 10000 ** (2 * (column // 2) / 6)
                expected = math.cos(angle) if column % 2 else math.sin(angle)
                assert table[position, column] == pytest.approx(expected, abs=1e-6)

    def test_the_first_row_is_0_and_1_in_turn(self):
        np.testing.assert_array_equal(sinusoidal_table(1, 6)[0], [0, 1, 0, 1, 0, 1])


class TestEmbeddings:
    @pytest.mark.parametrize("kind", ["learned", "sinusoidal"])
    def test_values_are_the_normalized_sum_of_three(self, kind):
        layer = BertEmbeddings(11, 6, max_sequence_length=9, position_embedding=kind)
        layer.build((None, None))
        randomized(layer)
        ids, segments = np.array([[3, 0, 10, 10], [1, 2, 3, 4]]), np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
        positions = layer.position_table if kind == "sinusoidal" else np.asarray(layer.position_table)
        summed = np.asarray(layer.token_table)[ids] + np.asarray(layer.segment_table)[segments] + positions[:4]
        expected = layer_norm(summed.astype("float64"), *weights_of(layer.layer_norm))
        np.testing.assert_allclose(np.asarray(layer(ids, segments)), expected, atol=1e-5)

    @pytest.mark.parametrize("kind, tables", [("learned", 3), ("sinusoidal", 2)])
    def test_only_learned_positions_are_weights(self, kind, tables):
        layer = BertEmbeddings(11, 6, position_embedding=kind)
        layer.build((None, None))
        assert len(layer.trainable_weights) == tables + 2

    def test_given_positions_replace_the_counting(self):
        layer = BertEmbeddings(11, 6, max_sequence_length=9)
        ids = np.array([[3, 4, 5]])
        y = np.asarray(layer(ids, 0 * ids, position_ids=np.array([[0, 1, 0]])))
        np.testing.assert_allclose(y[:, :2], np.asarray(layer(ids[:, :2], 0 * ids[:, :2])), atol=1e-6)
        np.testing.assert_allclose(y[:, 2:], np.asarray(layer(ids[:, 2:], 0 * ids[:, 2:])), atol=1e-6)

    def test_a_row_beyond_the_positions_is_refused_with_the_way_out(self):
        ids = np.zeros((1, 10), "int32")
        with pytest.raises(ValueError, match="rows of 10 tokens; this encoder has 9 positions: truncate"):
            BertEmbeddings(11, 6, max_sequence_length=9)(ids, ids)


def built_attention(heads=3, dim=12, **options):
    layer = SelfAttention(heads, **options)
    layer.build((None, None, dim))
    return randomized(layer)


class TestSelfAttention:
    MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1]])

    @pytest.mark.parametrize("heads", [1, 3, 12])
    def test_values_equal_numpys_head_by_head(self, heads):
        layer, x = built_attention(heads), numbers(3, 5, 12)
        output, maps = layer(x, attention_bias=AttentionBias()(self.MASK), return_attention_scores=True)
        weights = weights_of(layer)
        expected, expected_maps = attend(x.astype("float64"), self.MASK.astype(bool), heads, weights[:2], weights[2:])
        np.testing.assert_allclose(np.asarray(maps), expected_maps, atol=1e-6)
        np.testing.assert_allclose(np.asarray(output), expected, atol=1e-5)

    def test_no_weight_falls_on_padding_and_rows_sum_to_1(self):
        bias = AttentionBias()(self.MASK)
        _, maps = built_attention()(numbers(3, 5, 12, scale=3), attention_bias=bias, return_attention_scores=True)
        maps = np.asarray(maps)
        np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-6)
        for row, mask in enumerate(self.MASK):
            assert (maps[row][:, :, mask == 0] == 0).all()

    def test_a_row_without_a_token_gives_numbers(self):
        bias = AttentionBias()(np.zeros((2, 4), "int32"))
        output, maps = built_attention()(numbers(2, 4, 12), attention_bias=bias, return_attention_scores=True)
        assert np.isfinite(np.asarray(output)).all()
        np.testing.assert_allclose(np.asarray(maps), 0.25, atol=1e-6)

    def test_without_a_bias_every_token_sees_every_token(self):
        layer, x = built_attention(), numbers(2, 4, 12)
        everything = AttentionBias()(np.ones((2, 4), "int32"))
        np.testing.assert_allclose(np.asarray(layer(x)), np.asarray(layer(x, attention_bias=everything)), atol=1e-6)

    def test_large_scores_do_not_overflow(self):
        output = np.asarray(built_attention()(numbers(1, 4, 12, scale=1e4)))
        assert np.isfinite(output).all()

    def test_the_softmax_is_float32_under_bfloat16(self):
        layer = built_attention(dtype="mixed_bfloat16")
        output, maps = layer(numbers(2, 64, 12), return_attention_scores=True)
        assert keras.backend.standardize_dtype(maps.dtype) == "float32"
        assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
        # Probabilities rounded to bfloat16 would miss 1 by up to 2 ** -9.
        np.testing.assert_allclose(np.asarray(maps).sum(-1), 1, atol=1e-5)

    def test_heads_that_do_not_divide_the_width_are_refused(self):
        with pytest.raises(ValueError, match="5 heads do not divide the width 12"):
            SelfAttention(5).build((None, None, 12))

    def test_dropout_is_there_in_training_only(self):
        layer, x = built_attention(dropout=0.5), numbers(2, 8, 12)
        inference = np.asarray(layer(x, training=False))
        np.testing.assert_array_equal(inference, np.asarray(layer(x)))
        assert np.abs(np.asarray(layer(x, training=True)) - inference).max() > 0.01


class TestEncoderBlock:
    @pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
    def test_values_equal_numpys(self, activation):
        layer = EncoderBlock(3, 20, activation=activation)
        layer.build((None, None, 12))
        randomized(layer)
        x, mask = numbers(2, 4, 12), np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
        w = {weight.path.split(f"{layer.name}/")[-1]: np.asarray(weight, "float64") for weight in layer.weights}

        def pair(name, first="kernel", second="bias"):
            return w[f"{name}/{first}"], w[f"{name}/{second}"]

        attended, _ = attend(
            x.astype("float64"), mask.astype(bool), 3, pair("attention/qkv"), pair("attention/output_dense")
        )
        hidden = layer_norm(x + attended, *pair("attention_norm", "gamma", "beta"))
        kernel, bias = pair("intermediate")
        inner = ACTIVATIONS[activation](hidden @ kernel + bias)
        kernel, bias = pair("output_dense")
        expected = layer_norm(hidden + inner @ kernel + bias, *pair("feedforward_norm", "gamma", "beta"))
        np.testing.assert_allclose(np.asarray(layer(x, attention_bias=AttentionBias()(mask))), expected, atol=2e-5)

    def test_dropout_is_there_in_training_only(self):
        layer, x = EncoderBlock(3, 20, dropout=0.5, attention_dropout=0.0), numbers(2, 4, 12)
        inference = np.asarray(layer(x, training=False))
        np.testing.assert_array_equal(inference, np.asarray(layer(x)))
        assert np.abs(np.asarray(layer(x, training=True)) - inference).max() > 0.01


class TestPooler:
    def test_value_is_tanh_of_the_first_token(self):
        layer = Pooler()
        layer.build((None, None, 6))
        kernel, bias = weights_of(randomized(layer))
        x = numbers(3, 4, 6)
        np.testing.assert_allclose(np.asarray(layer(x)), np.tanh(x[:, 0] @ kernel + bias), atol=1e-6)


class TestMeanPooler:
    def test_value_is_the_mean_of_what_is_no_padding(self):
        x = numbers(2, 4, 6)
        means = np.asarray(MeanPooler()(x, np.array([[1, 1, 1, 0], [0, 1, 0, 1]], "int32")))
        np.testing.assert_allclose(means, [x[0, :3].mean(0), (x[1, 1] + x[1, 3]) / 2], atol=1e-6)

    def test_a_row_without_a_token_gives_zeros(self):
        np.testing.assert_array_equal(np.asarray(MeanPooler()(numbers(1, 4, 6), np.zeros((1, 4), "int32"))), 0.0)

    def test_bfloat16_counts_all_of_a_long_row(self):
        layer = MeanPooler(dtype="mixed_bfloat16")
        mean = np.asarray(layer(np.ones((1, 511, 2), "float32"), np.ones((1, 511), "int32")).numpy(), "float32")
        np.testing.assert_array_equal(mean, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(2, 9), st.integers(0, 6), st.randoms(use_true_random=False))
def test_longer_padding_changes_nothing_at_the_tokens(rows, longest, more, random):
    """A block on rows padded to their longest, and to `more` beyond it."""
    lengths = [random.randint(1, longest) for _ in range(rows)]
    layer = EncoderBlock(2, 8)
    layer.build((None, None, 6))
    randomized(layer)
    x = numbers(rows, longest + more, 6, seed=random.randint(0, 10**6))
    mask = (np.arange(longest + more)[None, :] < np.array(lengths)[:, None]).astype("int32")
    short = np.asarray(layer(x[:, :longest], attention_bias=AttentionBias()(mask[:, :longest])))
    long = np.asarray(layer(x, attention_bias=AttentionBias()(mask)))
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(long[row, :length], short[row, :length], atol=1e-5)
