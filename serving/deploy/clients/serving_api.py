"""python serving_api.py HOST:PORT MODEL TEXT…   needs: pip install tensorflow-serving-api"""

import json
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

target, model, *texts = sys.argv[1:]
request = predict_pb2.PredictRequest()
request.model_spec.name = model
request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts))
# Without these a long answer is refused by the client at 4 MB, and a server that hangs is waited for without end.
options = [("grpc.max_receive_message_length", -1)]
with grpc.insecure_channel(target, options) as channel:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    outputs = stub.Predict(request, timeout=10).outputs
for label, score in zip(tf.make_ndarray(outputs["label"]), tf.make_ndarray(outputs["score"])):
    print(json.dumps({"label": label.decode(), "score": float(score)}))
