"""A Hugging Face token classification directory beside transformers' BertForTokenClassification.

The golden files are made by tests/golden/make_hf_tiny.py.
"""

from pathlib import Path

import numpy as np
import pytest

from bert_keras.tasks import get_task

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "hf_tiny_token_classifier"


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "outputs.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def tagger():
    return get_task("token-classification").from_preset(str(FOLDER), max_length=40)


def inputs_of(golden):
    return {name: golden[name] for name in ("token_ids", "segment_ids", "padding_mask")}


def test_the_head_of_the_directory_gives_the_peers_logits(tagger, golden):
    real = golden["padding_mask"][:, :, None]
    ours = np.asarray(tagger(inputs_of(golden)))
    np.testing.assert_allclose(ours * real, golden["logits"] * real, rtol=0, atol=1e-5)


def test_the_tags_of_the_directory_are_kept_in_their_order(tagger):
    assert tagger.tag_set.tags == ("B-PER", "I-PER", "O", "B-LOC", "I-LOC")
    assert tagger.labels == ["PER", "LOC"]


def test_entities_are_those_of_the_peers_highest_logits(tagger, golden):
    # The second row of the golden batch, as text: it is tokenized to the same ids, without the padding.
    vocabulary = (FOLDER / "vocab.txt").read_text(encoding="utf-8").split("\n")
    ids = golden["token_ids"][1][golden["padding_mask"][1] == 1]
    text = " ".join(vocabulary[token] for token in ids[1:-1]).replace(" ##", "")
    assert tagger.preprocessor([text])["token_ids"][0].numpy().tolist() == ids.tolist()
    best = golden["logits"][1].argmax(-1)
    first = [place for place, token in enumerate(ids) if 0 < place < len(ids) - 1 and "##" not in vocabulary[token]]
    tags = [tagger.tag_set.tags[best[place]] for place in first]
    labels, before = [], "O"
    for tag in tags:
        if tag != "O" and (tag.startswith("B-") or tag[2:] != before[2:]):
            labels.append(tag[2:])
        before = tag
    assert [entity["label"] for entity in tagger.predict([text])[0]["entities"]] == labels
