"""The encoder for export gives what the Keras encoder gives, in fewer ops."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bert_keras.export.encoder import POOLED, SEQUENCE, FastEncoder

TOKENS = ("token_ids", "segment_ids", "padding_mask")


def spec():
    return [tf.TensorSpec([None, None], tf.int32, name=name) for name in TOKENS]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_it_equals_the_keras_encoder_for_any_config(make_backbone, randomize, random_tokens, data):
    heads = data.draw(st.sampled_from((1, 2, 3, 4)))
    config = {
        "num_layers": data.draw(st.integers(1, 3)),
        "num_heads": heads,
        "hidden_dim": heads * data.draw(st.sampled_from((4, 8, 10))),
        "intermediate_dim": data.draw(st.sampled_from((7, 16, 64))),
        "activation": data.draw(st.sampled_from(("gelu", "gelu_tanh", "relu"))),
        "position_embedding": data.draw(st.sampled_from(("learned", "sinusoidal"))),
        "layer_norm_epsilon": data.draw(st.sampled_from((1e-12, 1e-5, 1e-3))),
        "num_segments": data.draw(st.integers(1, 3)),
    }
    wanted = data.draw(st.sampled_from(((SEQUENCE, POOLED), (POOLED,), (SEQUENCE,))))
    freeze = data.draw(st.booleans())
    backbone = randomize(make_backbone(**config), seed=data.draw(st.integers(0, 99)))
    tokens = random_tokens(
        data.draw(st.integers(1, 4)),
        data.draw(st.integers(1, 32)),
        backbone.config.vocabulary_size,
        config["num_segments"],
    )

    outputs = tf.function(FastEncoder(backbone, wanted, freeze), input_signature=spec())(**tokens)

    expected = backbone(tokens)
    assert set(outputs) == set(wanted)
    for name in wanted:
        assert outputs[name].shape == expected[name].shape
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5, rtol=1e-5)


def test_the_pooled_output_alone_is_that_of_the_whole_last_block(make_backbone, randomize, random_tokens):
    backbone = randomize(make_backbone())
    tokens = random_tokens(3, 9, backbone.config.vocabulary_size)
    np.testing.assert_allclose(
        FastEncoder(backbone, (POOLED,))(**tokens)[POOLED], FastEncoder(backbone)(**tokens)[POOLED], atol=1e-6
    )


@pytest.mark.parametrize("wanted", [(SEQUENCE, POOLED), (POOLED,)])
def test_a_row_without_a_token_gives_no_nan(make_backbone, randomize, random_tokens, wanted):
    backbone = randomize(make_backbone())
    tokens = random_tokens(3, 5, backbone.config.vocabulary_size)
    tokens["padding_mask"][1] = 0
    for output in FastEncoder(backbone, wanted)(**tokens).values():
        assert np.isfinite(output).all()


def test_a_row_longer_than_the_positions_is_an_error(make_backbone, random_tokens):
    backbone = make_backbone()
    tokens = random_tokens(1, 33, backbone.config.vocabulary_size)
    with pytest.raises(tf.errors.InvalidArgumentError):
        FastEncoder(backbone)(**tokens)


def test_frozen_it_holds_no_variables(make_backbone):
    assert FastEncoder(make_backbone()).variables == ()
    assert len(FastEncoder(make_backbone(), freeze=False).variables) == 3 + 2 + 2 * 12 + 2
