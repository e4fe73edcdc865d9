"""Classify, Regress and MultiInference over gRPC: a test for each row of the contract's table."""

import pytest

from serving.protos import classification_pb2, example_pb2, inference_pb2, regression_pb2
from tests.serving.endpoint import fill_spec, predict_request

CLASSIFY, REGRESS, MULTI = (f"PredictionService/{name}" for name in ("Classify", "Regress", "MultiInference"))
CLASSIFY_METHOD, REGRESS_METHOD = "tensorflow/serving/classify", "tensorflow/serving/regress"


def example(**features):
    message = example_pb2.Example()
    for name, value in features.items():
        message.features.feature[name].float_list.value.append(value)
    return message


def request_of(kind, signature, values=(), context=None):
    request = kind()
    fill_spec(request.model_spec, "zoo", signature)
    examples = [example(x=value) for value in values]
    if context:
        request.input.example_list_with_context.context.CopyFrom(context)
        request.input.example_list_with_context.examples.extend([example_pb2.Example()] * 2)
    else:
        request.input.example_list.examples.extend(examples)
    return request


def classify_request(signature="classify", values=(0.25, 1.0), **kwargs):
    return request_of(classification_pb2.ClassificationRequest, signature, values, **kwargs)


def regress_request(signature="regress", values=(0.25, 1.0), **kwargs):
    return request_of(regression_pb2.RegressionRequest, signature, values, **kwargs)


def classes(result):
    return [[(one.label, one.score) for one in row.classes] for row in result.classifications]


def values(result):
    return [one.value for one in result.regressions]


# === Answers ===


def test_classify_gives_labels_and_scores(endpoint):
    response = endpoint.call(CLASSIFY, classify_request())
    assert classes(response.result) == [[("neg", 0.75), ("pos", 0.25)], [("neg", 0.0), ("pos", 1.0)]]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("zoo", 1, "classify")


def test_the_label_is_empty_when_the_signature_has_no_classes(endpoint):
    response = endpoint.call(CLASSIFY, classify_request("classify_scores", [0.25]))
    assert classes(response.result) == [[("", 0.75), ("", 0.25)]]


def test_the_score_is_0_when_the_signature_has_no_scores(endpoint):
    response = endpoint.call(CLASSIFY, classify_request("classify_classes", [0.25]))
    assert classes(response.result) == [[("neg", 0.0), ("pos", 0.0)]]


@pytest.mark.parametrize("signature", ["regress", "regress_column"])
def test_regress_gives_one_value_per_example(endpoint, signature):
    assert values(endpoint.call(REGRESS, regress_request(signature)).result) == [0.5, 2.0]


def test_the_context_is_merged_into_every_example(endpoint):
    request = regress_request(context=example(x=3.0))
    assert values(endpoint.call(REGRESS, request).result) == [6.0, 6.0]


# === Refusals ===


@pytest.mark.parametrize(
    "signature, text",
    [
        ("none", "No signature was found with the name: none"),
        ("two", "Expected one input Tensor."),
        ("classify_three_outputs", "Expected one or two output Tensors, found 3"),
        ("classify_flat", "Expected Tensor shape: [batch_size num_classes] but got [2]"),
        ("classify_int_scores", "Expected scores Tensor of DT_FLOAT. Got: DT_INT32"),
        ("classify_one_row", "Expected scores output batch size of 2. Got: 1"),
    ],
)
def test_classify_refuses_signatures_that_do_not_classify(endpoint, signature, text):
    assert endpoint.refusal(CLASSIFY, classify_request(signature)) == ("INVALID_ARGUMENT", text)


@pytest.mark.parametrize(
    "signature, text",
    [
        ("half_plus_two", "No classification inputs found in SignatureDef: "),
        ("classify_other_names", 'Expected classification signature outputs to contain at least one of "classes" or '),
    ],
)
def test_classify_shows_a_signature_whose_names_do_not_fit(endpoint, signature, text):
    code, details = endpoint.refusal(CLASSIFY, classify_request(signature))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith(text)
    assert "inputs {" in details


@pytest.mark.parametrize(
    "signature, text",
    [
        ("none", "No signature was found with the name: none"),
        ("two", "Expected one input Tensor."),
        ("regress_two_outputs", "Expected one output Tensor."),
        ("regress_wide", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"),
    ],
)
def test_regress_refuses_signatures_that_do_not_regress(endpoint, signature, text):
    assert endpoint.refusal(REGRESS, regress_request(signature)) == ("INVALID_ARGUMENT", text)


def test_regress_shows_a_signature_whose_names_do_not_fit(endpoint):
    code, details = endpoint.refusal(REGRESS, regress_request("regress_other_name"))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith("No regression outputs found in SignatureDef: inputs {")


@pytest.mark.parametrize("call, make", [(CLASSIFY, classify_request), (REGRESS, regress_request)])
def test_no_examples_are_refused(endpoint, call, make):
    assert endpoint.refusal(call, make(values=())) == ("INVALID_ARGUMENT", "Input is empty.")


@pytest.mark.parametrize("call, make", [(CLASSIFY, classify_request), (REGRESS, regress_request)])
def test_a_request_without_a_model_spec_is_refused(endpoint, call, make):
    request = make()
    request.ClearField("model_spec")
    assert endpoint.refusal(call, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_an_example_that_does_not_fit_is_refused_in_tensorflows_words(endpoint):
    request = regress_request(values=())
    request.input.example_list.examples.add().features.feature["x"].int64_list.value.append(1)
    code, text = endpoint.refusal(REGRESS, request)
    assert code == "INVALID_ARGUMENT"
    assert "Data types don't match" in text


def test_bad_example_bytes_are_refused_in_tensorflows_words(endpoint):
    request = predict_request("zoo", "regress", {"inputs": [b"\xff"]})
    code, text = endpoint.refusal("PredictionService/Predict", request)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("Could not parse example input, value: '")


# === MultiInference ===


def multi_request(*tasks, count=2):
    request = inference_pb2.MultiInferenceRequest()
    request.input.example_list.examples.extend([example(x=0.25), example(x=1.0)][:count])
    for name, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        fill_spec(task.model_spec, name, signature)
    return request


def test_tasks_whose_signatures_have_input_tensors_of_their_own_are_refused(endpoint):
    """As those of every model that tf.saved_model.save wrote."""
    request = multi_request(("zoo", "regress", REGRESS_METHOD), ("zoo", "classify", CLASSIFY_METHOD))
    assert endpoint.refusal(MULTI, request) == (
        "INVALID_ARGUMENT",
        "Input tensor must be the same for all Signatures.",
    )
    response = endpoint.call(MULTI, multi_request(("zoo", "regress", REGRESS_METHOD)))
    assert [values(result.regression_result) for result in response.results] == [[0.5, 2.0]]
    assert response.results[0].model_spec.signature_name == "regress"


@pytest.mark.parametrize(
    "tasks, code, text",
    [
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ([("", "regress", REGRESS_METHOD)], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (
            [("zoo", "regress", REGRESS_METHOD), ("", "classify", CLASSIFY_METHOD)],
            "INVALID_ARGUMENT",
            "Found ModelSpec with an empty model name.",
        ),
        (
            [("zoo", "regress", REGRESS_METHOD), ("ark", "classify", CLASSIFY_METHOD)],
            "INVALID_ARGUMENT",
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (
            [("zoo", "regress", REGRESS_METHOD)] * 2,
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: regress",
        ),
        ([("zoo", "none", REGRESS_METHOD)], "INVALID_ARGUMENT", "Requested signature not found in model graph: none"),
        ([("zoo", "regress", "other")], "UNIMPLEMENTED", "Unsupported signature method_name: other"),
    ],
)
def test_multi_inference_refuses(endpoint, tasks, code, text):
    assert endpoint.refusal(MULTI, multi_request(*tasks)) == (code, text)
