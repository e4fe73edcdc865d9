"""grpc.health.v1.Health, as gRPC's C++ servers answer it: who asks learns whether the server takes requests."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from serving.server.messages import HealthCheckRequest, HealthCheckResponse

# The whole server, and TensorFlow Serving's services under the names that it gives them here.
SERVICES = ("", "ModelService", "PredictionService")


class Health:
    """The service; SERVING until `shut_down`."""

    def __init__(self):
        self._lock = threading.Lock()
        self._status = HealthCheckResponse.SERVING
        self._watchers: list = []

    def handler(self) -> grpc.GenericRpcHandler:
        coding = {
            "request_deserializer": HealthCheckRequest.FromString,
            "response_serializer": HealthCheckResponse.SerializeToString,
        }
        watch = _Watch(self._watch)
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, **coding),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, **coding),
        }
        return grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)

    def shut_down(self) -> None:
        """NOT_SERVING from here on; whoever watches is told, and the watch ends: it would hold up the drain."""
        with self._lock:
            self._status = HealthCheckResponse.NOT_SERVING
            watchers = list(self._watchers)
        for service, send in watchers:
            send(self._response(service))
            send(None)

    def _check(self, request, context):
        if request.service not in SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, "service name unknown")
        return self._response(request.service)

    def _watch(self, request, context, send) -> None:
        watcher = (request.service, send)
        with self._lock:
            self._watchers.append(watcher)
            response = self._response(request.service)
        send(response)
        if not context.add_callback(lambda: self._forget(watcher)):
            self._forget(watcher)

    def _forget(self, watcher) -> None:
        with self._lock:
            self._watchers.remove(watcher)

    def _response(self, service: str):
        known = service in SERVICES
        return HealthCheckResponse(status=self._status if known else HealthCheckResponse.SERVICE_UNKNOWN)


class _Watch:
    """A streaming method that holds no thread while nothing changes: gRPC's own health service marks it like this."""

    experimental_non_blocking = True

    def __init__(self, watch):
        self._watch = watch
        self.experimental_thread_pool = ThreadPoolExecutor(1, "health")

    def __call__(self, request, context, send_response_callback) -> None:
        self._watch(request, context, send_response_callback)
