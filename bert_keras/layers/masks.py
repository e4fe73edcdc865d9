"""Who may attend to whom: padding, and several sequences packed into one row."""

import keras
from keras import ops

# Added to the scores of forbidden pairs: exp() of it is exactly 0 in float32, and a row in which every pair is
# forbidden becomes uniform instead of NaN.
FORBIDDEN = -1e9


@keras.saving.register_keras_serializable(package="bert_keras")
class AttentionBias(keras.layers.Layer):
    """What to add to attention scores so that padding, and other sequences of a packed row, get no weight.

    Call arguments:
        padding_mask: int `[batch, length]`, 1 for a token, 0 for padding.
        sequence_ids: optional int `[batch, length]` for packed rows: 1, 2, … numbers the sequences of a row, 0 is
            padding. Tokens see their own sequence only.

    Output: float32 `[batch, 1, 1, length]`, or `[batch, 1, length, length]` for packed rows.
    """

    def __init__(self, **kwargs):
        # float32 under every dtype policy, as the softmax that it is added for.
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, padding_mask, sequence_ids=None):
        allowed = ops.not_equal(padding_mask, 0)[:, None, None, :]
        if sequence_ids is not None:
            same = ops.equal(sequence_ids[:, :, None], sequence_ids[:, None, :])
            allowed = ops.logical_and(allowed, same[:, None, :, :])
        return (1.0 - ops.cast(allowed, "float32")) * FORBIDDEN

    def compute_output_shape(self, padding_mask_shape, sequence_ids_shape=None):
        batch, length = padding_mask_shape
        return (batch, 1, 1 if sequence_ids_shape is None else length, length)

    def compute_output_spec(self, padding_mask, sequence_ids=None):
        shape = self.compute_output_shape(padding_mask.shape, None if sequence_ids is None else sequence_ids.shape)
        return keras.KerasTensor(shape, dtype="float32")


@keras.saving.register_keras_serializable(package="bert_keras")
class PackedPositions(keras.layers.Layer):
    """Positions that start again at 0 with every sequence of a packed row.

    Input: int `[batch, length]` sequence ids, each sequence's tokens side by side. Output: int32 `[batch, length]`.
    """

    def call(self, sequence_ids):
        length = ops.shape(sequence_ids)[1]
        index = ops.broadcast_to(ops.arange(length, dtype="int32")[None, :], ops.shape(sequence_ids))
        # earlier[b, i, j]: j stands before i in the same sequence; counting them gives i's position.
        same = ops.equal(sequence_ids[:, :, None], sequence_ids[:, None, :])
        earlier = ops.logical_and(same, index[:, None, :] < index[:, :, None])
        return ops.sum(ops.cast(earlier, "int32"), axis=-1)

    def compute_output_spec(self, sequence_ids):
        return keras.KerasTensor(sequence_ids.shape, dtype="int32")
