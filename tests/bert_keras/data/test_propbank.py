"""Semantic roles: where the columns are, three ways to write a role, and every defect with its row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.propbank import read_propbank
from bert_keras.data.tags import bio_of
from bert_keras.errors import BadInput

WORDS = ("Ada", "wants", "to", "win")


def lines(*columns, words=WORDS, syntax=10, fill="_"):
    """CoNLL-U lines of these words: columns from 11 on as given, one sequence per column."""
    out = []
    for number, word in enumerate(words):
        fields = [str(number + 1), word] + [fill] * (syntax - 2) + [column[number] for column in columns]
        out.append("\t".join(fields))
    return out


SENSE = ("_", "want.01", "_", "win.01")
ROLES = (("ARG0", "V", "_", "ARG1"), ("ARG0", "_", "_", "V"))
EXPECTED = [["B-ARG0", "B-V", "O", "B-ARG1"], ["B-ARG0", "O", "O", "B-V"]]


@pytest.fixture
def write(tmp_path):
    def write(rows, name="a.conllu"):
        path = tmp_path / name
        path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n", "utf-8")
        return str(path)

    return write


def error_of(path, **options):
    with pytest.raises(BadInput) as caught:
        read_propbank(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(path, "FILE")


class TestLayouts:
    @pytest.mark.parametrize("rows, mark", [
        (lines(SENSE, *ROLES), "11"),
        (lines(("_", "Y", "_", "Y"), SENSE, *ROLES), "11"),
        (lines(("_", "Y", "_", "Y"), SENSE, *ROLES, syntax=8), "9"),
    ])  # fmt: skip
    def test_a_record_per_predicate(self, write, rows, mark):
        records = read_propbank(write(["# text = Ada wants to win", *rows]))
        assert records.features == {"tokens": [list(WORDS)] * 2, "predicate": [1, 3]}
        assert records.targets == EXPECTED
        assert (records.rows, records.fields) == ([3, 5], {"tokens": "2", "predicate": mark})

    def test_a_flagged_predicate_needs_no_sense(self, write):
        path = write(lines(("_", "Y", "_", "_"), ("_",) * 4, ROLES[0], syntax=8))
        assert read_propbank(path).targets == EXPECTED[:1]

    def test_sentences_without_a_predicate_give_no_record(self, write):
        rows = [*lines(), "", *lines(("_",) * 4, ("",) * 4), "", *lines(SENSE, *ROLES), "", *lines(("_",) * 4)]
        assert read_propbank(write(rows)).rows == [12, 14]

    def test_ranges_and_empty_nodes_are_left_out(self, write):
        rows = lines(SENSE, *ROLES)
        rows[1:1] = ["2-3\twants-to\t_", "2.1\thas\t_\t_\t_\t_\t_\t_\t_\t_\t\t"]
        records = read_propbank(write(rows))
        assert (records.features["predicate"], records.rows, records.targets) == ([1, 3], [4, 6], EXPECTED)

    def test_prediction_reads_no_roles(self, write):
        records = read_propbank(write(lines(SENSE)), require_target=False)
        assert (records.features["predicate"], records.targets) == ([1, 3], None)


class TestStyles:
    def test_brackets(self, write):
        first = ("(ARG0*)", "(V*)", "(ARG1*", "*)")
        second = ("(ARG0)", "_", "*", "(V*)")
        assert read_propbank(write(lines(SENSE, first, second))).targets == [
            ["B-ARG0", "B-V", "B-ARG1", "I-ARG1"],
            ["B-ARG0", "O", "O", "B-V"],
        ]

    @pytest.mark.parametrize("letters", ["BI", "BE"])
    def test_tags_of_a_scheme(self, write, letters):
        first = ("O", "_", f"{letters[0]}-ARG1", f"{letters[1]}-ARG1")
        assert read_propbank(write(lines(SENSE, first, ("O",) * 4))).targets == [
            ["O", "O", "B-ARG1", "I-ARG1"],
            ["O"] * 4,
        ]

    def test_roles_that_go_on_keep_their_names(self, write):
        path = write(lines(SENSE, ("R-ARG0", "V", "C-ARG1", "_"), ROLES[1]))
        assert read_propbank(path).targets[0] == ["B-R-ARG0", "B-V", "B-C-ARG1", "O"]

    @given(st.data())
    def test_spans_written_in_brackets_come_back(self, tmp_path_factory, data):
        spans, word = [("V", 0, 1)], 1
        for _ in range(data.draw(st.integers(0, 3))):
            begin = word + data.draw(st.integers(0, 2))
            word = begin + data.draw(st.integers(1, 3))
            spans.append((data.draw(st.sampled_from(["A0", "AM-TMP", "C-A1"])), begin, word))
        column = ["*"] * word
        for role, begin, end in spans:
            column[begin] = f"({role}" + column[begin]
            column[end - 1] += ")"
        words = [f"w{number}" for number in range(word)]
        path = tmp_path_factory.getbasetemp() / "brackets.conllu"
        path.write_text("\n".join(lines(["go.01"] + ["_"] * (word - 1), column, words=words)), "utf-8")
        assert read_propbank(path).targets == [bio_of(spans, word)]


class TestDefects:
    @pytest.mark.parametrize("columns, message", [
        ((SENSE, ROLES[0]), "FILE, row 6: 1 columns of roles (from column 12) and 2 predicates (in column 11); "
         "expected one per predicate: mend the sentence"),
        ((SENSE, *ROLES, ROLES[0]), "FILE, row 6: 3 columns of roles (from column 12) and 2 predicates (in column 11); "
         "expected one per predicate: mend the sentence"),
        ((("_",) * 4, ROLES[0]), "FILE, row 6: 1 columns of roles (from column 12) and 0 predicates (in column 11); "
         "expected one per predicate: mend the sentence"),
    ])  # fmt: skip
    def test_columns_and_predicates_must_agree(self, write, columns, message):
        path = write([*lines(SENSE, *ROLES), "", *lines(*columns)])
        assert error_of(path) == message
        records = read_propbank(path, skip_bad_rows=True)
        assert (records.rows, [text.replace(path, "FILE") for text in records.skipped]) == ([2, 4], [message])

    def test_a_ragged_row(self, write):
        rows = lines(SENSE, *ROLES)
        rows[2] += "\t_"
        assert error_of(write(rows)) == (
            "FILE, row 3: 14 columns; expected 13 as in the first row of the sentence, parted by tabs: mend the row"
        )

    def test_a_missing_word(self, write):
        assert error_of(write(lines(SENSE, *ROLES, words=("a", "b", "", "d")))).startswith(
            "FILE, row 3, field '2': the word is missing;"
        )

    @pytest.mark.parametrize("column, message", [
        (("(A0*", "(V*)", "*)", "*"), "FILE, row 2, field '12': '(V*)' does not fit; expected brackets that open"),
        (("(A0*)", "*)", "*", "*"), "FILE, row 2, field '12': '*)' does not fit"),
        (("(A0*)", "ARG1", "*", "*"), "FILE, row 2, field '12': 'ARG1' does not fit"),
        (("(A0*", "*", "*", "*"), "FILE, row 4, field '12': the bracket of 'A0' is never closed; expected '*)'"),
    ])  # fmt: skip
    def test_brackets_that_do_not_fit(self, write, column, message):
        assert error_of(write(lines(("_", "go.01", "_", "_"), column))).startswith(message)

    def test_a_tag_that_does_not_fit(self, write):
        path = write(lines(("_", "go.01", "_", "_"), ("B-A0", "O", "ARG1", "_")))
        assert error_of(path).startswith("FILE, row 3, field '12': 'ARG1' is no tag; expected O")

    def test_a_file_without_predicates(self, write):
        assert error_of(write(lines(("_",) * 4))) == "FILE: the file holds no predicate; expected at least one"

    def test_an_unknown_ending(self, write):
        assert error_of(write(["a"], "a.xml")).startswith(
            "FILE: the file ending names no known format; expected .conllu"
        )


class TestJson:
    GOOD = {"tokens": ["Ada", "wins"], "predicate": 1, "tags": ["B-A0", "O"]}

    def test_a_line_is_a_record(self, write):
        records = read_propbank(write([self.GOOD], "a.jsonl"))
        assert records.features == {"tokens": [["Ada", "wins"]], "predicate": [1]}
        assert (records.targets, records.rows) == ([["B-A0", "O"]], [1])

    def test_prediction_needs_no_tags(self, write):
        path = write([{"words": ["Ada", "wins"], "predicate": 1}], "a.jsonl")
        assert read_propbank(path, require_target=False).targets is None

    @pytest.mark.parametrize("changed, message", [
        ({"predicate": 2}, ", field 'predicate': 2; expected the position of the predicate among the tokens, from 0"),
        ({"predicate": -1}, ", field 'predicate': -1; expected the position"),
        ({"predicate": True}, ", field 'predicate': True; expected the position"),
        ({"predicate": "1"}, ", field 'predicate': '1'; expected the position"),
        ({"tags": ["O"]}, ", field 'tags': 1 tags for 2 tokens; expected one tag per token"),
        ({"tags": ["O", "A1"]}, ", field 'tags', tag 2: 'A1' is no tag"),
        ({"tokens": []}, ", field 'tokens': the sentence is empty"),
    ])  # fmt: skip
    def test_defects_are_placed(self, write, changed, message):
        path = write([self.GOOD, {**self.GOOD, **changed}], "a.jsonl")
        assert error_of(path).startswith("FILE, row 2" + message)
        assert read_propbank(path, skip_bad_rows=True).rows == [1]


@pytest.mark.parametrize("name, predicates, sentences, mark", [
    ("en_ewt-dev", 4977, 1536, "11"),
    ("en_ewt-test", 4799, 1538, "11"),
    ("zh-dev", 1257, 453, "9"),
    ("zh-test", 1265, 463, "9"),
])  # fmt: skip
def test_published_files_have_these_counts(shared_data, name, predicates, sentences, mark):
    records = read_propbank(shared_data / f"universal_propbank/{name}.conllu.gz")
    assert (len(records), len({id(tokens) for tokens in records.features["tokens"]})) == (predicates, sentences)
    assert (records.fields["predicate"], records.scheme, records.repaired) == (mark, "BIO", 0)
