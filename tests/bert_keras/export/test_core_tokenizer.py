"""Exported with a tokenizer of core ops, a model answers as with TensorFlow Text's, on the server too."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.bert_keras.tiny_encoder import tiny_encoder

VOCABULARY = [*("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "?", "ada", "bob", "rome", "met", "in", "##s")]
VOCABULARY += [*"abcdeimnorstw.'#[]北京😀", *("##" + letter for letter in "abdeimnort"), "ᄒ", "##ᅡ", "##ᆫ"]
TEXTS = [
    "Ada met Bob in Rome.",
    "",
    "  ",
    "who met ADA'S bobs?",
    "북 한 북경 北京 😀 Ａda \u202a met",
    "Àdà ínro\u0301me [MASK] [SEP]",
    "x" * 101 + " ada " + "met bob in rome. " * 20,
]

WITHOUT_TENSORFLOW_TEXT = """
import json, sys
import tensorflow as tf
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], sys.argv[1])
    signature = graph.signature_def["serving_default"]
    feeds = {signature.inputs["text"].name: json.loads(sys.argv[2])}
    scores = session.run(signature.outputs["scores"].name, feeds)
assert not any(name.startswith("tensorflow_text") for name in sys.modules)
print(json.dumps(scores.tolist()))
"""


@pytest.fixture(scope="module")
def make_task(randomize):
    """A function that makes a task of this name with random weights."""
    from bert_keras import (
        BertPreprocessor,
        QuestionAnswerer,
        QuestionPreprocessor,
        TextClassifier,
        TokenClassifier,
        WordPieceTokenizer,
        WordPreprocessor,
    )

    tokenizer = WordPieceTokenizer(VOCABULARY)
    make = {
        "pairs": lambda encoder: TextClassifier(
            encoder, BertPreprocessor(tokenizer, max_length=24, pair=True), labels=["no", "yes"]
        ),
        "texts": lambda encoder: TextClassifier(encoder, BertPreprocessor(tokenizer, 24), labels=["no", "yes"]),
        "words": lambda encoder: TokenClassifier(encoder, WordPreprocessor(tokenizer, 16), labels=["PER", "LOC"]),
        "questions": lambda encoder: QuestionAnswerer(
            encoder, QuestionPreprocessor(tokenizer, max_length=20, doc_stride=6), unanswerable=True
        ),
    }
    return lambda name: randomize(make[name](tiny_encoder(VOCABULARY)))


INPUTS = {
    "pairs": {"text": TEXTS, "text_pair": TEXTS[::-1]},
    "words": {"text": TEXTS},
    "questions": {"question": ["who met Ada?", "who?", "", *TEXTS[3:]], "context": TEXTS[::-1]},
}


@pytest.mark.parametrize("name", INPUTS)
def test_the_server_gives_the_same_answers_whatever_the_tokenizer_is_made_of(make_task, tmp_path, name):
    from bert_keras.export.server_ops import TEXT_OPS
    from bert_keras.export.serving_ops import ops_of
    from serving.server.session import ModelSession

    task = make_task(name)
    answers = {}
    for ops in ("tf-text", "core"):
        path = tmp_path / ops / "1"
        task.export(path, tokenizer_ops=ops, warmup_texts=[])
        assert bool(ops_of(path) & TEXT_OPS) == (ops == "tf-text")
        assert not any(op.startswith("TFText>") for op in ops_of(path))
        session = ModelSession.load(str(path))
        signature = session.signatures["serving_default"]
        feeds = {
            signature.inputs[key].name: np.array([text.encode() for text in texts], object)
            for key, texts in INPUTS[name].items()
        }
        outputs = {key: info.name for key, info in signature.outputs.items()}
        answers[ops] = dict(zip(outputs, session.run(feeds, list(outputs.values()))))
        session.close()
    assert answers["core"].keys() == answers["tf-text"].keys()
    for key, expected in answers["tf-text"].items():
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(answers["core"][key], expected, atol=1e-6)
        else:
            np.testing.assert_array_equal(answers["core"][key], expected)


@pytest.mark.slow
def test_moved_it_answers_in_a_process_without_tensorflow_text(make_task, tmp_path):
    task = make_task("texts")
    task.export(tmp_path / "made", tokenizer_ops="core")
    (tmp_path / "made").rename(tmp_path / "moved")
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW_TEXT, str(tmp_path / "moved"), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = [list(answer["scores"].values()) for answer in task.answers(TEXTS)]
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), expected, atol=1e-5)


def test_signatures_share_unicodes_tables_and_the_vocabulary(make_task, tmp_path):
    task = make_task("texts")
    sizes = {}
    for ops in ("tf-text", "core"):
        task.export(tmp_path / ops, tokenizer_ops=ops)
        sizes[ops] = (tmp_path / ops / "saved_model.pb").stat().st_size
    # The tables of a small vocabulary take 0.4 MB; four signatures read texts.
    assert 0 < sizes["core"] - sizes["tf-text"] < 800_000


def test_other_ops_than_these_are_refused(make_task, tmp_path):
    from bert_keras.errors import BadInput

    with pytest.raises(BadInput, match="tokenizer_ops is 'icu'; expected one of tf-text, core"):
        make_task("texts").export(tmp_path / "1", tokenizer_ops="icu")
    assert list(tmp_path.iterdir()) == []
