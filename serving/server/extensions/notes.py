"""What is noted of the call under way: who asks what of which model. Written by the transports and before the core."""

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

from serving import tensors
from serving.protos import types_pb2
from serving.server.core import ServerCore
from serving.server.status import ServingError


@dataclass
class Note:
    """One call.

    Args:
        transport: "GRPC" or "REST".
        peer: the caller's address, without a port.
        client: the name of its token; "" without tokens.
        method: "Predict" and so on; over REST, until a call is recognized, the HTTP method.
        model, label, signature: as asked for; signature "" is `serving_default`.
        version: the one that answered, else the one asked for.
        rows: rows or examples of the request.
        bytes: of the request, as it came.
        code: "OK", or the code of the refusal.
        wants_texts: whether `texts` is to be filled.
        texts: the strings of the request's tensors.
    """

    transport: str
    peer: str
    client: str = ""
    method: str = ""
    model: str = ""
    version: int | None = None
    label: str = ""
    signature: str = ""
    rows: int | None = None
    bytes: int = 0
    code: str = "OK"
    wants_texts: bool = False
    texts: list[str] = field(default_factory=list)


current: ContextVar[Note | None] = ContextVar("note", default=None)


def failed(error: ServingError) -> None:
    """For a transport that turns an error into an answer before it reaches the gate."""
    note = current.get()
    if note is not None:
        note.code = error.code.name


_CALLS = {
    "predict": "Predict",
    "classify": "Classify",
    "regress": "Regress",
    "multi_inference": "MultiInference",
    "get_model_metadata": "GetModelMetadata",
    "get_model_status": "GetModelStatus",
    "handle_reload_config_request": "HandleReloadConfigRequest",
}


class NotingCore:
    """A ServerCore that fills in the note of the call under way."""

    def __init__(self, core: ServerCore):
        self._core = core

    def __getattr__(self, name: str):
        answer = getattr(self._core, name)
        if name not in _CALLS:
            return answer

        def noted(request, timeout_ms: int | None = None):
            note = current.get()
            if note is None:
                return answer(request, timeout_ms)
            note.method = _CALLS[name]
            _note_request(note, request)
            response = answer(request, timeout_ms)
            _note_version(note, response)
            return response

        return noted

    def signature_inputs(self, spec, signature_name: str) -> dict:
        """REST asks for this first: a request that ends here has its model noted all the same."""
        note = current.get()
        if note is not None:
            note.method = "Predict"
            _note_spec(note, spec)
            note.signature = signature_name
        return self._core.signature_inputs(spec, signature_name)


def _note_request(note: Note, request) -> None:
    _note_spec(note, _spec(request))
    note.rows = _rows(request)
    if note.wants_texts:
        note.texts = list(_texts(request))


def _note_spec(note: Note, spec) -> None:
    if spec is None:
        return
    choice = spec.WhichOneof("version_choice")
    note.model, note.signature = spec.name, spec.signature_name
    note.version = spec.version.value if choice == "version" else None
    note.label = spec.version_label if choice == "version_label" else ""


def _note_version(note: Note, response) -> None:
    spec = _spec(response)
    if spec is not None and spec.HasField("version"):
        note.version = spec.version.value


def _spec(message):
    names = message.DESCRIPTOR.fields_by_name
    if "model_spec" in names:
        return message.model_spec
    several = next((name for name in ("tasks", "results") if name in names), None)
    first = next(iter(getattr(message, several)), None) if several else None
    return first.model_spec if first is not None else None


def _rows(request) -> int | None:
    names = request.DESCRIPTOR.fields_by_name
    if "inputs" in names:
        shapes = (proto.tensor_shape.dim for _, proto in sorted(request.inputs.items()))
        return next((int(dims[0].size) for dims in shapes if dims), None)
    return sum(1 for _ in _examples(request)) if "input" in names else None


def _examples(request) -> Iterator:
    for kind in ("example_list", "example_list_with_context"):
        yield from getattr(request.input, kind).examples


def _texts(request) -> Iterator[str]:
    names = request.DESCRIPTOR.fields_by_name
    if "inputs" in names:
        for _, proto in sorted(request.inputs.items()):
            if proto.dtype == types_pb2.DT_STRING:
                yield from _strings(proto)
    elif "input" in names:
        for one in _examples(request):
            for _, feature in sorted(one.features.feature.items()):
                yield from (value.decode(errors="replace") for value in feature.bytes_list.value)


def _strings(proto) -> Iterator[str]:
    try:
        values = tensors.from_proto(proto).ravel().tolist()
    except (ValueError, MemoryError):
        return  # the call itself says what is wrong with it
    yield from (value.decode(errors="replace") for value in values)
