"""Runs a pipeline on this machine: `run_config("pipeline.yaml")`."""

import os
import sys
import warnings
from collections.abc import Callable

from bert_keras.errors import WorkFailed
from pipelines.chain_config import ChainConfig
from pipelines.config import PipelineConfig
from pipelines.load import load_config
from pipelines.prepare import Prepared, prepare
from pipelines.pretraining.config import PretrainingPipelineConfig
from pipelines.pretraining.prepare import Prepared as PreparedPretraining
from pipelines.pretraining.prepare import prepare as prepare_pretraining
from pipelines.pretraining.result import ChainResult, PretrainingResult, chain_report
from pipelines.pretraining.result import report as pretraining_report
from pipelines.pretraining.versions import newest_version
from pipelines.result import RunResult, report

Say = Callable[[str], None]


def run_config(path: str | os.PathLike, say: Say | None = None) -> RunResult | PretrainingResult | ChainResult:
    """Runs the pipeline of a YAML file and says how it goes; a model that is not good enough is a failure.

    Args:
        path: the config of a task, of pretraining, or of both.
        say: takes each line; default: stderr.

    Raises:
        BadInput: the config or the data is wrong; nothing has run.
        WorkFailed: a component failed, or a model was not blessed, or no server could use it, hence nothing was pushed;
            the message says why.
    """
    _silence_start_up()
    config, say = load_config(path), say or to_stderr
    if isinstance(config, ChainConfig):
        return _run_chain(config, str(path), say)
    if isinstance(config, PretrainingPipelineConfig):
        return _blessed_preset(run_pretraining(config, prepare_pretraining(config, str(path)), say))
    return _blessed_model(run(config, prepare(config, str(path)), say))


def run(config: PipelineConfig, prepared: Prepared, say: Say) -> RunResult:
    """Runs the pipeline of a task whose inputs were prepared; a model that is not blessed is a result like any other.

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

    return _reported(execute(config, prepared, say), report, say)


def run_pretraining(config: PretrainingPipelineConfig, prepared: PreparedPretraining, say: Say) -> PretrainingResult:
    """The same for a pipeline that pretrains."""
    files = {"text" if key == "files" else f"text for {key}": len(paths) for key, paths in prepared.files.items()}
    named = ", ".join(f"{name} in {count} {'file' if count == 1 else 'files'}" for name, count in files.items())
    say(f"pipeline {config.name}: {named}; loading TFX …")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pipelines.pretraining.execute import execute

    return _reported(execute(config, prepared, say), pretraining_report, say)


def _run_chain(config: ChainConfig, source: str, say: Say) -> ChainResult:
    first, model = config.first, config.pretraining.model
    prepared = prepare_pretraining(first, source)
    # What the user may have got wrong about the task is told before hours of pretraining; the preset that is not there
    # yet has the vocabulary and the size of the one that it is made of.
    prepare(config.second(model.preset, model.random_start, model.vocabulary), source)
    pretraining = run_pretraining(first, prepared, say)
    former = newest_version(first.push_directory) if config.model.allow_former else None
    if not pretraining.blessed and former:
        say(f"going on from the preset that was pushed before: {former}")
    else:
        _blessed_preset(pretraining, "the chain stops after pretraining: ")
    preset = pretraining.pushed_path or former
    second = config.second(preset)
    of_task = prepare(second, source)
    result = ChainResult(pretraining, preset, _blessed_model(run(second, of_task, say)))
    for line in chain_report(result, of_task.eval_spec.main_metric):
        say(line)
    return result


def _reported(result, lines_of: Callable, say: Say):
    for line in lines_of(result):
        say(line)
    return result


def _blessed_model(result: RunResult) -> RunResult:
    if _blessed(result, result.saved_model).unfit is None:
        return result
    raise WorkFailed(
        f"a model server cannot use the model, and nothing was pushed: {result.unfit} (the model is at "
        f"{result.saved_model}; all of it: {result.log}; the verdict is kept: to try the same model again, change "
        "`infra_validation.tries`)"
    )


def _blessed_preset(result: PretrainingResult, consequence: str = "") -> PretrainingResult:
    return _blessed(result, result.preset, consequence)


def _blessed(result, directory: str, consequence: str = ""):
    """The result. Raises `WorkFailed` where its model, which is in a directory all the same, was not blessed."""
    if result.blessed:
        return result
    raise WorkFailed(
        f"{consequence}the model is not good enough, and nothing was pushed: {'; '.join(result.why_not)} "
        f"(the model is at {directory})"
    )


def to_stderr(line: str):
    """Says a line at once, also into a pipe."""
    print(line, file=sys.stderr, flush=True)


def _silence_start_up():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # gRPC tells of each fork of a process that has a metadata connection.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
