"""The entry points of an exported model: text, token ids, serialized examples, Classify and Regress requests."""

import dataclasses
from typing import Any

import tensorflow as tf

from bert_keras.export.model import TOKEN_INPUTS

DEFAULT = "serving_default"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"


@dataclasses.dataclass(frozen=True)
class Signature:
    """A traced signature; `method` is TensorFlow Serving's method name where it is not Predict's."""

    function: Any
    method: str | None = None


def build_signatures(task, model, targets=False):
    """Dict of signature name to `Signature`; the table stands at `export_saved_model`.

    Args:
        task: a `BertTask`.
        model: its `ServingModel`.
        targets: bool. Whether to add `targets`.
    """

    text = [_strings(name) for name in task.serving_inputs]
    tokens = [tf.TensorSpec([None, None], tf.int32, name=name) for name in TOKEN_INPUTS]

    # One function for the signatures that read text: traced and written once where they read the same.
    @tf.function(autograph=False)
    def answers(texts):
        with model.weights():
            return task.served_answers(texts, model.outputs)

    def tokens_answers(inputs):
        inputs = _of_one_shape(inputs)
        with model.weights():
            return task.token_answers(model.outputs(**inputs))

    def parse(serialized):
        # A served example has no target, so only the input is asked for.
        return task.inputs_of_examples(tf.io.parse_example(serialized, task.example_inputs))

    signatures = {
        DEFAULT: Signature(_traced(lambda **texts: answers(_of_one_size(texts)), text)),
        "tokens": Signature(_traced(lambda **inputs: tokens_answers(inputs), tokens)),
        "examples": Signature(_traced(lambda examples: answers(parse(examples)), [_strings("examples")])),
    }
    given = signatures[DEFAULT].function.structured_outputs
    if "scores" in given:
        classify = _traced(lambda inputs: _of(answers(parse(inputs)), "classes", "scores"), [_strings("inputs")])
        signatures["classify"] = Signature(classify, CLASSIFY_METHOD)
    if "value" in given:
        regress = _traced(lambda inputs: {"outputs": answers(parse(inputs))["value"]}, [_strings("inputs")])
        signatures["regress"] = Signature(regress, REGRESS_METHOD)
    if targets:
        signatures["targets"] = Signature(_traced(lambda examples: _targets(task, examples), [_strings("examples")]))
    return signatures


def join_signatures(by_task):
    """The signatures of several tasks for one SavedModel.

    Args:
        by_task: dict of task name to what `build_signatures` gave.

    Returns:
        Dict of name to `Signature`: `NAME` for a task's `serving_default`, `NAME_tokens` for its `tokens` and so on for
        the others; and `serving_default`, that of the first task.
    """
    joined = {DEFAULT: next(iter(by_task.values()))[DEFAULT]}
    for name, signatures in by_task.items():
        joined |= {name if kind == DEFAULT else f"{name}_{kind}": made for kind, made in signatures.items()}
    return joined


def _targets(task, serialized):
    spec = {name: feature for name, feature in task.example_spec.items() if name not in task.serving_inputs}
    return task.target_features(tf.io.parse_example(serialized, spec))


def _strings(name):
    # Exactly [None]: what TFX' InfraValidator takes for serialized examples, and what batching servers can join.
    return tf.TensorSpec([None], tf.string, name=name)


def _of_one_size(texts):
    """The texts, with an error in the graph where there are not as many of each: some ops would repeat or drop rows."""
    if len(texts) == 1:
        return texts
    sizes = tf.stack([tf.size(values) for values in texts.values()])
    return _alike(texts, sizes, "differ in their number of texts; expected as many of each:")


def _of_one_shape(tokens):
    """The rows of token ids, with an error in the graph where the shapes differ: a mask of one row would do for all."""
    shapes = tf.stack([tf.shape(values) for values in tokens.values()])
    return _alike(tokens, shapes, "differ in shape; expected one shape [rows, length] for all:")


def _alike(inputs, sizes, said):
    """The inputs as they are, which come to be only where all sizes are alike."""
    check = tf.debugging.Assert(tf.reduce_all(sizes == sizes[:1]), [f"The inputs {', '.join(inputs)} {said}", sizes])
    # A server's session runs what the outputs need and nothing else.
    with tf.control_dependencies([check]):
        return {name: tf.identity(values) for name, values in inputs.items()}


def _of(answers, *names):
    return {name: answers[name] for name in names}


def _traced(function, specs):
    return tf.function(function, autograph=False).get_concrete_function(**{spec.name: spec for spec in specs})
