"""REST's classify and regress: JSON objects to tf.Examples, results to JSON."""

from serving.protos import types_pb2
from serving.server import json_text
from serving.server.json_tensors import decode_binary
from serving.server.json_values import is_lossless, is_unicode, lossy_error, text_bytes, type_text, value_text
from serving.server.status import invalid


def fill_examples(document: dict, request) -> None:
    """Fills `request.input` of a ClassificationRequest or RegressionRequest."""
    filled = request.input.example_list
    if "context" in document:
        filled = request.input.example_list_with_context
        _fill_example(document["context"], filled.context)
        # Setting the message makes it present even where the context is empty.
        filled.context.SetInParent()
    examples = document.get("examples")
    if "examples" not in document:
        raise _error(document, "When method is classify, key 'examples' is expected and was not found")
    if not isinstance(examples, list):
        raise _error(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise _error(document, "'examples' value is an empty array")
    for value in examples:
        _fill_example(value, filled.examples.add())


def classification_text(result) -> str:
    rows = [[[one.label, json_text.number(one.score)] for one in row.classes] for row in result.classifications]
    if not rows:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    return json_text.write({"results": rows}, inline_from=2)


def regression_text(result) -> str:
    values = [json_text.number(one.value) for one in result.regressions]
    if not values:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return json_text.write({"results": values}, inline_from=1)


def _fill_example(value, example) -> None:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_text(value)}")
    for name, content in value.items():
        if not is_unicode(name):
            raise invalid(f"Feature: {name} has a name that is not UTF-8")
        feature = example.features.feature[name]
        for element in content if isinstance(content, list) else [content]:
            _add(element, name, feature)


def _add(value, name: str, feature) -> None:
    if value is None or isinstance(value, list) or (isinstance(value, dict) and not _is_binary(value)):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_text(value)}")
    if isinstance(value, bool):
        _list(feature, "int64_list", name).append(int(value))
    elif isinstance(value, dict):
        _list(feature, "bytes_list", name).append(decode_binary(value))
    elif isinstance(value, str):
        _list(feature, "bytes_list", name).append(text_bytes(value))
    elif isinstance(value, float) or not -(2**63) <= value < 2**64:
        values = _list(feature, "float_list", name)
        if not is_lossless(value, types_pb2.DT_FLOAT):
            lossy_error(value, "float")
        values.append(value)
    elif value >= 2**63:
        raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
    else:
        _list(feature, "int64_list", name).append(value)


def _list(feature, kind: str, name: str):
    held = feature.WhichOneof("kind")
    if held not in (None, kind):
        expected = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}[held]
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {expected}")
    return getattr(feature, kind).value


def _is_binary(value: dict) -> bool:
    return len(value) == 1 and isinstance(value.get("b64"), str)


def _error(document, text: str):
    return invalid(f"JSON Value: {value_text(document)} {text}")
