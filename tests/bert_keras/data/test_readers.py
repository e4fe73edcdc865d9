"""Reading tables: formats, columns, row numbers, and every defect that a file can have."""

import gzip
import json

import pytest

from bert_keras.data.readers import read_table
from bert_keras.errors import BadInput

LABELLED = {"text": None, "label": None}
REQUIRED = ("text", "label")


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def read(path, columns=LABELLED, **options):
    return read_table(path, columns, required_roles=[r for r in REQUIRED if r in columns], **options)


def error_of(path, columns=LABELLED, **options):
    with pytest.raises(BadInput) as caught:
        read(path, columns, **options)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message.replace(str(path), "FILE")


class TestFormats:
    def test_csv_is_quoted(self, write):
        table = read(write("a.csv", 'text,label\n"a, ""b""",1\nc,0\n'))
        assert table.columns == {"text": ['a, "b"', "c"], "label": ["1", "0"]}

    def test_tsv_is_unquoted_and_a_stray_quote_is_text(self, write):
        table = read(write("a.tsv", 'text\tlabel\n"no end\t1\nit\'s 5" long\t0\n'))
        assert table.columns["text"] == ['"no end', "it's 5\" long"]

    def test_a_quoted_tsv_is_read_on_demand(self, write):
        path = write("a.tsv", 'text\tlabel\n"a\tb"\t1\n')
        assert read(path, quoted=True).columns["text"] == ["a\tb"]

    def test_an_unquoted_csv_is_read_on_demand(self, write):
        path = write("a.csv", 'text,label\n"a,1\n')
        assert read(path, quoted=False).columns["text"] == ['"a']

    def test_json_lines_keep_their_types(self, write):
        rows = [{"text": "a", "label": 1}, {"text": "b", "label": ["x", "y"]}, {"text": "é\n", "label": None}]
        table = read(write("a.jsonl", "\n".join(map(json.dumps, rows))))
        assert table.columns == {"text": ["a", "b", "é\n"], "label": [1, ["x", "y"], None]}

    def test_a_text_file_is_one_text_a_line(self, write):
        table = read(write("a.txt", "one, two\tthree\nfour\n"), {"text": None})
        assert table.columns == {"text": ["one, two\tthree", "four"]}

    @pytest.mark.parametrize("name", ["a.csv.gz", "a.csv", "A.CSV.GZ"])
    def test_gzip_is_told_by_content(self, write, name):
        assert read(write(name, gzip.compress(b"text,label\na,1\n"))).columns["text"] == ["a"]

    @pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
    def test_a_byte_order_mark_is_dropped(self, write, name):
        body = b'{"text": "a", "label": 1}\n' if "json" in name else b"text,label\na,1\n"
        body = b"\xef\xbb\xbf" + body
        assert read(write(name, gzip.compress(body) if name.endswith("gz") else body)).columns["text"] == ["a"]

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
    def test_windows_line_ends_are_no_part_of_a_field(self, write, name):
        body = "text,label\r\na,1\r\n".replace(",", "," if name == "a.csv" else "\t")
        assert read(write(name, body)).columns == {"text": ["a"], "label": ["1"]}

    def test_unicode_line_separators_are_text(self, write):
        text = "a\u2028b\u0085c\x0cd"
        assert read(write("a.tsv", f"text\tlabel\n{text}\t1\n")).columns["text"] == [text]

    def test_a_text_of_one_megabyte_is_read_whole(self, write):
        text = "word " * 200_000
        for name, separator in (("a.csv", ","), ("a.tsv", "\t")):
            assert read(write(name, f"text{separator}label\n{text}{separator}1\n")).columns["text"] == [text]

    def test_blank_lines_part_rows(self, write):
        table = read(write("a.tsv", "text\tlabel\n\na\t1\n\nb\t0\n\n"))
        assert table.rows == [3, 5]


class TestRows:
    def test_a_row_number_is_the_line_on_which_the_record_starts(self, write):
        table = read(write("a.csv", 'text,label\n"a\nb\nc",1\nd,0\n'))
        assert table.rows == [2, 5]
        assert table.columns["text"] == ["a\nb\nc", "d"]

    def test_an_error_after_a_quoted_newline_names_the_right_line(self, write):
        assert "FILE, row 5:" in error_of(write("a.csv", 'text,label\n"a\nb\nc",1\nd\n'))

    def test_without_a_header_the_first_line_is_a_row(self, write):
        table = read(write("a.tsv", "a\t1\nb\t0\n"), {"text": 1, "label": 2}, header=False)
        assert (table.rows, table.columns["text"]) == ([1, 2], ["a", "b"])

    def test_a_blank_line_in_json_lines_counts(self, write):
        path = write("a.jsonl", '{"text": "a", "label": 1}\n\n{"text": "b", "label": 0}\n')
        assert read(path).rows == [1, 3]


class TestColumns:
    def test_an_alias_is_found_whatever_its_case(self, write):
        table = read(write("a.csv", "Sentence,label\na,1\n"), aliases={"text": ("sentence",)})
        assert (table.columns["text"], table.fields["text"]) == (["a"], "Sentence")

    def test_the_own_name_of_a_role_goes_before_its_aliases(self, write):
        table = read(write("a.csv", "sentence,text,label\na,b,1\n"), aliases={"text": ("sentence",)})
        assert table.columns["text"] == ["b"]

    def test_a_chosen_name_goes_before_all(self, write):
        table = read(write("a.csv", "text,body,label\na,b,1\n"), {"text": "body", "label": None})
        assert table.columns["text"] == ["b"]

    @pytest.mark.parametrize("choice", [2, "2"])
    def test_a_column_is_chosen_by_its_number_from_one(self, write, choice):
        assert read(write("a.csv", "id,x,label\n7,b,1\n"), {"text": choice, "label": None}).columns["text"] == ["b"]

    def test_a_name_of_digits_goes_before_the_number(self, write):
        assert read(write("a.csv", "x,1,label\na,b,1\n"), {"text": "1", "label": None}).columns["text"] == ["b"]

    def test_a_role_that_is_not_required_may_be_absent(self, write):
        table = read_table(write("a.csv", "text\na\n"), {"text": None, "label": None}, required_roles=("text",))
        assert "label" not in table and table.columns == {"text": ["a"]}

    def test_a_required_column_that_is_missing_is_named_with_those_there(self, write):
        message = error_of(write("a.csv", "body,label\na,1\n"))
        assert message == (
            "FILE: no column for 'text' (looked for text); the columns are 1 'body', 2 'label': choose one with "
            "columns={'text': NAME or NUMBER} (on the command line --column text=NAME), and give "
            "header=False (--no-header) if this first row is data"
        )

    @pytest.mark.parametrize("name, delimiter", [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", ",")])
    def test_another_delimiter_is_told(self, write, name, delimiter):
        message = error_of(write(name, delimiter.join(("text", "label")) + "\n" + delimiter.join("ab") + "\n"))
        assert f"(parted by {delimiter!r}? fields are parted by commas in .csv and by tabs in .tsv)" in message

    def test_a_mistyped_name_gets_the_nearest(self, write):
        message = error_of(write("a.csv", "text,sentence,label\na,b,1\n"), {"text": "sentense", "label": None})
        assert "there is no column 'sentense' for 'text' (did you mean 'sentence'?)" in message

    def test_a_number_beyond_the_columns_is_refused(self, write):
        assert "expected a number from 1 to 2" in error_of(write("a.csv", "text,label\na,1\n"), {"text": 3})

    def test_a_column_that_is_there_twice_must_be_chosen_by_number(self, write):
        path = write("a.csv", "text,text,label\na,b,1\n")
        assert "columns 1 and 2 are both called 'text'" in error_of(path)
        assert read(path, {"text": 2, "label": None}).columns["text"] == ["b"]

    def test_two_roles_may_not_share_a_column(self, write):
        message = error_of(write("a.csv", "text,label\na,1\n"), {"text": "text", "label": 1})
        assert "'text' and 'label' are both given column 'text'" in message

    def test_without_a_header_columns_must_be_numbers(self, write):
        path = write("a.tsv", "a\t1\n")
        assert "no column is chosen for 'text'" in error_of(path, header=False)
        assert "is a name, and the file is read without a header" in error_of(path, {"text": "x"}, header=False)

    def test_without_a_header_one_column_needs_no_choice(self, write):
        assert read(write("a.tsv", "a\nb\n"), {"text": None}, header=False).columns["text"] == ["a", "b"]

    def test_json_fields_are_chosen_like_columns(self, write):
        table = read(write("a.jsonl", '{"s": "a", "y": 1}\n'), {"text": "s", "label": 2})
        assert table.columns == {"text": ["a"], "label": [1]}


class TestDefects:
    def test_a_missing_file(self, tmp_path):
        assert "there is no such file" in error_of(str(tmp_path / "none.csv"))

    def test_a_directory(self, tmp_path):
        (tmp_path / "d.csv").mkdir()
        assert "this is a directory" in error_of(str(tmp_path / "d.csv"))

    def test_a_file_as_a_parent_directory(self, write):
        assert "cannot be read (Not a directory)" in error_of(write("a.csv", "text") + "/b.csv")

    def test_an_unknown_ending(self, write):
        assert "expected .csv, .tsv, .jsonl or .txt" in error_of(write("a.xml", "text"))

    def test_a_ragged_row(self, write):
        message = error_of(write("a.csv", "text,label\na,1\nb\n"))
        assert message == "FILE, row 3: 1 fields; expected 2 as in the first row: mend the row"

    def test_a_ragged_row_with_quotes_in_a_tsv_points_to_the_option(self, write):
        assert "--quoted" in error_of(write("a.tsv", 'text\tlabel\n"a\tb"\t1\n'))

    def test_a_quote_that_never_ends_names_the_row_where_it_starts(self, write):
        message = error_of(write("a.csv", 'text,label\na,1\n"b,0\nc,1\nd,0\n'))
        assert "FILE, row 3: a quoted field starts in this row and never ends" in message
        assert "--unquoted" in message

    def test_text_after_a_closing_quote(self, write):
        assert "FILE, row 2: the quotes do not fit" in error_of(write("a.csv", 'text,label\n"a" b,1\n'))

    def test_a_file_of_carriage_returns(self, write):
        assert "bare carriage return" in error_of(write("a.csv", "text,label\ra,1\rb,0\r"))

    def test_bytes_that_are_not_utf8_are_placed(self, write):
        message = error_of(write("a.csv", b"text,label\na,1\n" + "caf\u00e9,0\n".encode("latin1")))
        assert "FILE, row 3: not UTF-8 (byte 0xe9 at byte 18)" in message

    def test_the_byte_order_mark_counts_in_the_byte_offset(self, write):
        assert "byte 0xe9 at byte 5)" in error_of(write("a.csv", b"\xef\xbb\xbfte\xe9xt,label\na,1\n"))

    def test_utf16_is_told_from_broken_text(self, write):
        assert "this is UTF-16 text" in error_of(write("a.csv", "text,label\na,1\n".encode("utf-16")))

    def test_an_excel_file_is_told_from_broken_text(self, write):
        assert "this is a zip or Excel file" in error_of(write("a.csv", b"PK\x03\x04..."))

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
    def test_a_nul_byte_is_placed(self, write, name):
        first = b'{"text":1}' if name == "a.jsonl" else b"text,label"
        assert "FILE, row 2: a NUL byte at byte 12" in error_of(write(name, first + b"\na\0,1\n"), {"text": 1})

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
    def test_an_empty_file(self, write, name):
        assert "at least one" in error_of(write(name, b""), {"text": None})

    def test_a_header_without_rows(self, write):
        assert "holds a header and no rows" in error_of(write("a.csv", "text,label\n\n"))

    def test_json_that_is_broken_names_row_and_character(self, write):
        message = error_of(write("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b",\n'))
        assert "FILE, row 2: no JSON (" in message and "at character" in message

    def test_json_that_is_no_object(self, write):
        assert "row 1: ['a', 1] is no JSON object" in error_of(write("a.jsonl", '["a", 1]\n'))

    def test_json_nested_beyond_reason(self, write):
        assert "row 1: no JSON" in error_of(write("a.jsonl", "[" * 100_000))

    def test_json_with_a_number_beyond_reason(self, write):
        assert "row 1: no JSON" in error_of(write("a.jsonl", '{"text": "a", "label": ' + "9" * 5000 + "}"))

    def test_a_json_row_without_the_field(self, write):
        message = error_of(write("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n'))
        assert "FILE, row 2, field 'label': the field is missing" in message

    def test_an_optional_json_field_that_turns_up_late(self, write):
        path = write("a.jsonl", '{"text": "a"}\n{"text": "b", "pair": "c"}\n')
        with pytest.raises(BadInput, match="row 2, field 'pair': the first row .* has no such field"):
            read_table(path, {"text": None, "text_pair": None}, aliases={"text_pair": ("pair",)})

    @pytest.mark.parametrize("body", ["a\n\nb\n", "\na\n"])
    def test_a_blank_line_between_texts_is_an_empty_text(self, write, body):
        assert "the line is blank" in error_of(write("a.txt", body), {"text": None})

    def test_a_gzip_file_that_is_cut_off(self, write):
        whole = gzip.compress(b"text,label\n" + b"a,1\n" * 1000)
        assert "the gzip file is cut off or broken" in error_of(write("a.csv.gz", whole[:-20]))


class TestTexts:
    @pytest.mark.parametrize("value, problem", [
        ("", "the text is empty"),
        (" \t", "the text is empty"),
        (None, "the text is missing"),
        (5, "5 is a number; expected text"),
        (["a"], "is a list; expected text"),
        ("a\0b", "NUL character"),
        ("\ud800", "half a surrogate pair"),
    ])  # fmt: skip
    def test_a_value_that_is_no_text_is_placed(self, write, value, problem):
        path = write("a.jsonl", "\n".join(json.dumps({"text": t}) for t in ("fine", value)))
        with pytest.raises(BadInput) as caught:
            read(path, {"text": None}).texts("text")
        assert str(caught.value).startswith(f"{path}, row 2, field 'text': ") and problem in str(caught.value)
