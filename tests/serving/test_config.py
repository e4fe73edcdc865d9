"""Model configuration: files, policies, and the example that ships."""

import logging
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.server import batching_parameters, config, configuration, text_files
from serving.server.batching_parameters import PoolOptions, QueueOptions
from serving.server.config import ModelSettings
from serving.server.flags import Flags
from serving.server.messages import SSLConfig
from serving.server.status import ServingError
from tests.serving.endpoint import predict_request
from tests.serving.until import until

DEPLOY = Path(__file__).resolve().parents[2] / "serving" / "deploy"


@pytest.fixture
def write(tmp_path):
    def write_config(*models):
        path = tmp_path / "models.config"
        path.write_text("model_config_list {" + "".join(f"config {{ {model} }}" for model in models) + "}")
        return str(path)

    return write_config


def entry(name, base_path, more=""):
    return f'name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" {more}'


def test_the_examples_parse():
    assert config.from_file(str(DEPLOY / "models.config")) == [ModelSettings("reviews", "/models/reviews", latest=1)]
    pool, queue = batching_parameters.read(str(DEPLOY / "batching.config"))
    assert (pool, queue) == (PoolOptions(2), QueueOptions(32, 2000, 100))
    monitoring = Flags(monitoring_config_file=str(DEPLOY / "monitoring.config"))
    assert configuration.read(monitoring).metrics_path == configuration.PROMETHEUS_PATH
    assert text_files.read(str(DEPLOY / "ssl.config"), SSLConfig()) == SSLConfig()


def test_flags_name_one_model():
    flags = Flags(model_name="m", model_base_path="/models/m")
    assert config.from_flags(flags) == [ModelSettings("m", "/models/m")]


@pytest.mark.parametrize(
    "policy, expected",
    [
        ("", {"latest": 1}),
        ("model_version_policy { latest { num_versions: 3 } }", {"latest": 3}),
        ("model_version_policy { all {} }", {"latest": None}),
        ("model_version_policy { specific { versions: 4 versions: 2 } }", {"latest": None, "versions": (4, 2)}),
        ("version_labels { key: 'stable' value: 7 }", {"labels": {"stable": 7}}),
    ],
)
def test_policies_and_labels_are_read(write, policy, expected):
    assert config.from_file(write(entry("m", "/m", policy))) == [ModelSettings("m", "/m", **expected)]


def test_the_deprecated_model_type_is_read(write):
    path = write('name: "m" base_path: "/m" model_type: TENSORFLOW')
    assert config.from_file(path) == [ModelSettings("m", "/m")]


def test_a_missing_file_is_not_found():
    with pytest.raises(ServingError, match="NOT_FOUND: /no/such.config; No such file or directory"):
        config.from_file("/no/such.config")


def test_a_file_that_does_not_parse_is_told_with_its_place(tmp_path):
    (tmp_path / "f").write_text("model_config_list {\n  confg { }\n}")
    with pytest.raises(ValueError, match="Error parsing text-format tensorflow.serving.ModelServerConfig: 2:"):
        config.from_file(str(tmp_path / "f"))


def test_a_changed_file_is_followed_and_a_broken_one_is_not(start_server, put_version, write, tmp_path, caplog):
    for name, number in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        put_version(tmp_path / name, 1, like=number)
    path = write(entry("a", tmp_path / "a"))
    _, endpoint = start_server(*config.from_file(path), model_config_file=path, model_config_file_poll_wait_seconds=0.1)
    Path(path).write_text("")  # no list: nothing is taken away
    with caplog.at_level(logging.ERROR, "serving.server.app"):
        Path(path).write_text("broken")
        until(lambda: caplog.records)
    assert (
        caplog.records[0]
        .getMessage()
        .startswith(
            "the model configuration is kept: Error parsing text-format tensorflow.serving.ModelServerConfig: 1:1"
        )
    )
    assert answer(endpoint, predict_request("a", inputs={"x": np.float32([1.0])})) == (1, [2.0])
    request = predict_request("b", inputs={"x": np.float32([1.0])})
    assert endpoint.refusal("PredictionService/Predict", request)[0] == "NOT_FOUND"
    write(entry("a", tmp_path / "a"), entry("b", tmp_path / "b"))
    assert answer(endpoint, request) == (1, [3.0])


def test_the_file_goes_before_a_reload_by_call(start_server, settings_of, put_version, write, tmp_path):
    (tmp_path / "m").mkdir()
    put_version(tmp_path / "m", 1)
    path = write(entry("m", tmp_path / "m"))
    server, endpoint = start_server(
        *config.from_file(path), model_config_file=path, model_config_file_poll_wait_seconds=0.1
    )
    server.core.reload([settings_of("other", tmp_path / "m")])
    assert answer(endpoint, predict_request("m", inputs={"x": np.float32([1.0])})) == (1, [2.0])
    request = predict_request("other", inputs={"x": np.float32([1.0])})
    assert endpoint.refusal("PredictionService/Predict", request)[0] == "NOT_FOUND"


def test_an_empty_file_lists_nothing(tmp_path):
    (tmp_path / "f").write_text("# models to come")
    assert config.from_file(str(tmp_path / "f")) is None
    assert config.from_flags(Flags(model_config_file=str(tmp_path / "f"))) == []


def test_policies_and_labels_of_a_changed_file_are_followed(start_server, put_version, write, tmp_path):
    (tmp_path / "m").mkdir()
    for number in (1, 2):
        put_version(tmp_path / "m", number)
    path = write(entry("m", tmp_path / "m"))
    _, endpoint = start_server(*config.from_file(path), model_config_file=path, model_config_file_poll_wait_seconds=0.1)
    x = {"x": np.float32([1.0])}
    assert answer(endpoint, predict_request("m", inputs=x)) == (2, [3.0])
    both = "model_version_policy { all {} }"
    write(entry("m", tmp_path / "m", both))
    assert answer(endpoint, predict_request("m", inputs=x, version=1)) == (1, [2.0])
    write(entry("m", tmp_path / "m", both + " version_labels { key: 'stable' value: 1 }"))
    assert answer(endpoint, predict_request("m", inputs=x, label="stable")) == (1, [2.0])
    write(entry("m", tmp_path / "m", "model_version_policy { specific { versions: 1 } }"))
    until(
        lambda: endpoint.call("PredictionService/Predict", predict_request("m", inputs=x)).model_spec.version.value == 1
    )


def answer(endpoint, request):
    """Version and values of the first answer that is no refusal."""
    answers = []

    def ask():
        try:
            response = endpoint.call("PredictionService/Predict", request)
        except grpc.RpcError:
            return False
        answers.append((response.model_spec.version.value, list(response.outputs["y"].float_val)))
        return True

    until(ask)
    return answers[0]
