"""Runs a pipeline on this machine: `run_config("pipeline.yaml")`."""

import os
import sys
import warnings
from collections.abc import Callable

from bert_keras.errors import WorkFailed
from pipelines.config import PipelineConfig
from pipelines.load import load_config
from pipelines.prepare import Prepared, prepare
from pipelines.result import RunResult, report


def run_config(path: str | os.PathLike, say: Callable[[str], None] | None = None) -> RunResult:
    """Runs the pipeline of a YAML file and says how it goes; a model that is not good enough is a failure.

    Args:
        path: the config.
        say: takes each line; default: stderr.

    Raises:
        BadInput: the config or the data is wrong; nothing has run.
        WorkFailed: a component failed, or the model was not blessed, hence not pushed; the message says why.
    """
    _silence_start_up()
    config = load_config(path)
    result = run(config, prepare(config, str(path)), say or to_stderr)
    if not result.blessed:
        raise WorkFailed(
            f"the model is not good enough, and nothing was pushed: {'; '.join(result.why_not)} "
            f"(the model is at {result.saved_model})"
        )
    return result


def run(config: PipelineConfig, prepared: Prepared, say: Callable[[str], None]) -> RunResult:
    """Runs a pipeline whose inputs were prepared; a model that is not blessed is a result like any other.

    Raises:
        WorkFailed: a component failed.
    """
    rows = ", ".join(f"{count} rows of {config.data.files[key].name}" for key, count in prepared.rows.items())
    say(f"pipeline {config.name}: {rows}; loading TFX …")
    with warnings.catch_warnings():
        # About versions of Google's cloud packages, which no local run uses.
        warnings.simplefilter("ignore")
        # TFX takes half a minute to import.
        from pipelines.execute import execute

    result = execute(config, prepared, say)
    for line in report(result):
        say(line)
    return result


def to_stderr(line: str):
    """Says a line at once, also into a pipe."""
    print(line, file=sys.stderr, flush=True)


def _silence_start_up():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # gRPC tells of each fork of a process that has a metadata connection.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
