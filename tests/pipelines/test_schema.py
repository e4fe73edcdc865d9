"""What a task says of its features goes before what the training examples show."""

import dataclasses

import pytest

pytest.importorskip("tfx")

from google.protobuf import text_format  # noqa: E402
from tensorflow_metadata.proto.v0 import schema_pb2  # noqa: E402

from bert_keras.tasks.description import SLICE, TARGET, ExampleFeature  # noqa: E402
from pipelines.example_gen import examples_of_part, output_config, parts_of_file  # noqa: E402
from pipelines.schema import apply_layout  # noqa: E402

INFERRED = """
feature { name: "text" type: BYTES domain: "text" presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "span_label" type: BYTES domain: "span_label" presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "label" type: BYTES domain: "label" }
string_domain { name: "text" value: "only this" }
string_domain { name: "span_label" value: "PER" }
string_domain { name: "label" value: "a" }
"""


def applied(**layout):
    schema = text_format.Parse(INFERRED, schema_pb2.Schema())
    apply_layout(schema, {name: dataclasses.asdict(feature) for name, feature in layout.items()})
    return {feature.name: feature for feature in schema.feature}, [domain.name for domain in schema.string_domain]


def test_a_text_may_be_any():
    features, domains = applied(text=ExampleFeature())
    assert not features["text"].HasField("domain") and "text" not in domains
    assert features["text"].presence.min_fraction == 1


def test_a_list_may_have_any_number_of_values_and_allowed_values_are_the_tasks():
    features, domains = applied(span_label=ExampleFeature(role=TARGET, is_list=True, domain=("PER", "LOC")))
    label = features["span_label"]
    assert list(label.string_domain.value) == ["PER", "LOC"] and "span_label" not in domains
    assert not label.HasField("shape") and not label.HasField("presence")


def test_what_no_training_example_has_is_added():
    features, _ = applied(span_begin=ExampleFeature("int64", TARGET, is_list=True), length=ExampleFeature(role=SLICE))
    assert features["span_begin"].type == schema_pb2.INT and features["length"].type == schema_pb2.BYTES


def test_what_the_task_leaves_open_stays_as_the_examples_have_it():
    features, domains = applied(label=ExampleFeature(role=TARGET, domain=None))
    assert features["label"].domain == "label" and domains == ["text", "span_label", "label"]


def test_a_file_is_read_in_parts_and_gives_the_same_examples(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    rows = [f'{{"text": "{name} went", "spans": [[0, {len(name)}, "PER"]]}}\n' for name in ("ada", "eve", "john")]
    path.write_text("".join(rows))
    source = {"task": "token-classification", "targets": {"labels": ["PER"]}, "how": {}, "columns": []}
    monkeypatch.setattr("pipelines.example_gen.PART_SIZE", 2)
    parts = list(parts_of_file(str(path), {}, source))
    made = [[example for part in some for example in examples_of_part(part, source)] for some in (parts, [str(path)])]
    assert made[0] == made[1] and len(parts) == len(made[0]) == 3
    features = made[0][2].features.feature
    assert features["text"].bytes_list.value[0] == b"john went" and list(features["span_end"].int64_list.value) == [4]
    assert features["entity_types"].bytes_list.value[0] == b"PER" and not features["word_begin"].WhichOneof("kind")


def test_examples_on_one_text_go_by_the_hash_of_that_text(tmp_path):
    from pipelines.config import DataConfig

    data = DataConfig(path=tmp_path / "qa.json")
    assert output_config(data, "context").split_config.partition_feature_name == "context"
    assert not output_config(data).split_config.HasField("partition_feature_name")
    assert not output_config(DataConfig(train=tmp_path / "a", eval=tmp_path / "b"), "context").split_config.splits
