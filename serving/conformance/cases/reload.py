"""1.4: HandleReloadConfigRequest over gRPC. Each case ends with what the server served before."""

import re

import numpy as np

from serving.conformance.case import Case, Section, same
from serving.conformance.subject import AVAILABLE, END, PREDICT, RELOAD, shown
from serving.conformance.wire import predict_request
from serving.protos import model_management_pb2

CASES: list[Case] = []
section = Section(CASES, "1.4", "plain")
versions = Section(CASES, "1.7", "plain", "models")
batching = Section(CASES, "1.6", "batching")

X = {"x": np.float32([1.0])}


def _listing(*models: tuple[str, str], platform: str = "tensorflow"):
    request = model_management_pb2.ReloadConfigRequest()
    for name, path in models:
        request.config.model_config_list.config.add(name=name, base_path=path, model_platform=platform)
    return request


# === Refusals: the server goes on as it was ===


def _kept(name: str, says: str, make_request, code: str, text, **where) -> None:
    """A case whose reload must be refused, after which the former models answer."""

    def check(server):
        server.refused(RELOAD, make_request(server), code, text)
        server.predicted(predict_request("ops", inputs=X), {"y": [2.0]})

    section.add(name, f"{code}, and nothing changes. {says}", check, **where)


_kept(
    "reload-not-a-list",
    "A config that is no model_config_list is refused.",
    lambda server: model_management_pb2.ReloadConfigRequest(),
    "INVALID_ARGUMENT",
    "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported",
)
_kept(
    "reload-duplicate-name",
    "The message names the model.",
    lambda server: _listing(("b", "/b"), ("b", "/c")),
    "INVALID_ARGUMENT",
    "Illegal to list model b multiple times in config list",
)
_kept(
    "reload-relative-path",
    "The message names model and path.",
    lambda server: _listing(("b", "b/c")),
    "INVALID_ARGUMENT",
    "Expected model b to have an absolute path or URI; got base_path()=b/c",
)
_kept(
    "reload-platform:none",
    "The message names both fields.",
    lambda server: _listing(("b", "/b"), platform=""),
    "INVALID_ARGUMENT",
    re.compile(
        r"Illegal setting neither ModelServerConfig::model_type \(deprecated\) nor ModelServerConfig::model_platform\.?"
    ),
)


@section.case("reload-platform:changed", "models")
def changed_platform(server):
    """INVALID_ARGUMENT, and nothing changes. A model that is served keeps its platform; that the other one is unknown
    is not looked at first."""
    request = server.reload_request()
    (ops,) = (one for one in request.config.model_config_list.config if one.name == "ops")
    ops.model_platform = "caffe"
    change = "For model ops platform was tensorflow and new platform requested is caffe"
    text = f"Illegal to change a model's platform. {change}"
    server.refused(RELOAD, request, "INVALID_ARGUMENT", text)
    server.predicted(predict_request("ops", inputs=X), {"y": [2.0]})


@section.case("reload-platform:unknown", "models")
def unknown_platform(server):
    """INVALID_ARGUMENT. A platform that the server does not have is named."""
    request = server.reload_request("other")
    request.config.model_config_list.config[-1].model_platform = "caffe"
    try:
        server.refused(RELOAD, request, "INVALID_ARGUMENT", "Model other requests unsupported platform caffe")
    finally:
        server.restore()


@section.case("reload-label", "models")
def label_on_an_unloaded_version(server):
    """FAILED_PRECONDITION. A label may name versions that are available, and no others."""
    request = server.labelled_request("ops", "next", 6)
    text = "Request to assign label to version 6 of model ops, which is not currently available for inference"
    try:
        server.refused(RELOAD, request, "FAILED_PRECONDITION", text)
        server.predicted(predict_request("ops", inputs=X), {"y": [2.0]})
    finally:
        server.restore()


@section.case("reload-failing-model", "models")
def failing_model(server):
    """UNKNOWN. A new model that does not load is told with its version and why; the others serve on."""
    pattern = (
        r"1 model\(s\) did not become available: \{+name: broken version: 1\} due to error: .*saved_model\.pb.*\}, \}"
    )
    try:
        server.refused(RELOAD, server.reload_request("broken"), "UNKNOWN", re.compile(pattern, re.DOTALL))
        server.predicted(predict_request("ops", inputs=X), {"y": [2.0]})
    finally:
        server.restore()


# === What a reload does ===


@section.case("reload:blocks-until-available", "models")
def blocks_until_available(server):
    """The call returns when every new model answers, with status OK."""
    request = server.reload_request("other")
    try:
        status = server.call(RELOAD, request).status
        server.predicted(predict_request("other", inputs=X), {"y": [3.0]}, timeout=10)
        same(shown(RELOAD, request), (status.error_code, status.error_message), (0, ""))
    finally:
        server.restore()


@section.case("reload:absent-models-are-unloaded", "models")
def absent_models_are_unloaded(server):
    """Models that the new list does not have are unloaded, the others stay."""
    try:
        server.call(RELOAD, server.reload_request("other"))
        server.restore()
        server.comes_to("states of other", lambda: server.states("other"), {5: (END, 0)})
        missing = "Servable not found for request: Latest(other)"
        server.refused(PREDICT, predict_request("other", inputs=X), "NOT_FOUND", missing)
        server.predicted(predict_request("ops", inputs=X), {"y": [2.0]})
    finally:
        server.restore()


@section.case("reload:empty-list", "models")
def empty_list(server):
    """A list without models unloads all of them."""
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    try:
        server.call(RELOAD, request)
        server.comes_to("states of ops", lambda: server.states("ops").get(1), (END, 0))
        missing = "Servable not found for request: Latest(ops)"
        server.refused(PREDICT, predict_request("ops", inputs=X), "NOT_FOUND", missing)
    finally:
        server.restore()
    server.predicted(predict_request("ops", inputs=X), {"y": [2.0]})


@section.case("reload:metrics", "models")
def metrics(server):
    """For each of metric_names the response says by how much that counter grew over the reload: here by the examples
    of the warm-up of a new model. (Of the models that a counter has a number for, the first one's is looked at.)"""
    name = "/tensorflow/serving/request_example_count_total"
    request = server.reload_request("a_warm")
    request.metric_names.append(name)

    def grew():
        return [(metric.name, metric.int64_value_increase) for metric in server.call(RELOAD, request).metric]

    try:
        grew()
        same(f"{shown(RELOAD, request)}, nothing to load", grew(), [(name, 0)])
        server.restore()
        server.comes_to("states of a_warm", lambda: server.states("a_warm"), {1: (END, 0)})
        same(f"{shown(RELOAD, request)}, a model to warm up", grew(), [(name, 3)])
    finally:
        server.restore()


# === Version policies ===


@versions.case("policies")
def policies(server):
    """`all` serves every version, `latest` the newest num_versions, `specific` those that it lists, and only those."""
    request = server.reload_request("many")
    policy = request.config.model_config_list.config[-1].model_version_policy

    def serving():
        return sorted(version for version, (state, _) in server.states("many").items() if state == AVAILABLE)

    try:
        policy.all.SetInParent()
        server.call(RELOAD, request)
        server.comes_to("versions, policy all", serving, [1, 2, 3])
        policy.latest.num_versions = 2
        server.call(RELOAD, request)
        server.comes_to("versions, policy latest 2", serving, [2, 3])
        policy.specific.versions.extend([1, 3])
        server.call(RELOAD, request)
        server.comes_to("versions, policy specific 1 and 3", serving, [1, 3])
        policy.Clear()
        server.call(RELOAD, request)
        server.comes_to("versions, no policy", serving, [3])
    finally:
        server.restore()


@versions.case("version-names")
def version_names(server):
    """A folder is a version where its name is an integer: 00000123 is 123; others are passed over."""
    request = server.reload_request("named")
    request.config.model_config_list.config[-1].model_version_policy.all.SetInParent()
    try:
        server.call(RELOAD, request)
        server.comes_to("versions of named", lambda: server.states("named"), {123: (AVAILABLE, 0)})
        server.predicted(predict_request("named", inputs=X, version=123), {"y": [4.0]})
    finally:
        server.restore()


@batching.case("allowed-sizes")
def allowed_sizes(server):
    """allowed_batch_sizes that do not end with max_batch_size fail the load."""
    text = r".*Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8.*"
    try:
        server.refused(RELOAD, server.reload_request("mismatched"), "UNKNOWN", re.compile(text, re.DOTALL))
    finally:
        server.restore()
