"""Callers of a server, in a process of their own, for bench_serving.py: as light as gRPC in Python gets.

Requests are serialized beforehand and answers are not parsed. A caller sends its next request from the callback of its
last answer, so that many callers need no threads of their own.
"""

import itertools
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import grpc
import numpy as np
from interleave import Channel

from serving import tensors
from serving.client import LoadReport
from serving.protos import predict_pb2

PREDICT = "/tensorflow.serving.PredictionService/Predict"


def main():
    channel = Channel()
    settings = channel.receive()
    requests = itertools.cycle([serialized(settings["model"], text) for text in settings["texts"]])
    channel.send(ready=True)
    while (turn := channel.receive()) is not None:
        channel.send(done=True, **Turn(requests, **turn).figures())


def serialized(model, text):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    tensors.to_proto(np.array([text.encode()], object), into=request.inputs["text"])
    return request.SerializeToString()


class Turn:
    """`callers` callers that ask `target` for `seconds`, each at once again when it is answered."""

    def __init__(self, requests, target, callers, seconds):
        self._requests, self._lock = requests, threading.Lock()
        self._latencies, self._errors, self._left = [], Counter(), callers
        self._finished = threading.Event()
        with grpc.insecure_channel(target) as channel:
            self._call = channel.unary_unary(PREDICT)
            self._call(next(requests), timeout=60)
            busy, self._start = time.process_time(), time.perf_counter()
            self._end = self._start + seconds
            for _ in range(callers):
                self._ask()
            self._finished.wait()
        self._seconds, self._busy = time.perf_counter() - self._start, time.process_time() - busy

    def figures(self):
        report = LoadReport(self._seconds, 1, tuple(self._latencies), self._errors)
        return {"busy": self._busy, "rows": len(self._latencies), **report.as_dict()}

    def _ask(self):
        with self._lock:
            request = next(self._requests)
        sent = time.perf_counter()
        self._call.future(request, timeout=60).add_done_callback(lambda future: self._answered(future, sent))

    def _answered(self, future, sent):
        now = time.perf_counter()
        failure = future.exception()
        with self._lock:
            if failure is None:
                self._latencies.append(now - sent)
            else:
                self._errors[failure.code().name] += 1
            self._left -= now >= self._end
            is_last = not self._left
        if now < self._end:
            self._ask()
        elif is_last:
            self._finished.set()


if __name__ == "__main__":
    main()
