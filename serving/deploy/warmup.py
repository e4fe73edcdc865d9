"""Warm-up requests of one's own for a model that is exported already."""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from serving import tensors
from serving.deploy import BadDeployment
from serving.deploy.deployment import WARMUP_FILE
from serving.protos import prediction_log_pb2

# TensorFlow Serving refuses a model with more.
MOST_REQUESTS = 1000
_SIGNATURE = "serving_default"


def write_warmup(version: Path, path: Path) -> int:
    """Makes the rows of a file the warm-up requests of a version, in the place of those it has.

    A server that has loaded the version already does not see them.

    Args:
        version: a SavedModel's folder, whose `serving_default` takes texts.
        path: a text a line; or, named *.jsonl, objects of the inputs by name, a request each.

    Returns:
        The number of requests.

    Raises:
        BadDeployment: the file cannot be read or is empty, or a row does not fit the signature, with which a server
            would refuse the model.
    """
    import tensorflow as tf

    names = _text_inputs(version)
    logs = [_log(names, row, f"{path}, row {number}") for number, row in _rows(path)]
    if not 1 <= len(logs) <= MOST_REQUESTS:
        raise BadDeployment(f"{path}: there are {len(logs)} rows; expected 1 to {MOST_REQUESTS}")
    target = version / WARMUP_FILE
    target.parent.mkdir(exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".", dir=target.parent)
    os.close(handle)
    with tf.io.TFRecordWriter(partial) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
    os.chmod(partial, 0o644)
    os.replace(partial, target)
    return len(logs)


def _text_inputs(version: Path) -> list[str]:
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = next((graph for graph in model.meta_graphs if "serve" in graph.meta_info_def.tags), None)
    if graph is None or _SIGNATURE not in graph.signature_def:
        raise BadDeployment(f"{version} has no signature {_SIGNATURE!r}; expected an export that takes text")
    inputs = graph.signature_def[_SIGNATURE].inputs
    numbers = [name for name, info in inputs.items() if tensors.dtype_name(info.dtype) != "string"]
    if numbers:
        raise BadDeployment(
            f"{version}: the input {numbers[0]!r} of {_SIGNATURE!r} takes no text; expected texts alone"
        )
    return sorted(inputs)


def _rows(path: Path) -> Iterable[tuple[int, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadDeployment(f"{path} cannot be read ({reason}); expected texts, one a line") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _object(line, f"{path}, row {number}") if path.suffix == ".jsonl" else line


def _object(line: str, place: str) -> dict[str, str]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadDeployment(f"{place}: it is no JSON ({error.msg}); expected an object a line") from None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadDeployment(f'{place}: expected an object of texts, such as {{"text": "…"}}')
    return value


def _log(names: list[str], row: str | dict[str, str], place: str):
    if isinstance(row, str):
        if len(names) > 1:
            raise BadDeployment(f"{place}: the model takes {', '.join(names)}; expected a .jsonl file with these keys")
        row = {names[0]: row}
    if sorted(row) != names:
        raise BadDeployment(f"{place}: the keys are {', '.join(sorted(row))}; expected {', '.join(names)}")
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = _SIGNATURE
    for name, text in row.items():
        tensors.to_proto([text], into=log.predict_log.request.inputs[name])
    return log
