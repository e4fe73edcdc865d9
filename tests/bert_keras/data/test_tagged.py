"""Sentences with tags or spans: three forms of file, one form of record, and every defect with its place."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.tagged import read_tagged
from bert_keras.data.tags import bio_of
from bert_keras.errors import BadInput


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if isinstance(content, list):
            content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def error_of(path, **options):
    with pytest.raises(BadInput) as caught:
        read_tagged(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(path, "FILE")


class TestConll:
    @pytest.mark.parametrize("name", ["a.conll", "a.txt", "A.IOB", "a.iob2", "a.bio", "a.tsv", "a.conllu", "a.txt.gz"])
    def test_endings_that_mean_columns(self, write, name):
        body = b"Ada B-PER\nspoke O\n\nHi O\n"
        records = read_tagged(write(name, gzip.compress(body) if name.endswith("gz") else body))
        assert records.features == {"tokens": [["Ada", "spoke"], ["Hi"]]}
        assert records.targets == [["B-PER", "O"], ["O"]]
        assert (records.rows, records.fields) == ([1, 4], {"tokens": "1", "tags": "2"})
        assert (records.scheme, records.repaired, records.skipped) == ("BIO", 0, ())

    @pytest.mark.parametrize("tags, scheme", [
        (["I-PER", "I-PER", "B-PER", "O", "I-LOC"], "IOB1"),
        (["B-PER", "E-PER", "S-PER", "O", "S-LOC"], "BIOES"),
        (["B-PER", "L-PER", "U-PER", "O", "U-LOC"], "BILOU"),
    ])  # fmt: skip
    def test_any_scheme_becomes_bio(self, write, tags, scheme):
        records = read_tagged(write("a.conll", [f"w {tag}" for tag in tags]))
        assert records.targets == [["B-PER", "I-PER", "B-PER", "O", "B-LOC"]]
        assert (records.scheme, records.repaired) == (scheme, 0)

    def test_a_beginning_with_i_in_bio_is_repaired_and_counted(self, write):
        records = read_tagged(write("a.conll", ["a B-PER", "b I-LOC", "c O", "d I-LOC", "e I-LOC"]))
        assert records.targets == [["B-PER", "B-LOC", "O", "B-LOC", "I-LOC"]]
        assert (records.scheme, records.repaired) == ("BIO", 2)

    @pytest.mark.parametrize("columns", [{"tokens": 2, "tags": 1}, {"tokens": "2", "tags": "-3"}])
    def test_columns_are_chosen_by_number(self, write, columns):
        records = read_tagged(write("a.conll", ["O a x"]), columns=columns)
        assert (records.features["tokens"], records.targets) == ([["a"]], [["O"]])

    def test_a_column_has_no_name(self, write):
        assert error_of(write("a.conll", ["a O"]), columns={"tags": "ner"}) == (
            "FILE: column 'ner' for 'tags' is a name, and CoNLL columns have none; expected a number from 1, or from "
            "-1 counted from the end"
        )

    def test_an_unknown_role(self, write):
        message = error_of(write("a.conll", ["a O"]), columns={"tag": 2})
        assert message.startswith("there is no column role 'tag' (did you mean 'tags'?); expected one of tokens, tags,")

    def test_a_file_that_mixes_schemes(self, write):
        message = error_of(write("a.conll", ["a O", "b I-PER", "", "c S-LOC"]))
        assert message == "FILE, row 2, field '2': 'I-PER' after 'O' is not BIOES; expected B-PER or S-PER"

    def test_a_stray_tag_of_another_scheme(self, write):
        message = error_of(write("a.conll", ["a B-PER", "b I-PER", "", "c B-LOC", "", "d O", "e E-LOC"]))
        assert message == (
            "FILE, row 7, field '2': 'E-LOC' does not fit the scheme BIO of the other tags; expected O or one of B-, "
            "I-: write all tags in one scheme"
        )

    @pytest.mark.parametrize("tag", ["X-PER", "B-", "PER"])
    def test_what_is_no_tag(self, write, tag):
        assert error_of(write("a.conll", ["a x O", "", f"b x {tag}"])).startswith(
            f"FILE, row 3, field '3': {tag!r} is no tag; expected O, or a letter"
        )

    def test_an_empty_tag(self, write):
        assert error_of(write("a.conll", ["a\tO", "b\t"])).startswith("FILE, row 2, field '2': '' is no tag;")

    def test_bad_sentences_are_left_out_on_demand(self, write):
        path = write("a.conll", ["a B-PER", "", "b X-PER", "", "c", "", "d O"])
        records = read_tagged(path, skip_bad_rows=True)
        assert (records.features["tokens"], records.rows) == ([["a"], ["d"]], [1, 7])
        assert [message.split(":")[0].replace(path, "FILE") for message in records.skipped] == [
            "FILE, row 5",
            "FILE, row 3, field '2'",
        ]

    def test_no_good_sentence_left(self, write):
        message = error_of(write("a.conll", ["a X"]), skip_bad_rows=True)
        assert message.startswith("FILE: no good sentence is left, 1 bad ones were left out; expected at least one: ")
        assert "FILE, row 1, field '2': 'X' is no tag" in message

    def test_an_unknown_ending(self, write):
        assert error_of(write("a.xml", "a O")).startswith(
            "FILE: the file ending names no known format; expected .conll"
        )


class TestPrediction:
    def test_tags_are_not_read(self, write):
        records = read_tagged(write("a.conll", ["Ada NNP", "b X-", "", "c y"]), require_target=False)
        assert (records.features, records.targets) == ({"tokens": [["Ada", "b"], ["c"]]}, None)

    def test_one_column_is_enough(self, write):
        assert read_tagged(write("a.conll", "Ada\nb\n"), require_target=False).features["tokens"] == [["Ada", "b"]]

    def test_a_text_file_is_one_text_a_line(self, write):
        records = read_tagged(write("a.txt", "Ada spoke\tto us.\nHello\n\n"), require_target=False)
        assert (records.features, records.targets) == ({"text": ["Ada spoke\tto us.", "Hello"]}, None)
        assert records.rows == [1, 2]

    def test_a_text_file_whose_lines_end_in_tags_holds_columns(self, write):
        for separator, between in ((None, " "), (None, "\t"), ("\t", "\t"), ("|", "|")):
            path = write("a.txt", [f"Ada{between}B-PER", f"b{between}O", "", f"c{between}O"])
            records = read_tagged(path, separator=separator, require_target=False)
            assert records.features == {"tokens": [["Ada", "b"], ["c"]]}

    def test_a_blank_line_between_texts(self, write):
        path = write("a.txt", "a b\n\n\nc d\n")
        assert error_of(path, require_target=False).startswith("FILE, row 2: the text is empty;")
        assert read_tagged(path, require_target=False, skip_bad_rows=True).rows == [1, 4]

    def test_json_needs_no_target(self, write):
        assert read_tagged(write("a.jsonl", [{"words": ["a"]}]), require_target=False).features == {"tokens": [["a"]]}
        assert read_tagged(write("a.jsonl", [{"text": "a"}]), require_target=False).features == {"text": ["a"]}


class TestJsonTokens:
    @pytest.mark.parametrize("tokens", ["tokens", "words"])
    @pytest.mark.parametrize("tags", ["tags", "ner_tags", "labels"])
    def test_names_of_the_fields(self, write, tokens, tags):
        records = read_tagged(write("a.jsonl", [{tokens: ["Ada", "\u00a0"], tags: ["S-PER", "O"]}]))
        assert records.features == {"tokens": [["Ada", "\u00a0"]]}
        assert (records.targets, records.fields) == ([["B-PER", "O"]], {"tokens": tokens, "tags": tags})

    def test_fields_are_chosen_by_name(self, write):
        path = write("a.jsonl", [{"id": 1, "w": ["a"], "y": ["O"]}])
        assert read_tagged(path, columns={"tokens": "w", "tags": "y"}).targets == [["O"]]

    @pytest.mark.parametrize("record, message", [
        ({"tokens": ["a", "b"], "tags": ["O"]}, ", field 'tags': 1 tags for 2 tokens; expected one tag per token"),
        ({"tokens": ["a"], "tags": "O"}, ", field 'tags': 'O' is no list; expected a list of tags, one per token"),
        ({"tokens": ["a"], "tags": [3]}, ", field 'tags', tag 1: 3 is no text; expected the name of a tag"),
        ({"tokens": ["a"]}, ", field 'tags': the field is missing; expected it in every row"),
        ({"tokens": "a", "tags": ["O"]}, ", field 'tokens': 'a' is no list; expected a list of words"),
        ({"tokens": [], "tags": []}, ", field 'tokens': the sentence is empty; expected at least one token"),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, ", field 'tokens', token 2: the text is empty"),
        ({"tokens": ["a", 5], "tags": ["O", "O"]}, ", field 'tokens', token 2: 5 is a number; expected text"),
        ({"tokens": ["a", None], "tags": ["O", "O"]}, ", field 'tokens', token 2: the text is missing (null)"),
        ({"tokens": ["\ud800"], "tags": ["O"]}, ", field 'tokens', token 1: the text holds half a surrogate pair"),
        ({"tokens": ["a", "b"], "tags": ["O", "Q"]}, ", field 'tags', tag 2: 'Q' is no tag; expected O"),
        ('{"tokens": ["a"],', ": no JSON (Expecting property name enclosed in double quotes at character 18)"),
        ("[1]", ": [1] is no JSON object; expected one JSON object a line"),
    ])  # fmt: skip
    def test_defects_are_placed(self, write, record, message):
        path = write("a.jsonl", [{"tokens": ["a"], "tags": ["O"]}, "", record])
        assert error_of(path).startswith("FILE, row 3" + message)
        records = read_tagged(path, skip_bad_rows=True)
        assert (len(records), len(records.skipped)) == (1, 1)
        assert records.skipped[0].replace(path, "FILE").startswith("FILE, row 3" + message)

    def test_tags_without_tokens(self, write):
        assert "no column for 'tokens' (looked for tokens, words)" in error_of(write("a.jsonl", [{"tags": ["O"]}]))

    def test_an_empty_file(self, write):
        assert error_of(write("a.jsonl", "\n")) == "FILE: the file holds no record; expected at least one"


class TestJsonSpans:
    @pytest.mark.parametrize("field", ["spans", "entities", "labels", "label"])
    @pytest.mark.parametrize("span", [
        {"begin": 4, "end": 7, "label": "PER"}, {"start": 4, "end": 7, "type": "PER"}, [4, 7, "PER"],
    ])  # fmt: skip
    def test_forms_of_a_span(self, write, field, span):
        records = read_tagged(write("a.jsonl", [{"text": "Hi, Ada", field: [span]}, {"text": "no", field: []}]))
        assert records.fields == {"text": "text", "spans": field}
        assert records.features == {"text": ["Hi, Ada", "no"]}
        assert records.targets == [[(4, 7, "PER")], []]

    def test_spans_are_sorted_and_may_touch(self, write):
        record = {"text": "abcd", "spans": [[2, 4, "Y"], [0, 2, "X"]]}
        assert read_tagged(write("a.jsonl", [record])).targets == [[(0, 2, "X"), (2, 4, "Y")]]

    def test_offsets_are_characters(self, write):
        record = {"text": "😀 é Ada", "spans": [[4, 7, "PER"]]}
        ((begin, end, _),) = read_tagged(write("a.jsonl", [record])).targets[0]
        assert record["text"][begin:end] == "Ada"

    @pytest.mark.parametrize("spans, message", [
        ([[0, 1, "X"], [3, 3, "X"]], ", span 2: [3, 3) is empty; expected an end after"),
        ([[2, 1, "X"]], ", span 1: [2, 1) is empty"),
        ([[0, 5, "X"]], ", span 1: [0, 5) is outside of the text, which has 4 characters; expected offsets"),
        ([[-1, 2, "X"]], ", span 1: [-1, 2) is outside of the text"),
        ([[2, 4, "Y"], [0, 3, "X"]], ": span 2 [0, 3) and span 1 [2, 4) overlap; expected spans apart from each other"),
        ([[0, 1, "X"], [0, 1, "Y"]], ": span 1 [0, 1) and span 2 [0, 1) overlap"),
        ([[0, 1]], ', span 1: [0, 1]; expected {"begin": number, "end": number, "label": "name"} or [begin,'),
        ([[0, 1, ""]], ", span 1: [0, 1, '']; expected"),
        ([[0, True, "X"]], ", span 1: [0, True, 'X']; expected"),
        ([{"begin": 0, "label": "X"}], ", span 1: {'begin': 0, 'label': 'X'}; expected"),
        (["X"], ", span 1: 'X'; expected"),
        (None, ": None is no list; expected a list of spans, [] where there is none"),
    ])  # fmt: skip
    def test_defects_are_placed(self, write, spans, message):
        path = write("a.jsonl", [{"text": "good", "spans": []}, {"text": "four", "spans": spans}])
        assert error_of(path).startswith("FILE, row 2, field 'spans'" + message)
        assert read_tagged(path, skip_bad_rows=True).rows == [1]

    def test_an_empty_text(self, write):
        assert error_of(write("a.jsonl", [{"text": " ", "spans": []}])).startswith(
            "FILE, row 1, field 'text': the text is empty;"
        )


words = st.text("ab\u3000é😀", min_size=1, max_size=3)


@given(st.lists(st.lists(st.tuples(words, st.booleans()), min_size=1, max_size=6), min_size=1, max_size=4))
def test_columns_and_json_give_the_same_records(tmp_path_factory, drawn):
    folder = tmp_path_factory.getbasetemp()
    rows = []
    for sentence in drawn:
        spans = [("X", i, i + 1) for i, (_, inside) in enumerate(sentence) if inside]
        rows.append(([word for word, _ in sentence], bio_of(spans, len(sentence))))
    lines = ["".join(f"{word}\t{tag}\n" for word, tag in zip(*row)) for row in rows]
    (folder / "same.conll").write_text("\n".join(lines), "utf-8")
    (folder / "same.jsonl").write_text("\n".join(json.dumps({"tokens": w, "tags": t}) for w, t in rows), "utf-8")
    columns, objects = read_tagged(folder / "same.conll"), read_tagged(folder / "same.jsonl")
    assert columns.features == objects.features == {"tokens": [w for w, _ in rows]}
    assert columns.targets == objects.targets == [t for _, t in rows]


def test_a_slice_keeps_what_is_known_of_the_file(write):
    records = read_tagged(write("a.conll", ["a S-X", "", "b O", "", "c O"])).slice(1)
    assert (records.rows, records.targets, records.scheme) == ([3, 5], [["O"], ["O"]], "BIOES")


@pytest.mark.parametrize("name, sentences, tokens, repaired", [
    ("conll2003/train.txt", 14041, 203621, 0),
    ("wnut17/train.conll", 3394, 62730, 0),
    ("wnut17/dev.conll", 1009, 15733, 0),
    ("msra_ner/test.txt", 4631, 172601, 11),
    ("weibo_ner/train.txt", 1350, 73778, 10),
    ("weibo_ner/test.txt", 270, 14842, 4),
    ("wikiann_fr/dev.conll.gz", 10000, 68220, 0),
    ("wikiann_de/dev.conll.gz", 10000, 97805, 0),
])  # fmt: skip
def test_published_files_are_read_as_bio(shared_data, name, sentences, tokens, repaired):
    records = read_tagged(shared_data / name)
    assert (len(records), sum(map(len, records.targets))) == (sentences, tokens)
    assert (records.scheme, records.repaired) == ("BIO", repaired)
