"""What the calls of a client do, apart from how bytes travel.

Each public method is a generator of steps. It yields an `Rpc` and is sent the bytes of the response, or is thrown the
typed error of the call; it yields a `Pause` and goes on when that is over. Its return value is the call's. A transport
carries the steps out: `client.py` by waiting, `async_client.py` by awaiting.
"""

import random
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import numpy as np
from google.protobuf.message import EncodeError

from serving import tensors
from serving.client import answers, models, signatures
from serving.client.answers import Answer, VersionStatus
from serving.client.errors import InvalidInput, ModelNotFound, ServingError, Timeout, Unavailable
from serving.client.examples import example
from serving.client.rows import columns, rows_of
from serving.client.signatures import Signature, Signatures
from serving.client.which import Which
from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_READY_POLL_SECONDS = 0.2
# Pauses before a call is tried again: these, doubled each time, with a fifth of chance so that many clients spread out.
_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 0.1, 2.0, 0.2
# Codes that a request made for another signature may meet.
_STALE = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
}


@dataclass(frozen=True)
class Rpc:
    """One try of a unary call: the request's bytes, how many seconds it may take, and whom an error is about."""

    method: str
    request: bytes
    timeout: float
    where: str


@dataclass(frozen=True)
class Pause:
    seconds: float


T = TypeVar("T")
Steps = Generator[Rpc | Pause, Any, T]


class Calls:
    """The calls to one server, and the signatures that it was seen to have.

    Args:
        target: for messages.
        default: what is called where a call does not say.
        timeout: seconds that a call may take where it does not say.
        retries: how often a try that met UNAVAILABLE is followed by another one.
    """

    def __init__(self, target: str, default: Which, timeout: float, retries: int):
        if retries < 0:
            raise ValueError(f"retries={retries}: expected 0 or more")
        self.timeout = _positive(timeout)
        self._target = target
        self._default = default
        self._retries = retries
        self._signatures: dict[Which, Signatures] = {}

    def predict(self, inputs: Any, outputs: Iterable[str] | None, which: Which, timeout: float | None) -> Steps[Answer]:
        answer, _ = yield from self._predict(inputs, tuple(outputs or ()), self._which(which), self._end(timeout))
        return answer

    def predict_rows(
        self, items: Sequence[Any], start: int, outputs: Iterable[str] | None, which: Which, timeout: float | None
    ) -> Steps[list[Answer]]:
        """One answer per item; `start` is the place of the first among all, for messages."""
        which = self._which(which)
        try:
            inputs = columns(items, self._where(which))
            answer, signature = yield from self._predict(inputs, tuple(outputs or ()), which, self._end(timeout))
        except ServingError as error:
            error.where = f"{error.where}, items[{start}:{start + len(items)}]"
            raise
        return rows_of(answer, signature, len(items))

    def classify(
        self, examples: Iterable[Any], which: Which, timeout: float | None
    ) -> Steps[list[list[tuple[str, float]]]]:
        which = self._which(which)
        request = classification_pb2.ClassificationRequest(model_spec=which.spec())
        request.input.example_list.examples.extend(example(one) for one in examples)
        kind = classification_pb2.ClassificationResponse
        response = yield from self._call(_PREDICTION + "Classify", request, kind, which, self._end(timeout))
        return answers.of_classify(response.result)

    def regress(self, examples: Iterable[Any], which: Which, timeout: float | None) -> Steps[np.ndarray]:
        which = self._which(which)
        request = regression_pb2.RegressionRequest(model_spec=which.spec())
        request.input.example_list.examples.extend(example(one) for one in examples)
        kind = regression_pb2.RegressionResponse
        response = yield from self._call(_PREDICTION + "Regress", request, kind, which, self._end(timeout))
        return answers.of_regress(response.result)

    def multi_inference(
        self,
        examples: Iterable[Any],
        classify: Iterable[str],
        regress: Iterable[str],
        which: Which,
        timeout: float | None,
    ) -> Steps[dict[str, Any]]:
        which = self._which(which).without_signature()
        request = inference_pb2.MultiInferenceRequest()
        request.input.example_list.examples.extend(example(one) for one in examples)
        asked = [(name, "classify") for name in classify] + [(name, "regress") for name in regress]
        for name, method in asked:
            task = request.tasks.add(model_spec=which.spec(), method_name=f"tensorflow/serving/{method}")
            task.model_spec.signature_name = name
        kind = inference_pb2.MultiInferenceResponse
        response = yield from self._call(_PREDICTION + "MultiInference", request, kind, which, self._end(timeout))
        return {
            name: answers.of_classify(result.classification_result)
            if method == "classify"
            else answers.of_regress(result.regression_result)
            for (name, method), result in zip(asked, response.results)
        }

    def metadata(self, which: Which, timeout: float | None) -> Steps[Signatures]:
        key = self._which(which).without_signature()
        self._signatures.pop(key, None)
        return (yield from self._known_signatures(key, self._end(timeout)))

    def status(self, which: Which, timeout: float | None) -> Steps[list[VersionStatus]]:
        which = self._which(which).without_signature()
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=which.spec())
        kind = get_model_status_pb2.GetModelStatusResponse
        response = yield from self._call(_MODEL + "GetModelStatus", request, kind, which, self._end(timeout))
        return answers.of_status(response)

    def reload(self, wanted: Any, timeout: float | None) -> Steps[None]:
        config = wanted if hasattr(wanted, "model_config_list") else models.config_of(wanted)
        request = model_management_pb2.ReloadConfigRequest(config=config)
        kind = model_management_pb2.ReloadConfigResponse
        self._signatures.clear()
        yield from self._call(_MODEL + "HandleReloadConfigRequest", request, kind, None, self._end(timeout))

    def wait_until_ready(self, deadline: float, which: Which) -> Steps[None]:
        which = self._which(which).without_signature()
        end = time.monotonic() + _positive(deadline)
        seen = "nothing answered"
        while (left := end - time.monotonic()) > 0:
            try:
                states = yield from self._once_ready(which, min(left, self.timeout))
            except (Unavailable, Timeout, ModelNotFound) as error:
                seen = error.details()
            else:
                if any(one.state == "AVAILABLE" for one in states):
                    return
                seen = ", ".join(f"version {one.version} is {one.state} {one.error_message}".strip() for one in states)
            yield Pause(max(min(_READY_POLL_SECONDS, end - time.monotonic()), 0))
        raise Timeout(f"not ready after {deadline:g} s: {seen}", grpc.StatusCode.DEADLINE_EXCEEDED, self._where(which))

    def _once_ready(self, which: Which, timeout: float) -> Steps[list[VersionStatus]]:
        if which.label is not None:
            # A server's status takes no notice of labels; what resolves them is a call for a model.
            yield from self.metadata(which, timeout)
        return (yield from self.status(which, timeout))

    def _predict(
        self, inputs: Any, outputs: tuple[str, ...], which: Which, end: float
    ) -> Steps[tuple[Answer, Signature]]:
        key = which.without_signature()
        known = key in self._signatures
        try:
            return (yield from self._predict_once(inputs, outputs, which, end))
        except ServingError as error:
            # The signature may be another one since the version was replaced: read it again, once.
            if not known or error.code() not in _STALE:
                raise
        self._signatures.pop(key, None)
        return (yield from self._predict_once(inputs, outputs, which, end))

    def _predict_once(
        self, inputs: Any, outputs: tuple[str, ...], which: Which, end: float
    ) -> Steps[tuple[Answer, Signature]]:
        where = self._where(which)
        known = yield from self._known_signatures(which.without_signature(), end)
        signature = signatures.pick(known, which.signature, where)
        request = predict_pb2.PredictRequest(model_spec=which.spec(), output_filter=outputs)
        for name, array in signatures.fit(signature, inputs, where).items():
            tensors.to_proto(array, into=request.inputs[name])
        kind = predict_pb2.PredictResponse
        response = yield from self._call(_PREDICTION + "Predict", request, kind, which, end)
        return answers.of_predict(response), signature

    def _known_signatures(self, key: Which, end: float) -> Steps[Signatures]:
        if key not in self._signatures:
            request = get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=key.spec(), metadata_field=["signature_def"]
            )
            kind = get_model_metadata_pb2.GetModelMetadataResponse
            response = yield from self._call(_PREDICTION + "GetModelMetadata", request, kind, key, end)
            self._signatures[key] = signatures.from_metadata(response)
            return self._signatures[key]
        return self._signatures[key]

    def _call(self, method: str, request: Any, response_class: Any, which: Which | None, end: float) -> Steps[Any]:
        """Tries until an answer comes, an error that is not UNAVAILABLE, the last retry, or the end of the time."""
        where = self._where(which)
        data = _bytes(request, where)
        pause = _FIRST_PAUSE
        for left in reversed(range(self._retries + 1)):
            try:
                answered = yield Rpc(method, data, max(end - time.monotonic(), 0.001), where)
                return response_class.FromString(answered)
            except ServingError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or not left or time.monotonic() + pause >= end:
                    raise
            yield Pause(pause * random.uniform(1 - _JITTER, 1))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _end(self, timeout: float | None) -> float:
        return time.monotonic() + (self.timeout if timeout is None else _positive(timeout))

    def _which(self, which: Which) -> Which:
        which = which.or_else(self._default)
        which.spec()  # says so where no model is named
        return which

    def _where(self, which: Which | None) -> str:
        return f"server {self._target}" + ("" if which is None else f", {which}")


def _positive(seconds: float) -> float:
    if not seconds > 0:
        raise ValueError(f"a time of {seconds:g} s: expected more than 0")
    return seconds


def _bytes(request: Any, where: str) -> bytes:
    try:
        return request.SerializeToString()
    except (EncodeError, ValueError) as error:
        text = f"the request cannot be sent ({error}): a message holds less than 2 GiB; send fewer rows at a time"
        raise InvalidInput(text, grpc.StatusCode.INVALID_ARGUMENT, where) from None
