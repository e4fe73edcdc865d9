"""A real gRPC server that passes every call on to another one: what the wire saw, and what went wrong on it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc


class Proxy:
    """Forwards to `target`.

    refusals: (code, details) that the next calls of Predict meet, one each; None for one that passes.
    calls: names of the methods asked, in order.
    most_at_once: the largest number of Predicts under way together.
    """

    def __init__(self, target, port=0):
        self.refusals, self.calls, self.most_at_once = [], [], 0
        self._at_once = 0
        self._lock, self._second_done = threading.Lock(), threading.Event()
        self._barrier, self._holds_first = None, False
        self._channel = grpc.insecure_channel(target)
        self._server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers([_Handler(self._answer)])
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.target = f"127.0.0.1:{self.port}"
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._server.stop(0).wait()
        self._channel.close()

    def meet(self, count, after=0):
        """No Predict is passed on before `count` of them are there, but for the first `after`."""
        self._barrier, self._met_after = threading.Barrier(count), after

    def first_waits(self):
        """The first Predict is passed on when the second one was answered."""
        self._holds_first = True

    def _answer(self, method, request, context):
        name = method.rpartition("/")[2]
        with self._lock:
            self.calls.append(name)
            number = self.calls.count("Predict")
            refusal = self.refusals.pop(0) if name == "Predict" and self.refusals else None
        if name != "Predict":
            return self._passed_on(method, request, context)
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if refusal:
                context.abort(getattr(grpc.StatusCode, refusal[0]), refusal[1])
            if self._barrier and number > self._met_after:
                self._barrier.wait(20)
            if self._holds_first and number == 1:
                assert self._second_done.wait(20)
            return self._passed_on(method, request, context)
        finally:
            with self._lock:
                self._at_once -= 1
            if number == 2:
                self._second_done.set()

    def _passed_on(self, method, request, context):
        try:
            return self._channel.unary_unary(method)(request, timeout=20)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, answer):
        self._answer = answer

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda *call: self._answer(details.method, *call))
