"""CoNLL columns: how lines part, which column is which, and every defect with its row."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.conll import read_conll
from bert_keras.errors import BadInput


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.conll"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def read(path, **options):
    return [(s.tokens, s.tags, s.row) for s in read_conll(path, **options).sentences]


def error_of(path, **options):
    with pytest.raises(BadInput) as caught:
        read_conll(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(path, "FILE")


class TestLines:
    def test_blank_lines_part_sentences_and_rows_are_lines(self, write):
        path = write("\nAda B-PER\nspoke O\n\n \t\nHello O\n\n")
        assert read(path) == [(["Ada", "spoke"], ["B-PER", "O"], 2), (["Hello"], ["O"], 6)]

    def test_the_last_sentence_needs_no_line_end(self, write):
        assert read(write("Ada\tB-PER")) == [(["Ada"], ["B-PER"], 1)]

    def test_a_document_line_ends_a_sentence_and_is_left_out(self, write):
        path = write("-DOCSTART- -X- O\n\na x O\n-DOCSTART-\nb x O\n")
        assert read(path) == [(["a"], ["O"], 3), (["b"], ["O"], 5)]

    def test_a_hash_is_a_token(self, write):
        assert read(write("# O\n#tag O\n")) == [(["#", "#tag"], ["O", "O"], 1)]

    def test_windows_line_ends_and_gzip(self, write):
        path = write(gzip.compress(b"\xef\xbb\xbfAda\tB-PER\r\n\r\nb\tO\r\n"), "a.conll.gz")
        assert read(path) == [(["Ada"], ["B-PER"], 1), (["b"], ["O"], 3)]

    @pytest.mark.parametrize("odd", ["\u00a0", "\u3000", "\u2028", "a\u00a0b", "\u200b"])
    @pytest.mark.parametrize("between", [" ", "\t"])
    def test_an_odd_blank_is_a_token_and_parts_nothing(self, write, odd, between):
        assert read(write(f"{odd}{between}O\n")) == [([odd], ["O"], 1)]

    def test_a_line_with_a_tab_is_cut_at_tabs_only(self, write):
        assert read(write("New York\tB-LOC\n")) == [(["New York"], ["B-LOC"], 1)]

    def test_runs_of_blanks_are_one(self, write):
        assert read(write("  Ada   NNP  B-PER \n")) == [(["Ada"], ["B-PER"], 1)]

    def test_a_separator_of_ones_own(self, write):
        assert read(write("New York|x|B-LOC\n"), separator="|") == [(["New York"], ["B-LOC"], 1)]

    @given(st.lists(st.lists(st.tuples(*[st.text("ab#\u3000é😀-", min_size=1)] * 2), min_size=1), min_size=1))
    def test_what_is_written_comes_back(self, tmp_path_factory, sentences):
        path = tmp_path_factory.getbasetemp() / "p.conll"
        path.write_text("\n".join("".join(f"{t}\t{tag}\n" for t, tag in s) for s in sentences), "utf-8")
        assert [list(zip(s.tokens, s.tags)) for s in read_conll(path).sentences] == sentences


class TestColumns:
    @pytest.mark.parametrize("token, tag, expected, fields", [
        (1, -1, ("a", "d"), ("1", "4")),
        (2, 3, ("b", "c"), ("2", "3")),
        (-1, 1, ("d", "a"), ("4", "1")),
        (1, None, ("a", None), ("1", None)),
    ])  # fmt: skip
    def test_columns_are_counted_from_one_or_from_the_end(self, write, token, tag, expected, fields):
        file = read_conll(write("a b c d\n"), token_column=token, tag_column=tag)
        assert (file.sentences[0].tokens, file.sentences[0].tags) == ([expected[0]], expected[1] and [expected[1]])
        assert (file.token_field, file.tag_field) == fields

    @pytest.mark.parametrize("column", [0, 3, -3])
    def test_a_column_that_is_not_there(self, write, column):
        assert error_of(write("a O\n"), tag_column=column) == (
            f"FILE: there is no column {column} for 'tags'; expected a number from 1 to 2, or from -1 to -2 counted "
            "from the end"
        )

    def test_one_column_cannot_be_both(self, write):
        assert error_of(write("a\nb\n")) == (
            "FILE: tokens and tags are both in column 1 of 1; expected a column of its own for each, parted by a tab "
            "or blanks: add the tags or choose other columns"
        )


class TestDefects:
    def test_a_ragged_row(self, write):
        message = error_of(write("a x O\n\nb x O\nc O\n"))
        assert message == "FILE, row 4: 2 columns; expected 3 as in the first row: mend the row"

    @pytest.mark.parametrize("line", ["\tO", " \tO"])
    def test_a_missing_token(self, write, line):
        assert error_of(write(f"a\tO\n{line}\n")) == (
            "FILE, row 2, field '1': the token is missing; expected a word: fill it in, or leave the whole line blank "
            "to end a sentence"
        )

    @pytest.mark.parametrize("body", ["", "\n\n", "-DOCSTART- -X- O\n"])
    def test_a_file_without_sentences(self, write, body):
        assert error_of(write(body)) == "FILE: the file holds no sentence; expected at least one"

    def test_bad_rows_are_left_out_with_their_sentence(self, write):
        path = write("a O\n\nb\nc O\n\nd O\n")
        file = read_conll(path, skip_bad_rows=True)
        assert [s.tokens for s in file.sentences] == [["a"], ["d"]]
        assert file.skipped == (f"{path}, row 3: 1 columns; expected 2 as in the first row: mend the row",)

    def test_bytes_that_are_no_text_are_placed(self, write):
        assert "FILE, row 2: not UTF-8 (byte 0xe9 at byte 4)" in error_of(write(b"a O\n\xe9 O\n"))

    def test_an_empty_separator(self, write):
        assert "separator '' parts nothing" in error_of(write("a O\n"), separator="")

    def test_a_missing_file(self, tmp_path):
        assert "there is no such file" in error_of(str(tmp_path / "none.conll"))


@pytest.mark.parametrize("name, sentences, tokens", [
    ("conll2003/train.txt", 14041, 203621),
    ("conll2003/valid.txt", 3250, 51362),
    ("wnut17/train.conll", 3394, 62730),
    ("wnut17/dev.conll", 1009, 15733),
    ("msra_ner/test.txt", 4631, 172601),
    ("weibo_ner/train.txt", 1350, 73778),
])  # fmt: skip
def test_published_files_have_their_published_counts(shared_data, name, sentences, tokens):
    found = read_conll(shared_data / name).sentences
    assert (len(found), sum(len(s.tokens) for s in found)) == (sentences, tokens)
