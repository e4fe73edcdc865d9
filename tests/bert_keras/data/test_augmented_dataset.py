"""Augmentation in `tf.data`: the same changes as outside of it, anew in every epoch, labels kept."""

import numpy as np
import pytest

from bert_keras.data.augmentation import Augmentation, Predictions
from bert_keras.errors import BadInput
from tests.bert_keras.data.pretraining_world import CLS, FIRST, MASK, PAD, SEP, PlainTokenizer

TEXTS = ["one two three four five", "我在北京", "six seven eight nine"]
AUGMENT = Augmentation(("swap", "delete"), 0.4, seed=2)


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


@pytest.fixture(scope="module")
def augmented_dataset():
    from bert_keras.data import augmented_dataset

    return augmented_dataset


def test_texts_change_as_outside_and_anew_in_every_epoch(tf, augmented_dataset):
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, [0, 1, 2])).repeat(2)
    found = [
        (text.decode(), label) for text, label in augmented_dataset.augment_texts(dataset, AUGMENT).as_numpy_iterator()
    ]
    assert found == [(AUGMENT(TEXTS[number % 3], number), number % 3) for number in range(6)]
    assert found[:3] != found[3:]


def test_texts_of_a_dict_are_chosen_by_name(tf, augmented_dataset):
    dataset = tf.data.Dataset.from_tensor_slices({"text": TEXTS, "text_pair": TEXTS})
    (row, *_) = augmented_dataset.augment_texts(dataset, AUGMENT, features=["text_pair"]).as_numpy_iterator()
    assert row["text"].decode() == TEXTS[0] and row["text_pair"].decode() == AUGMENT(TEXTS[0], 0)


@pytest.mark.parametrize("operation", ["mask", "replace", "insert", "delete", "swap"])
def test_every_operation_runs_with_words_of_a_model_and_keeps_labels(tf, augmented_dataset, operation):
    """70 texts make three questions to the model; pairs draw apart, each text as outside of `tf.data`."""
    asked = []

    def predict(texts):
        asked.append(len(texts))
        return [[["word"]] * text.count("[MASK]") for text in texts]

    augment = Augmentation((operation,), 0.3, Predictions(predict), seed=4)
    texts = [f"a{number} b c d" for number in range(70)]
    dataset = tf.data.Dataset.from_tensor_slices(({"text": texts, "text_pair": texts[::-1]}, np.arange(70)))
    rows = list(augmented_dataset.augment_texts(dataset, augment, ["text", "text_pair"]).as_numpy_iterator())
    assert sorted(asked) == ([6, 6, 32, 32, 32, 32] if operation in ("replace", "insert") else [])
    assert [label for _, label in rows] == list(range(70))
    for number, (row, _) in enumerate(rows):
        assert row["text"].decode() == augment(texts[number], number) != texts[number]
        assert row["text_pair"].decode() == augment(texts[-1 - number], number, epoch=1)


def test_a_text_that_is_not_there_is_refused(tf, augmented_dataset):
    dataset = tf.data.Dataset.from_tensor_slices({"sentence": TEXTS})
    with pytest.raises(BadInput, match="The dataset has no text 'text'; its features are 'sentence'"):
        augmented_dataset.augment_texts(dataset, AUGMENT)


def test_tokens_are_hidden_at_their_rate_and_special_ones_never(tf, augmented_dataset):
    ids = np.array([[CLS, *range(FIRST, FIRST + 60), SEP, PAD, PAD]] * 200, "int32")
    dataset = tf.data.Dataset.from_tensors(({"token_ids": ids}, np.arange(200))).repeat(2)
    batches = list(augmented_dataset.mask_tokens(dataset, PlainTokenizer(99), rate=0.2).as_numpy_iterator())
    hidden = np.stack([batch[0]["token_ids"] != ids for batch in batches])
    assert set(np.stack([batch[0]["token_ids"] for batch in batches])[hidden]) == {MASK}
    assert not hidden[:, ids < FIRST].any()
    assert hidden[:, ids >= FIRST].mean() == pytest.approx(0.2, abs=4 * 0.4 / np.sqrt(24000))
    assert (hidden[0] != hidden[1]).any()
    again = list(augmented_dataset.mask_tokens(dataset, PlainTokenizer(99), rate=0.2).as_numpy_iterator())
    np.testing.assert_array_equal(again[1][0]["token_ids"], batches[1][0]["token_ids"])
