"""1.3: Classify, Regress and MultiInference over gRPC."""

import re

import numpy as np

from serving.conformance.case import Case, Section, same
from serving.conformance.subject import CLASSIFY, MULTI, PREDICT, REGRESS, shown
from serving.conformance.wire import fill_spec, predict_request
from serving.protos import classification_pb2, example_pb2, inference_pb2, regression_pb2

CASES: list[Case] = []
section = Section(CASES, "1.3", "plain")

_CLASSIFY_METHOD, _REGRESS_METHOD = "tensorflow/serving/classify", "tensorflow/serving/regress"
_VALUES = (0.25, 1.0)


def _example(**features: float):
    message = example_pb2.Example()
    for name, value in features.items():
        message.features.feature[name].float_list.value.append(value)
    return message


def _request(kind, model: str, signature: str, values=_VALUES, context=None):
    request = kind()
    fill_spec(request.model_spec, model, signature)
    if context is not None:
        filled = request.input.example_list_with_context
        filled.context.CopyFrom(context)
        filled.examples.extend([example_pb2.Example()] * 2)
    else:
        request.input.example_list.examples.extend(_example(x=value) for value in values)
    return request


def classify_request(signature: str = "classify", model: str = "zoo", **options):
    return _request(classification_pb2.ClassificationRequest, model, signature, **options)


def regress_request(signature: str = "regress", model: str = "zoo", **options):
    return _request(regression_pb2.RegressionRequest, model, signature, **options)


def _classes(result) -> list:
    return [[(one.label, one.score) for one in row.classes] for row in result.classifications]


def _values(result) -> list:
    return [one.value for one in result.regressions]


def _classified(server, request, expected) -> None:
    same(shown(CLASSIFY, request), _classes(server.call(CLASSIFY, request).result), expected)


def _regressed(server, request, expected) -> None:
    same(shown(REGRESS, request), _values(server.call(REGRESS, request).result), expected)


# === Answers ===


@section.case("classify-answer")
def classify_answer(server):
    """Each example has its classes, in the signature's order, with label and score; the signature is named."""
    request = classify_request()
    response = server.call(CLASSIFY, request)
    expected = [[("neg", 0.75), ("pos", 0.25)], [("neg", 0.0), ("pos", 1.0)]]
    same(shown(CLASSIFY, request), _classes(response.result), expected)
    spec = response.model_spec
    same("model_spec", (spec.name, spec.version.value, spec.signature_name), ("zoo", 1, "classify"))


@section.case("label-is-empty-without-classes")
def label_is_empty_without_classes(server):
    """The label is "" where the signature has no `classes`, and the score 0 where it has no `scores`."""
    _classified(server, classify_request("classify_scores", values=[0.25]), [[("", 0.75), ("", 0.25)]])
    _classified(server, classify_request("classify_classes", values=[0.25]), [[("neg", 0.0), ("pos", 0.0)]])


@section.case("regress-answer")
def regress_answer(server):
    """Each example has its value, whether the output is [batch_size] or [batch_size, 1]."""
    for signature in ("regress", "regress_column"):
        _regressed(server, regress_request(signature), [0.5, 2.0])


@section.case("examples-with-context")
def examples_with_context(server):
    """The features of the context are those of every example: bytes after bytes, into the input named `inputs`."""
    _regressed(server, regress_request(context=_example(x=3.0)), [6.0, 6.0])
    _classified(server, classify_request(context=_example(x=1.0)), [[("neg", 0.0), ("pos", 1.0)]] * 2)


# === Refusals ===

for _call, _make in ((CLASSIFY, classify_request), (REGRESS, regress_request)):
    _name = _call.partition("/")[2]
    section.refused(
        f"unknown-signature:{_name}",
        "The message names the signature.",
        _call,
        _make("none"),
        "INVALID_ARGUMENT",
        "No signature was found with the name: none",
    )
    section.refused(
        f"no-examples:{_name}",
        "A request without examples is told so.",
        _call,
        _make(values=()),
        "INVALID_ARGUMENT",
        "Input is empty.",
    )
    section.refused(
        f"one-input:{_name}",
        "A signature of two inputs does not take examples.",
        _call,
        _make("two"),
        "INVALID_ARGUMENT",
        "Expected one input Tensor.",
    )

for _name, _request_, _text in (
    (
        "classify-number-of-outputs",
        classify_request("classify_three_outputs"),
        "Expected one or two output Tensors, found 3",
    ),
    (
        "classify-names:inputs",
        classify_request("classify_other_input", "ops"),
        re.compile(r"No classification inputs found in SignatureDef: .*", re.DOTALL),
    ),
    (
        "classify-names:outputs",
        classify_request("classify_other_names"),
        re.compile(
            r'Expected classification signature outputs to contain at least one of "classes" or "scores"\. .*',
            re.DOTALL,
        ),
    ),
    (
        "classify-tensors:rank",
        classify_request("classify_flat"),
        "Expected Tensor shape: [batch_size num_classes] but got [2]",
    ),
    (
        "classify-tensors:dtype-of-classes",
        classify_request("classify_int_classes", "ops"),
        "Expected classes Tensor of DT_STRING. Got: DT_INT32",
    ),
    (
        "classify-tensors:dtype-of-scores",
        classify_request("classify_int_scores"),
        "Expected scores Tensor of DT_FLOAT. Got: DT_INT32",
    ),
    (
        "classify-tensors:batch",
        classify_request("classify_one_row"),
        "Expected scores output batch size of 2. Got: 1",
    ),
):
    section.refused(_name, "The signature does not classify.", CLASSIFY, _request_, "INVALID_ARGUMENT", _text)

for _name, _request_, _text in (
    ("regress-names:number", regress_request("regress_two_outputs"), "Expected one output Tensor."),
    (
        "regress-names:output",
        regress_request("regress_other_name"),
        re.compile(r"No regression outputs found in SignatureDef: .*", re.DOTALL),
    ),
    (
        "regress-names:input",
        regress_request("regress_other_input", "ops"),
        re.compile(r"No regression inputs found in SignatureDef: .*", re.DOTALL),
    ),
    (
        "regress-rank",
        regress_request("regress_wide"),
        "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]",
    ),
):
    section.refused(_name, "The signature does not regress.", REGRESS, _request_, "INVALID_ARGUMENT", _text)

section.refused(
    "bad-example",
    "Bytes that are no tf.Example are refused in TensorFlow's words. (Sent with Predict: Classify takes messages.)",
    PREDICT,
    predict_request("ops", "regress", {"inputs": np.array([b"\xff"], object)}),
    "INVALID_ARGUMENT",
    re.compile(r"Could not parse example input, value: '.*", re.DOTALL),
)

# === MultiInference ===


def multi_request(*tasks: tuple[str, str, str]):
    """Of (model, signature, method)."""
    request = inference_pb2.MultiInferenceRequest()
    request.input.example_list.examples.extend(_example(x=value) for value in _VALUES)
    for model, signature, method in tasks:
        fill_spec(request.tasks.add(method_name=method).model_spec, model, signature)
    return request


_REGRESS_TASK = ("old", "regress", _REGRESS_METHOD)
_CLASSIFY_TASK = ("old", "classify", _CLASSIFY_METHOD)

for _name, _tasks, _text in (
    (
        "multi-names:empty",
        [_REGRESS_TASK, ("", "classify", _CLASSIFY_METHOD)],
        "Found ModelSpec with an empty model name.",
    ),
    (
        "multi-names:different",
        [_REGRESS_TASK, ("zoo", "classify", _CLASSIFY_METHOD)],
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    ),
    ("multi-signatures:twice", [_REGRESS_TASK] * 2, "Duplicate evaluation of signature: regress"),
    (
        "multi-signatures:unknown",
        [("old", "none", _REGRESS_METHOD)],
        "Requested signature not found in model graph: none",
    ),
):
    section.refused(_name, "The tasks do not fit together.", MULTI, multi_request(*_tasks), "INVALID_ARGUMENT", _text)

section.refused(
    "multi-other-method",
    "Tasks classify or regress.",
    MULTI,
    multi_request(("old", "regress", "tensorflow/serving/predict")),
    "UNIMPLEMENTED",
    "Unsupported signature method_name: tensorflow/serving/predict",
)


@section.case("multi-one-run:answers")
def multi_answers(server):
    """Each task has its result, in the order of the tasks, with its signature."""
    request = multi_request(_REGRESS_TASK, _CLASSIFY_TASK)
    regressed, classified = server.call(MULTI, request).results
    sent = shown(MULTI, request)
    same(sent, _values(regressed.regression_result), [0.5, 2.0])
    expected = [[("neg", 0.75), ("pos", 0.25)], [("neg", 0.0), ("pos", 1.0)]]
    same(sent, _classes(classified.classification_result), expected)
    same(sent, [one.model_spec.signature_name for one in (regressed, classified)], ["regress", "classify"])


@section.case("multi-one-run:runs", "rest", setup="flags")
def multi_one_run(server):
    """All tasks take one run of the session: the runtime latency of MultiInference grows by one."""
    from serving.conformance.cases.metrics import counted

    line = ':tensorflow:serving:runtime_latency_count{model_name="old",API="MultiInference",runtime="TF1"}'
    before = counted(server).get(line, 0)
    server.call(MULTI, multi_request(_REGRESS_TASK, _CLASSIFY_TASK))
    same("runs of the session", counted(server).get(line, 0) - before, 1)
