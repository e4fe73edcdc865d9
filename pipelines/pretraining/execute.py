"""The part of a pretraining run that needs TFX."""

import json
import os
from collections.abc import Callable

from tfx.utils import path_utils

from pipelines import history
from pipelines.example_gen import SPLITS
from pipelines.execute import VALIDATOR, checks, pushed_path, run_log
from pipelines.local import LocalRunner
from pipelines.pretraining.config import PretrainingPipelineConfig
from pipelines.pretraining.evaluator import FIGURES_FILE
from pipelines.pretraining.pipeline import make_pipeline
from pipelines.pretraining.prepare import Prepared
from pipelines.pretraining.result import PretrainingResult
from pipelines.pretraining.statistics import read_statistics


def execute(config: PretrainingPipelineConfig, prepared: Prepared, say: Callable[[str], None]) -> PretrainingResult:
    """Runs all components and reads what came of it.

    Raises:
        WorkFailed: a component failed; the message names it and the log.
        BadInput: a component refused the text.
    """
    with run_log(config, say) as log:
        stop = checks(config.pretraining.corpus.anomalies, "pretraining.corpus.anomalies")
        runner = LocalRunner(say, log, stop)
        return _result(runner.run(make_pipeline(config, prepared)), str(log.path))


def _result(nodes: dict[str, history.Node], log: str) -> PretrainingResult:
    evaluator, statistics = nodes["Evaluator"], nodes["StatisticsGen"].path("statistics")
    with open(os.path.join(evaluator.path("evaluation"), FIGURES_FILE), encoding="utf-8") as file:
        found = json.load(file)
    return PretrainingResult(
        blessed=evaluator.property("blessing", "blessed") == 1,
        pushed_path=pushed_path(nodes["Pusher"]),
        why_not=found["why_not"],
        metrics=found["candidate"],
        baseline_metrics=found["baseline"],
        statistics={split: read_statistics(os.path.join(statistics, f"Split-{split}")) for split in SPLITS},
        anomalies=history.anomalies(nodes[VALIDATOR]),
        components={name: node.state for name, node in nodes.items()},
        preset=path_utils.serving_model_dir(nodes["Trainer"].path("model")),
        log=log,
    )
