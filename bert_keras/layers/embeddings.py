"""Token, position and segment embeddings."""

import keras
import numpy as np
from keras import ops

from bert_keras.layers.linear import initializer
from bert_keras.layers.normalization import LayerNorm


def sinusoidal_table(length, dim):
    """The fixed position table of Vaswani et al. 2017, section 3.5.

    Returns float32 `[length, dim]`: sine in the even columns, cosine in the odd ones.
    """
    rates = 1.0 / np.power(10000.0, 2 * (np.arange(dim) // 2) / dim)
    angles = np.arange(length)[:, None] * rates[None, :]
    table = np.where(np.arange(dim) % 2 == 0, np.sin(angles), np.cos(angles))
    return table.astype("float32")


@keras.saving.register_keras_serializable(package="bert_keras")
class BertEmbeddings(keras.layers.Layer):
    """The sum of token, position and segment embeddings, normalized, then dropout (Devlin et al. 2019, figure 2).

    Args:
        vocabulary_size, hidden_dim, max_sequence_length, num_segments: int, as in `BertConfig`.
        position_embedding: `"learned"` or `"sinusoidal"`.
        dropout, layer_norm_epsilon, initializer_range: float, as in `BertConfig`.

    Call arguments:
        token_ids: int `[batch, length]`, length at most `max_sequence_length`.
        segment_ids: int `[batch, length]`.
        position_ids: optional int `[batch, length]`; counts from 0 in each row when left out.

    Output: float `[batch, length, hidden_dim]`.
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim,
        max_sequence_length=512,
        num_segments=2,
        position_embedding="learned",
        dropout=0.1,
        layer_norm_epsilon=1e-12,
        initializer_range=0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.position_embedding = position_embedding
        self.dropout_rate = dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.layer_norm = LayerNorm(layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm")
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, token_ids_shape, segment_ids_shape=None, position_ids_shape=None):
        start = initializer(self.initializer_range)
        self.token_table = self.add_weight(
            name="token_embeddings", shape=(self.vocabulary_size, self.hidden_dim), initializer=start
        )
        self.segment_table = self.add_weight(
            name="segment_embeddings", shape=(self.num_segments, self.hidden_dim), initializer=start
        )
        if self.position_embedding == "learned":
            self.position_table = self.add_weight(
                name="position_embeddings", shape=(self.max_sequence_length, self.hidden_dim), initializer=start
            )
        else:
            self.position_table = sinusoidal_table(self.max_sequence_length, self.hidden_dim)
        self.layer_norm.build((*token_ids_shape, self.hidden_dim))
        self.built = True

    def call(self, token_ids, segment_ids, position_ids=None, training=None):
        if token_ids.shape[1] is not None and token_ids.shape[1] > self.max_sequence_length:
            raise ValueError(
                f"token_ids has rows of {token_ids.shape[1]} tokens; this encoder has {self.max_sequence_length} "
                "positions: truncate the text, or build it with a larger max_sequence_length."
            )
        positions = ops.cast(ops.convert_to_tensor(self.position_table), self.compute_dtype)
        if position_ids is None:
            positions = positions[: ops.shape(token_ids)[1]]
        else:
            positions = ops.take(positions, position_ids, axis=0)
        tokens = ops.take(self.token_table, token_ids, axis=0)
        segments = ops.take(self.segment_table, segment_ids, axis=0)
        return self.dropout(self.layer_norm(tokens + segments + positions), training=training)

    def compute_output_shape(self, token_ids_shape, segment_ids_shape=None, position_ids_shape=None):
        return (*token_ids_shape, self.hidden_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "position_embedding": self.position_embedding,
            "dropout": self.dropout_rate,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
        }
