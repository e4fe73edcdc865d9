"""SavedModels as TensorFlow 1 wrote them: signatures are tensors of one graph, with method names and defaults.

`save_tf1`: classify and regress over one input tensor. `save_ops`: what a request can meet inside a graph: an op that
waits, ops that fail with one code or another, outputs that show which rows were run together.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402 - reads the variable above

LABELS = ["neg", "pos"]
PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{call}" for call in ("predict", "classify", "regress"))

tf1 = tf.compat.v1


def save_tf1(path: str) -> None:
    """Classify and regress over one input tensor, an input with a default, a signature with a method of its own."""
    with tf.Graph().as_default(), tf1.Session() as session:
        serialized = tf1.placeholder(tf.string, [None], "examples")
        value = tf1.get_variable("gain", initializer=1.0) * _feature(serialized)
        x = tf1.placeholder(tf.float32, [None], "x")
        signatures = {
            **_example_signatures(serialized, value),
            "serving_default": _signature({"x": x}, {"y": x + 1.0}),
            "other": _signature({"x": x}, {"y": x + 1.0}, "some/method"),
        }
        signatures["serving_default"].defaults["x"].CopyFrom(tf.make_tensor_proto([41.0]))
        session.run(tf1.global_variables_initializer())
        _save(path, session, signatures)


def save_ops(path: str, number: int = 1, tags=("serve",), more_tags=()) -> None:
    """A graph whose default answer is x + `number`.

    Args:
        tags: of the graph.
        more_tags: where there are any, a second graph under these tags; its default answer is x - `number`.
    """
    builder = tf1.saved_model.Builder(path)
    with tf.Graph().as_default(), tf1.Session() as session:
        # A variable, so that there are files beside saved_model.pb.
        added = tf1.get_variable("number", initializer=float(number))
        session.run(tf1.global_variables_initializer())
        builder.add_meta_graph_and_variables(session, list(tags), _ops_signatures(added))
    if more_tags:
        with tf.Graph().as_default(), tf1.Session() as session:
            taken_away = tf1.get_variable("number", initializer=float(number))
            x = tf1.placeholder(tf.float32, [None], "x")
            builder.add_meta_graph(
                list(more_tags), {"serving_default": _signature({"x": x}, {"y": x - taken_away})}, clear_devices=True
            )
    builder.save()


def _ops_signatures(added) -> dict:
    x = tf1.placeholder(tf.float32, [None], "x")
    wide = tf1.placeholder(tf.float32, [None, None], "wide")
    column = tf1.placeholder(tf.float32, [None, 1], "column")
    text = tf1.placeholder(tf.string, [None], "text")
    half = tf1.placeholder(tf.half, [None], "half")
    serialized = tf1.placeholder(tf.string, [None], "examples")
    rows = tf.shape(x)[:1]
    signatures = {
        "serving_default": _signature({"x": x}, {"y": x + added}),
        "column": _signature({"x": column}, {"y": 2.0 * column}),
        "half": _signature({"x": half}, {"y": tf.cast(half, tf.float32)}),
        "pruned": _signature({"x": x}, {"bad": tf1.check_numerics(x / 0.0, "not computed"), "good": x + added}),
        "wait": _signature({"x": x}, {"y": x + tf1.FIFOQueue(1, [tf.float32], [[]]).dequeue()}),
        # How many rows the graph saw at once, and their sum.
        "batch": _signature({"x": x}, {"rows": tf.fill(rows, rows[0]), "total": tf.fill(rows, tf.reduce_sum(x))}),
        "rows": _signature({"x": x}, {"rows": tf.fill(rows, rows[0])}),
        "wide": _signature({"x": wide}, {"y": tf.reduce_sum(wide, axis=1)}),
        "mask": _signature({"mask": wide}, {"y": tf.reduce_sum(wide, axis=1)}),
        "pair": _signature({"a": x, "b": wide}, {"a": x + 1.0, "b": wide + 1.0}),
        "scalar": _signature({"x": x}, {"total": tf.reduce_sum(x)}),
        "short": _signature({"x": x}, {"y": x[1:]}),
        "uneven": _signature({"x": x}, {"all": x + 1.0, "less": x[1:]}),
        "bytes": _signature({"text": text}, {"plain": tf.identity(text), "same_bytes": tf.identity(text)}),
        **_example_signatures(serialized, _feature(serialized)),
    }
    failing = {name: _signature({"x": x}, {"y": tensor}) for name, tensor in _failing(x).items()}
    return {**signatures, **failing}


def _failing(x) -> dict:
    """Outputs by the code with which computing them ends."""
    queue = tf1.FIFOQueue(1, [tf.float32], [[]])
    with tf.control_dependencies([queue.close()]):
        refused = queue.enqueue([1.0])
    with tf.control_dependencies([refused]):
        cancelled = tf.identity(x)
    nothing = tf1.data.make_one_shot_iterator(tf.data.Dataset.from_tensor_slices(tf.zeros([0])))
    return {
        "cancelled": cancelled,
        "data_loss": tf.io.decode_compressed(tf.strings.as_string(x), "ZLIB"),
        "failed_precondition": tf.io.read_file(
            tf.strings.join(["/", tf.strings.substr(tf.strings.as_string(x[0]), 0, 0)])
        ),
        "not_found": tf.io.read_file(tf.strings.join(["/no/such/file/", tf.strings.as_string(x[0])])),
        "out_of_range": nothing.get_next() + x,
    }


def _example_signatures(serialized, value) -> dict:
    classes, scores = tf.tile([LABELS], [tf.size(value), 1]), tf.stack([1.0 - value, value], axis=1)
    inputs = {"inputs": serialized}
    return {
        "classify": _signature(inputs, {"classes": classes, "scores": scores}, CLASSIFY),
        "classify_int_classes": _signature(inputs, {"classes": tf.ones_like(scores, tf.int32)}, CLASSIFY),
        "classify_other_input": _signature({"examples": serialized}, {"scores": scores}, CLASSIFY),
        "regress": _signature(inputs, {"outputs": 2.0 * value}, REGRESS),
        "regress_other_input": _signature({"examples": serialized}, {"outputs": value}, REGRESS),
    }


def _signature(inputs: dict, outputs: dict, method: str = PREDICT):
    info = tf1.saved_model.build_tensor_info
    tensors = ({name: info(tensor) for name, tensor in names.items()} for names in (inputs, outputs))
    return tf1.saved_model.build_signature_def(*tensors, method)


def _save(path: str, session, signatures: dict) -> None:
    builder = tf1.saved_model.Builder(path)
    builder.add_meta_graph_and_variables(session, ["serve"], signatures)
    builder.save()


def _feature(serialized):
    return tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([], tf.float32, 0.25)})["x"]
