"""Roles of one predicate at a time: what is marked decides."""

import numpy as np
import pytest
import tensorflow as tf

from bert_keras import SemanticRoleLabeler, WordPieceTokenizer, WordPreprocessor, load_task
from bert_keras.data.records import Records
from bert_keras.errors import BadInput
from tests.bert_keras.tiny_encoder import tiny_encoder

NAMES, THINGS, VERBS = ("ada", "bob", "eve"), ("books", "letters"), ("read", "wrote")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *NAMES, *THINGS, *VERBS, "and", ".", "old"]


def draw(count, seed=0):
    """Two clauses; the roles are those of the clause whose verb is the predicate."""
    random = np.random.default_rng(seed)
    tokens, predicates, tags = [], [], []
    for _ in range(count):
        clause = lambda verb: [str(random.choice(NAMES)), verb, "old", str(random.choice(THINGS))]  # noqa: E731
        of_clause = ["B-ARG0", "O", "B-ARG1", "I-ARG1"]
        verbs = list(random.permutation(VERBS))
        which = int(random.integers(0, 2))
        tokens.append([*clause(str(verbs[0])), "and", *clause(str(verbs[1]))])
        predicates.append(1 if which == 0 else 6)
        tags.append([*of_clause, *["O"] * 5] if which == 0 else [*["O"] * 5, *of_clause])
    return {"tokens": tokens, "predicate": predicates}, tags


def make(seed=0, **options):
    backbone = tiny_encoder(VOCABULARY, seed)
    preprocessor = WordPreprocessor(WordPieceTokenizer(VOCABULARY), max_length=24, marked=True)
    model = SemanticRoleLabeler(backbone, preprocessor, **{"labels": ["ARG0", "ARG1"], **options})
    model.compile(recipe={"learning_rate": 5e-3})
    return model


@pytest.fixture(scope="module")
def trained():
    model = make()
    model.fit(*draw(200), epochs=12, batch_size=16, verbose=0)
    return model


def roles(answer):
    return [(role["text"], role["label"], role["begin"]) for role in answer["roles"]]


def test_the_same_sentence_has_other_roles_for_another_predicate(trained):
    text = "ada read old books and bob wrote old letters"
    first, second = trained.predict({"text": [text] * 2, "predicate": ["read", "wrote"]})
    assert roles(first) == [("ada", "ARG0", 0), ("old books", "ARG1", 9)]
    assert roles(second) == [("bob", "ARG0", 23), ("old letters", "ARG1", 33)]


def test_a_predicate_may_be_a_word_its_number_or_its_place(trained):
    tokens = ["ada", "read", "old", "books", "and", "bob", "wrote", "old", "letters"]
    forms = (
        {"tokens": [tokens], "predicate": [6]},
        {"tokens": [tokens], "predicate": ["wrote"]},
        {"text": [" ".join(tokens)], "predicate": [(27, 32)]},
    )
    assert len({str(roles(trained.predict(form)[0])) for form in forms}) == 1


def test_measured_on_a_propbank_file(trained, tmp_path):
    x, tags = draw(20, seed=1)
    lines = []
    for words, predicate, of_words in zip(x["tokens"], x["predicate"], tags):
        for number, (word, tag) in enumerate(zip(words, of_words), start=1):
            sense = f"{word}.01" if number - 1 == predicate else "_"
            columns = [str(number), word, *["_"] * 8, sense, tag[2:] if tag.startswith("B-") else "_"]
            lines.append("\t".join(columns))
        lines.append("")
    path = tmp_path / "dev.conllu"
    path.write_text("\n".join(lines) + "\n")
    records = SemanticRoleLabeler.read_file(str(path))
    measured = trained.evaluate_records(records)
    # The file names head words, of ARG1 the first of two: right only where the span is one word, as ARG0 is.
    assert measured["f1_ARG0"] > 0.9 and measured["f1_ARG1"] == 0
    assert measured["support_ARG1"] == 20


def test_a_role_that_was_never_trained_on_is_measured_as_missed_and_left_out_of_the_loss(trained):
    x, tags = draw(3, seed=2)
    strange = [tag.replace("ARG1", "ARGM-TMP") for tag in tags[1]]
    records = Records(x, [tags[0], strange, tags[2]], [1, 2, 3], "dev.jsonl", {"tags": "roles"})
    measured = trained.evaluate_records(records)
    assert measured["support_ARGM-TMP"] == 1 and measured["f1_ARGM-TMP"] == 0
    assert measured["recall_ARG0"] == 1
    known = trained.validation_records(records)
    assert known.targets == [tags[0], tags[2]]
    assert len(known.skipped) == 1 and known.skipped[0].startswith("dev.jsonl, row 2")
    assert "'ARGM-TMP' is not among the training data" in known.skipped[0]
    with pytest.raises(BadInput, match="the model does not know 'ARGM-TMP'"):
        trained.validation_records(records.pick([1], ()))


def test_preset_and_export(trained, tmp_path):
    asked = {"text": ["ada read old books .", "😀 bob wrote letters"], "predicate": ["read", "wrote"]}
    trained.save_to_preset(str(tmp_path / "preset"))
    loaded = load_task(str(tmp_path / "preset"))
    assert loaded.preprocessor.marked and loaded.predict(asked) == trained.predict(asked)
    trained.export(tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](
        **{name: tf.constant(values) for name, values in asked.items()}
    )
    for row, answer in enumerate(trained.predict(asked)):
        count = int(served["roles_count"][row])
        assert count == len(answer["roles"])
        assert served["roles_begin"][row].numpy()[:count].tolist() == [role["begin"] for role in answer["roles"]]


@pytest.mark.parametrize(
    "x, message",
    [
        (["ada read"], "expected|reads a dict"),
        ({"tokens": [["ada"]], "predicate": [3]}, "words 0 to 0"),
        ({"text": ["ada read"], "predicate": [(3, 99)]}, "predicate is"),
        ({"text": ["ada read"], "predicate": [1]}, "predicate is 1 in row 0"),
    ],
)
def test_bad_input(x, message):
    with pytest.raises(BadInput, match=message):
        make().given(x)


def test_a_preprocessor_that_marks_nothing_is_refused():
    with pytest.raises(BadInput, match="marked=True"):
        model = make()
        SemanticRoleLabeler(model.backbone, WordPreprocessor(WordPieceTokenizer(VOCABULARY)), labels=["A"])
