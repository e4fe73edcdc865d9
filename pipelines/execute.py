"""The part of a run that needs TFX."""

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator

from tfx.utils import path_utils

from bert_keras.errors import WorkFailed
from pipelines import history
from pipelines.anomalies import stopped
from pipelines.arguments import without_arguments
from pipelines.config import PipelineConfig, RunConfig
from pipelines.infra_validator import WHY_NOT
from pipelines.local import LocalRunner
from pipelines.log import RunLog
from pipelines.pipeline import make_pipeline
from pipelines.prepare import Prepared
from pipelines.result import RunResult
from pipelines.trainer import PRESET_FOLDER

VALIDATOR = "ExampleValidator"


def execute(config: PipelineConfig, prepared: Prepared, say: Callable[[str], None]) -> RunResult:
    """Runs all components and reads what came of it.

    Raises:
        WorkFailed: a component failed; the message names it and the log.
        BadInput: a component refused the data.
    """
    with run_log(config, say) as log:
        nodes = LocalRunner(say, log, checks(config.data.anomalies)).run(make_pipeline(config, prepared))
        return _result(nodes, prepared, str(log.path))


@contextlib.contextmanager
def run_log(config: RunConfig, say: Callable[[str], None]) -> Iterator[RunLog]:
    """The log of a run that begins, which takes all that TFX says while the block runs."""
    started = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    with RunLog(config.artifacts / "logs" / f"{started}.log", say) as log, without_arguments():
        yield log


def checks(anomalies: str, key: str = "data.anomalies") -> dict[str, Callable[[history.Node], None]]:
    """The checks between components, for `LocalRunner`; the config says under `key` what to do about anomalies."""

    def stop_on_anomalies(validator: history.Node):
        if found := history.anomalies(validator):
            raise stopped(found, key)

    return {VALIDATOR: stop_on_anomalies} if anomalies == "stop" else {}


def pushed_path(pusher: history.Node) -> str | None:
    """Where the Pusher has put the model; None where it has not.

    Raises:
        WorkFailed: it is not there any more.
    """
    pushed = pusher.property("pushed_model", "pushed_destination")
    if pushed and not os.path.isdir(pushed):
        raise WorkFailed(f"an earlier run pushed this model to {pushed}, which is gone; run with `cache: false`")
    return pushed


def _result(nodes: dict[str, history.Node], prepared: Prepared, log: str) -> RunResult:
    evaluator, trainer = nodes["Evaluator"], nodes["Trainer"]
    metrics = history.metrics(evaluator)
    blessed = evaluator.property("blessing", "blessed") == 1
    infra = nodes.get("InfraValidator")
    unfit = infra is not None and infra.property("blessing", "blessed") != 1
    return RunResult(
        blessed=blessed,
        unfit=infra.property("blessing", WHY_NOT) if unfit else None,
        pushed_path=pushed_path(nodes["Pusher"]),
        why_not=[] if blessed else history.why_not_blessed(evaluator),
        metrics=metrics.pop("", {}),
        baseline_metrics=history.metrics(evaluator, "baseline").get("", {}),
        slice_metrics=metrics,
        details=prepared.eval_spec.details,
        anomalies=prepared.anomalies + history.anomalies(nodes[VALIDATOR]),
        components={name: node.state for name, node in nodes.items()},
        preset=os.path.join(trainer.path("model_run"), PRESET_FOLDER),
        saved_model=path_utils.serving_model_dir(trainer.path("model")),
        log=log,
    )
