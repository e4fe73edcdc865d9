"""The part of a run that needs TFX."""

import datetime
import os
from collections.abc import Callable

from tfx.utils import path_utils

from bert_keras.errors import WorkFailed
from pipelines import history
from pipelines.anomalies import stopped
from pipelines.arguments import without_arguments
from pipelines.config import PipelineConfig
from pipelines.local import LocalRunner
from pipelines.log import RunLog
from pipelines.pipeline import make_pipeline
from pipelines.prepare import Prepared
from pipelines.result import RunResult
from pipelines.trainer import PRESET_FOLDER

_VALIDATOR = "ExampleValidator"


def execute(config: PipelineConfig, prepared: Prepared, say: Callable[[str], None]) -> RunResult:
    """Runs all components and reads what came of it.

    Raises:
        WorkFailed: a component failed; the message names it and the log.
        BadInput: a component refused the data.
    """
    started = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    with (
        RunLog(config.artifacts / "logs" / f"{started}.log", say) as log,
        without_arguments(),
    ):
        checks = {_VALIDATOR: _stop_on_anomalies} if config.data.anomalies == "stop" else {}
        nodes = LocalRunner(say, log, checks).run(make_pipeline(config, prepared))
        return _result(nodes, prepared, str(log.path))


def _stop_on_anomalies(validator: history.Node):
    found = history.anomalies(validator)
    if found:
        raise stopped(found)


def _result(nodes: dict[str, history.Node], prepared: Prepared, log: str) -> RunResult:
    evaluator, pusher, trainer = nodes["Evaluator"], nodes["Pusher"], nodes["Trainer"]
    pushed = pusher.property("pushed_model", "pushed_destination")
    if pushed and not os.path.isdir(pushed):
        raise WorkFailed(f"an earlier run pushed this model to {pushed}, which is gone; run with `cache: false`")
    metrics = history.metrics(evaluator)
    blessed = evaluator.property("blessing", "blessed") == 1
    return RunResult(
        blessed=blessed,
        pushed_path=pushed,
        why_not=[] if blessed else history.why_not_blessed(evaluator),
        metrics=metrics.pop("", {}),
        baseline_metrics=history.metrics(evaluator, "baseline").get("", {}),
        slice_metrics=metrics,
        details=prepared.eval_spec.details,
        anomalies=prepared.anomalies + history.anomalies(nodes[_VALIDATOR]),
        components={name: node.state for name, node in nodes.items()},
        preset=os.path.join(trainer.path("model_run"), PRESET_FOLDER),
        saved_model=path_utils.serving_model_dir(trainer.path("model")),
        log=log,
    )
