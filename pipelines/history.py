"""What a run did, read from ML Metadata: states, outputs, anomalies, metrics and the verdict."""

import dataclasses
import os
from typing import Any

import tensorflow_model_analysis as tfma
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tensorflow_model_analysis.proto import config_pb2
from tfx.orchestration import metadata

from pipelines.verdict import changed_too_little, out_of_bounds

CACHED, RAN = "cached", "ran"
_STATES = {metadata_store_pb2.Execution.COMPLETE: RAN, metadata_store_pb2.Execution.CACHED: CACHED}


@dataclasses.dataclass(frozen=True)
class Node:
    """One component in one run: its state (ran, cached, failed …) and its outputs, artifacts by name."""

    state: str
    outputs: dict[str, Any]

    def path(self, name: str) -> str:
        """The folder of an output."""
        return self.outputs[name].uri

    def property(self, output: str, name: str):
        """A custom property of an output; None where it is not set."""
        values = self.outputs[output].custom_properties
        if name not in values:
            return None
        return getattr(values[name], values[name].WhichOneof("value"))


def run_nodes(connection, run_id: str) -> dict[str, Node]:
    """The nodes of a run by id, in the order in which they ran.

    Args:
        connection: how to reach ML Metadata.
        run_id: the name of the run.
    """
    with metadata.Metadata(connection) as handle:
        store = handle.store
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
        nodes = {}
        for execution in sorted(store.get_executions_by_context(run.id), key=lambda execution: execution.id):
            (node,) = [c for c in store.get_contexts_by_execution(execution.id) if c.type == "node"]
            nodes[node.name.rpartition(".")[2]] = Node(_state(execution), _outputs(store, execution.id))
    return nodes


def _state(execution) -> str:
    state = execution.last_known_state
    return _STATES.get(state) or metadata_store_pb2.Execution.State.Name(state).lower()


def _outputs(store, execution_id: int) -> dict[str, Any]:
    events = [
        event
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type in (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INTERNAL_OUTPUT)
    ]
    names = {event.artifact_id: event.path.steps[0].key for event in events}
    return {names[artifact.id]: artifact for artifact in store.get_artifacts_by_id(list(names))}


def anomalies(node: Node) -> list[str]:
    """What ExampleValidator found, a sentence each."""
    found = []
    folder = node.path("anomalies")
    for split in sorted(os.listdir(folder)):
        path = os.path.join(folder, split, "SchemaDiff.pb")
        if not os.path.exists(path):
            continue
        with open(path, "rb") as file:
            report = anomalies_pb2.Anomalies.FromString(file.read())
        name = split.removeprefix("Split-")
        for feature, info in sorted(report.anomaly_info.items()):
            found.append(f"split {name}, feature {feature!r}: {info.description.rstrip('.')}")
        for reason in report.dataset_anomaly_info.reason:
            found.append(f"split {name}: {reason.description.rstrip('.')}")
    return found


def metrics(node: Node, model: str = "candidate") -> dict[str, dict[str, float]]:
    """Metrics by slice: "" for all rows, "label:pos" and the like for the others.

    Args:
        node: the Evaluator.
        model: candidate or baseline; a baseline gives {} where there was none.
    """
    found: dict[str, dict[str, float]] = {}
    for record in tfma.load_metrics(node.path("evaluation")):
        values = {}
        for item in record.metric_keys_and_values:
            # With one model TFMA leaves its name out.
            if item.key.is_diff or (item.key.model_name or "candidate") != model:
                continue
            if item.value.HasField("double_value"):
                values[item.key.name] = item.value.double_value.value
        if values:
            found[_slice_name(record.slice_key)] = values
    return found


def _slice_name(key) -> str:
    parts = []
    for item in key.single_slice_keys:
        value = getattr(item, item.WhichOneof("kind"))
        parts.append(f"{item.column}:{value.decode() if isinstance(value, bytes) else value}")
    return ", ".join(parts)


def why_not_blessed(node: Node) -> list[str]:
    """What the model fell short of, a sentence each; none for a blessed model."""
    result = tfma.load_validation_result(node.path("evaluation"))
    reasons = [_in_words(failure) for of_slice in result.metric_validations_per_slice for failure in of_slice.failures]
    if not result.validation_ok and not reasons:
        reasons.append("there were no rows to check the thresholds on")
    return list(dict.fromkeys(reasons))


def _in_words(failure) -> str:
    name, value = failure.metric_key.name, failure.metric_value.double_value.value
    threshold = failure.metric_threshold
    if not failure.HasField("metric_value"):
        return f"{name} could not be computed ({' '.join(failure.message.split()).rstrip('.')})"
    if threshold.HasField("change_threshold"):
        change = threshold.change_threshold
        lower_is_better = change.direction == config_pb2.MetricDirection.LOWER_IS_BETTER
        return changed_too_little(name, value, change.absolute.value, lower_is_better)
    bounds = threshold.value_threshold
    lower = bounds.lower_bound.value if bounds.HasField("lower_bound") else None
    upper = bounds.upper_bound.value if bounds.HasField("upper_bound") else None
    return out_of_bounds(name, value, lower, upper)
