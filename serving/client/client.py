"""The client."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import grpc
import numpy as np

from serving import tensors
from serving.client import signatures
from serving.client.errors import ModelNotFound, ServingError, Timeout, Unavailable, from_rpc
from serving.client.examples import example
from serving.client.signatures import Signature
from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_READY_POLL_SECONDS = 0.2


class Answer(dict):
    """Arrays by output name, with the version that gave them."""

    def __init__(self, outputs: Mapping[str, np.ndarray], model: str, version: int, signature: str):
        super().__init__(outputs)
        self.model = model
        self.version = version
        self.signature = signature


@dataclass(frozen=True)
class VersionStatus:
    """state: START, LOADING, AVAILABLE, UNLOADING or END; the error of a load that was given up."""

    version: int
    state: str
    error_code: str
    error_message: str


class Client:
    """Calls one model server.

    Args:
        target: "host:port" or "unix:/path".
        model, version, label, signature: what to call where a call does not say; version None means the newest.
        timeout: seconds that a call may take, all retries included.
        credentials: `grpc.ssl_channel_credentials(...)` for TLS; None for a plain connection.
        retries: how often a call that met UNAVAILABLE is tried again.
        options: further gRPC channel options.

    Every call raises `errors.ServingError` of a fitting type that names target, model and version.
    """

    def __init__(
        self,
        target: str,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        retries: int = 3,
        options: Iterable[tuple[str, object]] = (),
    ):
        if version is not None and label is not None:
            raise ValueError(f"version={version} and label={label!r} are both given: pass one of them")
        self.target = target
        self.model = model
        self.version = version
        self.label = label
        self.signature = signature
        self.timeout = timeout
        channel_options = [*_channel_options(retries), *options]
        if credentials is None:
            self._channel = grpc.insecure_channel(target, channel_options)
        else:
            self._channel = grpc.secure_channel(target, credentials, channel_options)
        self._calls: dict[str, grpc.UnaryUnaryMultiCallable] = {}
        self._signatures: dict[tuple, dict[str, Signature]] = {}

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def predict(
        self,
        inputs: str | list[str] | np.ndarray | Mapping[str, object],
        outputs: Iterable[str] | None = None,
        *,
        model: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Named arrays for the inputs.

        Args:
            inputs: for a signature with one input, its value (one text is a batch of one); else values by input name.
                Values are fitted to the signature's dtypes where nothing is lost.
            outputs: names of the outputs to compute; None for all.

        Returns arrays by output name; strings as str (object arrays), bytes where the name ends in `_bytes` or where
        they are no UTF-8.
        """
        deadline = self._deadline(timeout)
        spec = self._spec(model, signature)
        try:
            return self._predict(spec, inputs, outputs, deadline)
        except ServingError as error:
            # The signature may be another one since the version was replaced: read it again, once.
            if self._forget(spec) and error.code() in _STALE:
                return self._predict(spec, inputs, outputs, deadline)
            raise

    def classify(self, examples: Iterable, *, model: str | None = None, signature: str | None = None, timeout=None):
        """For each example its list of (label, score).

        Args:
            examples: dicts from feature name to str, bytes, int, float or a list of these; or tf.train.Example.
        """
        request = classification_pb2.ClassificationRequest(model_spec=self._spec(model, signature))
        request.input.example_list.examples.extend(example(one) for one in examples)
        response = self._call(
            _PREDICTION + "Classify", request, classification_pb2.ClassificationResponse, self._deadline(timeout)
        )
        return [[(one.label, one.score) for one in row.classes] for row in response.result.classifications]

    def regress(self, examples: Iterable, *, model: str | None = None, signature: str | None = None, timeout=None):
        """One float32 value per example; `examples` as in `classify`."""
        request = regression_pb2.RegressionRequest(model_spec=self._spec(model, signature))
        request.input.example_list.examples.extend(example(one) for one in examples)
        response = self._call(
            _PREDICTION + "Regress", request, regression_pb2.RegressionResponse, self._deadline(timeout)
        )
        return np.array([one.value for one in response.result.regressions], np.float32)

    def metadata(self, *, model: str | None = None, timeout: float | None = None) -> dict[str, Signature]:
        """The model's signatures by name, read anew."""
        spec = self._spec(model, None)
        self._forget(spec)
        return self._read_signatures(spec, self._deadline(timeout))

    def status(self, *, model: str | None = None, timeout: float | None = None) -> list[VersionStatus]:
        """All versions that the server has seen since it started, or the one that this client is bound to."""
        spec = self._spec(model, None)
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        response_class = get_model_status_pb2.GetModelStatusResponse
        response = self._call(_MODEL + "GetModelStatus", request, response_class, self._deadline(timeout))
        state_name = get_model_status_pb2.ModelVersionStatus.State.Name
        codes = {code.value[0]: code.name for code in grpc.StatusCode}
        return [
            VersionStatus(one.version, state_name(one.state), codes[one.status.error_code], one.status.error_message)
            for one in response.model_version_status
        ]

    def wait_until_ready(self, deadline: float = 60.0, *, model: str | None = None) -> None:
        """Returns when the model answers; raises Timeout after `deadline` seconds, with what was seen last."""
        end = time.monotonic() + deadline
        seen = "nothing answered"
        while (left := end - time.monotonic()) > 0:
            try:
                states = self.status(model=model, timeout=min(left, self.timeout))
            except (Unavailable, Timeout, ModelNotFound) as error:
                seen = error.details()
            else:
                if any(one.state == "AVAILABLE" for one in states):
                    return
                seen = ", ".join(f"version {one.version} is {one.state} {one.error_message}".strip() for one in states)
            time.sleep(max(min(_READY_POLL_SECONDS, end - time.monotonic()), 0))
        where = self._where(self._spec(model, None))
        raise Timeout(f"not ready after {deadline:g} s: {seen}", grpc.StatusCode.DEADLINE_EXCEEDED, where)

    def _predict(self, spec, inputs, outputs, deadline: float) -> Answer:
        where = self._where(spec)
        signature = signatures.pick(self._cached_signatures(spec, deadline), spec.signature_name, where)
        request = predict_pb2.PredictRequest(model_spec=spec, output_filter=outputs or ())
        for name, array in signatures.fit(signature, inputs, where).items():
            tensors.to_proto(array, into=request.inputs[name])
        response = self._call(_PREDICTION + "Predict", request, predict_pb2.PredictResponse, deadline)
        values = {name: _readable(name, tensors.from_proto(proto)) for name, proto in response.outputs.items()}
        served = response.model_spec
        return Answer(values, served.name, served.version.value, served.signature_name)

    def _cached_signatures(self, spec, deadline: float) -> dict[str, Signature]:
        key = _cache_key(spec)
        if key not in self._signatures:
            self._signatures[key] = self._read_signatures(spec, deadline)
        return self._signatures[key]

    def _read_signatures(self, spec, deadline: float) -> dict[str, Signature]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        response_class = get_model_metadata_pb2.GetModelMetadataResponse
        return signatures.from_metadata(self._call(_PREDICTION + "GetModelMetadata", request, response_class, deadline))

    def _forget(self, spec) -> bool:
        return self._signatures.pop(_cache_key(spec), None) is not None

    def _call(self, method: str, request, response_class, deadline: float):
        call = self._calls.get(method)
        if call is None:
            # The bytes are made and read here: a request that cannot be sent is then an error of ours, not of gRPC's.
            call = self._calls[method] = self._channel.unary_unary(method)
        try:
            data = call(request.SerializeToString(), timeout=max(deadline - time.monotonic(), 0.001))
        except grpc.RpcError as error:
            raise from_rpc(error, self._where(request.model_spec)) from None
        return response_class.FromString(data)

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self.timeout if timeout is None else timeout)

    def _spec(self, model: str | None, signature: str | None):
        name = model or self.model
        if not name:
            raise ValueError("no model named: Client(target, model=...) or predict(..., model=...)")
        spec = model_pb2.ModelSpec(name=name, signature_name=signature or self.signature or "")
        # A version field that is present counts, even with 0: it stays absent for "the newest".
        if self.version is not None:
            spec.version.value = self.version
        elif self.label is not None:
            spec.version_label = self.label
        return spec

    def _where(self, spec) -> str:
        kind = spec.WhichOneof("version_choice")
        if kind == "version":
            which = f"version {spec.version.value}"
        else:
            which = f"label {spec.version_label}" if kind else "newest version"
        return f"server {self.target}, model {spec.name}, {which}"


# Codes that a request made for another signature may meet.
_STALE = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
}


def _cache_key(spec) -> tuple:
    kind = spec.WhichOneof("version_choice")
    return spec.name, kind, spec.version.value if kind == "version" else spec.version_label


def _channel_options(retries: int) -> list[tuple[str, object]]:
    options: list[tuple[str, object]] = [
        ("grpc.max_receive_message_length", -1),  # gRPC's own limit of 4 MB cuts off ordinary batches
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", 310_000),  # a server cuts off who asks more often than every five minutes
        ("grpc.enable_retries", int(retries > 0)),
    ]
    if retries > 0:
        policy = {
            "maxAttempts": min(retries + 1, 5),  # gRPC's own upper bound
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        options.append(("grpc.service_config", json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})))
    return options


def _readable(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype != object or name.endswith("_bytes"):
        return array
    out = np.empty(array.shape, object)
    out.ravel()[:] = [_text(value) for value in array.ravel()]
    return out


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
