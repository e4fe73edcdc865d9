"""Each problem learns a task that is made for it; the encoder starts from random weights."""

import numpy as np
import pytest

from bert_keras import BadInput, TextClassifier
from bert_keras.data.records import Records

WORDS = ("good", "great", "fine", "bad", "awful", "dull", "film", "story", "plot", "cast")
TOPICS = {"film": ("film", "cast"), "book": ("story", "plot"), "mood": ("good", "bad")}


def draw(count, seed, length=5):
    """`count` texts of `length` words as lists."""
    random = np.random.default_rng(seed)
    return [list(random.choice(WORDS, length)) for _ in range(count)]


def accuracy(found, expected):
    return float(np.mean([a == b for a, b in zip(found, expected)]))


class TestBinary:
    def test_it_learns_the_reviews(self, trained, reviews):
        texts, labels = reviews(200, seed=9)
        assert accuracy([answer["label"] for answer in trained.answers(texts)], labels) >= 0.97

    def test_an_answer_names_the_label_with_the_highest_score(self, trained):
        (answer,) = trained.answers(["a good film"])
        assert answer["label"] == "pos" and list(answer["scores"]) == ["neg", "pos"]
        assert answer["score"] == answer["scores"]["pos"] > 0.9
        assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-6)

    def test_the_metrics_of_records_are_those_of_its_predictions(self, trained, reviews):
        texts, labels = reviews(50, seed=4)
        labels[0] = {"neg": "pos", "pos": "neg"}[labels[0]]
        found = trained.evaluate_records(Records({"text": texts}, labels, list(range(2, 52)), "dev.csv"))
        predicted = [answer["label"] for answer in trained.answers(texts)]
        assert found["accuracy"] == pytest.approx(accuracy(predicted, labels)) and found["accuracy"] < 1
        assert set(found) == {"accuracy", "macro_f1", "matthews", "f1", "precision", "recall", "roc_auc"}

    def test_the_loss_is_the_mean_cross_entropy_of_its_logits(self, trained, reviews):
        texts, labels = reviews(37, seed=5)
        logits = trained.predict(texts, verbose=0).astype("float64")
        logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        expected = -np.mean([row[("neg", "pos").index(label)] for row, label in zip(logs, labels)])
        found = trained.evaluate(texts, labels, batch_size=8, verbose=0, return_dict=True)
        assert found["loss"] == pytest.approx(expected, abs=1e-5)


def test_multiclass_learns_which_of_three_words_is_there(make_classifier):
    names, random = {"good": "praise", "bad": "blame", "dull": "yawn"}, np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(500):
        word = random.choice(list(names))
        texts.append(" ".join(random.permutation([word, *random.choice(["film", "story", "plot"], 4)])))
        labels.append(names[word])
    model = make_classifier(labels=["blame", "praise", "yawn"])
    model.fit(texts[:400], labels[:400], epochs=4, verbose=0)
    answers = model.answers(texts[400:])
    assert model.problem == "multiclass"
    assert accuracy([answer["label"] for answer in answers], labels[400:]) >= 0.95


def test_multilabel_learns_all_topics_of_a_text(make_classifier):
    texts = draw(700, 1, length=4)
    labels = [[topic for topic, words in TOPICS.items() if set(words) & set(text)] for text in texts]
    model = make_classifier(labels=sorted(TOPICS), problem="multilabel")
    history = model.fit([" ".join(text) for text in texts[:600]], labels[:600], epochs=6, verbose=0).history
    answers = model.answers([" ".join(text) for text in texts[600:]])
    assert accuracy([sorted(answer["labels"]) for answer in answers], [sorted(row) for row in labels[600:]]) >= 0.9
    for answer in answers:
        assert answer["labels"] == [label for label, score in answer["scores"].items() if score > 0.5]
    assert history["accuracy"][-1] > 0.9  # of single decisions
    records = Records({"text": [" ".join(text) for text in texts[600:]]}, labels[600:], list(range(100)), "dev.jsonl")
    assert model.evaluate_records(records)["micro_f1"] >= 0.95


def test_regression_learns_the_share_of_good_words(make_classifier):
    texts = draw(700, 2)
    values = [sum(word in ("good", "great", "fine") for word in text) / len(text) for text in texts]
    model = make_classifier(problem="regression", labels=[])
    model.fit([" ".join(text) for text in texts[:600]], values[:600], epochs=6, verbose=0)
    found = [answer["value"] for answer in model.answers([" ".join(text) for text in texts[600:]])]
    assert np.corrcoef(found, values[600:])[0, 1] >= 0.95
    records = Records({"text": [" ".join(text) for text in texts[600:]]}, values[600:], list(range(100)), "dev.tsv")
    metrics = model.evaluate_records(records)
    assert metrics["pearson"] == pytest.approx(np.corrcoef(found, values[600:])[0, 1], abs=1e-4)
    assert metrics["mean_squared_error"] == pytest.approx(np.mean((np.array(found) - values[600:]) ** 2), abs=1e-4)


def test_pairs_learn_what_neither_text_says_alone(make_classifier):
    """Whether both texts are good: of a quarter of all pairs. One half alone is right on three quarters at best."""
    random = np.random.default_rng(3)
    words = np.array(["bad", "good"])
    first, second = random.integers(0, 2, 600), random.integers(0, 2, 600)
    x = {"text": [f"{w} film" for w in words[first]], "text_pair": [f"the {w} plot" for w in words[second]]}
    y = ["yes" if a and b else "no" for a, b in zip(first, second)]
    model = make_classifier(labels=["no", "yes"], pair=True)
    model.fit({name: texts[:500] for name, texts in x.items()}, y[:500], epochs=4, verbose=0)
    answers = model.answers({name: texts[500:] for name, texts in x.items()})
    assert accuracy([answer["label"] for answer in answers], y[500:]) >= 0.95
    assert model.serving_inputs == ("text", "text_pair")


class TestLabels:
    @pytest.mark.parametrize("options, problem", [
        ({"labels": ["a", "b"]}, "binary"),
        ({"labels": ["a", "b", "c"]}, "multiclass"),
        ({"labels": []}, "regression"),
        ({"num_classes": 2}, "binary"),
        ({"labels": ["a", "b"], "problem": "multiclass"}, "multiclass"),
        ({"labels": ["a"], "problem": "multilabel"}, "multilabel"),
    ])  # fmt: skip
    def test_the_problem_follows_from_the_labels(self, tiny_backbone, options, problem):
        assert TextClassifier(tiny_backbone, **options).problem == problem

    def test_a_number_of_classes_names_them_by_their_ids(self, tiny_backbone):
        assert TextClassifier(tiny_backbone, num_classes=3).labels == ["0", "1", "2"]

    @pytest.mark.parametrize("options, said", [
        ({"labels": ["a"]}, "problem 'multiclass' needs at least 2 labels, got 1"),
        ({"labels": ["a", "b", "c"], "problem": "binary"}, "problem 'binary' needs exactly 2 labels, got 3"),
        ({"labels": ["a", "b"], "problem": "regression"}, "problem 'regression' needs no labels, got 2"),
        ({"problem": "multilabel"}, "problem 'multilabel' needs at least 1 labels, got 0"),
        ({"labels": ["a", "a"]}, "labels has a name twice"),
        ({"labels": ["a", "b"], "problem": "ner"}, "problem is 'ner'; expected one of binary, multiclass"),
        ({"labels": ["a", "b"], "poling": "mean"}, "has no argument 'poling' (did you mean 'pooling'?)"),
        ({"labels": ["a", "b"], "pooling": "men"}, "pooling is 'men' (did you mean 'mean'?); expected one of cls"),
    ])  # fmt: skip
    def test_options_that_do_not_fit_are_refused(self, tiny_backbone, options, said):
        with pytest.raises(BadInput) as caught:
            TextClassifier(tiny_backbone, **options)
        assert said in str(caught.value)
