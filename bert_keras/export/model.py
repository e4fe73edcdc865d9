"""A task as one function of token ids, with its weights inside."""

import keras
import tensorflow as tf

from bert_keras.backbone import BertBackbone
from bert_keras.export.encoder import POOLED, SEQUENCE, FastEncoder

TOKEN_INPUTS = ("token_ids", "segment_ids", "padding_mask")


class ServingModel(tf.Module):
    """From token ids to a task's outputs, for inference: dropout off, float32.

    `outputs` takes int32 `[batch, length]` tensors by the names of `TOKEN_INPUTS`.

    The encoder is a `FastEncoder`; what the task has after it, its head, runs as Keras built it. A task whose head
    reads more of the encoder than the fast one gives (attention maps, all hidden states) runs as Keras built it.

    Args:
        task: a `BertTask`.
        freeze: bool. Weights as constants instead of variables.
        held: the `HeldWeights` of other tasks' models over the same encoder, to share it with them.
    """

    def __init__(self, task, freeze=True, held=None):
        super().__init__(name="serving_model")
        self._task = _Untracked(task)
        self.encoder, self._head, head_weights = None, None, task.variables
        parts = _parts(task)
        if parts is not None:
            wanted, self._head = parts
            self.encoder = FastEncoder(task.backbone, wanted, freeze, held)
            inside = {id(variable) for variable in task.backbone.variables}
            head_weights = [variable for variable in task.variables if id(variable) not in inside]
        # What belongs to training and to dropout is not part of the function.
        head_weights = [variable for variable in head_weights if variable.dtype.startswith(("float", "bfloat"))]
        values = [keras.ops.convert_to_numpy(variable) for variable in head_weights]
        self.head_weights = [tf.constant(value) if freeze else tf.Variable(value, trainable=False) for value in values]
        self._head_variables = _Untracked(head_weights)
        self.outputs = tf.function(
            self._outputs, input_signature=[tf.TensorSpec([None, None], tf.int32, name=name) for name in TOKEN_INPUTS]
        )

    def weights(self):
        """A context in which the head's layers compute with what this module holds instead of their own variables."""
        held = [tf.convert_to_tensor(value) for value in self.head_weights]
        return keras.StatelessScope(state_mapping=list(zip(self._head_variables.value, held)))

    def _outputs(self, token_ids, segment_ids, padding_mask):
        tokens = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": padding_mask}
        if self._reads_rows_only:
            tokens = _without_common_padding(tokens)
        tokens = _with_a_column(tokens)
        with self.weights():
            if self.encoder is None:
                return self._task.value(tokens, training=False)
            encoded = self.encoder(**tokens)
            return self._head({**encoded, **{name: tokens[name] for name in self._token_inputs_of_head}})

    @property
    def _token_inputs_of_head(self):
        return [name for name in TOKEN_INPUTS if name in self._head._inputs_struct]

    @property
    def _reads_rows_only(self):
        """Whether the task gives one answer a row, whatever the row's length."""
        outputs = keras.tree.flatten(self._task.value.output)
        return self.encoder is not None and all(None not in output.shape[1:] for output in outputs)


class _Untracked:
    """Holds a Keras object out of sight of the SavedModel, which would save its variables a second time."""

    def __init__(self, value):
        self.value = value


def _parts(task):
    """What the task's head reads of the encoder, and the head as a function of it; None where it cannot be cut out.

    Returns:
        `(names of encoder outputs, keras.Function of a dict of them and of token inputs)`.
    """
    backbone = task.backbone
    if not isinstance(backbone, BertBackbone):
        return None
    nodes = [node for level in task._nodes_by_depth.values() for node in level]
    calls = [node for node in nodes if node.operation is backbone]
    if len(calls) != 1:
        return None
    encoded = keras.tree.pack_sequence_as(backbone.output, calls[0].output_tensors)
    offered = {**task.input, **{name: encoded[name] for name in (SEQUENCE, POOLED)}}
    after = [node for node in nodes if node is not calls[0] and not node.is_input]
    made = {id(tensor) for node in after for tensor in node.output_tensors}
    read = {id(tensor) for node in after for tensor in node.input_tensors}
    read = (read | {id(tensor) for tensor in keras.tree.flatten(task.output)}) - made
    head_inputs = {name: tensor for name, tensor in offered.items() if id(tensor) in read}
    if len(head_inputs) < len(read):
        # The head reads an output of the encoder that the fast one does not give.
        return None
    head = keras.Function(head_inputs, task.output)
    return tuple(name for name in (SEQUENCE, POOLED) if name in head_inputs), head


def _without_common_padding(tokens):
    """Cuts off the columns at the end in which no row has a token: clients that pad to a fixed length pay nothing."""
    length = tf.shape(tokens["padding_mask"])[1]
    places = tf.cast(tokens["padding_mask"] != 0, tf.int32) * tf.range(1, length + 1)
    # One column stays where there is no token at all. The length is not rounded up: for oneDNN that would mean fewer
    # shapes to prepare for, but the padding costs more than that.
    kept = tf.maximum(tf.reduce_max(places), 1)
    return {name: values[:, :kept] for name, values in tokens.items()}


def _with_a_column(tokens):
    """One column at least: in a batch without rows the rows have no length, and no first token to read."""
    short = tf.maximum(1 - tf.shape(tokens["token_ids"])[1], 0)
    return {name: tf.pad(values, [[0, 0], [0, short]]) for name, values in tokens.items()}
