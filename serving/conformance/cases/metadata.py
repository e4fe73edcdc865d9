"""1.4: GetModelMetadata over gRPC."""

from serving.conformance.case import Case, Section, same
from serving.conformance.subject import METADATA, shown
from serving.conformance.wire import fill_spec
from serving.protos import get_model_metadata_pb2

CASES: list[Case] = []
section = Section(CASES, "1.4", "plain")


def _request(*fields: str, model: str = "ops"):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    fill_spec(request.model_spec, model)
    return request


section.refused(
    "metadata-fields:none",
    "A request that asks for nothing is told so.",
    METADATA,
    _request(),
    "INVALID_ARGUMENT",
    "GetModelMetadataRequest must specify at least one metadata_field",
)
section.refused(
    "metadata-fields:other",
    "signature_def is the only field.",
    METADATA,
    _request("signature_def", "assets"),
    "INVALID_ARGUMENT",
    "Metadata field assets is not supported",
)
section.refused(
    "metadata:unknown-model",
    "As for the other calls.",
    METADATA,
    _request("signature_def", model="nobody"),
    "NOT_FOUND",
    "Servable not found for request: Latest(nobody)",
)


@section.case("metadata:signatures")
def metadata(server):
    """metadata["signature_def"] is an Any that holds a SignatureDefMap with every signature, its tensors and method."""
    request = _request("signature_def")
    response = server.call(METADATA, request)
    found = get_model_metadata_pb2.SignatureDefMap()
    same(shown(METADATA, request), response.metadata["signature_def"].Unpack(found), True)
    default = found.signature_def["serving_default"]
    got = [
        (name, info.name, info.dtype, [d.size for d in info.tensor_shape.dim]) for name, info in default.inputs.items()
    ]
    same(shown(METADATA, request), got, [("x", "x:0", 1, [-1])])
    same(shown(METADATA, request), default.method_name, "tensorflow/serving/predict")
    same(shown(METADATA, request), {"classify", "wide", "wait"} <= set(found.signature_def), True)


@section.case("metadata:model-spec")
def metadata_model_spec(server):
    """The response's model_spec has name and version; its signature_name is empty."""
    request = _request("signature_def")
    spec = server.call(METADATA, request).model_spec
    same(shown(METADATA, request), (spec.name, spec.version.value, spec.signature_name), ("ops", 1, ""))
