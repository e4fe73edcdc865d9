"""The BERT encoder as a KerasHub backbone."""

import keras
import keras_nlp

from bert_keras.config import BertConfig
from bert_keras.layers import AttentionBias, BertEmbeddings, EncoderBlock, PackedPositions, Pooler


@keras.saving.register_keras_serializable(package="bert_keras")
class BertBackbone(keras_nlp.models.Backbone):
    """BERT's encoder: embeddings, `num_layers` blocks, pooler (Devlin et al. 2019).

    Args:
        config: a `BertConfig`, its dict, or None. Its fields may be given as keyword arguments instead.
        output_hidden_states: bool. Adds `hidden_states` to the outputs: a list of `num_layers + 1` tensors
            `[batch, length, hidden_dim]`, the embeddings first.
        output_attentions: bool. Adds `attentions`: a list of `num_layers` float32 tensors
            `[batch, num_heads, length, length]`.
        dtype: dtype policy, for example `"mixed_bfloat16"`.
        **kwargs: fields of `BertConfig`, and `name`, `trainable`.

    Inputs, a dict of int32 `[batch, length]`: `token_ids`, `segment_ids`, `padding_mask` (1 = token, 0 = padding).
    Outputs, a dict: `sequence_output` `[batch, length, hidden_dim]`, `pooled_output` `[batch, hidden_dim]`.

    Example:
    ```python
    backbone = bert_keras.BertBackbone(bert_keras.BertConfig.from_name("tiny_uncased"))
    ids = np.array([[101, 7592, 102]], "int32")
    outputs = backbone({"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1})
    outputs["pooled_output"].shape  # (1, 128)
    ```
    """

    def __init__(self, config=None, output_hidden_states=False, output_attentions=False, dtype=None, **kwargs):
        model_kwargs = {key: kwargs.pop(key) for key in ("name", "trainable") if key in kwargs}
        if isinstance(config, dict):
            config = BertConfig.from_dict(config)
        if kwargs:
            config = BertConfig.from_dict({**(config.to_dict() if config else {}), **kwargs})
        config = config or BertConfig()

        # === Layers ===
        self.attention_bias = AttentionBias(name="attention_bias")
        self.embeddings = BertEmbeddings(
            config.vocabulary_size,
            config.hidden_dim,
            max_sequence_length=config.max_sequence_length,
            num_segments=config.num_segments,
            position_embedding=config.position_embedding,
            dropout=config.dropout,
            layer_norm_epsilon=config.layer_norm_epsilon,
            initializer_range=config.initializer_range,
            dtype=dtype,
            name="embeddings",
        )
        self.blocks = [
            EncoderBlock(
                config.num_heads,
                config.intermediate_dim,
                dropout=config.dropout,
                attention_dropout=config.attention_dropout,
                activation=config.activation,
                layer_norm_epsilon=config.layer_norm_epsilon,
                initializer_range=config.initializer_range,
                dtype=dtype,
                name=f"block_{index}",
            )
            for index in range(config.num_layers)
        ]
        self.pooler = Pooler(config.initializer_range, dtype=dtype, name="pooler")

        # === Functional Model ===
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        bias = self.attention_bias(inputs["padding_mask"])
        hidden = self.embeddings(inputs["token_ids"], inputs["segment_ids"])
        outputs = self.run_blocks(hidden, bias, output_hidden_states, output_attentions)
        outputs["pooled_output"] = self.pooler(outputs["sequence_output"])
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **model_kwargs)

        # === Config ===
        self.config = config
        self.output_hidden_states = output_hidden_states
        self.output_attentions = output_attentions

    def run_blocks(self, hidden, bias, output_hidden_states=False, output_attentions=False):
        """The blocks over embeddings, for graphs with other inputs than the backbone's.

        Args:
            hidden: float `[batch, length, hidden_dim]`, from `embeddings`.
            bias: float32, from `attention_bias`.
            output_hidden_states, output_attentions: as for the class.

        Returns:
            The dict of outputs, without `pooled_output`.
        """
        hidden_states, attentions = [hidden], []
        for block in self.blocks:
            if output_attentions:
                hidden, probabilities = block(hidden, attention_bias=bias, return_attention_scores=True)
                attentions.append(probabilities)
            else:
                hidden = block(hidden, attention_bias=bias)
            hidden_states.append(hidden)
        outputs = {"sequence_output": hidden}
        if output_hidden_states:
            outputs["hidden_states"] = hidden_states
        if output_attentions:
            outputs["attentions"] = attentions
        return outputs

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """The encoder of a preset: our names, preset directories (ours or KerasHub's BERT), Hugging Face directories.

        Args:
            preset: see `bert_keras.presets.find`.
            load_weights: bool. False starts from random weights.
            **kwargs: constructor arguments that replace the preset's.

        Raises:
            BadInput: there is no such preset, or it is broken.
        """
        from bert_keras.presets import load_backbone

        return load_backbone(preset, load_weights=load_weights, **kwargs)

    def packed(self):
        """This encoder, with the same weights, for rows that hold several short sequences side by side.

        Returns:
            A `keras.Model`. Inputs, a dict of int32 `[batch, length]`: `token_ids`, `segment_ids`, and `sequence_ids`,
            which numbers the sequences of a row 1, 2, …, with 0 for padding. Output: `sequence_output`
            `[batch, length, hidden_dim]`, in which every token has seen its own sequence only.
        """
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "sequence_ids")
        }
        positions = PackedPositions(name="packed_positions")(inputs["sequence_ids"])
        bias = self.attention_bias(inputs["sequence_ids"], sequence_ids=inputs["sequence_ids"])
        hidden = self.embeddings(inputs["token_ids"], inputs["segment_ids"], position_ids=positions)
        return keras.Model(inputs, self.run_blocks(hidden, bias), name=f"{self.name}_packed")

    @property
    def token_embedding(self):
        """The layer that holds the token table, as `embeddings.token_table` `[vocabulary_size, hidden_dim]`."""
        return self.embeddings

    def enable_lora(self, rank, target_layer_names=None):
        """Raises NotImplementedError: KerasHub would freeze the encoder and find no layer to add weights to."""
        raise NotImplementedError("BertBackbone has no LoRA; train it whole, or set trainable=False on parts of it.")

    def get_config(self):
        return {
            **super().get_config(),
            **self.config.to_dict(),
            "output_hidden_states": self.output_hidden_states,
            "output_attentions": self.output_attentions,
        }
