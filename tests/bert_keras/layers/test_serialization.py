"""Every layer comes back from its config with the same settings and, with the same weights, the same outputs."""

import keras
import numpy as np
import pytest

from bert_keras import layers

X = np.random.default_rng(0).normal(size=(2, 4, 12)).astype("float32")
IDS = np.array([[1, 2, 3, 0], [4, 5, 0, 0]], "int32")

# Arguments that differ from the defaults, and an input.
CASES = {
    "AttentionBias": ({}, (IDS,)),
    "BertEmbeddings": (
        {
            "vocabulary_size": 9,
            "hidden_dim": 12,
            "max_sequence_length": 7,
            "num_segments": 6,
            "position_embedding": "sinusoidal",
            "dropout": 0.2,
            "layer_norm_epsilon": 1e-5,
            "initializer_range": 0.05,
        },
        (IDS, IDS),
    ),
    "Dropout": ({"rate": 0.3}, (X,)),
    "EncoderBlock": (
        {
            "num_heads": 4,
            "intermediate_dim": 10,
            "dropout": 0.2,
            "attention_dropout": 0.3,
            "activation": "relu",
            "layer_norm_epsilon": 1e-5,
            "initializer_range": 0.05,
        },
        (X,),
    ),
    "LayerNorm": ({"epsilon": 1e-3}, (X,)),
    "Linear": ({"units": 5, "activation": "gelu_tanh", "initializer_range": 0.05}, (X,)),
    "LinearChainCRF": ({"allowed_start": [True] * 11 + [False]}, (X,)),
    "MeanPooler": ({}, (X, IDS)),
    "PackedPositions": ({}, (IDS,)),
    "Pooler": ({"initializer_range": 0.05}, (X,)),
    "SelfAttention": ({"num_heads": 4, "dropout": 0.2, "initializer_range": 0.05}, (X,)),
}


# Its embeddings are a layer: see test_masked_lm_head.py.
ELSEWHERE = ["MaskedLMHead"]


def test_every_public_layer_is_among_the_cases():
    assert sorted([*CASES, *ELSEWHERE]) == sorted(layers.__all__)


@pytest.mark.parametrize("name", CASES)
def test_config_and_weights_give_the_layer_back(name):
    arguments, inputs = CASES[name]
    layer = getattr(layers, name)(**arguments)
    expected = np.asarray(layer(*inputs))
    config = keras.saving.serialize_keras_object(layer)
    assert {key: config["config"][key] for key in arguments} == arguments
    back = keras.saving.deserialize_keras_object(config)
    assert type(back) is type(layer) and back.get_config() == layer.get_config()
    back(*inputs)
    back.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.asarray(back(*inputs)), expected)


@pytest.mark.parametrize("name", CASES)
def test_symbolic_shape_and_type_are_the_real_ones(name):
    arguments, inputs = CASES[name]
    layer = getattr(layers, name)(**arguments, dtype="mixed_bfloat16")
    symbolic = layer(*(keras.Input(batch_shape=x.shape, dtype=x.dtype.name) for x in inputs))
    real = layer(*inputs)
    assert symbolic.shape == tuple(real.shape)
    assert symbolic.dtype == keras.backend.standardize_dtype(real.dtype)
