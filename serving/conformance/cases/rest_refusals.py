"""1.5: REST bodies that do not fit, and what is said of each. All are 400."""

from serving.conformance.case import Case, Section

CASES: list[Case] = []
section = Section(CASES, "1.5", "plain", "rest")

PREDICT, CLASSIFY = "/v1/models/zoo:predict", "/v1/models/zoo:classify"

# Name, body of a predict, message.
BODIES = (
    ("empty-document", b"", "JSON Parse error: The document is empty"),
    ("invalid-value", b"instances = [1]", "JSON Parse error: Invalid value. at offset: 0"),
    ("trailing-comma", b'{"instances": [1, }', "JSON Parse error: Invalid value. at offset: 18"),
    (
        "missing-colon",
        b'{"instances" [1]}',
        "JSON Parse error: Missing a colon after a name of object member. at offset: 13",
    ),
    (
        "missing-comma-in-array",
        b'{"instances": [1 2]}',
        "JSON Parse error: Missing a comma or ] after an array element. at offset: 17",
    ),
    (
        "missing-comma-in-object",
        b'{"instances": [1] "a"}',
        "JSON Parse error: Missing a comma or } after an object member. at offset: 18",
    ),
    (
        "after-the-root",
        b'{"instances": [1]} x',
        "JSON Parse error: The document root must not be followed by other values. at offset: 19",
    ),
    ("missing-name", b"{1: 2}", "JSON Parse error: Missing a name for object member. at offset: 1"),
    ("not-an-object", b"[1]", "JSON Value: [\n    1\n] Is not object"),
    ("neither-key", b"{}", "Missing 'inputs' or 'instances' key"),
    (
        "both-keys",
        b'{"instances": [1], "inputs": [1]}',
        'JSON Value: {\n    "instances": [\n        1\n    ],\n    "inputs": [\n        1\n    ]\n} Not formatted '
        "correctly expecting only one of 'inputs' or 'instances' keys to exist ",
    ),
    (
        "instances-are-no-list",
        b'{"instances": 1}',
        "JSON Value: {\n    \"instances\": 1\n} Expecting 'instances' to be an list/array",
    ),
    ("no-instances", b'{"instances": []}', "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
    (
        "signature-is-no-string",
        b'{"signature_name": 1, "instances": [1]}',
        'JSON Value: {\n    "signature_name": 1,\n    "instances": [\n        1\n    ]\n} not formatted correctly. '
        "'signature_name' key must be a string value.",
    ),
    (
        "unknown-signature",
        b'{"signature_name": "none", "instances": [1]}',
        'Serving signature name: "none" not found in signature def',
    ),
    (
        "type-of-an-instance",
        b'{"instances": ["a"]}',
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String "
        "is not of expected type: float",
    ),
    (
        "true-is-no-number",
        b'{"instances": [1, true]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: true Type: True "
        "is not of expected type: float",
    ),
    (
        "sizes-of-instances",
        b'{"instances": [[1], [1, 2]]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but "
        "got: 2",
    ),
    (
        "shapes-of-instances",
        b'{"instances": [[[1, 2]], [[1], [2]]]}',
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [1,2] but got: "
        "[2,1]",
    ),
    (
        "object-among-values",
        b'{"instances": [1, {"x": 1}]}',
        "Expecting value/list but got object at item 1 of input list",
    ),
    ("value-among-objects", b'{"instances": [{"x": 1}, 1]}', "Expecting object but got list at item 1 of input list"),
    (
        "unknown-name",
        b'{"instances": [{"z": 1}]}',
        "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
        "have named input: z",
    ),
    (
        "missing-name-in-an-instance",
        b'{"signature_name": "two", "instances": [{"x": 1}]}',
        "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"x\": 1\n} keys must be equal to: k,x",
    ),
    (
        "plain-instances-for-two-inputs",
        b'{"signature_name": "two", "instances": [1]}',
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    (
        "plain-inputs-for-two-inputs",
        b'{"signature_name": "two", "inputs": [1]}',
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    ("missing-input", b'{"signature_name": "two", "inputs": {"x": [1]}}', "Missing named input: k in 'inputs' object."),
    (
        "integer-with-a-point",
        b'{"signature_name": "two", "inputs": {"x": [1], "k": [1.0]}}',
        "JSON Value: 1.0 Type: Number is not of expected type: int32",
    ),
    (
        "list-of-another-size",
        b'{"inputs": [[1, 2], [3]]}',
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    ("list-where-a-value-was", b'{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
    (
        "value-where-a-list-was",
        b'{"inputs": [[1], 2]}',
        "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    (
        "integer-too-large-for-a-float",
        b'{"inputs": [16777217]}',
        "Cannot convert JSON value: 16777217 to float without loss of precision.",
    ),
    (
        "number-too-large-for-a-float",
        b'{"inputs": [1e39]}',
        "Cannot convert JSON value: 1e+39 to float without loss of precision.",
    ),
    ("bad-base64", b'{"signature_name": "sentiment", "inputs": [{"b64": "?"}]}', "Unable to base64 decode"),
    (
        "no-base64-object",
        b'{"signature_name": "sentiment", "inputs": [{"c64": ""}]}',
        'JSON Value: {\n    "c64": ""\n} not formatted correctly for base64 data',
    ),
)
# Name, body of a classify, message.
EXAMPLES = (
    ("no-examples-key", b"{}", "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
    (
        "examples-are-no-list",
        b'{"examples": 1}',
        "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array",
    ),
    ("no-examples", b'{"examples": []}', "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
    ("example-is-no-object", b'{"examples": [1]}', "Example must be JSON object but got JSON Number"),
    ("null-feature", b'{"examples": [{"x": null}]}', "Feature: x has element with unexpected JSON type: Null"),
    ("list-in-a-feature", b'{"examples": [{"x": [[1]]}]}', "Feature: x has element with unexpected JSON type: Array"),
    (
        "types-in-a-feature",
        b'{"examples": [{"x": [1.5, "a"]}]}',
        "Unexpected element type in feature: x expecting type: float",
    ),
    (
        "integer-too-large-for-a-feature",
        b'{"examples": [{"x": 9223372036854775808}]}',
        "Feature: x has uint64 element. Only int64 is supported.",
    ),
)

for _path, _table in ((PREDICT, BODIES), (CLASSIFY, EXAMPLES)):
    for _name, _body, _text in _table:
        section.add(
            f"message:{_name}",
            f"400. {_text}",
            lambda server, path=_path, body=_body, text=_text: server.http_refused(path, body, 400, text),
        )


@section.case("message:no-rows-in-an-output")
def no_rows_in_an_output(server):
    """400. An output without dimensions cannot answer rows; it can answer columns."""
    body = {"signature_name": "scalar", "instances": [1.0]}
    server.http_refused(PREDICT, body, 400, "Tensor name: total has no shape information ")
    server.http_says(PREDICT, {"signature_name": "scalar", "inputs": [1.0, 2.0]}, {"outputs": 3.0})


@section.case("message:outputs-of-different-size")
def outputs_of_different_size(server):
    """400. Outputs of different numbers of rows cannot answer rows."""
    body = {"signature_name": "uneven", "instances": [1.0, 2.0, 3.0]}
    text = "Tensor name: less has inconsistent batch size: 2 expecting: 3"
    server.http_refused("/v1/models/ops:predict", body, 400, text)
