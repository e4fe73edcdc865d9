"""Multi-head self-attention."""

import math

import keras
from keras import ops

from bert_keras.layers.dropout import Dropout
from bert_keras.layers.linear import Linear


@keras.saving.register_keras_serializable(package="bert_keras")
class SelfAttention(keras.layers.Layer):
    """Scaled dot-product attention of every token over all tokens, in several heads (Vaswani et al. 2017, 3.2).

    Query, key and value come from one matrix product (`qkv`, their kernels side by side): one large product is
    faster than three small ones. The softmax runs in float32 under every dtype policy.

    Args:
        num_heads: int. Must divide the width of the input.
        dropout: float. Dropout rate of the attention probabilities.
        initializer_range: float. Standard deviation of the kernels' start.

    Call arguments:
        inputs: float `[batch, length, dim]`.
        attention_bias: float32, broadcastable to `[batch, num_heads, length, length]`, added to the scores; see
            `AttentionBias`.
        return_attention_scores: bool. If True, returns `(outputs, probabilities)`.
        seed: of the dropout, see `Dropout`.

    Output: float `[batch, length, dim]`; probabilities are float32 `[batch, num_heads, length, length]`.
    """

    def __init__(self, num_heads, dropout=0.1, initializer_range=0.02, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout_rate = dropout
        self.initializer_range = initializer_range
        self.dropout = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, inputs_shape, attention_bias_shape=None):
        dim = inputs_shape[-1]
        if dim % self.num_heads:
            raise ValueError(f"SelfAttention: {self.num_heads} heads do not divide the width {dim}.")
        self.qkv = Linear(3 * dim, None, self.initializer_range, dtype=self.dtype_policy, name="qkv")
        self.qkv.build((None, None, dim))
        self.output_dense = Linear(dim, None, self.initializer_range, dtype=self.dtype_policy, name="output_dense")
        self.output_dense.build((None, None, dim))
        self.built = True

    def call(self, inputs, attention_bias=None, return_attention_scores=False, training=None, seed=None):
        dim = inputs.shape[-1]
        head_dim = dim // self.num_heads
        batch, length = ops.shape(inputs)[:2]
        qkv = ops.reshape(self.qkv(inputs), (batch, length, 3, self.num_heads, head_dim))
        # Unstacked, not indexed: the gradient is then one stack instead of three padded copies that are added up.
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3, axis=0)
        query = query * (1.0 / math.sqrt(head_dim))
        scores = ops.cast(ops.matmul(query, ops.swapaxes(key, -1, -2)), "float32")
        if attention_bias is not None:
            scores = scores + ops.cast(attention_bias, "float32")
        probabilities = ops.softmax(scores, axis=-1)
        weights = self.dropout(ops.cast(probabilities, self.compute_dtype), training=training, seed=seed)
        context = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        outputs = self.output_dense(ops.reshape(context, (batch, length, dim)))
        return (outputs, probabilities) if return_attention_scores else outputs

    def compute_output_spec(self, inputs, attention_bias=None, return_attention_scores=False, training=None, seed=None):
        outputs = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        batch, length = inputs.shape[:2]
        return outputs, keras.KerasTensor((batch, self.num_heads, length, length), dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "dropout": self.dropout_rate,
            "initializer_range": self.initializer_range,
        }
