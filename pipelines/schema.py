"""SchemaGen that leaves texts free.

The schema is inferred from the training examples, so that it can say something about the others. On few rows TFX takes
a column of texts for a list of allowed values, and every unseen text for an anomaly; a text is never that.
"""

import json
import os

from tfx.components.schema_gen import executor as schema_gen
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils

SCHEMA_FILE = schema_gen.DEFAULT_FILE_NAME


class Executor(schema_gen.Executor):
    """Infers a schema, then drops the value lists of texts."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802 - TFX's name
        super().Do(input_dict, output_dict, exec_properties)
        path = os.path.join(artifact_utils.get_single_uri(output_dict["schema"]), SCHEMA_FILE)
        schema = io_utils.SchemaReader().read(path)
        free_texts(schema, json.loads(exec_properties["texts"]))
        io_utils.write_pbtxt_file(path, schema)


def free_texts(schema, texts: list[str]):
    """Takes the lists of allowed values away from the features `texts` of a `schema_pb2.Schema`."""
    freed = set()
    for feature in schema.feature:
        if feature.name in texts and feature.HasField("domain"):
            freed.add(feature.domain)
            feature.ClearField("domain")
    kept = [domain for domain in schema.string_domain if domain.name not in freed]
    del schema.string_domain[:]
    schema.string_domain.extend(kept)


class SchemaGenSpec(standard_component_specs.SchemaGenSpec):
    """TFX's SchemaGen with the names of the texts, as JSON."""

    PARAMETERS = {
        **standard_component_specs.SchemaGenSpec.PARAMETERS,
        "texts": component_spec.ExecutionParameter(type=str),
    }


class TextSchemaGen(base_component.BaseComponent):
    """Infers the schema from the split train; features named in `texts` may hold any string."""

    SPEC_CLASS = SchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, statistics, texts: list[str]):
        spec = SchemaGenSpec(
            statistics=statistics,
            infer_feature_shape=1,
            exclude_splits=json.dumps(["eval"]),
            texts=json.dumps(sorted(texts)),
            schema=channel.Channel(type=standard_artifacts.Schema),
        )
        super().__init__(spec=spec)
