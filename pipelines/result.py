"""What a run came to, and the lines that say it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        blessed: whether the model passed its thresholds.
        unfit: why no model server could use it; None where one could, or none was tried.
        pushed_path: the pushed version's directory; None where nothing was pushed.
        why_not: what the model fell short of, a sentence each.
        metrics: on all evaluation rows.
        baseline_metrics: the last blessed model's on the same rows; empty where there was none.
        slice_metrics: "column:value" -> metrics, for the config's slices.
        details: the metrics that are not shown for each slice.
        anomalies: what is odd about the data, a sentence each: what was found before the run, and what ExampleValidator
            found.
        components: component -> ran or cached.
        preset: directory of the trained task, for `bert_keras.load_task`.
        saved_model: directory of the exported model, pushed or not.
        log: the file with everything that TFX said.
    """

    blessed: bool
    unfit: str | None
    pushed_path: str | None
    why_not: list[str]
    metrics: dict[str, float]
    baseline_metrics: dict[str, float]
    slice_metrics: dict[str, dict[str, float]]
    details: tuple[str, ...]
    anomalies: list[str]
    components: dict[str, str]
    preset: str
    saved_model: str
    log: str


def report(result: RunResult) -> list[str]:
    """The lines that close a run."""
    lines = anomaly_lines(result.anomalies)
    lines.append(metrics_line(result.metrics, result.baseline_metrics))
    for name, values in sorted(result.slice_metrics.items()):
        shown = {metric: value for metric, value in values.items() if metric not in result.details}
        lines.append(f"  {name}: {_metrics(shown, {})}")
    return lines + verdict_lines(result.pushed_path, result.why_not, result.unfit)


def anomaly_lines(anomalies: list[str]) -> list[str]:
    """What is odd about the data."""
    return [f"data: {anomaly}" for anomaly in anomalies] or ["data: no anomalies"]


def metrics_line(metrics: dict[str, float], baseline: dict[str, float]) -> str:
    """The figures of a model, beside those of the last blessed one where there is one."""
    against = " (the last blessed model in brackets)" if baseline else ""
    return f"metrics{against}: {_metrics(metrics, baseline)}"


def verdict_lines(pushed_path: str | None, why_not: list[str], unfit: str | None = None) -> list[str]:
    """Where a good model went, or why nothing was pushed."""
    lines = [f"not blessed: {reason}" for reason in why_not]
    if unfit:
        lines.append(f"not fit to serve: {unfit}")
    return [*lines, "nothing was pushed"] if lines else [f"blessed; pushed to {pushed_path}"]


def _metrics(values: dict[str, float], baseline: dict[str, float]) -> str:
    shown = []
    for name, value in values.items():
        number = f"{value:.0f}" if name == "example_count" else f"{value:.4f}"
        before = f" [{baseline[name]:.4f}]" if name in baseline and name != "example_count" else ""
        shown.append(f"{name} {number}{before}")
    return ", ".join(shown)
