"""Texts and their translations, and what becomes of pairs that lack one."""

import pytest

from bert_keras.data.parallel import read_pairs
from bert_keras.errors import BadInput


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_line_is_a_text_a_tab_and_its_translation(tmp_path):
    path = written(tmp_path / "p.tsv", 'a "b\tc \n\nd\te\r\n')
    assert list(read_pairs(path)) == [['a "b', "c"], ["d", "e"]]


def test_json_lines_name_both_texts(tmp_path):
    path = written(tmp_path / "p.jsonl", '{"text": "a", "text_pair": "b", "id": 7}\n')
    assert list(read_pairs(path)) == [["a", "b"]]


def test_an_empty_side_comes_as_it_is(tmp_path):
    assert list(read_pairs(written(tmp_path / "p.tsv", " \tb\na\t\n"))) == [["", "b"], ["a", ""]]


def test_pairs_that_lack_a_side_are_left_out_of_rows_and_counted():
    import numpy as np

    from bert_keras.data.encoded_corpus import EncodedCorpus
    from bert_keras.data.row_plan import RowSettings, plan_rows

    borders = np.array([0, 2, 4, 6, 9, 11]), np.array([0, 2, 3, 5])
    plan = plan_rows(EncodedCorpus(np.arange(11), np.ones(11, bool), *borders), RowSettings(objective="tlm"), 0, 0)
    assert plan.documents_left_out == 1
    assert list(zip(plan.begin.tolist(), plan.end.tolist())) == [(0, 2), (2, 4), (6, 9), (9, 11)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.tsv", "a\tb\nalone\n", "p.tsv, row 2: 1 fields; expected a text, a tab and its translation"),
        ("p.tsv", "a\tb\tc\n", "row 1: 3 fields"),
        ("p.jsonl", '{"text": "a"}\n', "row 1, field 'text_pair': the field is missing"),
        ("p.jsonl", '{"text": "a", "text_pair": null}\n', "row 1, field 'text_pair': the text is missing"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_row(tmp_path, name, text, said):
    with pytest.raises(BadInput, match=said):
        list(read_pairs(written(tmp_path / name, text)))
