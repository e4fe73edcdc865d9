"""Raw calls of TensorFlow Serving's API to any server: what a conformance case is made of. No TensorFlow, no client."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

import grpc

from serving import tensors
from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

_RESPONSES = {
    "PredictionService/Predict": predict_pb2.PredictResponse,
    "PredictionService/Classify": classification_pb2.ClassificationResponse,
    "PredictionService/Regress": regression_pb2.RegressionResponse,
    "PredictionService/MultiInference": inference_pb2.MultiInferenceResponse,
    "PredictionService/GetModelMetadata": get_model_metadata_pb2.GetModelMetadataResponse,
    "ModelService/GetModelStatus": get_model_status_pb2.GetModelStatusResponse,
    "ModelService/HandleReloadConfigRequest": model_management_pb2.ReloadConfigResponse,
}


@dataclass(frozen=True)
class Endpoint:
    """grpc: "host:port"; rest: "http://host:port"; credentials: TLS for gRPC, None for plain connections."""

    grpc: str
    rest: str
    credentials: grpc.ChannelCredentials | None = None

    def channel(self, arguments: dict | None = None) -> grpc.Channel:
        """A gRPC channel that takes messages of any size, unless the channel arguments say otherwise."""
        options = list({"grpc.max_receive_message_length": -1, **(arguments or {})}.items())
        if self.credentials is None:
            return grpc.insecure_channel(self.grpc, options)
        return grpc.secure_channel(self.grpc, self.credentials, options)

    def call(self, name: str, request, timeout: float = 20.0):
        """The response of a gRPC call, named "PredictionService/Predict" and so on."""
        with self.channel() as channel:
            method = channel.unary_unary(f"/tensorflow.serving.{name}")
            return _RESPONSES[name].FromString(method(request.SerializeToString(), timeout=timeout))

    def refusal(self, name: str, request, timeout: float = 20.0) -> tuple[str, str]:
        """Code and details of a gRPC call that must fail."""
        try:
            response = self.call(name, request, timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        raise AssertionError(f"{name} was answered: {response}")

    def http(self, path: str, body=None, method: str | None = None, headers=None, timeout=60) -> tuple[int, str]:
        """Status and text of a REST request; a body that is not bytes is sent as JSON."""
        status, text, _ = self.http_with_headers(path, body, method, headers, timeout)
        return status, text

    def http_with_headers(self, path: str, body=None, method=None, headers=None, timeout=60):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.rest + path, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.read().decode(), response.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers

    def http_error(self, path: str, body=None, method: str | None = None) -> tuple[int, str]:
        """Status and the text in {"error": ...}."""
        status, text = self.http(path, body, method)
        return status, json.loads(text)["error"]


def predict_request(model: str, signature: str = "", inputs=None, outputs=(), **spec) -> predict_pb2.PredictRequest:
    """Inputs are arrays, or TensorProtos as they stand."""
    request = predict_pb2.PredictRequest(output_filter=outputs)
    fill_spec(request.model_spec, model, signature, **spec)
    for name, value in (inputs or {}).items():
        if hasattr(value, "SerializeToString"):
            request.inputs[name].CopyFrom(value)
        else:
            tensors.to_proto(value, into=request.inputs[name])
    return request


def fill_spec(spec, model: str, signature: str = "", version: int | None = None, label: str = "") -> None:
    spec.SetInParent()
    spec.name = model
    spec.signature_name = signature
    if version is not None:
        spec.version.value = version
    if label:
        spec.version_label = label
