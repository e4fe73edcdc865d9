"""Several tasks in one SavedModel: one encoder, a signature for each task, the answers that `predict` gives."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from bert_keras import (
    BertPreprocessor,
    MultiTask,
    QuestionAnswerer,
    QuestionPreprocessor,
    TextClassifier,
    TokenClassifier,
    WordPreprocessor,
)
from bert_keras.export.warmup import WARMUP_FILE

IN_A_NEW_PROCESS = """
import json, sys
import tensorflow as tf
import tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
answers = {}
for name, inputs in json.loads(sys.argv[2]).items():
    outputs = loaded.signatures[name](**{key: tf.constant(values) for key, values in inputs.items()})
    answers[name] = {key: output.numpy() for key, output in outputs.items()}
    for key, values in answers[name].items():
        plain = [value.decode() for value in values.ravel()] if values.dtype == object else values.ravel().tolist()
        answers[name][key] = [list(values.shape), plain]
print(json.dumps(answers))
"""
CONTEXTS = ["a great film with the cast", "dull plot"]
ASKED = {
    "mood": {"text": CONTEXTS},
    "things": {"text": CONTEXTS},
    "asked-2": {"question": ["film", "story"], "context": CONTEXTS},
}


@pytest.fixture(scope="module")
def model(make_backbone, tokenizer, randomize):
    """Three tasks with random weights over one encoder, all of them large, so that it shows which encoder runs."""
    backbone = make_backbone()
    question = QuestionPreprocessor(tokenizer, max_length=32, doc_stride=8, max_question_length=8)
    tasks = {
        "mood": TextClassifier(backbone, BertPreprocessor(tokenizer, max_length=32), labels=["neg", "pos"]),
        "things": TokenClassifier(backbone, WordPreprocessor(tokenizer, max_length=24), labels=["X", "Y"]),
        "asked-2": QuestionAnswerer(backbone, question, n_best=3),
    }
    return randomize(MultiTask(tasks), spread=0.2)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    made = tmp_path_factory.mktemp("multi") / "made" / "1"
    model.export(made)
    moved = shutil.copytree(made, tmp_path_factory.mktemp("elsewhere") / "7")
    shutil.rmtree(made)
    return moved


@pytest.fixture(scope="module")
def answers(exported):
    """What a new process gets of each signature."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            IN_A_NEW_PROCESS,
            str(exported),
            json.dumps({"serving_default": ASKED["mood"], **ASKED}),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    served = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        name: {
            key: np.array([v.encode() if isinstance(v, str) else v for v in values]).reshape(shape)
            for key, (shape, values) in outputs.items()
        }
        for name, outputs in served.items()
    }


@pytest.fixture(scope="module")
def core_session(model, tmp_path_factory):
    """The server's session of an export without TensorFlow Text's ops."""
    from bert_keras.export.server_ops import TEXT_OPS
    from bert_keras.export.serving_ops import ops_of
    from serving.server.session import ModelSession

    path = tmp_path_factory.mktemp("core") / "1"
    model.export(path, tokenizer_ops="core")
    assert not ops_of(path) & TEXT_OPS
    session = ModelSession.load(str(path))
    yield session
    session.close()


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, two in zip(found, expected):
            assert_same(one, two)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-4)
    else:
        assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_moved_and_loaded_by_a_new_process_each_signature_gives_what_predict_gives(model, answers, name):
    assert_same(model[name].answers_of(answers[name]), model.answers({name: ASKED[name]})[name])


@pytest.mark.slow
def test_serving_default_is_the_first_task(answers):
    assert sorted(answers["serving_default"]) == sorted(answers["mood"])
    np.testing.assert_array_equal(answers["serving_default"]["scores"], answers["mood"]["scores"])


def test_each_task_has_its_signatures(exported):
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    served = set(saved.meta_graphs[0].signature_def)
    expected = {f"{name}{kind}" for name in ASKED for kind in ("", "_tokens", "_examples")}
    expected |= {"serving_default", "mood_classify", "__saved_model_init_op"}
    assert served == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_with_a_tokenizer_of_core_ops_a_server_answers_each_signature_alike(model, core_session, name):
    signature = core_session.signatures[name]
    feeds = {signature.inputs[key].name: np.array(texts, object) for key, texts in ASKED[name].items()}
    outputs = {key: info.name for key, info in signature.outputs.items()}
    found = dict(zip(outputs, core_session.run(feeds, list(outputs.values()))))
    assert_same(model[name].answers_of(found), model.answers({name: ASKED[name]})[name])


def test_three_tasks_hold_one_encoder(model, exported):
    saved = (exported / "saved_model.pb").read_bytes()
    for weight in (model.backbone.embeddings.token_table, model.backbone.blocks[0].intermediate.kernel):
        assert saved.count(np.asarray(weight, "float32").tobytes()) == 1


def test_the_encoders_of_tasks_hold_the_same_tensors(model):
    from bert_keras.export.encoder import HeldWeights
    from bert_keras.export.model import ServingModel

    held = HeldWeights(freeze=True)
    pooled, sequence = (ServingModel(model[name], held=held).encoder for name in ("mood", "things"))
    assert pooled.token_table is sequence.token_table
    assert pooled.blocks[0]["intermediate"][0] is sequence.blocks[0]["intermediate"][0]
    assert pooled.last_block["output"][0] is sequence.last_block["output"][0]


def test_warm_up_asks_every_signature(model, exported):
    requests = []
    for record in tf.data.TFRecordDataset(str(exported / WARMUP_FILE)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        requests.append((request.model_spec.signature_name, tuple(sorted(request.inputs))))
    expected = {"serving_default": ("text",)} | {name: tuple(sorted(inputs)) for name, inputs in ASKED.items()}
    assert set(requests) == set(expected.items()) and len(requests) == 3 * len(expected)
