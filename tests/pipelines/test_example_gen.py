"""Files of data as examples, cut into parts and whole: by Beam, as ExampleGen runs it."""

import json

import pytest

pytest.importorskip("tfx")

from bert_keras.errors import BadInput  # noqa: E402
from bert_keras.tasks import get_task  # noqa: E402
from pipelines import example_gen  # noqa: E402
from pipelines.config import DataConfig  # noqa: E402
from pipelines.pipeline import BEAM_ARGS  # noqa: E402
from pipelines.records import reading  # noqa: E402
from tests.pipelines import small_tasks  # noqa: E402


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that runs ExampleGen with parts of a size; gives the sorted examples of each split, serialized, and
    how many parts there were.
    """
    from tfx.types import artifact_utils, standard_artifacts

    def call(task, path, size, how=(), columns=(), rewrite=None):
        data = DataConfig(path=path, eval_fraction=0.5, **dict(how))
        records = get_task(task).read_file(str(path), **reading(data))
        targets = get_task(task).describe_targets(get_task(task).training_records(records))
        if rewrite:
            rewrite()
        component = example_gen.RecordExampleGen(data, task, targets, list(columns), {"path": records.of_file})
        folder = tmp_path / f"out-{size}"
        examples = standard_artifacts.Examples()
        examples.uri, examples.split_names = str(folder), artifact_utils.encode_split_names(["train", "eval"])
        counted, read_file = [], get_task(task).read_file

        def counting(part, **kwargs):
            counted.append(part)
            return read_file(part, **kwargs)

        executor = example_gen.Executor(example_gen.Executor.Context(beam_pipeline_args=list(BEAM_ARGS), unique_id=""))
        with monkeypatch.context() as patched:
            patched.setattr(example_gen, "PART_SIZE", size)
            patched.setattr(get_task(task), "read_file", counting)
            executor.Do({}, {"examples": [examples]}, dict(component.exec_properties))
        return {split: sorted(read_records(folder / f"Split-{split}")) for split in example_gen.SPLITS}, len(counted)

    return call


def read_records(folder):
    import tensorflow as tf

    files = tf.io.gfile.glob(str(folder / "*"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()
    # The order in which a map's entries are written means nothing.
    return [tf.train.Example.FromString(record).SerializeToString(deterministic=True) for record in records]


def write_names(folder):
    small_tasks.write_conll(folder / "names.conll", small_tasks.draw_names(60, seed=1))
    return "token-classification", folder / "names.conll", {}, ()


def write_questions(folder):
    small_tasks.write_squad(folder / "qa.json", small_tasks.draw_questions(30, seed=1))
    return "question-answering", folder / "qa.json", {}, ()


def write_utterances(folder):
    small_tasks.write_utterances(folder / "asked", small_tasks.draw_utterances(60, seed=1))
    return "intent-slot", folder / "asked", {}, ()


def write_films(folder):
    """A table with quoted line ends and a column that only the evaluation is broken down by."""
    rows = [f'"film {number},\n""{number}""",{"pos" if number % 3 else "neg"},{number % 2}\n' for number in range(60)]
    (folder / "films.csv").write_text("text,label,channel\n" + "".join(rows))
    return "classification", folder / "films.csv", {}, ("channel",)


@pytest.mark.parametrize("write", [write_names, write_questions, write_utterances, write_films])
def test_a_file_in_many_parts_gives_the_same_examples_in_the_same_splits(write, run, tmp_path):
    task, path, how, columns = write(tmp_path)
    whole, one = run(task, path, 1 << 20, how, columns)
    parts, many = run(task, path, 150, how, columns)
    assert one == 1 and many > 4
    assert parts == whole
    assert min(map(len, whole.values())) > 10


def test_a_row_that_broke_since_the_data_were_looked_at_is_named_by_its_number(run, tmp_path):
    path = tmp_path / "films.jsonl"
    rows = [{"text": f"film {number}", "label": "pos" if number % 2 else "neg"} for number in range(40)]

    def write():
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    write()
    rows[33] = {"text": "", "label": "pos"}
    with pytest.raises(BadInput, match=r"films.jsonl, row 34, field 'text': the text is empty"):
        run("classification", path, 100, rewrite=write)
