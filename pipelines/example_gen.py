"""ExampleGen over the library's own readers.

TFX's CsvExampleGen knows CSV alone, takes a quote in a text for the start of a quoted field, and guesses types from the
values. This one reads every format that the command line reads, with the same options and the same errors.

A large file is read by many workers. One looks through its bytes for places to cut it, which takes little; each part,
a place in the file and the number of its first row, goes to a worker that reads it, makes examples of it and has no
more than it in memory. What only the whole file says, such as its tag scheme, `prepare` has found. Two kinds of files
cannot be read from the middle: of a gzipped one the parts carry their lines, and SQuAD's JSON, one document, is parsed
by one worker and the paragraphs are shared out.

The split into training and evaluation depends on the examples alone, so neither the parts nor the number of workers
changes it.
"""

import glob
import json
import os
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tfx.components.example_gen import base_example_gen_executor
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from bert_keras.data.cutting import PART_SIZE
from bert_keras.errors import BadInput
from bert_keras.tasks import get_task
from pipelines.config import DataConfig
from pipelines.records import extra_columns, reading

SPLITS = ("train", "eval")


class Executor(base_example_gen_executor.BaseExampleGenExecutor):
    """Reads one file a split."""

    def GetInputSourceToExamplePTransform(self):  # noqa: N802 - TFX's name
        return _read_file

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802 - TFX's name
        super().Do(input_dict, output_dict, exec_properties)
        for split in SPLITS:
            folder = artifact_utils.get_split_uri(output_dict["examples"], split)
            if not _holds_records(folder):
                raise BadInput(
                    f"{exec_properties['input_base']}: no row of the data fell into the split {split!r}; "
                    "expected some: add rows, change `data.eval_fraction`, or give `data.train` and `data.eval`"
                )


class RecordExampleGen(FileBasedExampleGen):
    """Writes the records of the data files as `tf.Example`s, in the splits train and eval."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        data: DataConfig,
        task: str,
        targets: dict[str, Any],
        columns: list[str],
        found: dict[str, dict[str, Any]],
    ):
        """`targets` is what `describe_targets` gave; `columns` are further columns of the tables to carry along;
        `found` is `Records.of_file` of each data file, by its key.
        """
        folder, patterns = common_folder(data.files)
        source = {
            "files": {patterns[key]: [str(path), found[key]] for key, path in data.files.items()},
            "task": task,
            "targets": targets,
            "how": reading(data),
            "columns": columns,
        }
        custom_config = example_gen_pb2.CustomConfig()
        custom_config.custom_config.Pack(wrappers_pb2.StringValue(value=json.dumps(source, sort_keys=True)))
        super().__init__(
            input_base=str(folder),
            input_config=example_gen_pb2.Input(
                splits=[example_gen_pb2.Input.Split(name=key, pattern=pattern) for key, pattern in patterns.items()]
            ),
            output_config=output_config(data, get_task(task).split_by),
            custom_config=custom_config,
        )


def output_config(data: DataConfig, split_by: str | None = None) -> example_gen_pb2.Output:
    """The splits to write: as the files are, or in percent, by the hash of an example or of its feature `split_by`."""
    if not data.path:
        return example_gen_pb2.Output()
    for_eval = round(100 * data.eval_fraction)
    buckets = {"train": 100 - for_eval, "eval": for_eval}
    splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets[name]) for name in SPLITS]
    config = example_gen_pb2.SplitConfig(splits=splits, partition_feature_name=split_by)
    return example_gen_pb2.Output(split_config=config)


def common_folder(files: dict[str, Path]) -> tuple[Path, dict[str, str]]:
    """The folder above all files, and a pattern below it for each: where TFX looks whether the data changed."""
    folder = Path(os.path.commonpath([path.parent for path in files.values()]))
    patterns = {key: glob.escape(str(path.relative_to(folder))) for key, path in files.items()}
    # The time of a folder tells nothing of its files.
    return folder, {key: f"{patterns[key]}/*" if path.is_dir() else patterns[key] for key, path in files.items()}


@beam.ptransform_fn
@beam.typehints.with_input_types(beam.Pipeline)
@beam.typehints.with_output_types(tf.train.Example)
def _read_file(pipeline, exec_properties, split_pattern):
    custom_config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom_config)
    packed = wrappers_pb2.StringValue()
    custom_config.custom_config.Unpack(packed)
    source = json.loads(packed.value)
    return (
        pipeline
        | "File" >> beam.Create([source["files"][split_pattern]])
        | "Cut" >> beam.FlatMap(lambda file: parts_of_file(*file, source))
        | "Spread" >> beam.Reshuffle()
        | "Examples" >> beam.FlatMap(examples_of_part, source=source)
    )


def parts_of_file(path: str, found: dict[str, Any], source: dict[str, Any]):
    """Yields parts of a data file, which know what the whole file says. Raises `BadInput`."""
    for part in get_task(source["task"]).record_parts(path, PART_SIZE, **source["how"]):
        yield part.of_whole(found)


def examples_of_part(part, source: dict[str, Any]):
    """Yields the `tf.train.Example`s of a part, or of a whole file. Raises `BadInput`."""
    task = get_task(source["task"])
    records = task.read_file(part, **source["how"])
    if not len(records):
        return
    columns = extra_columns(part, source["columns"], source["how"])
    features = task.example_features(records, **source["targets"]) | columns
    for index in range(len(records)):
        yield make_example({name: values[index] for name, values in features.items()})


def _holds_records(folder: str) -> bool:
    files = tf.io.gfile.glob(os.path.join(folder, "*"))
    return any(True for _ in tf.data.TFRecordDataset(files, compression_type="GZIP").take(1))


def make_example(values: dict[str, Any]) -> tf.train.Example:
    """An example of strings, ints, floats, or lists of one of them; None and an empty list are a missing feature."""
    feature = {name: _feature(value if isinstance(value, list) else [value]) for name, value in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature))


def _feature(values: list) -> tf.train.Feature:
    if not values or values == [None]:
        return tf.train.Feature()
    if isinstance(values[0], str):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode() for value in values]))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value) for value in values]))
