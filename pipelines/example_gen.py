"""ExampleGen over the library's own readers.

TFX's CsvExampleGen knows CSV alone, takes a quote in a text for the start of a quoted field, and guesses types from the
values. This one reads every format that the command line reads, with the same options and the same errors.
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

from bert_keras.data.readers import read_table
from bert_keras.errors import BadInput
from bert_keras.tasks import get_task
from pipelines.config import DataConfig

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

    def __init__(self, data: DataConfig, task: str, targets: dict[str, Any], slices: list[str]):
        """`targets` is what `describe_targets` gave; `slices` are columns to carry along for the evaluation."""
        folder, patterns = common_folder(data.files)
        reading = {
            "files": {patterns[key]: str(path) for key, path in data.files.items()},
            "task": task,
            "targets": targets,
            "columns": data.columns,
            "header": data.header,
            "quoted": data.quoted,
            "slices": slices,
        }
        custom_config = example_gen_pb2.CustomConfig()
        custom_config.custom_config.Pack(wrappers_pb2.StringValue(value=json.dumps(reading, sort_keys=True)))
        super().__init__(
            input_base=str(folder),
            input_config=example_gen_pb2.Input(
                splits=[example_gen_pb2.Input.Split(name=key, pattern=pattern) for key, pattern in patterns.items()]
            ),
            output_config=output_config(data),
            custom_config=custom_config,
        )


def output_config(data: DataConfig) -> example_gen_pb2.Output:
    """The splits to write: as the files are, or by the hash of each example, in percent."""
    if not data.path:
        return example_gen_pb2.Output()
    for_eval = round(100 * data.eval_fraction)
    buckets = {"train": 100 - for_eval, "eval": for_eval}
    splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=buckets[name]) for name in SPLITS]
    return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))


def common_folder(files: dict[str, Path]) -> tuple[Path, dict[str, str]]:
    """The folder above all files, and a pattern below it for each: where TFX looks whether the data changed."""
    folder = Path(os.path.commonpath([path.parent for path in files.values()]))
    return folder, {key: glob.escape(str(path.relative_to(folder))) for key, path in files.items()}


@beam.ptransform_fn
@beam.typehints.with_input_types(beam.Pipeline)
@beam.typehints.with_output_types(tf.train.Example)
def _read_file(pipeline, exec_properties, split_pattern):
    custom_config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom_config)
    packed = wrappers_pb2.StringValue()
    custom_config.custom_config.Unpack(packed)
    reading = json.loads(packed.value)
    return (
        pipeline
        | "Path" >> beam.Create([reading["files"][split_pattern]])
        | "Read" >> beam.FlatMap(examples_of_file, reading=reading)
    )


def examples_of_file(path: str, reading: dict[str, Any]):
    """Yields the `tf.train.Example`s of a data file. Raises `BadInput`."""
    task = get_task(reading["task"])
    how = {"header": reading["header"], "quoted": reading["quoted"]}
    records = task.read_records(path, columns=reading["columns"], **how)
    target = next(column.role for column in task.columns if column.is_target)
    features = {**records.features, target: task.example_targets(records, **reading["targets"])}
    extra = [name for name in reading["slices"] if name not in features]
    if extra:
        features |= read_table(path, {name: name for name in extra}, required_roles=extra, **how).columns
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
