"""InfraValidator with a server of this machine: what is blessed, what is not, and why."""

import gzip
import os
from pathlib import Path

import pytest

from bert_keras.errors import WorkFailed

pytest.importorskip("tfx")
pytestmark = pytest.mark.slow

TEXTS = ("a fine film", "a dull film", "a dog")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Model artifacts by name: one is good, one refuses every example, one has lost its variables."""
    import tensorflow as tf
    from tfx.types.standard_artifacts import Model
    from tfx.utils import path_utils

    class Length(tf.Module):
        def __init__(self, refuses):
            super().__init__()
            self.refuses, self.gain = refuses, tf.Variable(1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def __call__(self, examples):
            text = tf.io.parse_example(examples, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]
            if self.refuses:
                tf.debugging.assert_equal(tf.size(text), 0, message="no text is good enough")
            return {"length": self.gain * tf.strings.length(text)}

    made = {}
    for name in ("good", "refusing", "broken"):
        made[name] = Model()
        made[name].uri = str(tmp_path_factory.mktemp(name))
        folder = path_utils.serving_model_dir(made[name].uri)
        module = Length(refuses=name == "refusing")
        tf.saved_model.save(module, folder, signatures={"examples": module.__call__})
    for file in Path(made["broken"].uri).rglob("variables.data*"):
        file.unlink()
    return made


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Examples with the split `eval` alone."""
    import tensorflow as tf
    from tfx.types.standard_artifacts import Examples

    artifact = Examples()
    artifact.uri, artifact.split_names = str(tmp_path_factory.mktemp("examples")), '["eval"]'
    plain = tmp_path_factory.mktemp("plain") / "records"
    with tf.io.TFRecordWriter(str(plain)) as writer:
        for text in TEXTS:
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
            writer.write(tf.train.Example(features=tf.train.Features(feature={"text": feature})).SerializeToString())
    folder = Path(artifact.uri, "Split-eval")
    folder.mkdir()
    (folder / "data-00000-of-00001.gz").write_bytes(gzip.compress(plain.read_bytes()))
    return artifact


@pytest.fixture
def validate(examples, tmp_path, monkeypatch):
    """`validate(model, examples=2, …)` with the keys of the config: the blessing of the component's own executor."""
    from tfx.types.standard_artifacts import InfraBlessing

    from pipelines.config import InfraValidationConfig
    from pipelines.infra_validator import Executor, make_infra_validator

    monkeypatch.setenv("PATH", str(tmp_path / "nothing-installed"))

    def run(model, edit=lambda properties: None, **config):
        component = make_infra_validator(InfraValidationConfig(**config), channel_of(model), channel_of(examples))
        properties = {name: value for name, value in component.exec_properties.items() if value is not None}
        edit(properties)
        blessing = InfraBlessing()
        blessing.uri = str(tmp_path / "blessing")
        os.makedirs(blessing.uri)
        context = Executor.Context(tmp_dir=str(tmp_path / "temporary"), unique_id="1")
        run.blessing = blessing
        Executor(context).Do({"model": [model], "examples": [examples]}, {"blessing": [blessing]}, properties)
        return blessing

    return run


def channel_of(artifact):
    from tfx.types import channel_utils

    return channel_utils.as_channel([artifact])


def is_blessed(blessing):
    """What Pusher looks at; the file beside it must say the same."""
    from tfx.components.util import model_utils

    found = os.listdir(blessing.uri)
    assert ("INFRA_BLESSED" in found, "INFRA_NOT_BLESSED" in found) in ((True, False), (False, True))
    assert model_utils.is_infra_validated(blessing) == ("INFRA_BLESSED" in found)
    return "INFRA_BLESSED" in found


@pytest.fixture
def program(tmp_path):
    """`program("exit 3")`: the path of a tensorflow_model_server that notes its flags in the file `flags`."""

    def write(*lines):
        path = tmp_path / "tensorflow_model_server"
        path.write_text("\n".join(["#!/bin/sh", f'echo "$@" > {tmp_path}/flags', *lines]) + "\n")
        path.chmod(0o755)
        return path

    return write


def test_a_model_that_answers_is_blessed_and_its_requests_can_become_the_pushed_models_warm_up(
    validate, models, tmp_path, monkeypatch
):
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
    from tfx.components.pusher.executor import Executor as Pusher
    from tfx.proto import pusher_pb2
    from tfx.types.standard_artifacts import PushedModel
    from tfx.utils import proto_utils

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody answers
    blessing = validate(models["good"], examples=2, warmup=True)
    assert is_blessed(blessing)
    assert not blessing.has_custom_property("why_not")

    pushed, destination = PushedModel(), pusher_pb2.PushDestination()
    pushed.uri = str(tmp_path / "pushed")
    destination.filesystem.base_directory = str(tmp_path / "served")
    properties = {"push_destination": proto_utils.proto_to_json(destination)}
    Pusher().Do({"infra_blessing": [blessing]}, {"pushed_model": [pushed]}, properties)
    (version,) = (tmp_path / "served").iterdir()
    logs = [PredictionLog.FromString(record) for record in records(version / "assets.extra/tf_serving_warmup_requests")]
    assert [log.predict_log.request.model_spec.signature_name for log in logs] == ["examples", "examples"]
    sent = [log.predict_log.request.inputs["examples"].string_val[0] for log in logs]
    # TFX takes any examples of the split.
    assert len({text for text in TEXTS for record in sent if text.encode() in record}) == 2


def records(path):
    import tensorflow as tf

    return [record.numpy() for record in tf.data.TFRecordDataset(str(path))]


def test_a_model_that_fails_on_examples_is_not_blessed_and_the_reason_is_the_servers(validate, models):
    blessing = validate(models["refusing"], examples=1, tries=1)
    assert not is_blessed(blessing)
    why_not = blessing.get_string_custom_property("why_not")
    assert why_not.startswith("examples of the split eval were not answered: INVALID_ARGUMENT: ")
    assert "no text is good enough" in why_not


def test_a_model_that_does_not_load_is_not_blessed_and_the_reason_is_the_servers(validate, models):
    blessing = validate(models["broken"], examples=0, tries=1)
    assert not is_blessed(blessing)
    why_not = blessing.get_string_custom_property("why_not")
    assert why_not.startswith("the server did not load it: Failed to start server. Error: ")
    assert "variables" in why_not


def test_a_server_named_in_the_config_is_the_one_that_is_tried(validate, models, program, tmp_path):
    server = program(
        "echo loading", "echo 'Failed to start server. Error: UNKNOWN: Op type not registered'", "exit 255"
    )
    blessing = validate(models["good"], tries=1, binary=server)
    assert not is_blessed(blessing)
    assert blessing.get_string_custom_property("why_not") == (
        "the server did not load it: Failed to start server. Error: UNKNOWN: Op type not registered"
    )
    flags = (tmp_path / "flags").read_text().split()
    assert {"--rest_api_port=0", "--model_name=infra-validation-model", "--max_num_load_retries=0"} < set(flags)


def test_a_server_that_never_comes_up_ends_with_the_time_it_is_given(validate, models, program):
    blessing = validate(models["good"], tries=1, timeout_seconds=3, binary=program("exec /bin/sleep 60"))
    assert not is_blessed(blessing)
    assert blessing.get_string_custom_property("why_not") == (
        "it was not loaded and asked within 3 s (`infra_validation.timeout_seconds`)"
    )


def test_a_failure_of_the_moment_is_tried_again(validate, models, program, tmp_path):
    server = program(f"echo tried >> {tmp_path}/tries", "exit 1")
    assert not is_blessed(validate(models["good"], tries=3, binary=server))
    assert (tmp_path / "tries").read_text().split() == ["tried"] * 3


def test_no_server_to_try_is_a_failure_and_no_blessing(validate, models):
    import json

    def without_tags(properties):
        spec = json.loads(properties["serving_spec"])
        assert spec["tensorflow_serving"].pop("tags") == ["embedded"]
        properties["serving_spec"] = json.dumps(spec)

    with pytest.raises(WorkFailed, match="`tags` of its ServingSpec is empty, for which TFX would bless any model"):
        validate(models["good"], edit=without_tags)
    assert os.listdir(validate.blessing.uri) == []
    assert not validate.blessing.has_custom_property("blessed")
