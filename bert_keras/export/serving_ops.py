"""Which ops a SavedModel needs, and whether a TensorFlow Serving has them."""

import os

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

# The servers 2.12 to 2.19 hold TensorFlow Text 2.12.1, and of it what is linked in: `TFText>RoundRobinTrim` and
# `TFText>Utf8Binarize`, for two, are not. These, which its BertTokenizer and FastBertTokenizer run, are.
SERVED_TEXT_OPS = frozenset(
    (
        "CaseFoldUTF8",
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "NormalizeUTF8",
        "RegexSplitWithOffsets",
        "WordpieceTokenizeWithOffsets",
    )
)


def ops_of(path):
    """Set of the names of all ops in the SavedModel directory `path`, its functions' included."""
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        saved = saved_model_pb2.SavedModel.FromString(file.read())
    names = set()
    for meta_graph in saved.meta_graphs:
        names.update(node.op for node in meta_graph.graph_def.node)
        for function in meta_graph.graph_def.library.function:
            names.update(node.op for node in function.node_def)
    return names


def ops_not_served(path):
    """Sorted names of the ops in the SavedModel `path` that a TensorFlow Serving of the installed version may lack.

    A server has TensorFlow's own ops and `SERVED_TEXT_OPS`; ops of other libraries load in Python and fail there.
    """
    return sorted(name for name in ops_of(path) if name not in SERVED_TEXT_OPS and not hasattr(tf.raw_ops, name))
