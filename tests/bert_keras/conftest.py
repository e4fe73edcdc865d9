"""A vocabulary of a few words, texts that a tiny model learns within seconds, and one model that has learnt them."""

import functools

import numpy as np
import pytest

from tests.bert_keras.tiny_encoder import tiny_encoder

GOOD, BAD = ("good", "great", "fine"), ("bad", "awful", "dull")
FILLERS = ("film", "a", "the", "very", "story", "plot", "with", "cast")
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *FILLERS, "##s", "##y", "s", "y")


def draw_reviews(count, seed=0):
    """`(texts, labels)`: 2 to 12 words, of which one decides between "neg" and "pos"."""
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        words = list(random.choice(FILLERS, random.integers(2, 12)))
        label = int(random.integers(0, 2))
        words[random.integers(0, len(words))] = (BAD, GOOD)[label][random.integers(0, 3)]
        texts.append(" ".join(words))
        labels.append(("neg", "pos")[label])
    return texts, labels


@pytest.fixture(scope="session")
def pieces():
    """The vocabulary."""
    return list(PIECES)


@pytest.fixture(scope="session")
def tokenizer(pieces):
    from bert_keras import WordPieceTokenizer

    return WordPieceTokenizer(pieces)


@pytest.fixture(scope="session")
def reviews():
    """`draw_reviews(count, seed)`."""
    return draw_reviews


@pytest.fixture(scope="session")
def make_backbone(pieces):
    """A function that makes a `BertBackbone` of 2 layers x 32; `seed`, and arguments as the class takes them."""
    return functools.partial(tiny_encoder, pieces)


@pytest.fixture(scope="session")
def make_classifier(make_backbone, tokenizer):
    """A function that makes an untrained `TextClassifier`, by default of the labels "neg" and "pos".

    `recipe` is given to `compile`; without it the model learns fast.
    """
    from bert_keras import BertPreprocessor, TextClassifier

    def make(seed=0, pair=False, recipe=None, compile_with=None, backbone=None, max_length=32, **options):
        if "problem" not in options and "num_classes" not in options:
            options.setdefault("labels", ["neg", "pos"])
        backbone = make_backbone(seed, **(backbone or {}))
        model = TextClassifier(backbone, BertPreprocessor(tokenizer, max_length=max_length, pair=pair), **options)
        model.compile(recipe={"learning_rate": 5e-3, **(recipe or {})}, **(compile_with or {}))
        return model

    return make


@pytest.fixture(scope="session")
def tiny_backbone(make_backbone):
    """An untrained encoder; leave its weights alone."""
    return make_backbone()


@pytest.fixture(scope="session")
def trained(make_classifier):
    """A classifier that has learnt the reviews; leave it as it is."""
    model = make_classifier(recipe={"learning_rate": 3e-3})  # learns from any order of the rows, also at other seeds
    model.fit(*draw_reviews(600), epochs=4, verbose=0)
    return model
