"""A Hugging Face directory with pretraining's heads beside transformers' BertForPreTraining: logits, losses, gradients.

The golden files are made by tests/golden/make_pretraining.py.
"""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bert_keras.errors import BadInput

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "hf_tiny_pretraining"


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "outputs.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def model():
    from bert_keras import PretrainingModel

    return PretrainingModel.from_preset(str(FOLDER), max_length=40)


@pytest.fixture(scope="module")
def outputs(model, golden):
    names = ("token_ids", "segment_ids", "padding_mask", "mask_positions")
    found = model({name: golden[name] for name in names}, training=False)
    return {name: np.asarray(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def evaluated(model, golden):
    import tensorflow as tf

    names = ("token_ids", "segment_ids", "padding_mask", "mask_positions", "mask_ids", "mask_weights", "sentence_label")
    rows = {name: golden[name] for name in names}
    return model.evaluate(tf.data.Dataset.from_tensors(rows), verbose=0, return_dict=True)


@pytest.fixture
def changed_preset(tmp_path):
    """`changed_preset(change)`: a copy of the directory, its dict of tensors changed by a function."""

    def make(change):
        for path in FOLDER.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        tensors = load_file(FOLDER / "model.safetensors")
        change(tensors)
        save_file(tensors, tmp_path / "model.safetensors")
        return str(tmp_path)

    return make


@pytest.mark.parametrize("name", ["mlm_logits", "sentence_logits"])
def test_the_heads_of_the_directory_give_the_peers_logits(outputs, golden, name):
    np.testing.assert_allclose(outputs[name], golden[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("ours, theirs", [("loss", "loss"), ("mlm_loss", "mlm_loss"), ("nsp_loss", "sentence_loss")])
def test_losses_equal_the_peers(evaluated, golden, ours, theirs):
    assert evaluated[ours] == pytest.approx(float(golden[theirs]), abs=1e-5)


def test_accuracies_count_masked_positions_and_rows(evaluated, golden):
    used = golden["mask_weights"] == 1
    right = golden["mlm_logits"].argmax(-1) == golden["mask_ids"]
    assert evaluated["mlm_accuracy"] == pytest.approx(right[used].mean())
    assert evaluated["nsp_accuracy"] == pytest.approx(
        np.mean(golden["sentence_logits"].argmax(-1) == golden["sentence_label"])
    )
    assert evaluated["perplexity"] == pytest.approx(np.exp(golden["mlm_loss"]), rel=1e-5)


def test_gradients_of_all_weights_equal_the_peers(golden):
    """One step of plain gradient descent: the weights move by the gradient."""
    import keras

    from bert_keras import BertBackbone, PretrainingModel, presets
    from bert_keras.checkpoints import huggingface

    model = PretrainingModel(BertBackbone.from_preset(str(FOLDER), dropout=0.0, attention_dropout=0.0))
    presets.assign(model, huggingface.pretraining_weights(huggingface.read_tensors(str(FOLDER)), "it"), "it")
    with np.load(FOLDER / "gradients.npz") as arrays:
        theirs = {name.removeprefix("bert."): value for name, value in arrays.items()}
    expected = huggingface.encoder_weights(theirs, model.backbone.config, "the gradients")
    expected |= huggingface.pretraining_weights(theirs, "the gradients")
    before = {variable.path: variable.numpy() for variable in model.trainable_variables}
    assert expected.keys() == before.keys()
    model.compile(keras.optimizers.SGD(1.0))
    model.train_on_batch({name: golden[name] for name in golden if name not in ("loss", "mlm_loss", "sentence_loss")})
    for variable in model.trainable_variables:
        moved = before[variable.path] - variable.numpy()
        scale = np.abs(expected[variable.path]).max()
        np.testing.assert_allclose(moved, expected[variable.path], rtol=0, atol=1e-4 * scale, err_msg=variable.path)


def test_a_directory_without_the_sentence_head_gives_masked_words_alone(changed_preset, golden):
    from bert_keras import PretrainingModel

    def drop(tensors):
        for name in [name for name in tensors if "seq_relationship" in name or "pooler" in name]:
            del tensors[name]

    model = PretrainingModel.from_preset(changed_preset(drop), max_length=40)
    assert model.sentence_objective is None
    names = ("token_ids", "segment_ids", "padding_mask", "mask_positions")
    found = model({name: golden[name] for name in names}, training=False)
    assert list(found) == ["mlm_logits"]
    np.testing.assert_allclose(np.asarray(found["mlm_logits"]), golden["mlm_logits"], rtol=0, atol=1e-5)


def test_a_decoder_that_repeats_the_token_table_is_fine_and_another_one_is_refused(changed_preset):
    from bert_keras.checkpoints import huggingface

    def repeat(tensors):
        tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].copy()
        tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")

    path = changed_preset(repeat)
    tensors = huggingface.read_tensors(path)
    weights = huggingface.pretraining_weights(tensors, path)
    np.testing.assert_array_equal(weights["mlm_head/bias"], tensors["cls.predictions.decoder.bias"])
    tensors["cls.predictions.decoder.weight"] = tensors["cls.predictions.decoder.weight"] + 1
    with pytest.raises(BadInput, match="an output table cls.predictions.decoder.weight that differs"):
        huggingface.pretraining_weights(tensors, path)


def test_a_directory_without_the_head_for_masked_words_is_refused_where_it_is_needed(changed_preset):
    from bert_keras import PretrainingModel

    def drop(tensors):
        for name in [name for name in tensors if name.startswith("cls.")]:
            del tensors[name]

    path = changed_preset(drop)
    with pytest.raises(BadInput, match="has no head for masked words"):
        PretrainingModel.from_preset(path, fresh_head=False)
