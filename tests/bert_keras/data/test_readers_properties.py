"""Any table that Python's csv or json writes is read back as it was."""

import csv
import gzip
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras.data.readers import read_table

BOM = b"\xef\xbb\xbf"
NAMES = ["first", "second", "third"]
anything = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
odd = st.text(st.sampled_from(list("\",\t\r\n'\\ ab\u2028\ufeffé😀")), max_size=8)
fields = anything | odd
# Unquoted TSV has no way to write these two; a row of one blank field is a blank line.
plain = fields.map(lambda text: text.replace("\t", " ").replace("\n", " ").rstrip("\r"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def tables(values):
    return st.lists(st.tuples(values, values, values), min_size=1, max_size=8)


def columns_of(rows):
    return {name: [row[i] for row in rows] for i, name in enumerate(NAMES)}


def read(tmp_path_factory, name, content, header=True, **options):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    chosen = {role: number for number, role in enumerate(NAMES, 1)}
    return read_table(path, dict.fromkeys(NAMES) if header else chosen, header, required_roles=NAMES, **options)


@settings(max_examples=150, deadline=None)
@given(
    rows=tables(fields),
    header=st.booleans(),
    bom=st.booleans(),
    zipped=st.booleans(),
    style=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_written_by_csv_comes_back(tmp_path_factory, rows, header, bom, zipped, style, end):
    for name, delimiter in (("t.csv", ","), ("t.tsv", "\t")):
        # csv leaves a bare carriage return or line feed unquoted where it is no part of the line end, and cannot then
        # read its own output: such fields are written in quotes.
        quoting = csv.QUOTE_ALL if any("\r" in f or "\n" in f for row in rows for f in row) else style
        out = io.StringIO()
        writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
        writer.writerows(([NAMES] if header else []) + [list(row) for row in rows])
        content = out.getvalue().encode()
        if content.startswith(BOM):
            continue  # Its first character is a byte order mark to any reader.
        content = BOM + content if bom else content
        content = gzip.compress(content) if zipped else content
        table = read(tmp_path_factory, name, content, header, quoted=True)
        assert table.columns == columns_of(rows)
        assert table.rows == starts(rows, first=2 if header else 1)


def starts(rows, first):
    """The line on which each record starts: one line each, and one more for each line feed inside."""
    lines = [first]
    for row in rows:
        lines.append(lines[-1] + 1 + sum(field.count("\n") for field in row))
    return lines[:-1]


@settings(max_examples=150, deadline=None)
@given(rows=tables(plain), header=st.booleans())
def test_a_table_written_as_plain_tsv_comes_back(tmp_path_factory, rows, header):
    lines = ([NAMES] if header else []) + rows
    content = "".join("\t".join(line) + "\n" for line in lines).encode()
    if not header and content.startswith(BOM):
        return  # Its first character is a byte order mark to any reader.
    assert read(tmp_path_factory, "p.tsv", content, header).columns == columns_of(rows)


@settings(max_examples=150, deadline=None)
@given(rows=tables(json_values), ascii_only=st.booleans())
def test_a_table_written_as_json_lines_comes_back(tmp_path_factory, rows, ascii_only):
    lines = [json.dumps(dict(zip(NAMES, row)), ensure_ascii=ascii_only) for row in rows]
    content = "\n".join(lines).encode("utf-8", "replace")
    if ascii_only or not any(0xD800 <= ord(c) < 0xE000 for line in lines for c in line):
        assert read(tmp_path_factory, "t.jsonl", content).columns == columns_of(rows)
