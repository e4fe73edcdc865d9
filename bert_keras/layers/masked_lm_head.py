"""The output layer of masked language modelling."""

import keras
from keras import ops

from bert_keras.layers.linear import Linear
from bert_keras.layers.normalization import LayerNorm


@keras.saving.register_keras_serializable(package="bert_keras")
class MaskedLMHead(keras.layers.Layer):
    """Scores of all pieces of the vocabulary at chosen positions (Devlin et al. 2019, task 1 of section 3.1).

    A dense layer and a LayerNorm, then the product with the token table of the input embeddings, which is shared and
    not copied (Press & Wolf 2017), and a bias for each piece. Only the chosen positions are computed.

    Args:
        embeddings: the `BertEmbeddings` whose token table is shared.
        activation: of the dense layer, as in `BertConfig`.
        layer_norm_epsilon, initializer_range: float, as in `BertConfig`.

    Call arguments:
        inputs: float `[batch, length, dim]`.
        mask_positions: int `[batch, positions]`, from 0 to length - 1; unused ones may repeat.

    Output: float32 `[batch, positions, vocabulary_size]`, logits, under every dtype policy.
    """

    def __init__(self, embeddings, activation="gelu", layer_norm_epsilon=1e-12, initializer_range=0.02, **kwargs):
        super().__init__(**kwargs)
        self.embeddings = embeddings
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range

    def build(self, inputs_shape, mask_positions_shape=None):
        dim, policy = inputs_shape[-1], self.dtype_policy
        if not self.embeddings.built:
            self.embeddings.build((None, None))
        self.transform = Linear(dim, self.activation, self.initializer_range, dtype=policy, name="transform")
        self.transform.build((None, dim))
        self.layer_norm = LayerNorm(self.layer_norm_epsilon, dtype=policy, name="layer_norm")
        self.layer_norm.build((None, dim))
        self.bias = self.add_weight(
            name="bias", shape=(self.embeddings.vocabulary_size,), initializer="zeros", autocast=False
        )
        self.built = True

    def call(self, inputs, mask_positions):
        batch, length, dim = ops.shape(inputs)
        # Of all rows laid end to end: one gather of whole vectors.
        places = mask_positions + length * ops.arange(batch, dtype=mask_positions.dtype)[:, None]
        chosen = ops.take(ops.reshape(inputs, (-1, dim)), ops.reshape(places, (-1,)), axis=0)
        hidden = self.layer_norm(self.transform(chosen))
        logits = ops.matmul(hidden, ops.transpose(self.embeddings.token_table))
        logits = ops.cast(logits, "float32") + self.bias
        # No -1 here: a part of a batch may have no rows, which would leave it open.
        return ops.reshape(logits, (batch, ops.shape(mask_positions)[1], self.embeddings.vocabulary_size))

    def compute_output_spec(self, inputs, mask_positions):
        shape = (*mask_positions.shape, self.embeddings.vocabulary_size)
        return keras.KerasTensor(shape, dtype="float32")

    @classmethod
    def from_config(cls, config):
        embeddings = keras.layers.deserialize(config.pop("embeddings"))
        return cls(embeddings, **config)

    def get_config(self):
        return {
            **super().get_config(),
            "embeddings": keras.layers.serialize(self.embeddings),
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
        }
