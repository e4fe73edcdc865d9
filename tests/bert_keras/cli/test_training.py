"""What `fine-tune` says of what it has read."""

from bert_keras import TextClassifier
from bert_keras.cli.training import rows_in_words


def test_it_names_the_columns_that_are_read_so_that_one_that_is_not_is_missed(tmp_path):
    # A column of its own name for the second text: nothing tells that it is one.
    path = tmp_path / "qnli.tsv"
    path.write_text("question\tsentence\tlabel\nwho?\tAda was there\t1\nwhere?\tin Rome\t0\n")
    assert rows_in_words(TextClassifier.read_file(path)) == "2 rows of sentence (text), label"
    pair = TextClassifier.read_file(path, columns={"text": "question", "text_pair": "sentence"})
    assert rows_in_words(pair) == "2 rows of question (text), sentence (text_pair), label"
