"""Documents out of files: blank lines, JSON Lines, gzip, globs, and what is refused."""

import gzip
import json

import pytest

from bert_keras.data.corpus import Document, corpus_files, read_corpus, read_documents
from bert_keras.errors import BadInput


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_blank_lines_part_documents(tmp_path):
    path = written(tmp_path / "c.txt", "\n\none.\n two. \n \n\t\nthree.\r\n")
    assert list(read_documents(path)) == [Document(["one.", "two."], path, 3), Document(["three."], path, 7)]


def test_a_gzipped_file_gives_the_same_documents(tmp_path):
    plain = written(tmp_path / "c.txt", "one\n\ntwo\n")
    packed = written(tmp_path / "c.txt.gz", gzip.compress(b"one\n\ntwo\n"))
    assert [d.paragraphs for d in read_documents(packed)] == [d.paragraphs for d in read_documents(plain)]


def test_an_object_of_json_lines_is_a_document(tmp_path):
    rows = [{"text": "one\n\ntwo "}, {"text": ["three", "four"]}, {"text": "  "}]
    path = written(tmp_path / "c.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert [(d.paragraphs, d.row) for d in read_documents(path)] == [(["one", "two"], 1), (["three", "four"], 2)]


def test_the_field_of_json_lines_can_be_chosen(tmp_path):
    path = written(tmp_path / "c.jsonl.gz", gzip.compress(b'{"body": "one"}\n'))
    assert [d.paragraphs for d in read_documents(path, field="body")] == [["one"]]


def test_a_glob_gives_its_files_sorted_and_once(tmp_path):
    for name in ("b.txt", "a.txt", "deep"):
        (tmp_path / name).mkdir() if name == "deep" else written(tmp_path / name, "x")
    written(tmp_path / "deep" / "c.txt", "x")
    found = corpus_files([tmp_path / "b.txt", f"{tmp_path}/**/*.txt"])
    assert found == [str(tmp_path / name) for name in ("b.txt", "a.txt", "deep/c.txt")]


def test_a_file_with_brackets_in_its_name_is_that_file(tmp_path):
    path = written(tmp_path / "c[1].txt", "x")
    assert corpus_files([path]) == [path]


def test_a_single_path_is_no_list_of_letters(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\n")
    assert corpus_files(path) == corpus_files(str(path)) == corpus_files([path]) == [str(path)]


def test_a_pattern_without_files_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"\*\.txt: there is no such file"):
        corpus_files([f"{tmp_path}/*.txt"])


def test_a_directory_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(BadInput, match=r"this is a directory; expected text files: write .*/\*\.txt"):
        corpus_files([tmp_path])


def test_a_table_is_refused(tmp_path):
    with pytest.raises(BadInput, match="this is a table; expected running text"):
        corpus_files([written(tmp_path / "c.csv", "text\nx\n")])


def test_a_corpus_of_blank_lines_is_refused(tmp_path):
    paths = [written(tmp_path / "c.txt", "\n \n"), written(tmp_path / "d.txt", "")]
    with pytest.raises(BadInput, match="d.txt: the corpus is empty; expected at least one line of text"):
        list(read_corpus(paths))


def test_an_object_without_the_field_names_file_row_and_field(tmp_path):
    path = written(tmp_path / "c.jsonl", '{"text": "x"}\n{"txt": "y"}\n')
    with pytest.raises(BadInput, match=r"c\.jsonl, row 2, field 'text': the field is missing \(did you mean 'txt'\?\)"):
        list(read_documents(path))


def test_a_number_as_text_is_refused(tmp_path):
    path = written(tmp_path / "c.jsonl", '{"text": ["x", 7]}\n')
    with pytest.raises(BadInput, match=r"row 1, field 'text': 7 is no text; expected a string or a list of strings"):
        list(read_documents(path))


def test_bytes_that_are_no_text_are_refused_with_their_row(tmp_path):
    with pytest.raises(BadInput, match=r"row 2: not UTF-8 \(byte 0xe9 at byte 5\)"):
        list(read_documents(written(tmp_path / "c.txt", b"one\nt\xe9\n")))
