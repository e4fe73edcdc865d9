"""The SavedModel answers as the task does, under every signature, wherever it is moved."""

import json
import shutil
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.export import export_saved_model, saved_model
from bert_keras.tasks.base import BertTask
from bert_keras.tasks.description import ExampleFeature

IN_A_NEW_PROCESS = """
import json, sys
import tensorflow as tf
import tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
outputs = loaded.signatures["serving_default"](text=tf.constant(json.loads(sys.argv[2])))
print(json.dumps({name: output.numpy().tolist() for name, output in outputs.items() if output.dtype != tf.string}))
"""


def examples(**columns):
    """Serialized `tf.Example`s without a target."""
    return [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
                    for name, text in zip(columns, row)
                }
            )
        ).SerializeToString()
        for row in zip(*columns.values())
    ]


def assert_same_answers(first, second):
    assert sorted(first) == sorted(second)
    for name, values in first.items():
        if np.issubdtype(np.asarray(values).dtype, np.floating):
            np.testing.assert_allclose(values, second[name], atol=1e-5, rtol=1e-5)
        else:
            np.testing.assert_array_equal(values, second[name])


def expected(task, texts):
    logits = task.predict(texts, verbose=0)
    return {name: output.numpy() for name, output in task.serving_outputs(tf.constant(logits)).items()}


@pytest.mark.slow
def test_moved_and_loaded_by_a_new_process_it_gives_the_same_answers(classifier, texts, tmp_path):
    made, moved = tmp_path / "made" / "1", tmp_path / "moved" / "to" / "7"
    classifier.export(made)
    shutil.copytree(made, moved)
    shutil.rmtree(made)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, str(moved), json.dumps(texts)],
        capture_output=True,
        text=True,
        check=True,
    )
    outputs = json.loads(done.stdout.strip().splitlines()[-1])
    want = expected(classifier, texts)
    np.testing.assert_allclose(outputs["scores"], want["scores"], atol=1e-5)
    np.testing.assert_allclose(outputs["score"], want["score"], atol=1e-5)


def test_text_tokens_and_examples_give_what_keras_predicts(classifier, served, texts):
    want = expected(classifier, texts)
    tokens = {name: values.numpy() for name, values in classifier.preprocessor(texts).items()}
    assert_same_answers(served("serving_default", text=texts), want)
    assert_same_answers(served("tokens", **tokens), want)
    assert_same_answers(served("examples", examples=examples(text=texts)), want)


def test_classify_gives_classes_and_scores(classifier, served, texts):
    outputs = served("classify", inputs=examples(text=texts))
    want = expected(classifier, texts)
    assert_same_answers(outputs, {"classes": want["classes"], "scores": want["scores"]})


def test_each_problem_has_its_answers_under_fixed_names_and_types(random_classifier, serve, tmp_path):
    answers = {
        "binary": {
            "label": (tf.string, 1),
            "score": (tf.float32, 1),
            "classes": (tf.string, 2),
            "scores": (tf.float32, 2),
        },
        "multilabel": {"predicted": (tf.bool, 2), "classes": (tf.string, 2), "scores": (tf.float32, 2)},
        "regression": {"value": (tf.float32, 1)},
    }
    options = {
        "binary": {"labels": ["neg", "pos"]},
        "multilabel": {"labels": ["a", "b", "c"], "problem": "multilabel"},
        "regression": {"problem": "regression"},
    }
    for problem, outputs in answers.items():
        path = tmp_path / problem
        random_classifier(**options[problem]).export(path)
        signatures = serve(path).signatures
        for name in ("serving_default", "tokens", "examples"):
            found = signatures[name].outputs
            assert {key: (info.dtype, len(info.tensor_shape.dim)) for key, info in found.items()} == {
                key: (dtype.as_datatype_enum, rank) for key, (dtype, rank) in outputs.items()
            }
        assert ("classify" in signatures) == (problem != "regression")
        assert ("regress" in signatures) == (problem == "regression")


def test_regress_gives_the_value(random_classifier, serve, texts, tmp_path):
    task = random_classifier(problem="regression")
    task.export(tmp_path / "1")
    served = serve(tmp_path / "1")
    outputs = served("regress", inputs=examples(text=texts))
    np.testing.assert_allclose(outputs["outputs"], task.predict(texts, verbose=0)[:, 0], atol=1e-5)
    assert served.signatures["regress"].method_name == "tensorflow/serving/regress"


def test_pairs_take_two_texts(random_classifier, serve, texts, tmp_path):
    task = random_classifier(pair=True, num_classes=3)
    task.export(tmp_path / "1")
    served = serve(tmp_path / "1")
    pairs = {"text": texts, "text_pair": texts[::-1]}
    want = expected(task, pairs)
    assert_same_answers(served("serving_default", **pairs), want)
    assert_same_answers(served("examples", examples=examples(**pairs)), want)
    for first, second in ((3, 1), (1, 3), (2, 3)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="text, text_pair differ in their number of texts"):
            served("serving_default", text=texts[:first], text_pair=texts[:second])


def test_method_names_are_those_that_tensorflow_serving_asks_for(served):
    methods = {name: info.method_name for name, info in served.signatures.items() if not name.startswith("__")}
    assert methods == {
        "serving_default": "tensorflow/serving/predict",
        "tokens": "tensorflow/serving/predict",
        "examples": "tensorflow/serving/predict",
        "classify": "tensorflow/serving/classify",
    }


@pytest.mark.parametrize(
    "signature, name", [("serving_default", "text"), ("examples", "examples"), ("classify", "inputs")]
)
def test_string_inputs_have_the_one_shape_that_tfx_and_batching_take(served, signature, name):
    ((key, info),) = served.signatures[signature].inputs.items()
    assert key == name and info.dtype == tf.string.as_datatype_enum
    assert [dim.size for dim in info.tensor_shape.dim] == [-1]


def test_tokens_are_int32_of_any_batch_and_length(served):
    inputs = served.signatures["tokens"].inputs
    assert sorted(inputs) == ["padding_mask", "segment_ids", "token_ids"]
    for info in inputs.values():
        assert info.dtype == tf.int32.as_datatype_enum
        assert [dim.size for dim in info.tensor_shape.dim] == [-1, -1]


def test_longer_padding_does_not_change_an_answer(classifier, served, texts):
    short = {name: values.numpy() for name, values in classifier.preprocessor(texts[:5]).items()}
    long = {name: np.pad(values, [(0, 0), (0, 32 - values.shape[1])]) for name, values in short.items()}
    assert_same_answers(served("tokens", **short), served("tokens", **long))


def test_padding_beyond_the_positions_is_cut_off(classifier, served, texts):
    short = {name: values.numpy() for name, values in classifier.preprocessor(texts[:5]).items()}
    long = {name: np.pad(values, [(0, 0), (0, 500)]) for name, values in short.items()}
    assert_same_answers(served("tokens", **short), served("tokens", **long))


def test_a_mean_over_the_tokens_does_not_see_padding(random_classifier, serve, texts, tmp_path):
    task = random_classifier(pooling="mean")
    task.export(tmp_path / "1")
    served = serve(tmp_path / "1")
    assert_same_answers(served("serving_default", text=texts), expected(task, texts))
    short = {name: values.numpy() for name, values in task.preprocessor(texts[:5]).items()}
    long = {name: np.pad(values, [(0, 0), (0, 500)]) for name, values in short.items()}
    assert_same_answers(served("tokens", **short), served("tokens", **long))


def test_tokens_stand_where_the_mask_says_even_with_gaps(classifier, served):
    tokens = {name: values.numpy() for name, values in classifier.preprocessor(["good film with a plot"]).items()}
    tokens["padding_mask"][0, 2] = 0
    logits = classifier(tokens)
    np.testing.assert_allclose(served("tokens", **tokens)["scores"], tf.nn.softmax(logits), atol=1e-5)


def test_rows_without_a_token_give_numbers(served):
    none = np.zeros((2, 4), "int32")
    assert np.isfinite(served("tokens", token_ids=none, segment_ids=none, padding_mask=none)["scores"]).all()


def test_a_batch_without_rows_gives_no_answers(served):
    found = served("serving_default", text=np.array([], object))
    assert {name: values.shape for name, values in found.items()} == {
        "label": (0,),
        "score": (0,),
        "classes": (0, 2),
        "scores": (0, 2),
    }


@pytest.mark.parametrize("name", ["token_ids", "segment_ids", "padding_mask"])
@pytest.mark.parametrize("shape", [(1, 4), (3, 1), (2, 4), (3, 5)])
def test_tokens_of_which_the_shapes_differ_are_an_error(served, name, shape):
    tokens = {each: np.ones((3, 4), "int32") for each in ("token_ids", "segment_ids", "padding_mask")}
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in shape; expected one shape"):
        served("tokens", **{**tokens, name: np.ones(shape, "int32")})


def test_dropout_is_off(served, texts):
    assert_same_answers(served("serving_default", text=texts), served("serving_default", text=texts))


def test_weights_stand_once_in_the_file(random_classifier, tmp_path):
    task = random_classifier(backbone={"hidden_dim": 256, "intermediate_dim": 1024})
    task.export(tmp_path / "1")
    weights = 4 * task.count_params()
    graph = 1_500_000
    assert weights < (tmp_path / "1" / "saved_model.pb").stat().st_size < weights + graph < 2 * weights


def test_unfrozen_it_answers_the_same_from_variables(classifier, serve, texts, tmp_path):
    classifier.export(tmp_path / "1", freeze=False)
    assert (tmp_path / "1" / "variables" / "variables.index").stat().st_size > 1000
    assert_same_answers(serve(tmp_path / "1")("serving_default", text=texts), expected(classifier, texts))


def test_a_model_too_large_for_one_graph_gets_variables_and_a_warning(classifier, serve, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "LARGEST_FROZEN_BYTES", 1000)
    with pytest.warns(UserWarning, match="exported as variables"):
        classifier.export(tmp_path / "1")
    assert_same_answers(serve(tmp_path / "1")("serving_default", text=texts), expected(classifier, texts))


def test_a_bfloat16_model_is_exported_in_float32(random_classifier, serve, texts, tmp_path):
    half = random_classifier(backbone={"dtype": "mixed_bfloat16"})
    whole = random_classifier()
    whole.set_weights(half.get_weights())
    half.export(tmp_path / "1")
    scores = serve(tmp_path / "1")("serving_default", text=texts)["scores"]
    np.testing.assert_allclose(scores, expected(whole, texts)["scores"], atol=2e-2)


def test_a_failed_export_leaves_the_former_one_and_nothing_else(classifier, tmp_path, monkeypatch):
    path = tmp_path / "1"
    path.mkdir()
    (path / "saved_model.pb").write_text("former")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(saved_model, "write_warmup_requests", fail)
    with pytest.raises(OSError, match="disk full"):
        export_saved_model(classifier, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]
    assert (path / "saved_model.pb").read_text() == "former"


def test_a_file_in_the_way_is_bad_input(classifier, tmp_path):
    (tmp_path / "1").write_text("a file")
    with pytest.raises(BadInput):
        classifier.export(tmp_path / "1")


def test_without_a_preprocessor_there_is_nothing_to_export(make_backbone, tmp_path):
    from bert_keras import TextClassifier

    with pytest.raises(ValueError, match="no preprocessor"):
        TextClassifier(make_backbone(), labels=["a", "b"]).export(tmp_path / "1")


class Tagger(BertTask):
    """A task whose head reads every token, the padding mask, and whatever outputs of the encoder it is told to."""

    def __init__(self, backbone, preprocessor=None, reads=("sequence_output",), **kwargs):
        self.backbone, self.preprocessor = backbone, preprocessor
        inputs = backbone.input
        encoded = backbone(inputs)
        hidden = keras.layers.Concatenate()([encoded[name] for name in reads[:1]] + [encoded["sequence_output"]])
        if "attentions" in reads:
            hidden = hidden + keras.ops.mean(encoded["attentions"][0], axis=(1, 3))[..., None]
        mask = keras.ops.cast(inputs["padding_mask"], "float32")[..., None]
        super().__init__(inputs=inputs, outputs=keras.layers.Dense(3)(hidden) * mask, **kwargs)

    def serving_outputs(self, outputs):
        return {"tags": outputs}

    @classmethod
    def example_layout(cls):
        return {"text": ExampleFeature()}


@pytest.mark.parametrize("reads", [("sequence_output",), ("sequence_output", "attentions")])
@pytest.mark.parametrize("freeze", [True, False])
def test_a_head_over_all_tokens_is_exported_whole(make_backbone, randomize, serve, texts, tmp_path, reads, freeze):
    from bert_keras import BertPreprocessor

    backbone = make_backbone(output_attentions="attentions" in reads)
    source = make_preprocessor(texts)
    task = randomize(Tagger(backbone, BertPreprocessor(source, max_length=20), reads))
    task.export(tmp_path / "1", freeze=freeze, warmup_texts=[])
    served = serve(tmp_path / "1")
    tokens = {name: np.pad(values.numpy(), [(0, 0), (0, 4)]) for name, values in task.preprocessor(texts).items()}
    np.testing.assert_allclose(served("tokens", **tokens)["tags"], task(tokens), atol=1e-5, rtol=1e-5)
    assert "classify" not in served.signatures and "regress" not in served.signatures


def make_preprocessor(texts):
    from bert_keras import WordPieceTokenizer

    words = sorted({word for text in texts for word in text.split()})
    return WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words][:20])


def test_grappler_fuses_bias_activation_and_residual_into_the_products(random_classifier, serve, tmp_path):
    task = random_classifier(backbone={"num_layers": 3, "hidden_dim": 64})
    task.export(tmp_path / "1")
    ops = optimized_ops(serve(tmp_path / "1"), task.preprocessor(["good film", "a"]))
    if not any(name.startswith("_Mkl") for name in ops):
        pytest.skip("TensorFlow runs without oneDNN on this processor")
    assert ops["_MklLayerNorm"] == 1 + 2 * 3
    assert ops["_MklFusedBatchMatMulV2"] == 3
    assert ops["_MklBatchMatMulV2"] == 3
    assert ops["_MklNativeFusedMatMul"] >= 4 * 3
    assert ops["Erf"] == ops["BiasAdd"] == ops["Fill"] == 0
    # Of sums there are those of the embeddings and of the padding's end: none per block.
    assert ops["AddV2"] <= 4


def optimized_ops(served, tokens):
    """How often each op stands in the graph that a session runs for the signature `tokens`."""
    definition = served.signatures["tokens"]
    metadata = tf.compat.v1.RunMetadata()
    served.session.run(
        [info.name for info in definition.outputs.values()],
        {definition.inputs[name].name: values.numpy() for name, values in tokens.items()},
        options=tf.compat.v1.RunOptions(output_partition_graphs=True),
        run_metadata=metadata,
    )
    return Counter(node.op for graph in metadata.partition_graphs for node in graph.node)
