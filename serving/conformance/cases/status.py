"""1.4: GetModelStatus over gRPC. States on the way to AVAILABLE and to END are in lives.py."""

import re

from serving.conformance.case import Case, Section, same
from serving.conformance.subject import AVAILABLE, END, RELOAD, STATUS, shown, status_request

CASES: list[Case] = []
section = Section(CASES, "1.4", "plain")

_ANYTHING = re.compile(".*", re.DOTALL)

section.refused(
    "status-unknown-model",
    "The message names the model.",
    STATUS,
    status_request("nobody"),
    "NOT_FOUND",
    "Could not find any versions of model nobody",
)
section.refused(
    "status-unknown-version",
    "The message names version and model.",
    STATUS,
    status_request("ops", version=7),
    "NOT_FOUND",
    "Could not find version 7 of model ops",
)


@section.case("status:available")
def available(server):
    """A version that serves is AVAILABLE (30), with error code 0 and no message; a request may name the version."""
    for request in (status_request("ops"), status_request("ops", version=1)):
        (one,) = server.call(STATUS, request).model_version_status
        got = one.version, one.state, one.status.error_code, one.status.error_message
        same(shown(STATUS, request), got, (1, AVAILABLE, 0, ""))


@section.case("status:label-is-ignored")
def label_is_ignored(server):
    """A label in the request changes nothing, whether it is known or not."""
    request = status_request("ops", label="canary")
    (one,) = server.call(STATUS, request).model_version_status
    same(shown(STATUS, request), (one.version, one.state), (1, AVAILABLE))


@section.case("status:ended-versions", "models")
def ended_versions(server):
    """Versions that were unloaded are still told of, as END (50), beside those that serve."""
    request = server.reload_request("many")
    policy = request.config.model_config_list.config[-1].model_version_policy
    policy.specific.versions.append(1)
    server.call(RELOAD, request)
    try:
        server.comes_to("many", lambda: server.states("many").get(1), (AVAILABLE, 0))
        policy.specific.versions[:] = [2]
        server.call(RELOAD, request)
        expected = {1: (END, 0), 2: (AVAILABLE, 0)}
        server.comes_to("many", lambda: {v: server.states("many").get(v) for v in (1, 2)}, expected)
    finally:
        server.restore()


@section.case("status-states:failed-load", "models")
def failed_load(server):
    """A version whose load failed for good is END with the code and the message of the failure."""
    try:
        server.refused(RELOAD, server.reload_request("broken"), "UNKNOWN", _ANYTHING)
        (one,) = server.call(STATUS, status_request("broken")).model_version_status
        got = one.version, one.state, one.status.error_code != 0, "saved_model.pb" in one.status.error_message
        same(shown(STATUS, status_request("broken")), got, (1, END, True, True))
    finally:
        server.restore()
