"""One block of the encoder."""

import keras

from bert_keras.layers.attention import SelfAttention
from bert_keras.layers.dropout import Dropout
from bert_keras.layers.linear import Linear
from bert_keras.layers.normalization import LayerNorm


@keras.saving.register_keras_serializable(package="bert_keras")
class EncoderBlock(keras.layers.Layer):
    """Self-attention, then a feed-forward layer, each with dropout, a residual and a LayerNorm after it.

    This is the post-LayerNorm block of Devlin et al. 2019 and Vaswani et al. 2017, figure 1.

    Args:
        num_heads: int. Attention heads.
        intermediate_dim: int. Width of the feed-forward layer.
        dropout, attention_dropout: float. Rates, as in `BertConfig`.
        activation: `"gelu"`, `"gelu_tanh"` or `"relu"`.
        layer_norm_epsilon, initializer_range: float, as in `BertConfig`.

    Call arguments: as `SelfAttention`'s. Output: float `[batch, length, dim]`, or with
    `return_attention_scores=True` a pair of it and the float32 probabilities `[batch, num_heads, length, length]`.

    Attributes:
        recompute: bool, False at first. While training, keep the inputs alone and compute the rest a second time for
            the gradient (Chen et al. 2016): about a third more work for a fraction of the memory. A choice of who
            trains, so that it is not in the config.
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        dropout=0.1,
        attention_dropout=0.1,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        initializer_range=0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout_rate = dropout
        self.attention_dropout = attention_dropout
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.recompute = False
        policy = self.dtype_policy
        self.attention = SelfAttention(num_heads, attention_dropout, initializer_range, dtype=policy, name="attention")
        self.attention_dropout_layer = Dropout(dropout, dtype=policy, name="attention_dropout")
        self.attention_norm = LayerNorm(layer_norm_epsilon, dtype=policy, name="attention_norm")
        self.intermediate = Linear(intermediate_dim, activation, initializer_range, dtype=policy, name="intermediate")
        self.feedforward_dropout_layer = Dropout(dropout, dtype=policy, name="feedforward_dropout")
        self.feedforward_norm = LayerNorm(layer_norm_epsilon, dtype=policy, name="feedforward_norm")

    def build(self, inputs_shape, attention_bias_shape=None):
        dim = inputs_shape[-1]
        self.output_dense = Linear(dim, None, self.initializer_range, dtype=self.dtype_policy, name="output_dense")
        self.attention.build(inputs_shape)
        self.attention_norm.build(inputs_shape)
        self.intermediate.build(inputs_shape)
        self.output_dense.build((*inputs_shape[:-1], self.intermediate_dim))
        self.feedforward_norm.build(inputs_shape)
        self.built = True

    def call(self, inputs, attention_bias=None, return_attention_scores=False, training=None):
        if self.recompute and training and not return_attention_scores:
            # Drawn once, here: drawn inside, the second time would drop other values than the first.
            seeds = [layer.draw() for layer in self._dropouts()]
            return keras.remat(lambda x: self._forward(x, attention_bias, training, seeds)[0])(inputs)
        outputs, probabilities = self._forward(inputs, attention_bias, training)
        return (outputs, probabilities) if return_attention_scores else outputs

    def _dropouts(self):
        return self.attention.dropout, self.attention_dropout_layer, self.feedforward_dropout_layer

    def _forward(self, inputs, attention_bias, training, seeds=(None, None, None)):
        attended, probabilities = self.attention(
            inputs, attention_bias=attention_bias, return_attention_scores=True, training=training, seed=seeds[0]
        )
        attended = self.attention_dropout_layer(attended, training=training, seed=seeds[1])
        hidden = self.attention_norm(inputs + attended)
        outputs = self.output_dense(self.intermediate(hidden))
        outputs = self.feedforward_dropout_layer(outputs, training=training, seed=seeds[2])
        return self.feedforward_norm(hidden + outputs), probabilities

    def compute_output_spec(self, inputs, attention_bias=None, return_attention_scores=False, training=None):
        outputs = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        batch, length = inputs.shape[:2]
        return outputs, keras.KerasTensor((batch, self.num_heads, length, length), dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout_rate,
            "attention_dropout": self.attention_dropout,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
        }
