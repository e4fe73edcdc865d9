"""GetModelMetadata, GetModelStatus and HandleReloadConfigRequest over gRPC, row by row."""

import time

import grpc
import numpy as np
import pytest

from serving.protos import get_model_metadata_pb2, get_model_status_pb2, model_management_pb2
from serving.server.status import ServingError
from tests.serving.endpoint import fill_spec, predict_request

METADATA = "PredictionService/GetModelMetadata"
STATUS = "ModelService/GetModelStatus"
RELOAD = "ModelService/HandleReloadConfigRequest"
PREDICT = "PredictionService/Predict"


def metadata_request(*fields, model="zoo", **spec):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    fill_spec(request.model_spec, model, **spec)
    return request


def status_request(model="zoo", **spec):
    request = get_model_status_pb2.GetModelStatusRequest()
    fill_spec(request.model_spec, model, **spec)
    return request


def states(endpoint, model):
    answer = endpoint.call(STATUS, status_request(model))
    return [(one.version, one.state, one.status.error_code) for one in answer.model_version_status]


def reload_request(*models):
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for name, path in models:
        request.config.model_config_list.config.add(name=name, base_path=str(path), model_platform="tensorflow")
    return request


# === GetModelMetadata ===


def test_metadata_gives_all_signatures_with_their_tensors(endpoint):
    response = endpoint.call(METADATA, metadata_request("signature_def"))
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    x = found.signature_def["serving_default"].inputs["x"]
    assert (x.name, x.dtype, [d.size for d in x.tensor_shape.dim]) == ("serving_default_x:0", 1, [-1])
    assert found.signature_def["serving_default"].method_name == "tensorflow/serving/predict"
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("zoo", 1, "")


def test_metadata_wants_a_field(endpoint):
    assert endpoint.refusal(METADATA, metadata_request()) == (
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
    )


def test_metadata_knows_no_other_field(endpoint):
    refusal = endpoint.refusal(METADATA, metadata_request("signature_def", "assets"))
    assert refusal == ("INVALID_ARGUMENT", "Metadata field assets is not supported")


def test_metadata_wants_a_model_spec(endpoint):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    assert endpoint.refusal(METADATA, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_metadata_of_an_unknown_model(endpoint):
    refusal = endpoint.refusal(METADATA, metadata_request("signature_def", model="nobody"))
    assert refusal == ("NOT_FOUND", "Servable not found for request: Latest(nobody)")


# === GetModelStatus ===


def test_status_says_available(endpoint):
    assert states(endpoint, "zoo") == [(1, 30, 0)]


def test_status_ignores_labels_and_keeps_to_a_version(endpoint):
    assert endpoint.call(STATUS, status_request(label="canary")).model_version_status[0].version == 1
    assert endpoint.call(STATUS, status_request(version=1)).model_version_status[0].state == 30


def test_status_of_an_unknown_model_and_version(endpoint):
    assert endpoint.refusal(STATUS, status_request("nobody")) == (
        "NOT_FOUND",
        "Could not find any versions of model nobody",
    )
    assert endpoint.refusal(STATUS, status_request(version=7)) == (
        "NOT_FOUND",
        "Could not find version 7 of model zoo",
    )
    assert endpoint.refusal(STATUS, get_model_status_pb2.GetModelStatusRequest()) == (
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    )


# === HandleReloadConfigRequest ===


@pytest.fixture
def two_bases(tmp_path, put_version):
    """Folders a and b; each holds a model that adds 1 and 2."""
    for name, number in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        put_version(tmp_path / name, 5, like=number)
    return tmp_path


def answer(endpoint, model, **spec):
    response = endpoint.call(PREDICT, predict_request(model, inputs={"x": np.float32([10.0])}, **spec))
    return list(response.outputs["y"].float_val)


def test_reload_adds_models_and_takes_others_away(start_server, settings_of, two_bases):
    _, endpoint = start_server(settings_of("a", two_bases / "a"), file_system_poll_wait_seconds=1)
    endpoint.call(RELOAD, reload_request(("b", two_bases / "b")))
    assert answer(endpoint, "b") == [12.0]
    assert endpoint.refusal(PREDICT, predict_request("a"))[0] == "NOT_FOUND"
    endpoint.call(RELOAD, reload_request(("a", two_bases / "a"), ("b", two_bases / "b")))
    assert (answer(endpoint, "a"), answer(endpoint, "b")) == ([11.0], [12.0])


def test_an_empty_list_unloads_all(start_server, settings_of, two_bases):
    _, endpoint = start_server(settings_of("a", two_bases / "a"))
    endpoint.call(RELOAD, reload_request())
    for _ in range(100):
        if states(endpoint, "a") == [(5, 50, 0)]:
            break
        time.sleep(0.05)
    assert states(endpoint, "a") == [(5, 50, 0)]
    assert endpoint.refusal(PREDICT, predict_request("a"))[0] == "NOT_FOUND"


def test_labels_name_versions_and_must_be_loaded(start_server, settings_of, two_bases):
    _, endpoint = start_server(settings_of("a", two_bases / "a"))
    request = reload_request(("a", two_bases / "a"))
    request.config.model_config_list.config[0].version_labels["stable"] = 5
    endpoint.call(RELOAD, request)
    assert answer(endpoint, "a", label="stable") == [11.0]
    request.config.model_config_list.config[0].version_labels["canary"] = 6
    assert endpoint.refusal(RELOAD, request) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 6 of model a, which is not currently available for inference",
    )
    assert answer(endpoint, "a", label="stable") == [11.0]


def labelled(base, **labels):
    request = reload_request(("a", base))
    request.config.model_config_list.config[0].version_labels.update(labels)
    return request


def not_available(version):
    text = f"Request to assign label to version {version} of model a, which is not currently available for inference"
    return "FAILED_PRECONDITION", text


def test_labels_at_the_start_need_their_flag(start_server, settings_of, two_bases):
    with pytest.raises(ServingError) as caught:
        start_server(settings_of("a", two_bases / "a", labels={"stable": 5}))
    assert (caught.value.code.name, caught.value.message) == not_available(5)


def test_with_the_flag_a_label_may_come_before_its_version_but_not_move_there(start_server, settings_of, two_bases):
    ahead = settings_of("a", two_bases / "a", labels={"stable": 5, "next": 6})
    _, endpoint = start_server(ahead, allow_version_labels_for_unavailable_models=True)
    assert answer(endpoint, "a", label="stable") == [11.0]
    assert endpoint.refusal(PREDICT, predict_request("a", label="next")) == (
        "NOT_FOUND",
        "Servable not found for request: Specific(a, 6)",
    )
    assert endpoint.refusal(RELOAD, labelled(two_bases / "a", stable=7)) == not_available(7)
    endpoint.call(RELOAD, labelled(two_bases / "a", next=5))
    assert answer(endpoint, "a", label="next") == [11.0]
    assert endpoint.refusal(PREDICT, predict_request("a", label="stable")) == (
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: stable",
    )


def test_a_version_that_the_same_reload_would_load_has_no_label_yet(start_server, settings_of, two_bases):
    _, endpoint = start_server(settings_of("a", two_bases / "a"))
    request = reload_request(("a", two_bases / "a"), ("b", two_bases / "b"))
    request.config.model_config_list.config[1].version_labels["stable"] = 5
    code, text = endpoint.refusal(RELOAD, request)
    assert (code, text) == ("FAILED_PRECONDITION", not_available(5)[1].replace("model a", "model b"))
    assert endpoint.refusal(STATUS, status_request("b"))[0] == "NOT_FOUND"


def test_a_model_keeps_its_platform(start_server, settings_of, two_bases):
    server, _ = start_server(settings_of("a", two_bases / "a"))
    with pytest.raises(ServingError) as caught:
        server.core.reload([settings_of("a", two_bases / "a", platform="other")])
    assert str(caught.value) == (
        "INVALID_ARGUMENT: Illegal to change a model's platform. For model a platform was tensorflow and new platform "
        "requested is other"
    )


def test_that_a_model_keeps_its_platform_is_looked_at_before_which_platforms_there_are(endpoint):
    request = reload_request(("zoo", "/zoo"))
    request.config.model_config_list.config[0].model_platform = "caffe"
    code, text = endpoint.refusal(RELOAD, request)
    assert (code, text.partition(".")[0]) == ("INVALID_ARGUMENT", "Illegal to change a model's platform")


def test_a_config_that_is_no_list_is_refused(endpoint):
    assert endpoint.refusal(RELOAD, model_management_pb2.ReloadConfigRequest()) == (
        "INVALID_ARGUMENT",
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
        "supported",
    )


def test_bad_configs_are_refused_and_change_nothing(start_server, settings_of, two_bases):
    _, endpoint = start_server(settings_of("a", two_bases / "a"))
    bare = reload_request(("b", "/b"))
    bare.config.model_config_list.config[0].ClearField("model_platform")
    other = reload_request(("b", "/b"))
    other.config.model_config_list.config[0].model_platform = "caffe"
    texts = [
        endpoint.refusal(RELOAD, request)
        for request in (reload_request(("b", "/b"), ("b", "/c")), reload_request(("b", "b")), bare, other)
    ]
    assert texts == [
        ("INVALID_ARGUMENT", "Illegal to list model b multiple times in config list"),
        ("INVALID_ARGUMENT", "Expected model b to have an absolute path or URI; got base_path()=b"),
        (
            "INVALID_ARGUMENT",
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform.",
        ),
        ("INVALID_ARGUMENT", "Model b requests unsupported platform caffe"),
    ]
    assert answer(endpoint, "a") == [11.0]


def test_a_new_model_that_does_not_load_is_told(start_server, settings_of, two_bases):
    _, endpoint = start_server(settings_of("a", two_bases / "a"), max_num_load_retries=0)
    (two_bases / "b" / "5" / "saved_model.pb").write_bytes(b"not a model")
    code, text = endpoint.refusal(RELOAD, reload_request(("a", two_bases / "a"), ("b", two_bases / "b")))
    path = two_bases / "b" / "5"
    assert code == "UNKNOWN"
    assert text == (
        "1 model(s) did not become available: {{{name: b version: 5} due to error: DATA_LOSS: "
        f"Can't parse {path}/saved_model.pb as binary proto}}, }}"
    )
    assert states(endpoint, "b") == [(5, 50, 15)]
    assert answer(endpoint, "a") == [11.0]


def test_an_unknown_method_is_unimplemented(endpoint):
    with grpc.insecure_channel(endpoint.grpc) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/tensorflow.serving.PredictionService/PredictStreamed")(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
