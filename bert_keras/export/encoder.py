"""BERT's encoder as a TensorFlow graph written for inference: few, large ops in the forms that Grappler fuses."""

import math
import typing

import keras
import numpy as np
import tensorflow as tf

SEQUENCE, POOLED = "sequence_output", "pooled_output"

# As in `bert_keras.layers.masks`: exp() of it is 0 in float32, and a row without a token stays finite.
_FORBIDDEN = -1e9


class FastEncoder(tf.Module):
    """The float32 function of a `BertBackbone`, equal to it by test, in fewer ops.

    What TensorFlow's graph optimizer (Grappler, with oneDNN) makes of each block: 4 `_FusedMatMul` that contain bias,
    GELU and residual, 2 LayerNorm ops, scores with scale and mask in one batched product, softmax, a second batched
    product, 2 transposes. For that it needs matrix products on `[batch * length, dim]`; weights that are constants,
    which oneDNN then keeps in its own layout; residuals whose shapes it can prove equal to the product's; LayerNorm in
    the form that Keras once wrote it. Without oneDNN the same graph runs unfused.

    Where only `pooled_output` is wanted, the last block works for the first token alone.

    Args:
        backbone: a built `BertBackbone`. Its weights are copied, in float32.
        wanted: names of the outputs, of `sequence_output` and `pooled_output`.
        freeze: bool. Weights as constants instead of variables.
        held: a `HeldWeights` to take the weights from instead: encoders of one backbone then share them.
    """

    def __init__(self, backbone, wanted=(SEQUENCE, POOLED), freeze=True, held=None):
        super().__init__(name="encoder")
        self.wanted = tuple(wanted)
        self.config = backbone.config
        hold = held or HeldWeights(freeze)
        embeddings = backbone.embeddings
        # Tables gain nothing from being constants, but a single variable makes every call on the way stateful, and
        # within stateful calls Grappler fuses nothing.
        self.token_table = hold(embeddings.token_table)
        self.segment_table = hold(embeddings.segment_table)
        self.position_table = hold(embeddings.position_table)
        self.embeddings_norm = _norm(embeddings.layer_norm, hold)
        self.blocks = [_held_block(block, hold) for block in backbone.blocks[:-1]]
        self.last_block = _held_block(backbone.blocks[-1], hold, query_apart=SEQUENCE not in self.wanted)
        self.pooler = _linear(backbone.pooler.dense, hold)

    def __call__(self, token_ids, segment_ids, padding_mask):
        """Encodes a batch.

        Args:
            token_ids, segment_ids, padding_mask: int32 `[batch, length]`, length at most `max_sequence_length`.

        Returns:
            Dict of what is wanted: `sequence_output` float32 `[batch, length, hidden_dim]`, `pooled_output` float32
            `[batch, hidden_dim]`.
        """
        batch, length = tf.unstack(tf.shape(token_ids))
        hidden = self._embed(token_ids, segment_ids, length)
        # The reshape comes last: Grappler fuses the bias where it is no product itself.
        bias = (1.0 - tf.cast(padding_mask != 0, tf.float32)) * _FORBIDDEN
        rows = _Rows(batch, length, tf.reshape(bias, tf.stack([batch, 1, 1, length])))
        for block in self.blocks:
            hidden = self._block(block, hidden, rows)
        shape = tf.stack([batch, length, self.config.hidden_dim])
        if SEQUENCE not in self.wanted:
            first = self._first_token(self.last_block, tf.reshape(hidden, shape)[:, 0], hidden, rows)
            return {POOLED: tf.tanh(_project(first, self.pooler))}
        sequence = tf.reshape(self._block(self.last_block, hidden, rows), shape)
        pooled = tf.tanh(_project(sequence[:, 0], self.pooler))
        return {name: {SEQUENCE: sequence, POOLED: pooled}[name] for name in self.wanted}

    def _embed(self, token_ids, segment_ids, length):
        # A row longer than the table fails here, in the sum, with both lengths in the message.
        positions = tf.convert_to_tensor(self.position_table)[:length]
        tokens = tf.gather(self.token_table, token_ids) + tf.gather(self.segment_table, segment_ids) + positions
        tokens = tf.reshape(tokens, [-1, self.config.hidden_dim])
        return self._normalize(tokens, self.embeddings_norm)

    def _block(self, block, hidden, rows):
        query, key, value = self._split(_project(hidden, block["qkv"]), 3, rows.batch, rows.length)
        context = self._attend(query, key, value, rows.bias, tf.shape(hidden))
        return self._feed_forward(block, hidden, context)

    def _first_token(self, block, first, hidden, rows):
        """A block's output at each row's first token, float32 `[batch, hidden_dim]`: all that the pooler reads."""
        (query,) = self._split(_project(first, block["query"]), 1, rows.batch, 1)
        key, value = self._split(_project(hidden, block["key_value"]), 2, rows.batch, rows.length)
        context = self._attend(query, key, value, rows.bias, tf.shape(first))
        return self._feed_forward(block, first, context)

    def _split(self, projected, parts, batch, length):
        """`[batch * length, parts * hidden_dim]` as `parts` tensors `[batch, num_heads, length, head_dim]`."""
        projected = tf.reshape(projected, tf.stack([batch, length, parts, *self._heads]))
        return tf.unstack(tf.transpose(projected, [2, 0, 3, 1, 4]), parts)

    def _attend(self, query, key, value, bias, shape):
        # The scale stands as a product of its own: product, scale and mask then become one op.
        scores = tf.matmul(query, key, transpose_b=True) * (1.0 / math.sqrt(self._heads[1])) + bias
        context = tf.matmul(tf.nn.softmax(scores), value)
        # By the residual's own shape, not [-1, dim]: so Grappler knows that both have it.
        return tf.reshape(tf.transpose(context, [0, 2, 1, 3]), shape)

    def _feed_forward(self, block, hidden, context):
        hidden = self._normalize(_project(context, block["attention_output"]) + hidden, block["attention_norm"])
        inner = _ACTIVATIONS[self.config.activation](_project(hidden, block["intermediate"]))
        return self._normalize(_project(inner, block["output"]) + hidden, block["output_norm"])

    def _normalize(self, x, norm):
        """LayerNorm as a batch normalization of which every row is a channel; Grappler makes one op of it."""
        gamma, beta = norm
        shape = tf.shape(x)
        count = shape[0]
        empty = tf.constant([], tf.float32)
        normal = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, tf.stack([1, count, x.shape[-1], 1])),
            scale=tf.fill([count], 1.0),
            offset=tf.fill([count], 0.0),
            mean=empty,
            variance=empty,
            epsilon=self.config.layer_norm_epsilon,
            data_format="NCHW",
            is_training=True,
        )[0]
        return tf.reshape(normal, shape) * gamma + beta

    @property
    def _heads(self):
        return self.config.num_heads, self.config.hidden_dim // self.config.num_heads


class HeldWeights:
    """Weights as float32 constants, or as variables; what is asked for twice is held once.

    Args:
        freeze: bool. Constants.
    """

    def __init__(self, freeze=True):
        self._hold = tf.constant if freeze else lambda array: tf.Variable(array, trainable=False)
        self._held = {}

    def __call__(self, weight, start=0, stop=None):
        """The weight, or the columns from `start` to `stop` of it."""
        key = id(weight), start, stop
        if key not in self._held:
            array = np.asarray(keras.ops.convert_to_numpy(weight), "float32")
            # With the weight itself: while it lives nothing else has its id.
            self._held[key] = weight, self._hold(array[..., start:stop])
        return self._held[key][1]


class _Rows(typing.NamedTuple):
    """What all blocks need to know of a batch: two int32 scalars, and the bias of scores `[batch, 1, 1, length]`."""

    batch: tf.Tensor
    length: tf.Tensor
    bias: tf.Tensor


def _project(x, linear):
    kernel, bias = linear
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _gelu(x):
    # In the order of ops that Grappler knows as GELU; `tf.nn.gelu` writes the same with a type cast between.
    return 0.5 * (1.0 + tf.math.erf(x * math.sqrt(0.5))) * x


_ACTIVATIONS = {"gelu": _gelu, "gelu_tanh": lambda x: tf.nn.gelu(x, approximate=True), "relu": tf.nn.relu}


def _held_block(block, hold, query_apart=False):
    attention = block.attention
    held = {
        "attention_output": _linear(attention.output_dense, hold),
        "attention_norm": _norm(block.attention_norm, hold),
        "intermediate": _linear(block.intermediate, hold),
        "output": _linear(block.output_dense, hold),
        "output_norm": _norm(block.feedforward_norm, hold),
    }
    if not query_apart:
        return {"qkv": _linear(attention.qkv, hold), **held}
    kernel, bias = attention.qkv.kernel, attention.qkv.bias
    dim = kernel.shape[0]
    return {
        "query": (hold(kernel, 0, dim), hold(bias, 0, dim)),
        "key_value": (hold(kernel, dim), hold(bias, dim)),
        **held,
    }


def _linear(layer, hold):
    return hold(layer.kernel), hold(layer.bias)


def _norm(layer, hold):
    return hold(layer.gamma), hold(layer.beta)
