"""What a pretraining run begins with: which weights its model has, and which rows it refuses."""

import numpy as np
import pytest

from bert_keras.data.row_plan import RowSettings
from bert_keras.errors import BadInput
from tests.bert_keras.masked_rows import LENGTH, PIECES
from tests.bert_keras.tiny_encoder import tiny_encoder

PAIRS, WORDS_ALONE = RowSettings(LENGTH, "nsp"), RowSettings(LENGTH, "none")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """Directory of a `PretrainingModel` for masked words and sentence pairs."""
    from bert_keras import MaskedTextPreprocessor, PretrainingModel, WordPieceTokenizer

    preprocessor = MaskedTextPreprocessor(WordPieceTokenizer(list(PIECES)), max_length=LENGTH)
    path = tmp_path_factory.mktemp("presets") / "pretrained"
    PretrainingModel(tiny_encoder(PIECES, seed=1), preprocessor).save_to_preset(str(path))
    return path


@pytest.fixture(scope="module")
def saved(preset):
    from bert_keras import PretrainingModel

    return PretrainingModel.from_preset(preset)


def start(settings, preset, **options):
    from bert_keras.tasks.pretraining_start import model_for_rows

    return model_for_rows(settings, preset, **options)


def differing(one, other):
    """The paths of the weights that are not the same in two models."""
    assert [weight.path for weight in one.weights] == [weight.path for weight in other.weights]
    pairs = zip(one.weights, other.weights)
    return {weight.path for weight, expected in pairs if not np.array_equal(weight.numpy(), expected.numpy())}


def test_a_preset_goes_on_with_its_heads(preset, saved):
    for head in ("auto", "loaded"):
        assert differing(start([PAIRS], preset, head=head), saved) == set()


def test_a_fresh_head_leaves_the_encoder_as_it_is(preset, saved):
    model = start([PAIRS], preset, head="fresh", seed=5)
    assert differing(model, saved) == {"mlm_head/transform/kernel", "sentence_head/kernel"}


def test_a_head_that_is_not_there_cannot_be_loaded():
    with pytest.raises(BadInput, match="has no head for masked words"):
        start([PAIRS], "minilm_l6_uncased", head="loaded")


def test_rows_of_masked_words_alone_need_no_sentence_head(preset):
    assert start([WORDS_ALONE], preset).sentence_objective is None


def test_phases_of_different_objectives_are_refused(preset):
    with pytest.raises(BadInput, match=r"rows of different objectives \(none, nsp\); expected one"):
        start([PAIRS, WORDS_ALONE], preset)
