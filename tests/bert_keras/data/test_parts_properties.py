"""Whatever the size of its parts, a file that is read part by part gives what it gives as a whole: the same records
with the same rows, the same rows left out, the same refusals.
"""

import gzip
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bert_keras.data.intents import intent_parts, read_intents
from bert_keras.data.propbank import propbank_parts, read_propbank
from bert_keras.data.readers import read_table, table_parts
from bert_keras.data.squad import read_squad, squad_parts
from bert_keras.data.tagged import read_tagged, tagged_parts
from bert_keras.errors import BadInput

sizes, zipped = st.integers(1, 120), st.booleans()
rounds = settings(max_examples=120, deadline=None)


def written(folder, name, lines, zip_it=False):
    content = "".join(lines).encode() if lines and isinstance(lines[0], str) else b"".join(lines)
    path = folder.getbasetemp() / name
    path.write_bytes(gzip.compress(content) if zip_it else content)
    return path


def sentence_of(function, *args, **kwargs):
    """The refusal; None where there is none."""
    try:
        function(*args, **kwargs)
    except BadInput as error:
        return str(error)
    return None


def check_parts(read, parts_of, path, size):
    """Reads a file as a whole and in parts; returns how many parts there are."""
    try:
        whole = read(path, skip_bad_rows=True)
    except BadInput:
        assume(False)
    # Between processes what was found travels as JSON.
    of_file = json.loads(json.dumps(whole.of_file))
    parts = [part.of_whole(of_file) for part in parts_of(path, size)]
    read_parts = [read(part, skip_bad_rows=True) for part in parts]
    for role, values in whole.features.items():
        assert [value for some in read_parts for value in some.features[role]] == values
    assert [target for some in read_parts for target in some.targets] == whole.targets
    assert [row for some in read_parts for row in some.rows] == whole.rows
    assert sorted(message for some in read_parts for message in some.skipped) == sorted(whole.skipped)
    if hasattr(whole, "repaired"):
        assert sum(some.repaired for some in read_parts) == whole.repaired
        assert next((some.first_repaired for some in read_parts if some.repaired), "") == whole.first_repaired
    assert {some.source for some in read_parts} == {whole.source}
    refusal, refusals = sentence_of(read, path), [sentence_of(read, part) for part in parts]
    assert (refusal is None) == (not any(refusals)) == (not whole.skipped)
    assert {sentence for sentence in (refusal, *refusals) if sentence} <= set(whole.skipped)
    return len(parts)


# === Words with tags ===

word_lines = st.sampled_from(
    ["ada\tB-PER\n", "lee\tI-PER\n", "in\tO\n", "rome\tB-LOC\r\n", "x\tE-PER\n", "y\tS-LOC\n", "née\tI-LOC\n"]
)
bad_lines = st.sampled_from(["only\n", "z\tQ-PER\n", "\tO\n"])
ends = st.sampled_from(["\n", "\r\n", " \t\n", "\n\n", "-DOCSTART-\tO\n"])


@rounds
@given(st.lists(word_lines | word_lines | ends | ends | bad_lines, max_size=30), sizes, zipped)
def test_conll(tmp_path_factory, lines, size, zip_it):
    path = written(tmp_path_factory, "words.conll", ["the\tO\n", *lines], zip_it)
    check_parts(read_tagged, tagged_parts, path, size)


tags = st.sampled_from(["O", "B-A", "I-A", "I-B", "E-A", "S-A", "no tag", 3])
sentences = st.lists(st.sampled_from(["ada", "née", "\u3000", ""]), max_size=4).flatmap(
    lambda words: st.fixed_dictionaries(
        {
            "tokens": st.just(words),
            "tags": st.lists(tags, min_size=len(words), max_size=len(words) + (not words)),
        }
    )
)
text_spans = st.fixed_dictionaries(
    {
        "text": st.sampled_from(["ada went", "née", " "]),
        "spans": st.lists(st.sampled_from([[0, 3, "PER"], [4, 8, "X"], [2, 1, "X"]]), max_size=2),
    }
)
broken = st.sampled_from(["{", "[]", "", "  ", '{"id": 1}'])


def json_lines(objects):
    return st.lists(objects.map(lambda value: json.dumps(value, ensure_ascii=False)) | broken, max_size=12)


@rounds
@given(json_lines(sentences) | json_lines(text_spans), sizes, zipped)
def test_tags_and_spans_in_json_lines(tmp_path_factory, lines, size, zip_it):
    path = written(tmp_path_factory, "words.jsonl", [line + "\n" for line in lines], zip_it)
    check_parts(read_tagged, tagged_parts, path, size)


# === Semantic roles ===


def predicate_rows(layout, style):
    """A sentence of CoNLL-U columns; some of them have too few columns of roles."""
    flag, columns = layout
    values = {
        "heads": ["_", "A0", "A1"],
        "tags": ["O", "B-A0", "I-A0", "I-A1", "E-A0"],
        "brackets": ["*", "(A0*", "*)", "(A1*)"],
    }

    @st.composite
    def sentence(draw):
        words = draw(st.integers(1, 4))
        marks = draw(st.lists(st.booleans(), min_size=words, max_size=words))
        width = sum(marks) - draw(st.sampled_from([0, 0, 0, 1])) * any(marks)
        rows = []
        for number, mark in enumerate(marks, start=1):
            sense = ["Y", "go.01"] if mark else ["_", "_"]
            sense = sense if flag else sense[1:]
            syntax = [str(number), "née"] + ["_"] * (columns - 2)
            rows.append("\t".join([*syntax, *sense, *(draw(st.sampled_from(values[style])) for _ in range(width))]))
        return "# text\n" * draw(st.integers(0, 1)) + "\n".join(rows) + "\n" + draw(st.sampled_from(["\n", "\n\n"]))

    return sentence()


propbanks = st.tuples(
    st.sampled_from([(False, 10), (True, 8), (True, 10)]), st.sampled_from(["heads", "tags", "brackets"])
).flatmap(lambda how: st.lists(predicate_rows(*how), min_size=1, max_size=8))


@rounds
@given(propbanks, sizes, zipped)
def test_propbank(tmp_path_factory, lines, size, zip_it):
    check_parts(read_propbank, propbank_parts, written(tmp_path_factory, "roles.conllu", lines, zip_it), size)


def test_what_only_another_part_shows_is_known_to_each(tmp_path):
    """A part without a role of another style, and one that has no predicate in the columns that tell the layout."""
    head, tagged = "1\tgo\t" + "_\t" * 8 + "go.01\t{}\n\n", "B-A0"
    path = tmp_path / "roles.conllu"
    path.write_text("".join(map(head.format, ["O", tagged, "_"])))
    assert check_parts(read_propbank, propbank_parts, path, size=10) == 3


# === Utterances ===

utterances = st.tuples(
    st.sampled_from(["go", "go to rome", "", "née"]),
    st.sampled_from(["O", "O O B-X", "", "I-X", "S-X", "Q"]),
    st.sampled_from(["fly", "fly#ask", ""]),
)


@rounds
@given(st.lists(utterances, min_size=1, max_size=12), sizes, zipped)
def test_three_files_of_utterances(tmp_path_factory, rows, size, zip_it):
    folder = tmp_path_factory.getbasetemp() / "utterances"
    folder.mkdir(exist_ok=True)
    for name, lines in zip(("seq.in", "seq.out", "label"), zip(*rows)):
        content = "".join(line + "\n" for line in lines).encode()
        (folder / name).write_bytes(gzip.compress(content) if zip_it and name != "label" else content)
    check_parts(read_intents, intent_parts, folder, size)


@rounds
@given(
    json_lines(sentences.map(lambda row: {"tokens": row["tokens"], "slots": row["tags"], "intent": "fly"})),
    sizes,
)
def test_utterances_in_json_lines(tmp_path_factory, lines, size):
    good = '{"tokens": ["go"], "slots": ["O"], "intent": "fly"}'
    path = written(tmp_path_factory, "utterances.jsonl", [line + "\n" for line in (good, *lines)])
    check_parts(read_intents, intent_parts, path, size)


# === Questions ===

answers = st.sampled_from([[], [{"text": "ada", "answer_start": 0}], [{"text": "née", "answer_start": 1}], ["x"], None])
questions = st.fixed_dictionaries(
    {
        "id": st.integers(1, 12).map(str),
        "question": st.sampled_from(["who", "né?", " "]),
        "answers": answers,
    }
)
contexts = st.sampled_from(["ada née lee", "ada", ""])
paragraphs = st.fixed_dictionaries({"context": contexts, "qas": st.lists(questions | st.just(1), max_size=3)})
articles = st.fixed_dictionaries({"paragraphs": st.lists(paragraphs | st.just({"qas": 2}), max_size=3)})


good = {"paragraphs": [{"context": "ada", "qas": [{"id": "0", "question": "who", "answers": []}]}]}


@rounds
@given(st.lists(articles | st.just([]), max_size=4), sizes, zipped)
def test_squad(tmp_path_factory, data, size, zip_it):
    path = written(tmp_path_factory, "questions.json", [json.dumps({"data": [good, *data]}, indent=1)], zip_it)
    check_parts(read_squad, squad_parts, path, size)


@rounds
@given(json_lines(st.tuples(questions, contexts).map(lambda pair: {**pair[0], "context": pair[1]})), sizes, zipped)
def test_questions_in_json_lines(tmp_path_factory, lines, size, zip_it):
    path = written(tmp_path_factory, "questions.jsonl", [line + "\n" for line in lines], zip_it)
    check_parts(read_squad, squad_parts, path, size)


# === Tables ===


def check_table(path, size, header=True, quoted=None, columns=None):
    """Rows are read in order, so that the first refusal of the parts is that of the whole."""

    def read(source):
        return read_table(source, columns or {"text": None, "label": None}, header, quoted, ("text",))

    parts = list(table_parts(path, quoted, size))
    refusal = sentence_of(read, path)
    if refusal:
        found = [sentence for sentence in (sentence_of(read, part) for part in parts) if sentence]
        # A file without any row is refused as a whole only.
        assert found[:1] == [refusal] or "rows" in refusal or "empty" in refusal
        return len(parts)
    whole, tables = read(path), [read(part) for part in parts]
    assert [row for table in tables for row in table.rows] == whole.rows
    for role, values in whole.columns.items():
        assert [value for table in tables for value in table.columns[role]] == values
    assert all(table.fields == whole.fields for table in tables)
    return len(parts)


fields = st.sampled_from(['"a,\n""b"', "plain", 'a "quote" inside', "née", '"\r\n,"', "", '"never ends', "x,y"])
csv_rows = st.lists(st.tuples(fields, fields).map(",".join) | st.sampled_from(["", "one", "\ufeff"]), max_size=10)


@rounds
@given(csv_rows, sizes, zipped, st.booleans(), st.sampled_from(["", "\ufeff", "\n\n"]))
def test_quoted_csv(tmp_path_factory, rows, size, zip_it, header, start):
    lines = [start, 'text,"label\n"\n' if header else "1,2\n", *(row + "\n" for row in rows)]
    path = written(tmp_path_factory, "table.csv", lines, zip_it)
    check_table(path, size, header, columns={"text": 1, "label": 2})


@rounds
@given(
    st.lists(st.sampled_from(["a\tb", "a", "", '"\tc', "\t"]), max_size=10), sizes, st.sampled_from(["text", "1\t2"])
)
def test_plain_tsv(tmp_path_factory, rows, size, head):
    path = written(tmp_path_factory, "table.tsv", [head + "\n", *(row + "\r\n" for row in rows)])
    check_table(path, size, columns={"text": 1})


@rounds
@given(json_lines(st.sampled_from([{"text": "a"}, {"text": "née", "label": 1}, {"text": 2}, {"label": 1}])), sizes)
def test_tables_in_json_lines(tmp_path_factory, lines, size):
    check_table(written(tmp_path_factory, "table.jsonl", [line + "\n" for line in lines]), size)


@rounds
@given(st.lists(st.sampled_from([b"ada,1\n", b"\xc3\xa9,1\n", b"\xff,1\n", b'"\x00",1\n']), max_size=8), sizes, zipped)
def test_bytes_that_are_no_text(tmp_path_factory, rows, size, zip_it):
    check_table(written(tmp_path_factory, "bytes.csv", [b"text,label\n", *rows], zip_it), size)


@pytest.mark.parametrize("zip_it", [False, True])
def test_parts_have_about_the_size_that_was_asked_for_and_hold_only_themselves(tmp_path_factory, zip_it):
    path = written(tmp_path_factory, "even.csv", ['"a\nb",1\n'] * 1000, zip_it)
    parts = list(table_parts(path, size=800))
    assert [part.end - part.begin for part in parts] == [800] * 10
    assert [part.first_row for part in parts] == list(range(1, 2000, 200))
    assert {type(part.data) for part in parts} == {bytes if zip_it else type(None)}
