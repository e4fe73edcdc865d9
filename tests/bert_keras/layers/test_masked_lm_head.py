"""The output layer of masked language modelling: which positions, which table, which type."""

import keras
import numpy as np
import pytest

from bert_keras.layers import BertEmbeddings, MaskedLMHead

HIDDEN = np.random.default_rng(0).normal(size=(2, 5, 12)).astype("float32")
POSITIONS = np.array([[4, 0, 2], [1, 1, 3]], "int32")


@pytest.fixture
def make():
    """`make(**options)`: a head over embeddings of 9 pieces, every weight random."""

    def made(**options):
        keras.utils.set_random_seed(1)
        head = MaskedLMHead(BertEmbeddings(9, 12, max_sequence_length=7, dropout=0.0), **options)
        head(HIDDEN, POSITIONS)
        head.bias.assign(np.arange(9) / 10)
        return head

    return made


def test_positions_are_computed_as_if_all_were(make):
    head = make()
    everywhere = np.asarray(head(HIDDEN, np.tile(np.arange(5, dtype="int32"), (2, 1))))
    expected = np.take_along_axis(everywhere, POSITIONS[..., None], axis=1)
    np.testing.assert_allclose(np.asarray(head(HIDDEN, POSITIONS)), expected, atol=1e-6)


def test_the_output_table_is_the_token_table(make):
    head = make()
    assert [weight.shape for weight in head.weights if 9 in weight.shape] == [(9,), (9, 12)]
    head.embeddings.token_table.assign(0 * head.embeddings.token_table)
    np.testing.assert_allclose(np.asarray(head(HIDDEN, POSITIONS)), np.tile(np.arange(9) / 10, (2, 3, 1)), atol=1e-6)


def test_no_rows_give_no_logits(make):
    assert np.asarray(make()(HIDDEN[:0], POSITIONS[:0])).shape == (0, 3, 9)


def test_logits_are_float32_under_mixed_precision(make):
    head = make(dtype="mixed_bfloat16")
    real = head(HIDDEN, POSITIONS)
    symbolic = head(keras.Input(batch_shape=(2, 5, 12)), keras.Input(batch_shape=(2, 3), dtype="int32"))
    assert keras.backend.standardize_dtype(real.dtype) == symbolic.dtype == "float32"
    assert symbolic.shape == tuple(real.shape) == (2, 3, 9)


def test_config_and_weights_give_the_layer_back(make):
    head = make(activation="relu", layer_norm_epsilon=1e-5, initializer_range=0.05)
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert back.get_config() == head.get_config()
    back(HIDDEN, POSITIONS)
    back.set_weights(head.get_weights())
    np.testing.assert_array_equal(np.asarray(back(HIDDEN, POSITIONS)), np.asarray(head(HIDDEN, POSITIONS)))
