"""The encoder for each kind of row that pretraining knows."""

import keras
import tensorflow as tf

from bert_keras.layers import PackedPositions

SEQUENCE_IDS, POSITION_IDS = "sequence_ids", "position_ids"


class RowEncoder:
    """Runs a `BertBackbone` over rows for pretraining, whichever of these features they have.

    Packed rows carry `sequence_ids` int32 `[batch, length]` (1, 2, … for the sequences of a row, 0 for padding): tokens
    see their own sequence only, and each counts its positions from 0. Rows with `position_ids` int32 `[batch, length]`
    say their positions themselves. All others are what the backbone takes.

    Args:
        backbone: a `BertBackbone`.
    """

    def __init__(self, backbone):
        self._backbone = backbone
        self._models = {}

    def __call__(self, rows, training):
        """`(sequence_output, pooled_output)`, float `[batch, length, dim]` and `[batch, dim]`; None for packed rows."""
        optional = tuple(name for name in (SEQUENCE_IDS, POSITION_IDS) if name in rows)
        names = ("token_ids", "segment_ids", "padding_mask", *optional)
        outputs = self._model(optional)({name: rows[name] for name in names}, training=training)
        return outputs["sequence_output"], outputs.get("pooled_output")

    def _model(self, optional):
        if not optional:
            return self._backbone
        if optional not in self._models:
            # A step is being traced: the model belongs to all of them.
            with tf.init_scope():
                self._models[optional] = _with_inputs(self._backbone, optional)
        return self._models[optional]


def _with_inputs(backbone, optional):
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("token_ids", "segment_ids", "padding_mask", *optional)
    }
    sequence_ids, positions = inputs.get(SEQUENCE_IDS), inputs.get(POSITION_IDS)
    if positions is None:
        positions = PackedPositions(name="packed_positions")(sequence_ids)
    bias = backbone.attention_bias(inputs["padding_mask"], sequence_ids=sequence_ids)
    hidden = backbone.embeddings(inputs["token_ids"], inputs["segment_ids"], position_ids=positions)
    outputs = backbone.run_blocks(hidden, bias)
    if sequence_ids is None:
        outputs["pooled_output"] = backbone.pooler(outputs["sequence_output"])
    return keras.Model(inputs, outputs)
