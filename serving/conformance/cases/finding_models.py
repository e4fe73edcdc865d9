"""1 and 1.1: which services there are, and which version of which model answers."""

import re

import grpc
import numpy as np

from serving.conformance.case import Case, Mismatch, Section, fits, same
from serving.conformance.subject import CLASSIFY, METADATA, MULTI, PATIENCE, PREDICT, REGRESS, RELOAD, STATUS, shown
from serving.conformance.wire import predict_request
from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

CASES: list[Case] = []
services = Section(CASES, "1", "plain")
section = Section(CASES, "1.1", "plain")

X = {"x": np.float32([1.0, 2.0])}
_EMPTY = {
    PREDICT: predict_pb2.PredictRequest(),
    CLASSIFY: classification_pb2.ClassificationRequest(),
    REGRESS: regression_pb2.RegressionRequest(),
    MULTI: inference_pb2.MultiInferenceRequest(),
    METADATA: get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]),
    STATUS: get_model_status_pb2.GetModelStatusRequest(),
    RELOAD: model_management_pb2.ReloadConfigRequest(),
}

# === Services ===


@services.case("services")
def services_are_there(server):
    """PredictionService has Predict, Classify, Regress, MultiInference and GetModelMetadata, ModelService has
    GetModelStatus and HandleReloadConfigRequest: each looks at an empty request and finds it wanting."""
    for method, request in _EMPTY.items():
        server.refused(method, request, "INVALID_ARGUMENT", re.compile(".+"))


@services.case("no-other-services")
def no_other_services(server):
    """UNIMPLEMENTED. SessionService is not registered, and PredictStreamed is no call."""
    with server.endpoint.channel() as channel:
        for method in ("SessionService/SessionRun", "PredictionService/PredictStreamed"):
            try:
                channel.unary_unary(f"/tensorflow.serving.{method}")(b"", timeout=PATIENCE)
            except grpc.RpcError as error:
                same(method, error.code().name, "UNIMPLEMENTED")
            else:
                raise Mismatch(method, "UNIMPLEMENTED", "an answer")


@services.case("long-message")
def long_message(server):
    """A message of more than 1024 characters is cut there and ends in ...TRUNCATED."""
    inputs = {f"{n:0100}": np.float32([1.0]) for n in range(20)}
    cut = re.compile(r"input size .{1013}\.\.\.TRUNCATED", re.DOTALL)
    server.refused(PREDICT, predict_request("ops", inputs=inputs), "INVALID_ARGUMENT", cut)


# === Finding the model ===

for _method in (PREDICT, CLASSIFY, REGRESS, METADATA, STATUS):
    section.refused(
        f"missing-model-spec:{_method.partition('/')[2]}",
        "A request without a model_spec is told so.",
        _method,
        _EMPTY[_method],
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    )

section.refused(
    "empty-name",
    "A model_spec without a name is told so.",
    PREDICT,
    predict_request("", inputs=X),
    "INVALID_ARGUMENT",
    "ModelSpec has no name specified.",
)
section.refused(
    "unknown-model",
    "The latest version of the model was asked for.",
    PREDICT,
    predict_request("nobody", inputs=X),
    "NOT_FOUND",
    "Servable not found for request: Latest(nobody)",
)
section.refused(
    "unknown-version",
    "The message names the version that was asked for.",
    PREDICT,
    predict_request("ops", inputs=X, version=7),
    "NOT_FOUND",
    "Servable not found for request: Specific(ops, 7)",
)
section.refused(
    "version-0",
    "A version that is present with 0 is version 0, not the latest.",
    PREDICT,
    predict_request("ops", inputs=X, version=0),
    "NOT_FOUND",
    "Servable not found for request: Specific(ops, 0)",
)
section.refused(
    "unknown-label",
    "The message names the label.",
    PREDICT,
    predict_request("ops", inputs=X, label="canary"),
    "INVALID_ARGUMENT",
    "Unrecognized servable version label: canary",
)


@section.case("latest", "models")
def latest(server):
    """Without version and label the highest loaded version answers, and the response names it."""
    request = server.reload_request("many")
    request.config.model_config_list.config[-1].model_version_policy.all.SetInParent()
    server.call(RELOAD, request)
    try:
        server.comes_to("versions of many", lambda: sorted(server.states("many")), [1, 2, 3])
        server.comes_to("many", lambda: {state for state, _ in server.states("many").values()}, {30})
        response = server.predicted(predict_request("many", inputs=X), {"y": [4.0, 5.0]})
        same("many", response.model_spec.version.value, 3)
        response = server.predicted(predict_request("many", inputs=X, version=1), {"y": [2.0, 3.0]})
        same("many, version 1", response.model_spec.version.value, 1)
    finally:
        server.restore()


@section.case("label", "models")
def label(server):
    """A label leads to its version; the response names the version and never the label."""
    request = server.labelled_request("ops", "stable", 1)
    server.call(RELOAD, request)
    try:
        response = server.predicted(predict_request("ops", inputs=X, label="stable"), {"y": [2.0, 3.0]})
        spec = response.model_spec
        same("model_spec", (spec.version.value, spec.version_label), (1, ""))
    finally:
        server.restore()


@section.case("response-model-spec")
def response_model_spec(server):
    """The response's model_spec has the name, the version that answered, and the signature: serving_default where the
    request named none."""
    for asked, named in (("", "serving_default"), ("column", "column")):
        inputs = X if not asked else {"x": np.float32([[1.0]])}
        request = predict_request("ops", asked, inputs)
        spec = server.call(PREDICT, request).model_spec
        fits(shown(PREDICT, request), spec.signature_name, named)
        same(shown(PREDICT, request), (spec.name, spec.version.value), ("ops", 1))
