"""Tasks by name."""

import pytest

from bert_keras import TextClassifier
from bert_keras.errors import BadInput
from bert_keras.tasks import get_task, load_task, task_names


def test_classification_is_the_text_classifier():
    assert get_task("classification") is TextClassifier


@pytest.mark.parametrize("name", task_names())
def test_every_task_goes_by_its_own_name(name):
    assert get_task(name).task_name == name


@pytest.mark.parametrize("name", task_names())
def test_every_task_says_what_it_reads_and_what_it_learns(name):
    columns = get_task(name).columns
    assert any(column.is_target for column in columns) and any(not column.is_target for column in columns)
    assert len({column.role for column in columns}) == len(columns)
    assert set(get_task(name).reading) <= {"columns", "header", "quoted", "skip_bad_rows"}


def test_a_mistyped_task_brings_the_nearest_name():
    with pytest.raises(BadInput, match="no task 'clasification' .did you mean 'classification'"):
        get_task("clasification")


def test_an_encoder_alone_is_no_task(tmp_path, tiny_backbone):
    tiny_backbone.save_to_preset(str(tmp_path / "encoder"))
    with pytest.raises(BadInput, match="holds an encoder without a task"):
        load_task(tmp_path / "encoder")
