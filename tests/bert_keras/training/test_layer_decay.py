"""Learning rates by layer: what each weight of a real encoder gets, and that the optimizer goes by it."""

import numpy as np
import pytest

from bert_keras.training.layer_decay import layer_rate_scales


def test_each_layer_has_its_share_of_the_rate_above_it(make_classifier):
    model = make_classifier()
    paths = [variable.path for variable in model.trainable_variables]
    found = {path.split("/")[0]: scale for path, scale in zip(paths, layer_rate_scales(paths, 0.5))}
    assert found == {"embeddings": 0.125, "block_0": 0.25, "block_1": 0.5, "pooler": 1.0, "logits": 1.0}


def test_a_decay_of_1_leaves_all_rates_alike():
    assert layer_rate_scales(["embeddings/token_embeddings", "block_11/attention/qkv/kernel"], 1.0) == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["AdamW", "SharedAdamW", "LAMB"])
def test_steps_are_as_much_smaller_as_the_rates(kind):
    """Both weights have the same value and gradient; clipping and decay are off."""
    import keras
    import tensorflow as tf

    from bert_keras.training import lamb, optimizer

    variables = []
    for scope in ("block_0", "block_1"):
        with keras.name_scope(scope):
            variables.append(keras.Variable(np.array([3.0, -4.0], "float32"), name="kernel"))
    assert [variable.path for variable in variables] == ["block_0/kernel", "block_1/kernel"]
    made = getattr(lamb if kind == "LAMB" else optimizer, kind)
    made(0.1, weight_decay=0.0, global_clipnorm=None, layer_decay=0.5).apply([tf.constant([1.0, 2.0])] * 2, variables)
    low, high = (np.array([3.0, -4.0]) - variable.numpy() for variable in variables)
    np.testing.assert_allclose(low, high / 2, rtol=1e-5)
    assert np.abs(high).min() > 1e-3


@pytest.mark.parametrize("decay", [0, 1.1, -0.5])
def test_a_decay_that_is_none_is_refused(decay):
    from bert_keras.training.optimizer import AdamW

    with pytest.raises(ValueError, match="layer_decay is"):
        AdamW(layer_decay=decay)
