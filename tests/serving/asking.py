"""Callers that ask a server without a pause."""

import threading

import grpc
import numpy as np

from serving.protos import predict_pb2
from tests.serving.endpoint import predict_request

PREDICT = "/tensorflow.serving.PredictionService/Predict"


class Load:
    """Threads that ask without a pause, and keep every answer."""

    def __init__(self, endpoint, threads=4):
        self.answers, self.failures = [], []
        self._stop = threading.Event()
        self._endpoint = endpoint
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        data = predict_request("m", inputs={"x": np.float32([10.0])}).SerializeToString()
        with grpc.insecure_channel(self._endpoint.grpc) as channel:
            call = channel.unary_unary(PREDICT)
            while not self._stop.is_set():
                try:
                    response = predict_pb2.PredictResponse.FromString(call(data, timeout=20))
                    self.answers.append((response.model_spec.version.value, response.outputs["y"].float_val[0]))
                except grpc.RpcError as error:
                    self.failures.append((error.code().name, error.details()))
