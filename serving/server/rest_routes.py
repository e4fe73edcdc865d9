"""The REST paths: what is asked, as which call of ServerCore, answered with which text and status."""

import inspect
import logging
import re
import time
from urllib.parse import unquote_to_bytes

from google.protobuf import json_format

from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)
from serving.server import json_answers, json_examples, json_tensors, json_text
from serving.server.core import ServerCore
from serving.server.extensions import notes
from serving.server.status import Code, ServingError, invalid, unexpected, where

log = logging.getLogger(__name__)

_INT64_MAX = 2**63 - 1
_NAME = r"/v1/models/([^/:]+)"
_WHICH = r"(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?"
_POST = re.compile(_NAME + _WHICH + r":(classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(r"/v1/models(?:/([^/:]+))?" + _WHICH + r"(?:/(metadata))?", re.IGNORECASE)
API = re.compile(r"/v1/.*", re.IGNORECASE | re.DOTALL)

_HTTP = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
# protobuf renamed the option that prints fields which hold their default.
_WITH_DEFAULTS = next(
    name
    for name in ("always_print_fields_with_no_presence", "including_default_value_fields")
    if name in inspect.signature(json_format.MessageToJson).parameters
)


class Routes:
    """Answers one REST request at a time; safe to call from many threads."""

    def __init__(self, core: ServerCore, timeout_ms: int):
        self._core = core
        self._timeout_ms = timeout_ms or None

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        """HTTP status and JSON text; `path` without the query."""
        try:
            return 200, self._answer(method, path, body)
        except ServingError as error:
            return error_response(error)
        except RecursionError:
            return error_response(invalid("JSON Parse error: The document is nested too deeply"))
        except Exception as error:
            log.error("REST call failed: %s", where(error))
            return error_response(unexpected(error))

    def _answer(self, method: str, path: str, body: bytes) -> str:
        if method == "POST" and (match := _POST.fullmatch(path)):
            name, version, label, call = match.groups()
            return self._counted(call.lower(), _spec(name, version, label), body)
        if method == "GET" and (match := _GET.fullmatch(path)):
            name, version, label, metadata = match.groups()
            spec = _spec(name, version, label)
            if not spec.name:
                raise invalid("Missing model name in request.")
            return self._metadata(spec) if metadata else self._status(spec)
        raise invalid(f"Malformed request: {method} {path}")

    def _counted(self, call: str, spec, body: bytes) -> str:
        started = time.perf_counter()
        failure = None
        try:
            return getattr(self, "_" + call)(spec, body)
        except ServingError as error:
            failure = error
            raise
        except Exception as error:
            failure = unexpected(error)
            raise
        finally:
            self._core.count(spec.name, call, "REST", started, failure)
            # The error holds this frame, and with it the request: both would stay until garbage is collected.
            del failure

    def _predict(self, spec, body: bytes) -> str:
        outputs, by_row = self._predicted(spec, body)
        return json_answers.predict_text(outputs, by_row)

    def _predicted(self, spec, body: bytes):
        """Arrays by name, and whether rows were asked for. Request and response, which may be large, end here."""
        request = predict_pb2.PredictRequest(model_spec=spec)
        by_row = self._fill_predict(body, request)
        response = self._core.predict(request, self._timeout_ms)
        return json_answers.output_arrays(response.outputs), by_row

    def _fill_predict(self, body: bytes, request) -> bool:
        document = json_tensors.read_object(body)
        json_tensors.fill_signature(document, request)
        name = request.model_spec.signature_name
        inputs = self._core.signature_inputs(request.model_spec, name)
        if not inputs:
            raise invalid(f"Failed to get input map for signature: {name or 'DEFAULT'}")
        return json_tensors.fill_predict(document, inputs, request)

    def _classify(self, spec, body: bytes) -> str:
        request = classification_pb2.ClassificationRequest(model_spec=spec)
        _fill(body, request)
        return json_examples.classification_text(self._core.classify(request, self._timeout_ms).result)

    def _regress(self, spec, body: bytes) -> str:
        request = regression_pb2.RegressionRequest(model_spec=spec)
        _fill(body, request)
        return json_examples.regression_text(self._core.regress(request, self._timeout_ms).result)

    def _status(self, spec) -> str:
        response = self._core.get_model_status(get_model_status_pb2.GetModelStatusRequest(model_spec=spec))
        return json_format.MessageToJson(response, indent=1, **{_WITH_DEFAULTS: True}) + "\n"

    def _metadata(self, spec) -> str:
        request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        response = self._core.get_model_metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        as_text = {"indent": 1, "preserving_proto_field_name": True, _WITH_DEFAULTS: True}
        model_spec = json_format.MessageToJson(response.model_spec, **as_text)
        signature_def = json_format.MessageToJson(signatures, **as_text)
        return f'{{\n"model_spec":{model_spec}\n,\n"metadata": {{"signature_def": {signature_def}\n}}\n}}\n'


def error_response(error: ServingError) -> tuple[int, str]:
    notes.failed(error)
    return _HTTP[error.code], json_text.write({"error": error.message})


def _fill(body: bytes, request) -> None:
    document = json_tensors.read_object(body)
    json_tensors.fill_signature(document, request)
    json_examples.fill_examples(document, request)


def _spec(name: str | None, version: str | None, label: str | None):
    spec = model_pb2.ModelSpec(name=_decoded(name, "model name"))
    if version:
        if int(version) > _INT64_MAX:
            raise invalid(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label:
        spec.version_label = _decoded(label, "model version label")
    return spec


def _decoded(text: str | None, what: str) -> str:
    try:
        return unquote_to_bytes(text or "").decode()
    except UnicodeDecodeError:
        raise invalid(f"Failed to decode {what}:{text}") from None
