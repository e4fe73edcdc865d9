"""What a pretraining run came to, by itself or in front of a task's, and the lines that say it."""

import dataclasses
from typing import Any

from pipelines.pretraining.prepare import MAIN_METRIC
from pipelines.result import RunResult, anomaly_lines, metrics_line, verdict_lines


@dataclasses.dataclass(frozen=True)
class PretrainingResult:
    """What a pretraining run came to.

    Attributes:
        blessed: whether the model passed its thresholds.
        pushed_path: the pushed version's directory, a preset; None where nothing was pushed.
        why_not: what the model fell short of, a sentence each.
        metrics: on all held-out rows.
        baseline_metrics: the last blessed model's on the same rows; empty where there was none.
        statistics: split -> `CorpusStatistics`.
        anomalies: what is odd about the corpus, a sentence each.
        components: component -> ran or cached.
        preset: directory of the trained model, pushed or not, for `PretrainingModel.from_preset`.
        log: the file with everything that TFX said.
    """

    blessed: bool
    pushed_path: str | None
    why_not: list[str]
    metrics: dict[str, float]
    baseline_metrics: dict[str, float]
    statistics: dict[str, Any]
    anomalies: list[str]
    components: dict[str, str]
    preset: str
    log: str


def report(result: PretrainingResult) -> list[str]:
    """The lines that close a run."""
    lines = [f"{split}: {statistics}" for split, statistics in result.statistics.items()]
    lines += anomaly_lines(result.anomalies)
    lines.append(metrics_line(result.metrics, result.baseline_metrics))
    return lines + verdict_lines(result.pushed_path, result.why_not)


@dataclasses.dataclass(frozen=True)
class ChainResult:
    """What a chain came to.

    Attributes:
        pretraining: the result of the first half.
        preset: directory of the preset that was fine-tuned: what `pretraining` has pushed, or where the config allows
            that, what was pushed before.
        fine_tuning: the result of the second half.
    """

    pretraining: PretrainingResult
    preset: str
    fine_tuning: RunResult


def chain_report(result: ChainResult, task_metric: str) -> list[str]:
    """The lines that close a chain: what came of each half, and how good it is by its main metric."""
    metrics = result.pretraining.metrics if result.pretraining.blessed else {}
    loss = f", {MAIN_METRIC} {metrics[MAIN_METRIC]:.4f}" if metrics else ""
    return [
        f"pretrained: {result.preset}{loss}",
        f"fine-tuned: {result.fine_tuning.pushed_path}, {task_metric} {result.fine_tuning.metrics[task_metric]:.4f}",
    ]
