"""The gRPC transport: tensorflow.serving.PredictionService and ModelService over the calls of ServerCore."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.message import DecodeError

from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)
from serving.server.core import ServerCore
from serving.server.extensions import gate as gates
from serving.server.extensions.gate import Gate, Refused
from serving.server.health import Health
from serving.server.status import Code, ServingError, invalid, unexpected, where

log = logging.getLogger(__name__)

_MAX_MESSAGE = 2**31 - 1
_MAX_DETAILS = 1024
_CUT = "...TRUNCATED"
_CODES = {code.value[0]: code for code in grpc.StatusCode}

# The calls that TensorFlow Serving counts.
_COUNTED = ("Predict", "Classify", "Regress")

# Method -> request class, name of the call in ServerCore.
_SERVICES = {
    "tensorflow.serving.PredictionService": {
        "Predict": (predict_pb2.PredictRequest, "predict"),
        "Classify": (classification_pb2.ClassificationRequest, "classify"),
        "Regress": (regression_pb2.RegressionRequest, "regress"),
        "MultiInference": (inference_pb2.MultiInferenceRequest, "multi_inference"),
        "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, "get_model_metadata"),
    },
    "tensorflow.serving.ModelService": {
        "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, "get_model_status"),
        "HandleReloadConfigRequest": (model_management_pb2.ReloadConfigRequest, "handle_reload_config_request"),
    },
}


class GrpcServer:
    """Serves a core. Nothing listens before `start`.

    A pool of threads, not asyncio. With half_plus_two, client and server together on two busy cores, threads answered
    1500 to 1750 requests a second for 8 to 32 callers, asyncio that hands each run to a thread 1000 to 1400: each
    request crosses threads either way, and asyncio adds a loop between them. asyncio that runs TensorFlow in its loop
    is as quick as threads for this tiny model, but there one slow request holds up all the others.

    Args:
        addresses: "host:port" (port 0: any free one, see `ports`) or "unix:/path".
        arguments: further gRPC channel arguments.
        credentials: TLS, on every address; None: plain connections.
        health: answer grpc.health.v1.Health.
        gate: what every call but those of health passes first.
    """

    def __init__(
        self,
        core: ServerCore,
        addresses: list[str],
        max_threads: int,
        arguments: dict | None = None,
        credentials: grpc.ServerCredentials | None = None,
        health: bool = False,
        gate: Gate | None = None,
    ):
        if gate and gate.max_bytes:
            # gRPC refuses what is larger before it is held in memory. What the server sees of that is a call that was
            # cancelled before its message came: it cannot be told from a caller that went away.
            arguments = {"grpc.max_receive_message_length": gate.max_bytes, **(arguments or {})}
        options = {
            "grpc.max_receive_message_length": _MAX_MESSAGE,
            "grpc.max_send_message_length": _MAX_MESSAGE,
            "grpc.so_reuseport": 0,  # a taken port must be an error, not a second server behind the same port
            **(arguments or {}),
        }
        self._server = grpc.server(ThreadPoolExecutor(max_threads, "grpc"), options=list(options.items()))
        for service, methods in _SERVICES.items():
            handlers = {name: _handler(core, name, *what, gate) for name, what in methods.items()}
            self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
        self._health = Health() if health else None
        if self._health:
            self._server.add_generic_rpc_handlers([self._health.handler()])
        self._credentials = credentials
        self._addresses = addresses
        self.ports: list[int] = []

    def start(self) -> None:
        """Opens the ports. Raises OSError when one is taken."""
        for address in self._addresses:
            try:
                port = self._open(address)
            except RuntimeError:
                port = 0
            if not port:
                raise OSError(f"cannot listen for gRPC on {address}")
            self.ports.append(port)
        self._server.start()

    def stop(self, grace: float | None) -> None:
        """Refuses new calls, answers those under way, at most for `grace` seconds."""
        if self._health:
            self._health.shut_down()
        self._server.stop(grace).wait()

    def _open(self, address: str) -> int:
        if self._credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, self._credentials)


def details(message: str) -> str:
    """The text that goes out: TensorFlow Serving cuts what is longer than 1024 characters."""
    return message if len(message) <= _MAX_DETAILS else message[:_MAX_DETAILS] + _CUT


def _handler(core: ServerCore, api: str, request_class, call: str, gate: Gate | None):
    answer = getattr(core, call)

    def attempt(request, context):
        started = time.perf_counter()
        failure = None
        try:
            return answer(request, _timeout_ms(context))
        except ServingError as error:
            failure = error
        except Exception as error:
            log.error("%s failed: %s", call, where(error))
            failure = unexpected(error)
        finally:
            if api in _COUNTED:
                core.count(request.model_spec.name, api, "GRPC", started, failure)
        try:
            raise failure
        finally:
            # The error holds this frame, and with it the request: both would stay until garbage is collected.
            del failure

    def handle(request, context):
        try:
            return attempt(request, context)
        except ServingError as error:
            failure = error.with_traceback(None)
        _abort(context, failure)

    def handle_guarded(requests, context):
        authorization = dict(context.invocation_metadata()).get("authorization", "")
        try:
            with gate.call("GRPC", gates.address_of(context.peer()), api, authorization) as note:
                data = next(requests, None)
                if data is None:
                    raise invalid("The call came without a message")
                note.bytes = len(data)
                return attempt(_parsed(request_class, data), context)
        except ServingError as error:
            failure = error.with_traceback(None)
        _abort(context, failure)

    def serialize(response):
        return response.SerializeToString()

    if gate is None:
        return grpc.unary_unary_rpc_method_handler(handle, request_class.FromString, serialize)
    # A stream of one message is the same on the wire, and its message is not read before the gate lets the call in.
    return grpc.stream_unary_rpc_method_handler(handle_guarded, None, serialize)


def _parsed(request_class, data: bytes):
    try:
        return request_class.FromString(data)
    except DecodeError:
        # As gRPC says it where it reads the message itself.
        raise ServingError(Code.INTERNAL, "Exception deserializing request!") from None


def _abort(context, failure: ServingError) -> None:
    if isinstance(failure, Refused) and failure.retry_seconds is not None:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", str(int(failure.retry_seconds * 1000) + 1)),))
    context.abort(_CODES[int(failure.code)], details(failure.message))


def _timeout_ms(context) -> int | None:
    remaining = context.time_remaining()
    # A deadline of years ahead is how some clients say "none"; TensorFlow's field takes it, a 32-bit timer may not.
    if remaining is None or remaining > 10**7:
        return None
    return max(int(remaining * 1000), 1)
