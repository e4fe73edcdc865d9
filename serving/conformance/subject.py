"""The server under test as a case sees it: calls that must be answered or refused, and what is read from answers."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import grpc
from google.protobuf import text_format

from serving import tensors
from serving.conformance.case import Mismatch, fits, same
from serving.conformance.process import ServerProcess
from serving.conformance.wire import Endpoint, fill_spec
from serving.protos import get_model_status_pb2, model_management_pb2

PREDICT = "PredictionService/Predict"
CLASSIFY = "PredictionService/Classify"
REGRESS = "PredictionService/Regress"
MULTI = "PredictionService/MultiInference"
METADATA = "PredictionService/GetModelMetadata"
STATUS = "ModelService/GetModelStatus"
RELOAD = "ModelService/HandleReloadConfigRequest"

START, LOADING, AVAILABLE, UNLOADING, END = 10, 20, 30, 40, 50
# Longer than anything takes on a busy machine.
PATIENCE = 90.0
_SHOWN = 400


class Answer(NamedTuple):
    """Of an HTTP request."""

    status: int
    text: str
    headers: dict


@dataclass
class Subject:
    """
    Args:
        endpoint: where it listens.
        models: folder of the suite's models as the server sees it; None where that is not known.
        served: names of the models that it serves; cases that reload end with these.
        folder, files: the set-up's own folder and files, which cases may change. Only of a server that was started.
        process: its process. Only of a server that was started.
    """

    endpoint: Endpoint
    models: str | None = None
    served: tuple[str, ...] = ()
    folder: Path | None = None
    process: ServerProcess | None = None
    files: dict[str, Path] = field(default_factory=dict)

    # === gRPC ===

    def call(self, method: str, request, timeout: float = PATIENCE):
        """The response. Raises Mismatch where the call fails."""
        try:
            return self.endpoint.call(method, request, timeout)
        except grpc.RpcError as error:
            raise Mismatch(shown(method, request), "an answer", _failure(error)) from None

    def refused(self, method: str, request, code: str, text: "str | re.Pattern", timeout: float = PATIENCE) -> None:
        """Raises Mismatch unless the call fails with this code, and a message that is `text` or matches it."""
        sent = shown(method, request)
        try:
            response = self.endpoint.call(method, request, timeout)
        except grpc.RpcError as error:
            pattern = f"/{text.pattern}/" if isinstance(text, re.Pattern) else text
            if error.code().name != code:
                raise Mismatch(sent, f"{code}: {pattern}", _failure(error)) from None
            fits(sent, error.details() or "", text)
            return
        raise Mismatch(sent, f"{code}: {text}", "an answer: " + _line(response))

    def predicted(self, request, expected: dict, timeout: float = PATIENCE):
        """Raises Mismatch unless the outputs are these values, by name; returns the response."""
        response = self.call(PREDICT, request, timeout)
        same(shown(PREDICT, request), outputs(response), expected)
        return response

    # === HTTP ===

    def http(self, path: str, body=None, method: str | None = None, headers: dict | None = None) -> Answer:
        try:
            return Answer(*self.endpoint.http_with_headers(path, body, method, headers))
        except OSError as error:
            raise Mismatch(f"{path} {body!r}"[:_SHOWN], "an HTTP answer", str(error)) from None

    def http_says(self, path: str, body, expected, method: str | None = None) -> None:
        """Raises Mismatch unless the answer is 200 with this JSON."""
        answer = self.http(path, body, method)
        sent = f"{path} {body!r}"[:_SHOWN]
        if answer.status != 200:
            raise Mismatch(sent, f"200 {expected}", f"{answer.status} {answer.text}")
        same(sent, json.loads(answer.text), expected)

    def http_refused(self, path: str, body, status: int, text: "str | re.Pattern", method: str | None = None) -> None:
        """Raises Mismatch unless the answer has this status and {"error": text}."""
        answer = self.http(path, body, method)
        sent = f"{method or ''} {path} {body!r}".strip()[:_SHOWN]
        try:
            error = json.loads(answer.text)["error"]
        except (ValueError, KeyError, TypeError):
            error = None
        if answer.status != status or error is None:
            raise Mismatch(
                sent, f'{status} {{"error": {getattr(text, "pattern", text)!r}}}', f"{answer[0]} {answer[1]}"
            )
        fits(sent, error, text)

    # === Status and reload ===

    def states(self, model: str) -> dict[int, tuple[int, int]]:
        """(state, error code) of every version that the server tells of; none where it does not know the model."""
        try:
            response = self.endpoint.call(STATUS, status_request(model), PATIENCE)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return {}
            raise Mismatch(f"{STATUS} of {model}", "an answer", _failure(error)) from None
        return {one.version: (one.state, one.status.error_code) for one in response.model_version_status}

    def comes_to(self, what: str, look: Callable, expected, seconds: float = PATIENCE) -> None:
        """Looks again and again; raises Mismatch where `look()` is not `expected` in time."""
        end = time.monotonic() + seconds
        while (got := look()) != expected:
            if time.monotonic() > end:
                raise Mismatch(f"{what} (after {seconds:.0f} s)", expected, got)
            time.sleep(0.05)

    def stays(self, what: str, look: Callable, expected, seconds: float) -> None:
        """Raises Mismatch where `look()` is something else than `expected` within the time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            same(what, look(), expected)
            time.sleep(0.05)

    def reload_request(self, *more: str, without: tuple[str, ...] = ()):
        """The set-up's own models and `more` of the suite's, as a ReloadConfigRequest."""
        request = model_management_pb2.ReloadConfigRequest()
        models = request.config.model_config_list
        models.SetInParent()
        for name in (*self.served, *more):
            if name not in without:
                models.config.add(name=name, base_path=f"{self.models}/{name}", model_platform="tensorflow")
        return request

    def labelled_request(self, model: str, label: str, version: int):
        """The set-up's own models, with a label for a version of one of them, as a ReloadConfigRequest."""
        request = self.reload_request()
        (config,) = (one for one in request.config.model_config_list.config if one.name == model)
        config.version_labels[label] = version
        return request

    def restore(self) -> None:
        """Serves what the set-up serves, and nothing else."""
        self.call(RELOAD, self.reload_request())


def status_request(model: str, **spec):
    request = get_model_status_pb2.GetModelStatusRequest()
    fill_spec(request.model_spec, model, **spec)
    return request


def outputs(response) -> dict[str, list]:
    """Of a PredictResponse: plain values by name."""
    return {name: tensors.from_proto(proto).tolist() for name, proto in response.outputs.items()}


def shown(method: str, request) -> str:
    return f"{method} {_line(request)}".strip()


def _line(message) -> str:
    text = (
        text_format.MessageToString(message, as_one_line=True) if message.ByteSize() < 20_000 else "(a large message)"
    )
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."


def _failure(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}"
