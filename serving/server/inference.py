"""Classify, Regress and MultiInference: tf.Examples in, scores out, as classifier.cc and regressor.cc do it."""

import numpy as np
from google.protobuf import text_format

from serving import tensors
from serving.protos import classification_pb2, inference_pb2, regression_pb2
from serving.server.predict import fill_spec
from serving.server.servable import DEFAULT_SIGNATURE, Servable
from serving.server.status import Code, ServingError, invalid

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def classify(servable: Servable, request, options, timeout_ms: int | None = None):
    name, signature = _signature(servable, request)
    if options.check_method_name:
        _check_method(signature, CLASSIFY, "classification")
    fetches = _classify_fetches(signature)
    examples = serialized_examples(request.input)
    values = _run(servable, signature, examples, list(fetches.values()), timeout_ms, "Classify")
    response = classification_pb2.ClassificationResponse()
    fill_spec(response.model_spec, servable, request.model_spec.name, name)
    _fill_classes(response.result, dict(zip(fetches, values)), len(examples))
    servable.metrics.count_examples(servable.name, len(examples))
    return response


def regress(servable: Servable, request, options, timeout_ms: int | None = None):
    name, signature = _signature(servable, request)
    if options.check_method_name:
        _check_method(signature, REGRESS, "regression")
    fetches = _regress_fetches(signature)
    examples = serialized_examples(request.input)
    values = _run(servable, signature, examples, list(fetches.values()), timeout_ms, "Regress")
    response = regression_pb2.RegressionResponse()
    fill_spec(response.model_spec, servable, request.model_spec.name, name)
    _fill_values(response.result, values[0], len(examples))
    servable.metrics.count_examples(servable.name, len(examples))
    return response


def multi_inference(servable: Servable, request, options, timeout_ms: int | None = None):
    """All tasks in one run of the session."""
    if not request.tasks:
        raise invalid("Inference request must have at least one task.")
    plans, seen, input_names = [], set(), set()
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in seen:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        signature = servable.signatures.get(name)
        if signature is None:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if task.method_name == CLASSIFY:
            fetches = _classify_fetches(signature)
        elif task.method_name == REGRESS:
            fetches = _regress_fetches(signature)
        else:
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        input_names.add(signature.inputs["inputs"].name)
        if len(input_names) > 1:
            raise invalid("Input tensor must be the same for all Signatures.")
        plans.append((task, name, signature, fetches))
    examples = serialized_examples(request.input)
    wanted = sorted({tensor for *_, fetches in plans for tensor in fetches.values()})
    values = dict(zip(wanted, _run(servable, plans[0][2], examples, wanted, timeout_ms, "MultiInference")))
    response = inference_pb2.MultiInferenceResponse()
    for task, name, _, fetches in plans:
        result = response.results.add()
        fill_spec(result.model_spec, servable, task.model_spec.name, name)
        outputs = {alias: values[tensor] for alias, tensor in fetches.items()}
        if task.method_name == CLASSIFY:
            _fill_classes(result.classification_result, outputs, len(examples))
        else:
            _fill_values(result.regression_result, outputs["outputs"], len(examples))
    servable.metrics.count_examples(servable.name, len(examples))
    return response


def serialized_examples(request_input) -> np.ndarray:
    """One serialized tf.Example per example, the context's features merged in: bytes after bytes merge messages."""
    if request_input.WhichOneof("kind") == "example_list_with_context":
        context = request_input.example_list_with_context.context.SerializeToString()
        examples = request_input.example_list_with_context.examples
    else:
        context, examples = b"", request_input.example_list.examples
    if not examples:
        raise invalid("Input is empty.")
    array = np.empty(len(examples), object)
    array[:] = [context + example.SerializeToString() for example in examples]
    return array


def _signature(servable: Servable, request):
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise invalid(f"No signature was found with the name: {name}")
    return name, servable.signatures[name]


def _run(servable: Servable, signature, examples, fetches: list[str], timeout_ms, api: str):
    return servable.run({signature.inputs["inputs"].name: examples}, fetches, timeout_ms, api)


def _check_method(signature, method: str, kind: str) -> None:
    if signature.method_name != method:
        raise invalid(f"Expected {kind} signature method_name to be {method}. Was: {signature.method_name}")


def _classify_fetches(signature) -> dict[str, str]:
    """Tensor name by output, of `classes` and `scores` those that there are."""
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {_debug(signature)}")
    fetches = {alias: signature.outputs[alias].name for alias in ("classes", "scores") if alias in signature.outputs}
    if not fetches:
        raise invalid(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {_debug(signature)}"
        )
    return fetches


def _regress_fetches(signature) -> dict[str, str]:
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {_debug(signature)}")
    if "outputs" not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {_debug(signature)}")
    return {"outputs": signature.outputs["outputs"].name}


def _fill_classes(result, outputs: dict[str, np.ndarray], count: int) -> None:
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for alias, value, kind in (("classes", classes, "STRING"), ("scores", scores, "FLOAT")):
        if value is None:
            continue
        if value.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(value)}")
        if _dtype(value) != kind:
            raise invalid(f"Expected {alias} Tensor of DT_{kind}. Got: DT_{_dtype(value)}")
        if len(value) != count:
            raise invalid(f"Expected {alias} output batch size of {count}. Got: {len(value)}")
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    width = (classes if classes is not None else scores).shape[1]
    for row in range(count):
        answer = result.classifications.add()
        for column in range(width):
            label = classes[row, column] if classes is not None else b""
            # A proto3 string field: what is not UTF-8 cannot be sent.
            answer.classes.add(
                label=label.decode(errors="replace"), score=float(scores[row, column]) if scores is not None else 0.0
            )


def _fill_values(result, values: np.ndarray, count: int) -> None:
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + _shape(values)
        )
    if len(values) != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {len(values)}")
    if _dtype(values) != "FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: DT_{_dtype(values)}")
    for value in values.ravel().tolist():
        result.regressions.add(value=value)


def _dtype(array: np.ndarray) -> str:
    return tensors.dtype_name(tensors.dtype_number(array.dtype)).upper()


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(str(size) for size in array.shape) + "]"


def _debug(signature) -> str:
    return text_format.MessageToString(signature)
