"""Pretraining under MirroredStrategy on two logical CPU devices beside one device, with the same global batch."""

import numpy as np
import pytest

from tests.bert_keras.masked_rows import PIECES, draw_rows
from tests.bert_keras.tiny_encoder import tiny_encoder

pytestmark = pytest.mark.slow

# The replicas' shares have different numbers of masks, and the last batch of 3 rows is cut into 2 and 1.
ROWS, BATCH = 11, 8


@pytest.fixture(scope="module")
def train():
    """`train(strategy, accumulate, dropout)`: the figures of the last epoch, and the weights by path."""
    import keras
    import tensorflow as tf

    from bert_keras import PretrainingModel
    from bert_keras.training.distribution import get_strategy

    def run(strategy, accumulate=1, dropout=0.0):
        with get_strategy(strategy).scope():
            backbone = tiny_encoder(PIECES, num_layers=1, dropout=dropout, attention_dropout=dropout)
            model = PretrainingModel(backbone)
            optimizer = keras.optimizers.SGD(0.5)
        model.compile(optimizer, accumulate=accumulate)
        dataset = tf.data.Dataset.from_tensor_slices(draw_rows(ROWS)).batch(BATCH)
        history = model.fit(dataset, epochs=2, verbose=0, shuffle=False).history
        assert model.distribute_strategy.num_replicas_in_sync == (2 if strategy == "mirrored" else 1)
        figures = {name: values[-1] for name, values in history.items()}
        return figures, {weight.path: weight.numpy() for weight in model.trainable_weights}

    return run


@pytest.fixture(scope="module")
def alone(train):
    return train("none")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_replicas_make_the_steps_of_one(two_cpu_devices, train, alone, accumulate):
    figures, weights = train("mirrored", accumulate)
    assert figures.keys() == alone[0].keys()
    for name, expected in alone[0].items():
        assert figures[name] == pytest.approx(expected, rel=1e-4), name
    for path, expected in alone[1].items():
        np.testing.assert_allclose(weights[path], expected, rtol=0, atol=1e-5, err_msg=path)


def test_dropout_and_parts_go_together_on_replicas(two_cpu_devices, train):
    figures, weights = train("mirrored", accumulate=2, dropout=0.1)
    assert np.isfinite(figures["loss"]) and all(np.isfinite(value).all() for value in weights.values())
