"""Predict: named tensors in, named tensors out, as predict_util.cc of TensorFlow Serving does it."""

from serving import tensors
from serving.protos import predict_pb2
from serving.server.servable import DEFAULT_SIGNATURE, Servable
from serving.server.status import Code, ServingError, failed_precondition, invalid

METHODS = ("tensorflow/serving/predict", "tensorflow/serving/classify", "tensorflow/serving/regress")


def predict(servable: Servable, request, options, timeout_ms: int | None = None) -> predict_pb2.PredictResponse:
    """Runs one PredictRequest on `servable`; which model the request names is not looked at again."""
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    if options.check_method_name and signature.method_name not in METHODS:
        raise ServingError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(METHODS)}}}. "
            f"Was: {signature.method_name}",
        )
    feeds = _feeds(signature, request.inputs)
    aliases = _aliases(signature, request.output_filter)
    values = servable.run(feeds, [signature.outputs[alias].name for alias in aliases], timeout_ms)
    del feeds  # large ones need not stay while the response is made
    response = predict_pb2.PredictResponse()
    fill_spec(response.model_spec, servable, request.model_spec.name, name)
    for alias, value in zip(aliases, values):
        tensors.to_proto(value, typed=not options.tensor_content, into=response.outputs[alias])
    return response


def fill_spec(spec, servable: Servable, model_name: str, signature_name: str) -> None:
    """Name, the version that answered, signature; a label is never echoed."""
    spec.name = model_name
    spec.version.value = servable.version
    spec.signature_name = signature_name or DEFAULT_SIGNATURE


def _feeds(signature, inputs) -> dict:
    given, expected = set(inputs), set(signature.inputs)
    defaults = _defaults(signature)
    if len(given) > len(expected) or (len(given) < len(expected) and not defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(expected)} "
            f"len({_braces(given)}) != len({_braces(expected)}). Sent extra: {_braces(given - expected)}. "
            f"Missing but required: {_braces(expected - given)}."
        )
    feeds = {}
    for alias in sorted(expected):
        tensor_name = signature.inputs[alias].name
        if alias in given:
            proto = inputs[alias]
        elif alias in defaults:
            proto = defaults[alias]
        else:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {tensor_name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {_braces(given)}, or default input alias set: "
                f"{','.join(sorted(defaults))}"
            )
        try:
            feeds[tensor_name] = tensors.from_proto(proto)
        except (ValueError, MemoryError):
            raise invalid(f"tensor parsing error: {alias}") from None
    if given - expected:
        used = ",".join(sorted(given & expected))
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {used}, request input: {','.join(sorted(given))}"
        )
    return feeds


def _defaults(signature) -> dict:
    # A field that the message of the older tensorflow-serving-api's TensorFlow may lack.
    return dict(signature.defaults) if hasattr(signature, "defaults") else {}


def _aliases(signature, output_filter) -> list[str]:
    seen = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{_braces(signature.outputs)}."
            )
        if alias in seen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        seen.append(alias)
    return seen or sorted(signature.outputs)


def _braces(names) -> str:
    return "{" + ",".join(sorted(names)) + "}"
