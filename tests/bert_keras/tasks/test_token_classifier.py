"""Entities: learnt, found in words and in raw text, in windows as without, saved, exported and measured."""

import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras import TokenClassifier, WordPieceTokenizer, load_task
from bert_keras.data.records import Records
from bert_keras.errors import BadInput
from bert_keras.export.model import ServingModel
from bert_keras.metrics import entity_metrics
from bert_keras.tasks.tagging import TagSet
from bert_keras.tokenizers.word_preprocessor import WordPreprocessor
from bert_keras.tokenizers.words import Words
from tests.bert_keras.tiny_encoder import tiny_encoder

PEOPLE, PLACES = ("ada", "bob", "eve"), ("rome", "paris", "oslo")
SURNAME, REGION = "lee", "city"
FILLERS = ("met", "in", "went", "to", "saw")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = [*SPECIAL, *PEOPLE, *PLACES, SURNAME, REGION, *FILLERS, "##s", ".", ",", "北", "京"]
IN_A_NEW_PROCESS = """
import json, sys
import tensorflow as tf
import tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
outputs = loaded.signatures["serving_default"](text=tf.constant(json.loads(sys.argv[2])))
print(json.dumps({k: [[x.decode() if isinstance(x, bytes) else x for x in row] if isinstance(row, list) else row
                      for row in v.numpy().tolist()] for k, v in outputs.items()}))
"""


def draw(count, seed=0):
    """`(sentences, tags)`: fillers with one to three names, some of two words."""
    random = np.random.default_rng(seed)
    sentences, tags = [], []
    for _ in range(count):
        words, of_words = [], []
        for _ in range(random.integers(1, 4)):
            for filler in random.choice(FILLERS, random.integers(0, 3)):
                words.append(str(filler))
                of_words.append("O")
            label, names, second = (("PER", PEOPLE, SURNAME), ("LOC", PLACES, REGION))[random.integers(0, 2)]
            words.append(str(random.choice(names)))
            of_words.append(f"B-{label}")
            if random.integers(0, 3) == 0:
                words.append(second)
                of_words.append(f"I-{label}")
        sentences.append(words)
        tags.append(of_words)
    return sentences, tags


def make(crf=False, max_length=24, seed=0, labels=("PER", "LOC"), **options):
    backbone = tiny_encoder(VOCABULARY, seed)
    preprocessor = WordPreprocessor(WordPieceTokenizer(VOCABULARY), max_length=max_length)
    model = TokenClassifier(backbone, preprocessor, labels=labels, crf=crf, **options)
    model.compile(recipe={"learning_rate": 5e-3})
    return model


@pytest.fixture(scope="module", params=[False, True], ids=["softmax", "crf"])
def trained(request):
    model = make(crf=request.param)
    model.fit(*draw(160), epochs=8, batch_size=16, verbose=0)
    return model


def spans(answer):
    return [(entity["text"], entity["label"], entity["begin"], entity["end"]) for entity in answer["entities"]]


@pytest.mark.parametrize("crf", [False, True], ids=["softmax", "crf"])
def test_no_texts_have_no_entities_in_the_graph(crf):
    model = make(crf=crf)
    served = model.served_answers({"text": tf.constant([], tf.string)}, ServingModel(model).outputs)
    assert served["entities_text"].shape == (0, 0) and served["entities_count"].shape == (0,)


class TestLearning:
    def test_it_learns_what_the_words_say(self, trained):
        sentences, tags = draw(60, seed=1)
        x, y = {"tokens": sentences}, tags
        assert trained.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] > 0.98
        found = trained.predict(sentences)
        for answer, words, gold in zip(found, sentences, tags):
            text = " ".join(words)
            assert all(text[e["begin"] : e["end"]] == e["text"] for e in answer["entities"])
            assert len(answer["entities"]) == sum(tag.startswith("B-") for tag in gold)

    def test_raw_text_gives_what_its_words_give(self, trained):
        sentences, _ = draw(40, seed=2)
        assert list(map(spans, trained.predict([" ".join(words) for words in sentences]))) == list(
            map(spans, trained.predict(sentences))
        )

    def test_spans_of_text_teach_the_same_as_tags_of_words(self):
        sentences, tags = draw(48, seed=3)
        texts = [" ".join(words) for words in sentences]
        of_texts = make().given(sentences, tags).spans
        losses = []
        for x, y in ((sentences, tags), (texts, of_texts)):
            model = make()
            losses.append(model.fit(x, y, epochs=2, batch_size=16, verbose=0).history["loss"])
        np.testing.assert_allclose(*losses, rtol=1e-5)

    def test_every_piece_may_learn_the_tag(self):
        rows, _ = make(label_pieces="all").tokenize([["adas", "met", "romes"]], [["B-PER", "O", "B-LOC"]])
        assert rows.targets.values.tolist() == [-1, 1, 2, 0, 3, 4, -1]
        rows, _ = make().tokenize([["adas", "met", "romes"]], [["B-PER", "O", "B-LOC"]])
        assert rows.targets.values.tolist() == [-1, 1, -1, 0, 3, -1, -1]

    def test_a_window_that_begins_within_an_entity_teaches_a_crf_the_words_behind_it(self):
        """A CRF forbids a text to begin with I-: of one that is cut there, the loss is that of the words after it."""
        model = make(crf=True, max_length=6)
        words, tags = ["met", "in", "to", "ada", "lee", "lee", "saw", "met"], ["O"] * 3 + ["B-PER", "I-PER", "I-PER"]
        rows, _ = model.tokenize([words], [[*tags, "O", "O"]])
        targets = np.split(rows.targets.values, np.cumsum(rows.lengths)[:-1])
        inside = model.tag_set.tags.index("I-PER")
        cut = next(row for row in targets if row[row >= 0][0] == inside)
        logits = np.random.default_rng(0).normal(size=(1, len(cut), 5)).astype("float32")
        behind = np.where(np.cumsum((cut >= 0) & (cut != inside)) > 0, cut, -1)
        losses = [float(model.tag_losses(tf.constant(t[None]), logits)[0]) * (t >= 0).sum() for t in (cut, behind)]
        assert 0 < losses[0] < 50 and losses[0] == pytest.approx(losses[1], rel=1e-6)

    def test_the_loss_is_a_mean_over_words_however_they_are_batched(self):
        model = make()
        sentences, tags = draw(32, seed=4)
        whole = model.evaluate(sentences, tags, batch_size=32, verbose=0, return_dict=True)["loss"]
        rows, _ = model.tokenize(sentences, tags)
        logits = model.outputs_of(rows, 8)
        losses = []
        for row, (start, length) in enumerate(zip(np.cumsum(rows.lengths) - rows.lengths, rows.lengths)):
            for place in range(length):
                tag = rows.targets.values[start + place]
                if tag >= 0:
                    scores = logits[row, place] - logits[row, place].max()
                    losses.append(np.log(np.exp(scores).sum()) - scores[tag])
        assert whole == pytest.approx(np.mean(losses), rel=1e-5)


class TestWindows:
    def test_no_word_is_lost_and_each_learns_once(self):
        model = make(max_length=10)
        sentences, tags = [["ada", "met", "bob", "in", "rome"] * 7], [["B-PER", "O", "B-PER", "O", "B-LOC"] * 7]
        rows, _ = model.tokenize(sentences, tags)
        assert len(rows) > 4 and rows.lengths.max() == 10
        targets = rows.targets.values
        assert targets[targets >= 0].tolist() == [1, 0, 1, 0, 3] * 7
        assert rows.weights.sum() == 35

    def test_long_texts_give_an_answer_for_every_part(self, trained):
        short = ["ada", "met", "bob", "in", "rome"]
        long = [short * 12]
        entities = trained.predict(long)[0]["entities"]
        # A few steps of training leave a mistake here and there; a lost or doubled window would be ten.
        assert 34 <= len(entities) <= 37 and entities[-1]["end"] == len(" ".join(long[0]))

    def test_a_document_that_fits_gives_the_same_with_windows_as_without(self, trained):
        sentences, _ = draw(20, seed=5)
        plain = list(map(spans, trained.predict(sentences)))
        before = trained.preprocessor.overlap
        trained.preprocessor.overlap = 0
        try:
            assert list(map(spans, trained.predict(sentences))) == plain
        finally:
            trained.preprocessor.overlap = before

    @pytest.mark.parametrize("calls_before_trace", [0, 100])
    def test_a_setting_that_is_changed_after_an_answer_counts(self, monkeypatch, calls_before_trace):
        monkeypatch.setattr("bert_keras.tasks.windowed._CALLS_BEFORE_TRACE", calls_before_trace)
        model = make(max_length=24)
        long = [["ada", "met"] * 20]
        rows = len(model.tokenize(long)[0])
        model.predict(long)
        model.preprocessor.max_length = 8
        assert len(model.tokenize(long)[0]) > rows

    def test_the_tokenizer_gives_the_same_traced_as_not(self, monkeypatch):
        model, (sentences, tags) = make(max_length=10), draw(12, seed=6)
        texts = [" ".join(words) for words in sentences] + TestOffsets.TEXTS
        found = []
        for calls_before_trace in (100, 0):
            monkeypatch.setattr("bert_keras.tasks.windowed._CALLS_BEFORE_TRACE", calls_before_trace)
            found.append([model.tokenize(sentences, tags)[0], model.tokenize(texts)[0]])
            assert bool(model._traces) == (calls_before_trace == 0)
        for plain, traced in zip(*found):
            for name in ("token_ids", "lengths", "segment_ids", "weights"):
                assert np.array_equal(getattr(plain, name), getattr(traced, name))
        assert np.array_equal(found[0][0].targets.values, found[1][0].targets.values)


class TestOffsets:
    TEXTS = [
        "  Ada met Bob\tin ROME.",
        "😀 ada, ｅve Adás met",
        "北京 ada北京",
        "",
        "é\u0301 ada \u200b\ufeff rome",
        "\u2028ada",
    ]

    def test_every_entity_slices_back(self, trained):
        for text, answer in zip(self.TEXTS, trained.predict(self.TEXTS)):
            assert all(text[e["begin"] : e["end"]] == e["text"] for e in answer["entities"])
        found = trained.predict(["😀 ada met", "Ádá met"])
        assert ("ada", "PER", 2, 5) in spans(found[0]) and ("Ádá", "PER", 0, 3) in spans(found[1])

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.text(max_size=30), min_size=1, max_size=3))
    def test_any_text_is_answered_in_order_and_without_overlap(self, texts):
        model = _shared()
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        for text, answer in zip(texts, model.predict(texts), strict=True):
            end = 0
            for entity in answer["entities"]:
                assert end <= entity["begin"] < entity["end"] <= len(text)
                assert text[entity["begin"] : entity["end"]] == entity["text"]
                assert 0 <= entity["score"] <= 1.00001
                end = entity["end"]


_MODELS = []


def _shared():
    if not _MODELS:
        _MODELS.append(make(max_length=12))
    return _MODELS[0]


class TestTagSet:
    def words(self, *counts):
        begin = tf.ragged.constant([[2 * i for i in range(count)] for count in counts], tf.int32, ragged_rank=1)
        return Words(begin, begin + 1)

    @pytest.mark.parametrize(
        "tags, expected",
        [
            ("O B-a I-a O B-b", [("a", 2, 5), ("b", 8, 9)]),
            ("I-a I-a I-b", [("a", 0, 3), ("b", 4, 5)]),
            ("B-a B-a I-b", [("a", 0, 1), ("a", 2, 3), ("b", 4, 5)]),
            ("O O", []),
        ],
    )
    def test_spans_of_tags(self, tags, expected):
        tag_set = TagSet.of_labels(["a", "b"])
        ids = tf.constant([tag_set.tags.index(tag) for tag in tags.split()])
        found = tag_set.spans_of_tags(self.words(len(ids)), ids, tf.fill([len(ids)], 0.5))
        assert found.label.to_list() == [[label.encode() for label, _, _ in expected]]
        assert list(zip(found.begin.to_list()[0], found.end.to_list()[0])) == [(b, e) for _, b, e in expected]

    def test_rows_are_kept_apart(self):
        tag_set = TagSet.of_labels(["a"])
        found = tag_set.spans_of_tags(self.words(1, 0, 2), tf.constant([1, 2, 2]), tf.constant([1.0, 0.2, 0.4]))
        assert found.begin.to_list() == [[0], [], [0]] and found.end.to_list() == [[1], [], [3]]
        np.testing.assert_allclose(found.score.flat_values, [1.0, 0.3], atol=1e-6)

    def test_tags_without_b_or_without_i(self):
        inside_only = TagSet.of_labels(["O", "I-a"])
        found = inside_only.spans_of_tags(self.words(3), tf.constant([1, 1, 0]), tf.ones([3]))
        assert found.end.to_list() == [[3]]
        begin = tf.ragged.constant([[0]], tf.int32)
        tags = inside_only.tags_of_spans(self.words(3), begin, begin + 3, begin)
        assert tags.numpy().tolist() == [1, 1, 0]

    @pytest.mark.parametrize("tags", [["O"], ["O", "B-"], ["O", "X-a"], ["O", "B-a", "B-a"], ["O", "a"]])
    def test_other_tags_are_refused(self, tags):
        with pytest.raises(BadInput, match="expected O and"):
            TagSet.of_labels(tags)


class TestSaving:
    def test_preset_round_trip(self, trained, tmp_path):
        sentences, _ = draw(10, seed=6)
        trained.save_to_preset(str(tmp_path / "preset"))
        loaded = load_task(str(tmp_path / "preset"))
        assert type(loaded) is TokenClassifier and (loaded.crf is None) == (trained.crf is None)
        assert loaded.tag_set == trained.tag_set
        assert loaded.predict(sentences) == trained.predict(sentences)

    def test_keras_file_round_trip(self, trained, tmp_path):
        trained.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert loaded.predict(["ada met bob"]) == trained.predict(["ada met bob"])

    @pytest.mark.slow
    def test_a_moved_export_gives_the_same_in_a_new_process(self, trained, tmp_path):
        texts = ["ada met bob in rome", "😀 Eve the bob, went to oslo.", "", "北京 ada"]
        trained.export(tmp_path / "made" / "1")
        shutil.move(tmp_path / "made", tmp_path / "moved")
        command = [sys.executable, "-c", IN_A_NEW_PROCESS, str(tmp_path / "moved" / "1"), json.dumps(texts)]
        served = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        for row, answer in enumerate(trained.predict(texts)):
            count = served["entities_count"][row]
            assert count == len(answer["entities"])
            for place, entity in enumerate(answer["entities"]):
                for name in ("text", "label", "begin", "end"):
                    assert served[f"entities_{name}"][row][place] == entity[name]
                assert served["entities_score"][row][place] == pytest.approx(entity["score"], abs=1e-4)

    def test_examples_may_say_where_their_words_stand(self, trained, tmp_path):
        trained.export(tmp_path / "1")
        signature = tf.saved_model.load(str(tmp_path / "1")).signatures["examples"]

        def example(text, **words):
            features = {"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))}
            for name, values in words.items():
                features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
            return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

        text = "ada met bob"
        served = signature(
            examples=tf.constant([example(text), example(text, word_begin=[0, 4, 8], word_end=[3, 7, 11])])
        )
        assert served["entities_text"].numpy().tolist() == [[b"ada", b"bob"]] * 2

    def test_the_tokens_signature_gives_a_tag_for_each_token(self, trained, tmp_path):
        trained.export(tmp_path / "1")
        signature = tf.saved_model.load(str(tmp_path / "1")).signatures["tokens"]
        features = trained.preprocessor(["ada met bob"])
        served = signature(**features)
        assert served["tag"].numpy().tolist()[0][1:4] == [b"B-PER", b"O", b"B-PER"]


class TestMeasuring:
    def test_metrics_are_those_of_seqevals_rules_on_the_words(self, trained, tmp_path):
        sentences, tags = draw(30, seed=7)
        tags[0] = ["O"] * len(tags[0])  # something to be wrong about
        path = tmp_path / "dev.conll"
        path.write_text(
            "\n\n".join("\n".join(f"{w}\t{t}" for w, t in zip(*row)) for row in zip(sentences, tags)) + "\n"
        )
        records = TokenClassifier.read_file(str(path))
        found = trained.predict(sentences)
        predicted = []
        for words, answer in zip(sentences, found):
            begins = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1]
            of_words = ["O"] * len(words)
            for entity in answer["entities"]:
                inside = [i for i, b in enumerate(begins) if entity["begin"] <= b < entity["end"]]
                for place, index in enumerate(inside):
                    of_words[index] = ("I-" if place else "B-") + entity["label"]
            predicted.append(of_words)
        expected = entity_metrics(tags, predicted)
        measured = trained.evaluate_records(records)
        assert measured["f1"] < 1
        assert measured == pytest.approx(expected)

    def test_a_label_that_was_never_trained_on_is_measured_as_missed_and_left_out_of_the_loss(self, trained):
        sentences, tags = draw(6, seed=7)
        strange = [[tag.replace("LOC", "ORG") for tag in row] for row in tags]
        records = Records({"tokens": sentences}, strange, list(range(1, 7)), "dev.conll", {"tags": "2"})
        measured = trained.evaluate_records(records)
        places = sum(tag == "B-ORG" for row in strange for tag in row)
        assert places > 0 and (measured["support_ORG"], measured["f1_ORG"]) == (places, 0)
        assert measured["recall_PER"] > 0.9
        kept = trained.validation_records(records)
        assert [tags for tags in kept.targets] == [row for row in strange if "B-ORG" not in row]
        assert "'ORG' is not among the training data" in kept.skipped[0]

    def test_labels_of_which_the_model_knows_none_are_refused(self, trained):
        records = Records({"tokens": [["ada"]]}, [["B-PERSON"]], [1], "dev.conll", {"tags": "2"})
        with pytest.raises(BadInput, match="dev.conll, row 1, field '2': the label 'PERSON' is none that this model"):
            trained.evaluate_records(records)


class TestForms:
    def test_words_and_tags_mean_the_same_in_every_form(self):
        words, tags = [["ada", "met"], ["rome"]], [["B-PER", "O"], ["B-LOC"]]
        expected = _shared().given(words, tags)
        ids = [[_shared().tag_set.tags.index(tag) for tag in row] for row in tags]
        column = pd.Series([np.array(row, object) for row in words])
        for x, y in ((pd.DataFrame({"tokens": words}), pd.Series(tags)), (column, pd.DataFrame({"ner": ids}))):
            found = _shared().given(x, y)
            assert (found.texts, found.words, found.spans) == (expected.texts, expected.words, expected.spans)

    def test_texts_mean_the_same_in_every_form(self):
        texts = ["ada met bob", "北京"]
        forms = (pd.DataFrame({"text": texts}), pd.Series(texts), np.array(texts, object), tf.constant(texts))
        assert all(_shared().given(form).texts == texts for form in forms)

    def test_bytes_that_are_no_text_are_read_as_the_tokenizer_reads_them(self):
        assert _shared().given([b"ada \xff"]).texts == ["ada \ufffd"]


class TestRefusals:
    @pytest.mark.parametrize(
        "x, y, message",
        [
            ([["a", "b"]], [["O"]], "y has 1 tags in row 0; expected 2"),
            ([["a"]], [["B-ORG"]], "label 'ORG' in row 0"),
            (["a b"], [[(0, 0, "PER")]], "0 <= begin < end"),
            (["a b"], [["B-PER"]], "expected a span"),
            (["a b"], [[(0, 4, "PER")]], "from 0 to 4 in row 0; the text has 3 characters"),
            (["a b"], [[(1, 3, "PER"), (0, 2, "LOC")]], "overlap at 1"),
            ([["a"], ["b"]], [["O"], ["S-PER"]], "y, row 1, tag 1: 'S-PER' does not fit the scheme BIO"),
            ([["a"]], [[-100]], "y has the tag -100 in row 0; expected the name of a tag, or its place from 0 to 4"),
            ([["a"]], ["O"], "y has 'O' in row 0; expected a list of tags"),
            (pd.DataFrame({"text": ["a"], "id": [1]}), None, "The inputs are ['id', 'text']"),
            ([["a"], "b"], None, "row 1"),
            ("one text", None, "put it in a list"),
            ([], None, "no rows"),
        ],
    )
    def test_bad_input(self, x, y, message):
        with pytest.raises((BadInput, ValueError), match=re.escape(message)):
            _shared().tokenize(x, y)

    def test_labels_are_needed(self, make_backbone):
        with pytest.raises(BadInput, match="needs labels"):
            TokenClassifier(make_backbone())

    def test_options_of_tables_have_no_meaning(self, tmp_path):
        with pytest.raises(BadInput, match="header has no meaning"):
            TokenClassifier.read_file(str(tmp_path / "a.conll"), header=False)
