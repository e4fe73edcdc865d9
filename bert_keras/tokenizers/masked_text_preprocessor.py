"""Texts in which `[MASK]` stands for a missing word, to the inputs of a masked language model."""

import keras
import tensorflow as tf

from bert_keras.characters import MASK
from bert_keras.tokenizers.preprocessor import BertPreprocessor


@keras.saving.register_keras_serializable(package="bert_keras")
class MaskedTextPreprocessor(BertPreprocessor):
    """As `BertPreprocessor`, except that `[MASK]` in a text is the mask token; the text around it is cut there.

    Call arguments and output as for `BertPreprocessor`, and `mask_positions` besides: int32 `[n, most masks of a row]`,
    where the masks stand, 0 where a row has fewer. Masks that are cut off by `max_length` are not among them.
    """

    @classmethod
    def like(cls, preprocessor):
        """One with the tokenizer and the settings of a `BertPreprocessor`."""
        return cls(preprocessor.tokenizer, max_length=preprocessor.max_length, pair=preprocessor.pair)

    def call(self, x, y=None, sample_weight=None, pad_to_max=False):
        token_ids, segment_ids = self.ragged(x)
        features = self.pad(token_ids, segment_ids, pad_to_max)
        features["mask_positions"] = self.mask_positions(token_ids).to_tensor()
        return keras.utils.pack_x_y_sample_weight(features, y, sample_weight)

    def mask_positions(self, token_ids):
        """Where the mask token stands in each row: int32 RaggedTensor `[n, masks]`, of ids `[n, length]`."""
        position = tf.ragged.range(token_ids.row_lengths())
        is_mask = token_ids.with_flat_values(token_ids.flat_values == self.tokenizer.mask_token_id)
        return tf.cast(tf.ragged.boolean_mask(position, is_mask), tf.int32)

    def pieces(self, texts):
        parts = tf.strings.split(texts, MASK)
        pieces = parts.with_flat_values(self.tokenizer.tokenize(parts.flat_values))
        # A mask before each part; the first one stands before the text and is dropped.
        masks = parts.with_flat_values(tf.fill([tf.size(parts.flat_values), 1], self.tokenizer.mask_token_id))
        return tf.concat([masks, pieces], axis=2).merge_dims(1, 2)[:, 1:]
