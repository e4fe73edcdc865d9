"""A Hugging Face classifier directory beside transformers' BertForSequenceClassification.

The golden files are made by tests/golden/make_hf_tiny.py.
"""

from pathlib import Path

import numpy as np
import pytest

from bert_keras.errors import BadInput
from bert_keras.tasks import get_task

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "hf_tiny_classifier"


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "outputs.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def classifier():
    return get_task("classification").from_preset(str(FOLDER), max_length=40)


def inputs_of(golden):
    return {name: golden[name] for name in ("token_ids", "segment_ids", "padding_mask")}


def test_the_head_of_the_directory_gives_the_peers_logits(classifier, golden):
    np.testing.assert_allclose(np.asarray(classifier(inputs_of(golden))), golden["logits"], rtol=0, atol=1e-5)


def test_the_label_names_of_the_directory_are_kept(classifier):
    assert list(classifier.labels) == ["dull", "fair", "fun"]


def test_answers_name_the_label_of_the_peers_highest_logit(classifier, golden):
    # The second row of the golden batch, as text: it is tokenized to the same ids, without the padding.
    vocabulary = (FOLDER / "vocab.txt").read_text(encoding="utf-8").split("\n")
    ids = golden["token_ids"][1][golden["padding_mask"][1] == 1]
    text = " ".join(vocabulary[token] for token in ids[1:-1]).replace(" ##", "")
    assert classifier.preprocessor([text])["token_ids"][0].numpy().tolist() == ids.tolist()
    assert classifier.answers([text])[0]["label"] == classifier.labels[golden["logits"][1].argmax()]


def test_asking_for_other_labels_gives_a_new_head_over_the_same_encoder(golden):
    fresh = get_task("classification").from_preset(str(FOLDER), labels=["no", "yes"], max_length=40)
    assert np.asarray(fresh(inputs_of(golden))).shape == (3, 2)


def test_a_head_over_cls_is_not_put_over_the_mean():
    with pytest.raises(BadInput, match="its head was trained over .CLS., and pooling is 'mean'; pass labels for a new"):
        get_task("classification").from_preset(str(FOLDER), pooling="mean")


def test_a_new_head_over_the_mean_reads_the_mean_of_the_tokens(golden):
    task = get_task("classification").from_preset(str(FOLDER), labels=["no", "yes"], pooling="mean", max_length=40)
    inputs = inputs_of(golden)
    tokens = np.asarray(task.backbone(inputs)["sequence_output"])
    means = [row[mask == 1].mean(axis=0) for row, mask in zip(tokens, golden["padding_mask"])]
    kernel, bias = task.output_dense.get_weights()
    np.testing.assert_allclose(np.asarray(task(inputs)), means @ kernel + bias, atol=1e-5)
