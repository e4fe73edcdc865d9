"""The client runs no TensorFlow, and does no harm to one that is imported before or after."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def python(code):
    """What a fresh Python prints, as JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_client_is_imported_in_half_a_second_of_work_and_60_megabytes():
    code = """
import json, re, sys, time
started = time.process_time()
import serving.client
seconds = time.process_time() - started
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps([seconds, peak, "tensorflow" in sys.modules]))
"""
    measured = [python(code) for _ in range(5)]  # the least is the import's own; the rest is what else runs here
    assert min(seconds for seconds, _, _ in measured) < 0.5
    assert max(megabytes for _, megabytes, _ in measured) < 60
    assert not any(imported for _, _, imported in measured)


def test_calls_need_no_tensorflow(endpoint):
    code = f"""
import json, sys
from serving.client import Client, query
answers = query({endpoint.grpc!r}, "zoo", ["good"], signature="sentiment")
with Client({endpoint.grpc!r}, "zoo") as client:
    client.status(), client.metadata(), client.regress([{{"x": 1.0}}], signature="regress")
    y = client.predict([1.0])["y"].tolist()
print(json.dumps([answers[0]["label"], y, [m for m in sys.modules if m == "tensorflow"]]))
"""
    assert python(code) == ["pos", [2.5], []]


@pytest.mark.slow
def test_a_later_import_of_tensorflow_works_with_the_same_classes():
    code = """
import json
import numpy as np
from serving import tensors
from serving.protos import predict_pb2, tensor_pb2
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2 as theirs
from tensorflow_serving.apis import predict_pb2 as their_predict, prediction_service_pb2_grpc
request = predict_pb2.PredictRequest()
request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
print(json.dumps([
    theirs.TensorProto is tensor_pb2.TensorProto,
    type(request.inputs["x"]) is theirs.TensorProto,
    their_predict.PredictRequest is predict_pb2.PredictRequest,
    tf.make_ndarray(tensors.to_proto(np.float32([2.5]))).tolist(),
    (tf.constant(2) + 3).numpy().item(),
]))
"""
    assert python(code) == [True, True, True, [2.5], 5]


@pytest.mark.slow
def test_a_tensorflow_imported_before_is_used():
    code = """
import json
import tensorflow as tf
import serving.client
from serving.protos import tensor_pb2
print(json.dumps([type(tf.make_tensor_proto([1.0])) is tensor_pb2.TensorProto, bool(tf.__version__)]))
"""
    assert python(code) == [True, True]
