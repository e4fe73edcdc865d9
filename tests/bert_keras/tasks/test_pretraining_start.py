"""What a pretraining run begins with: which weights its model has, and which rows it refuses."""

import json

import numpy as np
import pytest

from bert_keras.errors import BadInput
from tests.bert_keras.masked_rows import LENGTH, PIECES, POSITIONS, draw_rows
from tests.bert_keras.tiny_encoder import tiny_encoder


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


@pytest.fixture(scope="module")
def make_rows(tmp_path_factory):
    """A function that writes rows of an objective and gives their directory."""

    def make(objective="nsp"):
        import tensorflow as tf

        from bert_keras.data.row_features import serialize_rows
        from bert_keras.data.row_files import file_sha256, manifest_of, shard_name, vocabulary_sha256

        folder, rows = tmp_path_factory.mktemp("rows"), draw_rows(8)
        if objective == "none":
            rows.pop("sentence_label")
        path = folder / shard_name(0, 1)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for example in serialize_rows(rows):
                writer.write(example)
        shard = {"file": path.name, "rows": 8, "bytes": path.stat().st_size, "sha256": file_sha256(str(path))}
        settings = {"rows": {"max_length": LENGTH, "objective": objective}, "masks": {"max_predictions": POSITIONS}}
        manifest = manifest_of(settings, {"sha256": vocabulary_sha256(list(PIECES))}, [shard], {})
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return make


def start(directories, preset, **options):
    from bert_keras.tasks.pretraining_start import start_on_rows

    return start_on_rows(directories, preset, **options)


def differing(one, other):
    """The paths of the weights that are not the same in two models."""
    assert [weight.path for weight in one.weights] == [weight.path for weight in other.weights]
    pairs = zip(one.weights, other.weights)
    return {weight.path for weight, expected in pairs if not np.array_equal(weight.numpy(), expected.numpy())}


def test_a_preset_goes_on_with_its_heads(make_rows, preset, saved):
    for head in ("auto", "loaded"):
        model, (rows,) = start([make_rows()], preset, head=head)
        assert differing(model, saved) == set()
        assert rows.num_rows() == 8


def test_a_fresh_head_leaves_the_encoder_as_it_is(make_rows, preset, saved):
    model, _ = start([make_rows()], preset, head="fresh", seed=5)
    assert differing(model, saved) == {"mlm_head/transform/kernel", "sentence_head/kernel"}


def test_a_head_that_is_not_there_cannot_be_loaded(make_rows):
    with pytest.raises(BadInput, match="has no head for masked words"):
        start([make_rows()], "minilm_l6_uncased", head="loaded")


def test_rows_of_masked_words_alone_need_no_sentence_head(make_rows, preset):
    model, _ = start([make_rows("none")], preset)
    assert model.sentence_objective is None


def test_phases_of_different_objectives_are_refused(make_rows, preset):
    with pytest.raises(BadInput, match=r"rows of different objectives \(none, nsp\); expected one"):
        start([make_rows(), make_rows("none")], preset)


def test_rows_of_another_vocabulary_are_refused(make_rows):
    with pytest.raises(BadInput, match="the rows were made with another vocabulary"):
        start([make_rows()], "minilm_l6_uncased")
