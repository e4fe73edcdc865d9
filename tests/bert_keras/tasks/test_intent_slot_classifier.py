"""Intents and slots together: one or several intents, words and raw text, saved and served."""

import numpy as np
import pytest
import tensorflow as tf

from bert_keras import IntentSlotClassifier, WordPieceTokenizer, WordPreprocessor, load_task
from bert_keras.errors import BadInput
from bert_keras.export.model import ServingModel
from bert_keras.metrics import intent_slot_metrics
from tests.bert_keras.tiny_encoder import tiny_encoder

SONGS, CITIES = ("yesterday", "help"), ("rome", "paris", "oslo")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "book", "please", "and", "in", *SONGS, *CITIES]


def draw(count, several=False, seed=0):
    random = np.random.default_rng(seed)
    x, y = [], []
    for _ in range(count):
        song = ["play", str(random.choice(SONGS))], ["O", "B-song"]
        city = ["book", "in", str(random.choice(CITIES))], ["O", "O", "B-city"]
        kind = int(random.integers(0, 3 if several else 2))
        words, tags = ["please"] * int(random.integers(0, 3)), ["O"] * 2
        tags = tags[: len(words)]
        for name, (more, of_more) in (("play", song), ("book", city)):
            if kind == 2 or ("play", "book")[kind] == name:
                words, tags = words + more, tags + of_more
        x.append(words)
        y.append((("play", "book", "play#book")[kind], tags))
    return x, y


def make(several=False, seed=0, **options):
    backbone = tiny_encoder(VOCABULARY, seed)
    preprocessor = WordPreprocessor(WordPieceTokenizer(VOCABULARY), max_length=16)
    options = {"intents": ["book", "play"], "labels": ["city", "song"], "max_intents": 1 + several, **options}
    model = IntentSlotClassifier(backbone, preprocessor, **options)
    model.compile(recipe={"learning_rate": 5e-3})
    return model


@pytest.fixture(scope="module", params=[False, True], ids=["one", "several"])
def trained(request):
    model = make(request.param, crf=request.param)
    model.fit(*draw(160, request.param), epochs=8, batch_size=16, verbose=0)
    return model


def write(folder, x, y):
    folder.mkdir()
    (folder / "seq.in").write_text("".join(" ".join(words) + "\n" for words in x))
    (folder / "seq.out").write_text("".join(" ".join(tags) + "\n" for _, tags in y))
    (folder / "label").write_text("".join(intent + "\n" for intent, _ in y))
    return str(folder)


def test_it_learns_both(trained, tmp_path):
    x, y = draw(60, trained.max_intents > 1, seed=1)
    records = IntentSlotClassifier.read_file(write(tmp_path / "dev", x, y))
    measured = trained.evaluate_records(records)
    assert measured["intent_accuracy"] > 0.95 and measured["slot_f1"] > 0.95 and measured["sentence_accuracy"] > 0.9
    answers = trained.predict(x)
    predicted = []
    for words, answer in zip(x, answers):
        tags = ["O"] * len(words)
        for slot in answer["slots"]:
            tags[" ".join(words)[: slot["begin"]].count(" ")] = f"B-{slot['label']}"
        predicted.append((answer["intents"], tags))
    gold = [(intent.split("#"), tags) for intent, tags in y]
    assert measured == pytest.approx(intent_slot_metrics(gold, predicted))


def test_raw_text_gives_what_its_words_give(trained):
    x, _ = draw(20, trained.max_intents > 1, seed=2)
    assert trained.predict([" ".join(words) for words in x]) == trained.predict(x)


def test_the_loss_of_several_intents_is_that_of_even_shares_and_of_their_number():
    model = make(several=True, intents=["book", "play", "stop"], slot_weight=0.0)
    random = np.random.default_rng(5)
    outputs = {
        "intent": random.normal(size=(3, 3)),
        "intent_count": random.normal(size=(3, 2)),
        "slots": np.zeros((3, 1, 5)),
    }
    outputs = {name: tf.constant(values, tf.float32) for name, values in outputs.items()}
    # One intent; two; a further window, which has no say.
    targets = {
        "intent": tf.constant([[0, 1, 0], [1, 0, 1], [-1, -1, -1]], tf.float32),
        "intent_count": tf.constant([0, 1, -1]),
        "slots": -tf.ones((3, 1), tf.int32),
    }
    logs, counts = (tf.nn.log_softmax(outputs[name]).numpy() for name in ("intent", "intent_count"))
    expected = [-logs[0, 1] - counts[0, 0], -(logs[1, 0] + logs[1, 2]) / 2 - counts[1, 1], 0.0]
    np.testing.assert_allclose(model.example_losses(targets, outputs), expected, rtol=1e-5)


def test_as_many_of_the_likeliest_are_answered_as_there_are_said_to_be():
    model = make(several=True, intents=["book", "play", "stop"])
    encoded = model.preprocessor.encode(tf.constant(["play help"] * 3))
    outputs = {
        "intent": tf.constant([[2.0, 1.0, 3.0]] * 3),
        "intent_count": tf.constant([[1.0, 0.0], [0.0, 1.0], [0.0, 0.1]]),
        "slots": tf.zeros((3, 4, 5)),
    }
    served = model.serving_outputs(outputs, encoded)
    assert served["intent"].numpy().tolist() == [b"stop", b"book#stop", b"book#stop"]
    shares = tf.nn.softmax([2.0, 1.0, 3.0]).numpy()
    np.testing.assert_allclose(served["intent_score"], [shares[2], 1 - shares[1], 1 - shares[1]], rtol=1e-5)
    np.testing.assert_allclose(served["intent_scores"], [shares] * 3, rtol=1e-5)


def test_the_weight_of_the_slots_scales_their_loss():
    x, y = draw(16)
    losses = [make(slot_weight=w).evaluate(x, y, verbose=0, return_dict=True)["loss"] for w in (0.0, 1.0, 3.0)]
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-4)


def test_an_utterance_in_several_windows_has_its_intent_in_the_first_alone():
    model = make()
    rows, _ = model.tokenize([["please"] * 40], [("play", ["O"] * 40)])
    assert len(rows) > 2
    assert rows.targets["intent"].tolist() == [[0, 1]] + [[-1, -1]] * (len(rows) - 1)
    assert len(model.predict([["please"] * 40])[0]["intents"]) == 1


def test_described_by_its_data(tmp_path):
    records = IntentSlotClassifier.read_file(write(tmp_path / "one", *draw(30)))
    described = IntentSlotClassifier.describe_targets(records, slot_weight=2.0)
    assert described == {
        "intents": ["book", "play"],
        "labels": ["city", "song"],
        "max_intents": 1,
        "slot_weight": 2.0,
    }
    records = IntentSlotClassifier.read_file(write(tmp_path / "several", *draw(30, several=True)))
    assert IntentSlotClassifier.describe_targets(records)["max_intents"] == 2


def test_preset_and_export(trained, tmp_path):
    x, _ = draw(5, trained.max_intents > 1, seed=3)
    trained.save_to_preset(str(tmp_path / "preset"))
    assert load_task(str(tmp_path / "preset")).predict(x) == trained.predict(x)
    trained.export(tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"](
        text=tf.constant([" ".join(words) for words in x])
    )
    for row, answer in enumerate(trained.predict(x)):
        assert served["intent"][row].numpy().decode().split("#") == answer["intents"]
        count = len(answer["slots"])
        assert served["slots_text"][row].numpy()[:count].tolist() == [slot["text"].encode() for slot in answer["slots"]]


@pytest.mark.parametrize(
    "y, message",
    [
        (("dance", ["O", "O"]), "intent 'dance' in row 0"),
        (("play#book", ["O", "O"]), "expected 1 to 1: pass max_intents for more"),
        (("play", ["O"]), "1 tags in row 0"),
        (("play", ["O", "B-date"]), "label 'date' in row 0"),
        ({"intent": "play"}, r"\{'intent': 'play'\} in row 0; expected \(intent, slots\)"),
    ],
)
def test_bad_targets(y, message):
    with pytest.raises(BadInput, match=message):
        make().given([["play", "help"]], [y])


def test_the_name_of_an_only_intent_may_hold_the_sign_that_joins_several():
    model = make(intents=["c#", "play"])
    assert model.given([["play"]], [("c#", ["O"])]).intents.tolist() == [[1, 0]]
    assert {tuple(answer["intents"]) for answer in model.predict(["play", "book"])} <= {("c#",), ("play",)}
    assert [answer["intents"] for answer in model.answers_of(served_intents("c#"))] == [["c#"]]


def served_intents(*names):
    nothing = {f"slots_{name}": np.zeros((len(names), 0)) for name in ("text", "label", "begin", "end", "score")}
    return {
        "intent": np.array([name.encode() for name in names], object),
        "intent_score": np.ones(len(names)),
        "slots_count": np.zeros(len(names), int),
        **nothing,
    }


def test_no_utterances_have_no_intents_in_the_graph():
    model = make()
    served = model.served_answers({"text": tf.constant([], tf.string)}, ServingModel(model).outputs)
    assert {len(values) for values in served.values()} == {0} and served["intent_names"].shape == (0, 2)


def test_an_unknown_intent_of_a_file_is_named_with_its_row(trained, tmp_path):
    x, y = draw(3)
    y[1] = ("dance", y[1][1])
    records = IntentSlotClassifier.read_file(write(tmp_path / "dev", x, y))
    with pytest.raises(BadInput, match="row 2.*'dance'"):
        trained.encode_records(records)
    # Such a row is left out of the validation loss, and wrong in the measures.
    kept = trained.validation_records(records)
    assert kept.rows == [1, 3] and "'dance'" in kept.skipped[-1]
    assert trained.evaluate_records(records)["intent_accuracy"] <= 2 / 3


@pytest.mark.parametrize(
    "options",
    [
        {"intents": ["a"]},
        {"labels": []},
        {"slot_weight": -1},
        {"label_pieces": "last"},
        {"max_intents": 3},
        {"labels": "city"},
        {"intents": "play"},
        {"intents": ["c#", "play"], "max_intents": 2},
    ],
)
def test_bad_options(options):
    with pytest.raises(BadInput, match="expected|needs|no name may hold"):
        make(**options)
