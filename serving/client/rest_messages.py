"""The requests of gRPC's API as REST says them, and REST's answers as gRPC's messages.

Messages go in and come out, so that the rest of a client need not know which way a call went. What REST does not say is
left out of them: the version that answered, where none was named.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import grpc
import numpy as np
from google.protobuf import json_format

from serving import tensors
from serving.client.errors import InvalidInput, ServerFailed
from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

DEFAULT = "serving_default"


@dataclass(frozen=True)
class HttpRequest:
    """verb, path and, with POST, the JSON object; `message` makes gRPC's answer of the JSON that comes back."""

    verb: str
    path: str
    body: Mapping[str, Any] | None
    message: Callable[[Mapping[str, Any]], Any]


def http_request(method: str, request: bytes, known: dict[str, Any], where: str) -> HttpRequest:
    """What to send for a call.

    Args:
        method: gRPC's path of it, "/tensorflow.serving.PredictionService/Predict".
        request: the serialized request.
        known: path of a model to its SignatureDefMap: the answer to GetModelMetadata is kept in it, and Predict, whose
            answers do not say their dtypes, looks there.
        where: for messages.

    Raises ServerFailed for a call that REST has not, InvalidInput for an output that the signature has not.
    """
    name = method.rpartition("/")[2]
    if name not in _CALLS:
        text = f"REST has no {name}; use a Client, of the server's gRPC port"
        raise ServerFailed(text, grpc.StatusCode.UNIMPLEMENTED, where)
    return _CALLS[name](request, known, where)


def _predict(data: bytes, known: dict[str, Any], where: str) -> HttpRequest:
    request = predict_pb2.PredictRequest.FromString(data)
    path, signature = _path(request.model_spec), request.model_spec.signature_name or DEFAULT
    infos = known[path].signature_def[signature].outputs
    for output in request.output_filter:
        if output not in infos:
            text = f"output tensor alias not found in signature: {output} Outputs expected to be in the set {{"
            raise InvalidInput(text + ",".join(sorted(infos)) + "}.", grpc.StatusCode.INVALID_ARGUMENT, where)
    inputs = {name: _plain(tensors.from_proto(proto)) for name, proto in request.inputs.items()}

    def message(document: Mapping[str, Any]) -> Any:
        outputs = document["outputs"]
        if len(infos) == 1:  # the name of a single output is left out
            outputs = {next(iter(infos)): outputs}
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        response.model_spec.signature_name = signature
        for name, value in outputs.items():
            if not request.output_filter or name in request.output_filter:
                array = _array(value, infos[name].dtype)
                tensors.to_proto(array, into=response.outputs[name])
        return response

    return HttpRequest("POST", f"{path}:predict", {"signature_name": signature, "inputs": inputs}, message)


def _classify(data: bytes, known: dict[str, Any], where: str) -> HttpRequest:
    def message(document: Mapping[str, Any]) -> Any:
        response = classification_pb2.ClassificationResponse()
        for row in document["results"]:
            classes = response.result.classifications.add().classes
            for label, score in row:
                classes.add(label=label, score=score)
        return response

    return _on_examples("classify", classification_pb2.ClassificationRequest.FromString(data), message)


def _regress(data: bytes, known: dict[str, Any], where: str) -> HttpRequest:
    def message(document: Mapping[str, Any]) -> Any:
        response = regression_pb2.RegressionResponse()
        for value in document["results"]:
            response.result.regressions.add(value=value)
        return response

    return _on_examples("regress", regression_pb2.RegressionRequest.FromString(data), message)


def _on_examples(call: str, request: Any, message: Callable) -> HttpRequest:
    examples = [
        {name: list(_feature(feature)) for name, feature in example.features.feature.items()}
        for example in request.input.example_list.examples
    ]
    body = {"signature_name": request.model_spec.signature_name or DEFAULT, "examples": examples}
    return HttpRequest("POST", f"{_path(request.model_spec)}:{call}", body, message)


def _metadata(data: bytes, known: dict[str, Any], where: str) -> HttpRequest:
    path = _path(get_model_metadata_pb2.GetModelMetadataRequest.FromString(data).model_spec)

    def message(document: Mapping[str, Any]) -> Any:
        content = {key: value for key, value in document["metadata"]["signature_def"].items() if key != "@type"}
        found = get_model_metadata_pb2.SignatureDefMap()
        json_format.ParseDict(content, found, ignore_unknown_fields=True)
        known[path] = found
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        json_format.ParseDict(document["model_spec"], response.model_spec, ignore_unknown_fields=True)
        response.metadata["signature_def"].Pack(found)
        return response

    return HttpRequest("GET", f"{path}/metadata", None, message)


def _status(data: bytes, known: dict[str, Any], where: str) -> HttpRequest:
    spec = get_model_status_pb2.GetModelStatusRequest.FromString(data).model_spec

    def message(document: Mapping[str, Any]) -> Any:
        return json_format.ParseDict(document, get_model_status_pb2.GetModelStatusResponse())

    return HttpRequest("GET", _path(spec), None, message)


_CALLS = {
    "Predict": _predict,
    "Classify": _classify,
    "Regress": _regress,
    "GetModelMetadata": _metadata,
    "GetModelStatus": _status,
}


def _path(spec: Any) -> str:
    path = f"/v1/models/{quote(spec.name, safe='')}"
    if spec.HasField("version"):
        return f"{path}/versions/{spec.version.value}"
    return f"{path}/labels/{quote(spec.version_label, safe='')}" if spec.version_label else path


def _plain(array: np.ndarray) -> Any:
    """An array as JSON has it."""
    return _leaves(array.tolist()) if array.dtype.kind == "O" else array.tolist()


def _leaves(value: Any) -> Any:
    return [_leaves(one) for one in value] if isinstance(value, list) else _text(value)


def _text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _feature(feature: Any) -> Iterator[Any]:
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else ()
    return map(_text, values) if kind == "bytes_list" else iter(values)


def _array(value: Any, number: int) -> np.ndarray:
    """What REST has written, as an array of the dtype that the signature says."""
    dtype = tensors.numpy_dtype(number)
    if dtype.kind != "O":
        return np.array(value, dtype)
    shape, inner = [], value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    array = np.empty(shape, object)
    array.ravel()[:] = list(_flat(value))
    return array


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    else:
        yield base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def error_text(body: bytes) -> str:
    """What an answer that is none says: the server's own text, or the first words of somebody else's page."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(body.decode(errors="replace").split())[:200] or "no text"
