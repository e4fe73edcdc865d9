"""Answers: learnt, found wherever they stand in long contexts, exact substrings, or none."""

import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras import QuestionAnswerer, QuestionPreprocessor, WordPieceTokenizer, load_task
from bert_keras.data.squad import Answer
from bert_keras.errors import BadInput
from bert_keras.export.model import ServingModel
from bert_keras.metrics import cmrc_metrics, squad_metrics
from bert_keras.tasks.question_answerer import window_spans
from tests.bert_keras.tiny_encoder import tiny_encoder

PEOPLE, PLACES, FILLERS = ("ada", "bob", "eve"), ("rome", "paris", "oslo"), ("met", "in", "went", "to", "saw", ".")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "where", "?", *PEOPLE, *PLACES, *FILLERS, "北", "京"]


def draw(count, seed=0, longest=30, unanswerable=True):
    """Questions, contexts of fillers around one name, and dicts that say where it stands, or None."""
    random = np.random.default_rng(seed)
    questions, contexts, answers = [], [], []
    for _ in range(count):
        words = [str(word) for word in random.choice(FILLERS, random.integers(3, longest))]
        kind = int(random.integers(0, 2))
        questions.append(("who ?", "where ?")[kind])
        if unanswerable and random.integers(0, 3) == 0:
            contexts.append(" ".join(words))
            answers.append(None)
            continue
        place, name = int(random.integers(0, len(words))), str(random.choice((PEOPLE, PLACES)[kind]))
        begin = sum(len(word) + 1 for word in words[:place])
        contexts.append(" ".join([*words[:place], name, *words[place:]]))
        answers.append({"text": name, "answer_start": begin})
    return {"question": questions, "context": contexts}, answers


def make(max_length=20, doc_stride=6, seed=0, **options):
    backbone = tiny_encoder(VOCABULARY, seed, max_sequence_length=64)
    preprocessor = QuestionPreprocessor(WordPieceTokenizer(VOCABULARY), max_length=max_length, doc_stride=doc_stride)
    model = QuestionAnswerer(backbone, preprocessor, **options)
    model.compile(recipe={"learning_rate": 5e-3})
    return model


@pytest.fixture(scope="module")
def trained():
    model = make(unanswerable=True, n_best=5)
    model.fit(*draw(160), epochs=8, batch_size=16, verbose=0)
    return model


def texts(answers):
    return [None if answer["answer"] is None else answer["answer"]["text"] for answer in answers]


class TestLearning:
    def test_it_finds_the_answers_of_other_contexts_and_says_where_there_is_none(self, trained):
        asked, expected = draw(60, seed=1)
        found = trained.predict(asked)
        right = [a == (None if e is None else e["text"]) for a, e in zip(texts(found), expected)]
        assert np.mean(right) > 0.9
        for context, answer, gold in zip(asked["context"], found, expected):
            if answer["answer"] is not None:
                begin, end = answer["answer"]["begin"], answer["answer"]["end"]
                assert context[begin:end] == answer["answer"]["text"]
                if gold and answer["answer"]["text"] == gold["text"]:
                    assert begin == gold["answer_start"]

    def test_n_best_are_in_order_and_their_scores_and_that_of_none_sum_to_one(self):
        # Untrained: a sure model's shares are too near 0 and 1 to say anything.
        model = make(unanswerable=True, n_best=5)
        asked, _ = draw(10, seed=2)
        served = model.served_part(model.given(asked), 8)
        scores = served["n_best_score"].numpy()
        assert scores.shape == (10, 5) and (np.diff(scores, axis=1) <= 1e-7).all()
        # What is left is the share of "no answer": the softmax over the five best and it.
        of_none = 1 - scores.sum(1)
        np.testing.assert_allclose(np.log(of_none / scores[:, 0]), served["null_score"].numpy(), atol=2e-3)

    @pytest.mark.parametrize("target", [
        None, (4, 7), [4, 7], [np.int64(4), np.int64(7)], np.array([4, 7]), Answer("ada", 4),
        [Answer("x", None), Answer("ada", 4)], {"text": "ada", "answer_start": 4},
        {"text": ["ada", "a"], "answer_start": [4, 4]},
        {"text": np.array(["ada"], object), "answer_start": np.array([4], "int32")},
    ])  # fmt: skip
    def test_forms_of_targets(self, target):
        given = make().given({"question": ["who ?"], "context": ["met ada ."]}, [target])
        assert given.places == [(-1, -1) if target is None else (4, 7)]


class TestWindows:
    def test_targets_point_at_the_answer_in_every_window_that_holds_it_all(self):
        model = make(max_length=14, doc_stride=4)
        context = "met in went to saw . ada bob met in went to saw . met in went to"
        given = model.given({"question": ["who ?"], "context": [context]}, [(21, 28)])
        encoded = model.encode(given)
        spans = window_spans(encoded, tf.constant([21]), tf.constant([28])).numpy()
        words = [VOCABULARY.index(word) for word in ("ada", "bob")]
        whole = 0
        for ids, (first, last) in zip(encoded.windows.token_ids.to_list(), spans.tolist()):
            holds = words[0] in ids and words[1] in ids
            assert ids[first : last + 1] == (words if holds else [2])
            whole += holds
        assert whole >= 2 and whole < len(spans)

    def test_a_span_that_fits_one_window_is_the_best_over_all_windows(self):
        """Beside a search over all spans in plain Python."""
        model = make(max_length=16, doc_stride=5, max_answer_length=4, n_best=3)
        asked, _ = draw(6, seed=3, longest=25)
        given = model.given(asked)
        encoded = model.encode(given)
        served = model.served_part(given, 8)
        windows = encoded.windows
        from bert_keras.training.batching import TokenizedRows

        logits = model.outputs_of(TokenizedRows.from_ragged(windows.token_ids, windows.segment_ids), 4)
        for document in range(6):
            best = []
            for row in np.flatnonzero(windows.document.numpy() == document):
                piece, owned = windows.piece[row].numpy(), windows.owned[row].numpy()
                for first in np.flatnonzero(owned):
                    for last in range(first, min(first + 4, len(piece))):
                        if piece[last] >= 0:
                            score = logits[row, first, 0] + logits[row, last, 1]
                            begin = encoded.pieces.begin[document][piece[first]].numpy()
                            best.append((score, begin, encoded.pieces.end[document][piece[last]].numpy()))
            best.sort(reverse=True)
            assert served["n_best_begin"][document].numpy().tolist() == [begin for _, begin, _ in best[:3]]
            assert served["n_best_end"][document].numpy().tolist() == [end for _, _, end in best[:3]]

    def test_windows_of_a_context_that_fits_change_nothing(self, trained):
        asked, _ = draw(12, seed=4, longest=6)
        assert trained.preprocessor(asked)["token_ids"].shape[0] == 12
        wide = make(max_length=40, doc_stride=30, unanswerable=True, n_best=5)
        wide.set_weights(trained.get_weights())
        assert texts(wide.predict(asked)) == texts(trained.predict(asked))

    def test_longer_padding_changes_no_answer(self, trained):
        asked, _ = draw(8, seed=5)
        alone = [trained.predict({name: [value[i]] for name, value in asked.items()})[0] for i in range(8)]
        assert texts(alone) == texts(trained.predict(asked))

    def test_a_question_that_is_too_long_leaves_room_for_the_context(self, trained):
        answer = trained.predict({"question": ["who " * 100 + "?"], "context": ["met ada ."]})[0]
        assert [best["text"] for best in answer["n_best"]]

    @pytest.mark.parametrize("context", ["", " ", "\u200b"])
    def test_a_context_without_words_has_no_answer(self, trained, context):
        answer = trained.predict({"question": ["who ?"], "context": [context]})[0]
        assert answer["answer"] is None and answer["n_best"] == []


class TestOffsets:
    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.tuples(st.text(max_size=10), st.text(max_size=60)), min_size=1, max_size=3))
    def test_answers_to_any_text_are_substrings(self, pairs):
        model = _shared()
        pairs = [tuple(text.encode("utf-8", "replace").decode() for text in pair) for pair in pairs]
        asked = {"question": [q for q, _ in pairs], "context": [c for _, c in pairs]}
        for context, answer in zip(asked["context"], model.predict(asked), strict=True):
            for best in answer["n_best"]:
                assert context[best["begin"] : best["end"]] == best["text"] and best["begin"] < best["end"]

    def test_emoji_accents_and_ideographs(self, trained):
        asked = {"question": ["who ?"] * 3, "context": ["😀😀 met Ádá .", "北京 met ada", "ｉn met Eve"]}
        assert texts(trained.predict(asked)) == ["Ádá", "ada", "Eve"]


_MODELS = []


def _shared():
    if not _MODELS:
        _MODELS.append(make())
    return _MODELS[0]


class TestNoAnswer:
    def test_tuning_finds_the_threshold_of_best_f1(self, tmp_path):
        model = make(unanswerable=True)
        asked, answers = draw(60, seed=6, longest=10)
        data = [
            {
                "question": q,
                "context": c,
                "id": str(n),
                "answers": [] if a is None else [{"text": a["text"], "answer_start": a["answer_start"]}],
            }
            for n, (q, c, a) in enumerate(zip(asked["question"], asked["context"], answers))
        ]
        path = tmp_path / "dev.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in data))
        records = QuestionAnswerer.read_file(str(path))
        model.fit(asked, answers, epochs=2, batch_size=16, verbose=0)
        model.tune(records)
        tuned = model.evaluate_records(records)["f1"]
        for threshold in (-3.0, 0.0, 3.0, model.null_threshold + 1, model.null_threshold - 1):
            model.null_threshold = threshold
            assert model.evaluate_records(records)["f1"] <= tuned + 1e-9

    def test_a_model_of_answerable_questions_always_answers(self, trained):
        model = make(unanswerable=False)
        model.set_weights(trained.get_weights())
        asked, _ = draw(20, seed=7)
        assert None not in texts(model.predict(asked))


class TestSavedAndServed:
    def test_preset_round_trip(self, trained, tmp_path):
        asked, _ = draw(5, seed=8)
        trained.null_threshold = 0.5
        trained.save_to_preset(str(tmp_path / "preset"))
        loaded = load_task(str(tmp_path / "preset"))
        assert (loaded.unanswerable, loaded.null_threshold, loaded.n_best) == (True, 0.5, 5)
        assert loaded.preprocessor.doc_stride == 6
        assert loaded.predict(asked) == trained.predict(asked)
        trained.null_threshold = 0.0

    def test_served_answers_are_those_of_predict(self, trained, tmp_path):
        trained.export(tmp_path / "1")
        loaded = tf.saved_model.load(str(tmp_path / "1"))
        asked, _ = draw(6, seed=9)
        asked = {name: [*values, "who ?" if name == "question" else ""] for name, values in asked.items()}
        tensors = {name: tf.constant(values) for name, values in asked.items()}
        examples = tf.constant(
            [
                tf.train.Example(
                    features=tf.train.Features(
                        feature={
                            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
                            for name, value in zip(asked, row)
                        }
                    )
                ).SerializeToString()
                for row in zip(*asked.values())
            ]
        )
        for served in (
            loaded.signatures["serving_default"](**tensors),
            loaded.signatures["examples"](examples=examples),
        ):
            for row, answer in enumerate(trained.predict(asked)):
                assert bool(served["has_answer"][row]) == (answer["answer"] is not None)
                best = answer["answer"] or {"text": "", "begin": -1, "end": -1}
                assert served["answer"][row].numpy().decode() == best["text"]
                assert (int(served["begin"][row]), int(served["end"][row])) == (best["begin"], best["end"])


class TestMeasuring:
    def squad(self, path, rows):
        qas = [
            {"id": str(n), "question": "who ?", "answers": [{"text": t, "answer_start": b} for t, b in answers]}
            for n, (_, answers) in enumerate(rows)
        ]
        paragraphs = [{"context": context, "qas": [qa]} for (context, _), qa in zip(rows, qas)]
        path.write_text(json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}))
        return QuestionAnswerer.read_file(str(path))

    def test_every_accepted_answer_counts_and_misplaced_ones_are_left_out_of_training(self, trained, tmp_path):
        rows = [("met ada .", [("nobody", 3), ("ada", 4)]), ("in bob saw", [("eve", 3)])]
        records = self.squad(tmp_path / "dev.json", rows)
        kept = QuestionAnswerer.training_records(records)
        assert (len(records), len(kept), len(kept.skipped)) == (2, 1, 1)
        predicted = [
            "" if text is None else text for text in texts(trained.predict(trained.encode_records(records)[0]))
        ]
        assert trained.evaluate_records(records) == pytest.approx(
            squad_metrics([["nobody", "ada"], ["eve"]], predicted)
        )

    def test_chinese_contexts_are_measured_as_cmrc_does(self, tmp_path):
        records = self.squad(tmp_path / "dev.json", [("北京北京", [("北京", 0)])])
        assert QuestionAnswerer.describe_targets(records)["metric"] == "cmrc"
        assert QuestionAnswerer.describe_targets(records, metric="squad")["metric"] == "squad"

    def test_chinese_questions_without_an_answer_are_tuned_on_and_measured(self, tmp_path):
        records = self.squad(tmp_path / "dev.json", [("北京北京", [("北京", 0)]), ("京", [])])
        described = QuestionAnswerer.describe_targets(records)
        assert described == {"unanswerable": True, "metric": "cmrc"}
        model = make(**described)
        model.tune(records)
        found = [text or "" for text in texts(model.predict(model.encode_records(records)[0]))]
        assert model.evaluate_records(records) == cmrc_metrics([["北京"], []], found)


def test_no_questions_have_no_answers_in_the_graph():
    model, none = make(unanswerable=True, n_best=3), tf.constant([], tf.string)
    served = model.served_answers({"question": none, "context": none}, ServingModel(model).outputs)
    assert {len(values) for values in served.values()} == {0}
    assert served["n_best_text"].shape == (0, 3) and served["answer"].dtype == tf.string


class TestRefusals:
    @pytest.mark.parametrize(
        "target, message",
        [
            ((0, 99), "9 characters"),
            ((3, 3), "from 3 to 3"),
            ({"text": "ada", "answer_start": 0}, "mend answer_start"),
            ("ada", "expected None"),
            ({"text": "ada"}, "expected None"),
        ],
    )
    def test_targets(self, target, message):
        with pytest.raises(BadInput, match=message):
            _shared().given({"question": ["who ?"], "context": ["met ada ."]}, [target])

    @pytest.mark.parametrize("options", [{"max_answer_length": 0}, {"n_best": 0}, {"metric": "bleu"}])
    def test_options(self, options):
        with pytest.raises(BadInput, match="expected"):
            make(**options)

    @pytest.mark.parametrize("options", [{"max_length": 11}, {"doc_stride": 0}, {"max_question_length": 0}])
    def test_preprocessor(self, options):
        with pytest.raises(BadInput, match="expected"):
            QuestionPreprocessor(WordPieceTokenizer(VOCABULARY), **options)
