"""SchemaGen that knows what the task's features are.

The schema is inferred from the training examples, so that it can say something about the others. On few rows TFX takes
a column of texts for a list of allowed values, and every unseen text for an anomaly; a text is never that. And a list
that by chance has one value in each training example would be expected to have one everywhere. So what the task says of
its features goes before what the examples show.
"""

import json
import os
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen import executor as schema_gen
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils

SCHEMA_FILE = schema_gen.DEFAULT_FILE_NAME
_TYPES = {"string": schema_pb2.BYTES, "int64": schema_pb2.INT, "float32": schema_pb2.FLOAT}


class Executor(schema_gen.Executor):
    """Infers a schema, then writes into it what the task says."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802 - TFX's name
        super().Do(input_dict, output_dict, exec_properties)
        path = os.path.join(artifact_utils.get_single_uri(output_dict["schema"]), SCHEMA_FILE)
        schema = io_utils.SchemaReader().read(path)
        apply_layout(schema, json.loads(exec_properties["layout"]))
        io_utils.write_pbtxt_file(path, schema)


def apply_layout(schema, layout: dict[str, dict[str, Any]]):
    """Writes what is known of features into a `schema_pb2.Schema`: types, which are lists, and allowed values.

    Args:
        schema: changed in place; features that no training example has are added.
        layout: name -> the fields of an `ExampleFeature`.
    """
    features = {feature.name: feature for feature in schema.feature}
    freed = set()
    for name, known in layout.items():
        feature = features.get(name) or schema.feature.add(name=name, type=_TYPES[known["dtype"]])
        if known["is_list"]:
            # Any number of values, in any share of the examples.
            for field in ("shape", "value_count", "presence"):
                feature.ClearField(field)
        if known["dtype"] == "string" and known["domain"] is not None:
            freed.add(feature.domain)
            feature.ClearField("domain")
            if known["domain"]:
                feature.string_domain.value.extend(known["domain"])
    kept = [domain for domain in schema.string_domain if domain.name not in freed]
    del schema.string_domain[:]
    schema.string_domain.extend(kept)


class SchemaGenSpec(standard_component_specs.SchemaGenSpec):
    """TFX's SchemaGen with what is known of the features, as JSON."""

    PARAMETERS = {
        **standard_component_specs.SchemaGenSpec.PARAMETERS,
        "layout": component_spec.ExecutionParameter(type=str),
    }


class TaskSchemaGen(base_component.BaseComponent):
    """Infers the schema from the split train, save for what `layout` says; see `apply_layout`."""

    SPEC_CLASS = SchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, statistics, layout: dict[str, dict[str, Any]]):
        spec = SchemaGenSpec(
            statistics=statistics,
            infer_feature_shape=1,
            exclude_splits=json.dumps(["eval"]),
            layout=json.dumps(layout, sort_keys=True),
            schema=channel.Channel(type=standard_artifacts.Schema),
        )
        super().__init__(spec=spec)
