"""ExampleValidator that knows what makes a corpus unfit.

TFX's looks at each feature by itself. How much of all tokens is `[UNK]` takes two of them, and what pairs of sentences
need the schema cannot say; this one adds it to what TFX finds, in the same files.
"""

import json
import os

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.example_validator import executor as example_validator
from tfx.components.example_validator import labels
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import writer_utils

from pipelines.pretraining.statistics import CorpusStatistics, corpus_statistics


class Executor(example_validator.Executor):
    """Validates statistics against the schema, then against what pretraining needs."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802 - TFX's name
        self._needs = json.loads(exec_properties["needs"])
        return super().Do(input_dict, output_dict, exec_properties)

    def _Validate(self, inputs, outputs):  # noqa: N802 - TFX's name
        anomalies = super()._Validate(inputs, outputs)
        statistics = corpus_statistics(inputs[standard_component_specs.STATISTICS_KEY])
        for feature, sentence in unfit(statistics, **self._needs).items():
            found = anomalies.anomaly_info[feature]
            found.severity = anomalies_pb2.AnomalyInfo.ERROR
            found.short_description = "Unfit for pretraining"
            found.description = f"{found.description} {sentence}".strip()
        path = os.path.join(outputs[labels.SCHEMA_DIFF_PATH], example_validator.DEFAULT_FILE_NAME)
        writer_utils.write_anomalies(path, anomalies)
        return anomalies


def unfit(statistics: CorpusStatistics, objective: str, unknown_share: float) -> dict[str, str]:
    """What is wrong with a split of a corpus: the feature that shows it, and a sentence.

    Args:
        statistics: the split's.
        objective: what is learnt beside masked words.
        unknown_share: the share of `[UNK]` that is allowed.
    """
    found = {}
    if statistics.unknown_share > unknown_share:
        found["num_unknown"] = (
            f"{statistics.unknown_share:.1%} of the {statistics.tokens:,} tokens are [UNK] "
            f"(`corpus.unknown_share` allows {unknown_share:.1%}): the vocabulary does not fit the text"
        )
    if objective in ("nsp", "sop") and statistics.most_sentences < 2:
        found["num_sentences"] = (
            f"all {statistics.documents:,} documents have one sentence, and {objective} needs several: part documents "
            "by blank lines, not sentences, or choose the objective none"
        )
    if objective == "nsp" and statistics.documents < 2:
        found["document"] = "there is one document, and nsp takes random texts from another one"
    return found


class CorpusValidatorSpec(standard_component_specs.ExampleValidatorSpec):
    """TFX's ExampleValidator with the arguments of `unfit`, as JSON."""

    PARAMETERS = {
        **standard_component_specs.ExampleValidatorSpec.PARAMETERS,
        "needs": component_spec.ExecutionParameter(type=str),
    }


class CorpusValidator(base_component.BaseComponent):
    """Finds anomalies of the examples of a corpus; `needs` are the last arguments of `unfit`."""

    SPEC_CLASS = CorpusValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, statistics, schema, needs: dict):
        spec = CorpusValidatorSpec(
            statistics=statistics,
            schema=schema,
            exclude_splits=json.dumps([]),
            needs=json.dumps(needs, sort_keys=True),
            anomalies=channel.Channel(type=standard_artifacts.ExampleAnomalies),
        )
        super().__init__(spec=spec)
