"""A model as TensorFlow 1 wrote them: method names, a default for an input, signatures that share an input tensor."""

import numpy as np
import pytest

from serving import tensors
from serving.protos import classification_pb2, example_pb2, inference_pb2, regression_pb2
from tests.serving.endpoint import fill_spec, predict_request

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def base_path(tmp_path_factory):
    from serving.conformance import graphs

    base = tmp_path_factory.mktemp("tf1")
    graphs.save_tf1(str(base / "1"))
    return base


@pytest.fixture
def serve(start_server, settings_of, base_path):
    return lambda **flags: start_server(settings_of("old", base_path), **flags)


def examples(*values):
    made = [example_pb2.Example() for _ in values]
    for one, value in zip(made, values):
        one.features.feature["x"].float_list.value.append(value)
    return made


def multi_request(*tasks):
    request = inference_pb2.MultiInferenceRequest()
    request.input.example_list.examples.extend(examples(0.25, 1.0))
    for signature, method in tasks:
        fill_spec(request.tasks.add(method_name=method).model_spec, "old", signature)
    return request


@pytest.mark.parametrize("batching", [False, True])
def test_several_inferences_over_one_input_take_one_run(serve, batching):
    server, endpoint = serve(enable_batching=batching)
    request = multi_request(("regress", REGRESS), ("classify", CLASSIFY))
    response = endpoint.call("PredictionService/MultiInference", request)
    regressed, classified = response.results
    assert [one.value for one in regressed.regression_result.regressions] == [0.5, 2.0]
    assert [[(c.label, c.score) for c in row.classes] for row in classified.classification_result.classifications] == [
        [("neg", 0.75), ("pos", 0.25)],
        [("neg", 0.0), ("pos", 1.0)],
    ]
    assert [result.model_spec.signature_name for result in response.results] == ["regress", "classify"]
    assert server.metrics.runtime_latency.count("old", "MultiInference", "TF1") == 1
    assert server.metrics.wrapped_run_count.first_value() == int(batching)


def test_an_input_that_is_not_sent_has_its_default(serve):
    _, endpoint = serve()
    response = endpoint.call("PredictionService/Predict", predict_request("old"))
    assert tensors.from_proto(response.outputs["y"]).tolist() == [42.0]
    sent = predict_request("old", inputs={"x": np.float32([1.0])})
    response = endpoint.call("PredictionService/Predict", sent)
    assert tensors.from_proto(response.outputs["y"]).tolist() == [2.0]


def test_method_names_are_looked_at_only_when_that_is_asked_for(serve):
    x = {"x": np.float32([1.0])}
    classify, regress = classification_pb2.ClassificationRequest(), regression_pb2.RegressionRequest()
    for request, signature in ((classify, "regress"), (regress, "classify")):
        fill_spec(request.model_spec, "old", signature)
        request.input.example_list.examples.extend(examples(1.0))
    _, endpoint = serve()
    assert endpoint.call("PredictionService/Predict", predict_request("old", "other", x)).outputs["y"].float_val == [
        2.0
    ]
    _, strict = serve(enable_signature_method_name_check=True)
    assert strict.call("PredictionService/Predict", predict_request("old", inputs=x)).outputs["y"].float_val == [2.0]
    assert strict.refusal("PredictionService/Predict", predict_request("old", "other", x)) == (
        "INTERNAL",
        "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
        "tensorflow/serving/classify, tensorflow/serving/regress}. Was: some/method",
    )
    assert strict.refusal("PredictionService/Classify", classify) == (
        "INVALID_ARGUMENT",
        f"Expected classification signature method_name to be {CLASSIFY}. Was: {REGRESS}",
    )
    assert strict.refusal("PredictionService/Regress", regress) == (
        "INVALID_ARGUMENT",
        f"Expected regression signature method_name to be {REGRESS}. Was: {CLASSIFY}",
    )
