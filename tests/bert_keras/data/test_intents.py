"""Utterances with intents and slots: three parallel files or JSON Lines, and every defect with its file and row."""

import json

import pytest

from bert_keras.data.intents import read_intents
from bert_keras.errors import BadInput

GOOD = {
    "seq.in": "fly to  Rome\nplay\u00a0it now\n",
    "seq.out": "O O B-city\nO B-time\n",
    "label": "flight#fare\nplay\n",
}


@pytest.fixture
def folder(tmp_path):
    def folder(**changed):
        for name, content in {**GOOD, **{name.replace("_", "."): text for name, text in changed.items()}}.items():
            if content is not None:
                (tmp_path / name).write_text(content, "utf-8")
        return str(tmp_path)

    return folder


@pytest.fixture
def write(tmp_path):
    def write(records, name="a.jsonl"):
        path = tmp_path / name
        path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records), "utf-8")
        return str(path)

    return write


def error_of(path, **options):
    with pytest.raises(BadInput) as caught:
        read_intents(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(path, "PATH")


class TestThreeFiles:
    def test_a_line_of_each_is_a_record(self, folder):
        records = read_intents(folder())
        assert records.features == {"tokens": [["fly", "to", "Rome"], ["play\u00a0it", "now"]]}
        assert records.targets == [(("flight", "fare"), ["O", "O", "B-city"]), (("play",), ["O", "B-time"])]
        assert (records.rows, records.scheme, records.repaired) == ([1, 2], "BIO", 0)

    def test_slots_of_any_scheme_become_bio(self, folder):
        records = read_intents(folder(seq_out="B-a I-a E-a\nO S-b\n"))
        assert ([slots for _, slots in records.targets], records.scheme) == (
            [["B-a", "I-a", "I-a"], ["O", "B-b"]],
            "BIOES",
        )

    def test_an_intent_that_is_there_twice_counts_once(self, folder):
        assert read_intents(folder(label="a#b#a\nc\n")).targets[0][0] == ("a", "b")

    def test_prediction_needs_the_words_only(self, folder):
        records = read_intents(folder(seq_out="no tags\n", label=None), require_target=False)
        assert (len(records), records.targets) == (2, None)

    @pytest.mark.parametrize("changed, message", [
        ({"seq_out": "O O B-city\n"},
         "PATH/seq.out, row 2: the line is missing, seq.in has 2 lines; expected as many lines in seq.in, seq.out "
         "and label: add or delete lines"),
        ({"label": "a\nb\nc\n"},
         "PATH/seq.in, row 3: the line is missing, label has 3 lines; expected as many lines in seq.in, seq.out and "
         "label: add or delete lines"),
        ({"seq_out": "O O B-city\nO\n"},
         "PATH/seq.out, row 2: 1 slot tags for 2 words in seq.in; expected one tag per word: mend the row"),
        ({"seq_out": "O O B-city\n\n"},
         "PATH/seq.out, row 2: 0 slot tags for 2 words in seq.in; expected one tag per word: mend the row"),
        ({"seq_in": "fly to Rome\n \n"},
         "PATH/seq.in, row 2: the utterance is empty; expected at least one word: fill it in or delete the row"),
        ({"label": "a\n\n"},
         "PATH/label, row 2: '' has an empty name; expected an intent, or several as a#b: fill it in"),
        ({"label": "a\nb#\n"},
         "PATH/label, row 2: 'b#' has an empty name; expected an intent, or several as a#b: fill it in"),
        ({"seq_out": "O O B-city\nO city\n"},
         "PATH/seq.out, row 2, tag 2: 'city' is no tag; expected O, or a letter of BIO, IOB1, IO, BIOES, BILOU, "
         "BMES with a dash and a type, such as B-PER: mend the tag or choose another column"),
    ])  # fmt: skip
    def test_defects_are_placed(self, folder, changed, message):
        assert error_of(folder(**changed)) == message

    def test_a_file_that_is_not_there(self, folder):
        assert error_of(folder(label=None)).startswith("PATH/label: there is no such file")

    def test_bad_rows_are_left_out_on_demand(self, folder):
        path = folder(seq_in="a b\nc\nd\ne\n", seq_out="O\nX-c\nO\nO\n", label="i\nj\n\nk\n")
        records = read_intents(path, skip_bad_rows=True)
        assert (records.features["tokens"], records.targets, records.rows) == ([["e"]], [(("k",), ["O"])], [4])
        assert [message.split(":")[0].replace(path, "PATH") for message in records.skipped] == [
            "PATH/seq.out, row 1",
            "PATH/label, row 3",
            "PATH/seq.out, row 2, tag 1",
        ]

    def test_no_good_row_left(self, folder):
        path = folder(seq_in="a\n", seq_out="O O\n", label="i\n")
        assert "no good utterance is left, 1 bad ones were left out" in error_of(path, skip_bad_rows=True)


class TestJson:
    @pytest.mark.parametrize("record", [
        {"tokens": ["fly", "Rome"], "slots": ["O", "B-city"], "intent": "flight"},
        {"words": ["fly", "Rome"], "slot_tags": ["O", "U-city"], "intents": ["flight"]},
        {"text": " fly  Rome ", "tags": ["O", "S-city"], "label": "flight"},
    ])  # fmt: skip
    def test_names_of_the_fields(self, write, record):
        records = read_intents(write([record]))
        assert records.features == {"tokens": [["fly", "Rome"]]}
        assert records.targets == [(("flight",), ["O", "B-city"])]

    def test_several_intents(self, write):
        rows = [{"text": "a", "slots": ["O"], "intent": intent} for intent in (["x", "y"], "x#y")]
        assert [intents for intents, _ in read_intents(write(rows)).targets] == [("x", "y")] * 2

    def test_prediction_needs_the_words_only(self, write):
        assert read_intents(write([{"text": "a b"}]), require_target=False).features == {"tokens": [["a", "b"]]}

    @pytest.mark.parametrize("changed, message", [
        ({"slots": ["O"]}, ", field 'slots': 1 tags for 2 tokens; expected one tag per token: mend the row"),
        ({"text": ""}, ", field 'text': the text is empty"),
        ({"intent": 3}, ", field 'intent': 3; expected the name of an intent, or a list of names"),
        ({"intent": []}, ", field 'intent': []; expected the name of an intent"),
        ({"intent": ""}, ", field 'intent': '' has an empty name; expected an intent"),
        ({"slots": ["O", "city"]}, ", field 'slots', tag 2: 'city' is no tag"),
    ])  # fmt: skip
    def test_defects_are_placed(self, write, changed, message):
        good = {"text": "a b", "slots": ["O", "B-x"], "intent": "i"}
        path = write([good, {**good, **changed}])
        assert error_of(path).startswith("PATH, row 2" + message)
        assert read_intents(path, skip_bad_rows=True).rows == [1]

    def test_a_missing_field(self, write):
        assert "no field for 'intent' (looked for intent, intents, label)" in error_of(
            write([{"text": "a", "slots": ["O"]}])
        )


def test_a_text_file_is_read_to_predict_on(write):
    path = write(["fly to Rome", "play it"], "a.txt")
    assert read_intents(path, require_target=False).features == {"tokens": [["fly", "to", "Rome"], ["play", "it"]]}
    assert error_of(path).startswith("PATH: no known form of utterances with intents; expected a directory with seq.in")


def test_a_path_that_is_not_there(tmp_path):
    assert error_of(str(tmp_path / "none")).startswith("PATH: there is no such file or directory")


@pytest.mark.parametrize("name, rows, words, intents, doubles", [
    ("atis/train", 4478, 50497, 17, 23),
    ("atis/dev", 500, 5703, 14, 3),
    ("snips/dev", 700, 6384, 7, 0),
    ("snips/train", 13084, 117700, 7, 0),
])  # fmt: skip
def test_published_files_have_their_published_counts(shared_data, name, rows, words, intents, doubles):
    records = read_intents(shared_data / name)
    assert (len(records), sum(map(len, records.features["tokens"]))) == (rows, words)
    assert len({intent for names, _ in records.targets for intent in names}) == intents
    assert sum(len(names) > 1 for names, _ in records.targets) == doubles
    assert (records.scheme, records.repaired) == ("BIO", 0)
