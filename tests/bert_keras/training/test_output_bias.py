"""A head for masked words that begins at how often each piece is masked."""

import numpy as np
import pytest

from bert_keras.errors import BadInput
from tests.bert_keras.masked_rows import PIECES, RowStream
from tests.bert_keras.tiny_encoder import tiny_encoder


@pytest.fixture(scope="module")
def model():
    from bert_keras import PretrainingModel

    model = PretrainingModel(tiny_encoder(PIECES, num_layers=1, initializer_range=0.02), sentence_objective=None)
    model.compile()
    return model


def test_it_begins_as_a_unigram_model(model):
    """256 rows of which the masks are counted; the loss of all of them is near the entropy of those counts."""
    import tensorflow as tf

    from bert_keras.training.output_bias import start_at_frequencies

    stream = RowStream(count=256)
    start_at_frequencies(model, stream)
    masked = stream.rows["mask_ids"][stream.rows["mask_weights"] > 0]
    frequencies = (np.bincount(masked, minlength=len(PIECES)) + 1) / (len(masked) + len(PIECES))
    np.testing.assert_allclose(np.exp(model.mlm_head.bias.numpy()), frequencies, rtol=1e-5)
    rows = tf.data.Dataset.from_tensors(stream.rows)
    expected = -np.log(frequencies[masked]).mean()
    assert model.evaluate(rows, verbose=0, return_dict=True)["mlm_loss"] == pytest.approx(expected, abs=0.1)
    with pytest.raises(BadInput, match="has a bias already; expected a fresh head"):
        start_at_frequencies(model, stream)
