"""Questions over contexts, to windows for the model."""

from typing import NamedTuple

import keras
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tokenizers import windows as windowing
from bert_keras.tokenizers.preprocessor import shorten
from bert_keras.tokenizers.text_preprocessor import WindowedPreprocessor
from bert_keras.tokenizers.words import Pieces

QUESTION, CONTEXT = "question", "context"
# The least that a window must hold of the context, whatever the question takes.
_LEAST_CONTEXT = 8


class EncodedQuestions(NamedTuple):
    """Questions as the model and the decoding of its answers need them.

    Attributes:
        context: string `[n]`.
        pieces: `Pieces` of the contexts.
        windows: `Windows` over them; the questions stand before.
    """

    context: tf.Tensor
    pieces: Pieces
    windows: windowing.Windows


@keras.saving.register_keras_serializable(package="bert_keras")
class QuestionPreprocessor(WindowedPreprocessor):
    """`[CLS] question [SEP] part of the context [SEP]`, a row for each window over the context.

    Args:
        tokenizer: a `WordPieceTokenizer`.
        max_length: int. Longest row in tokens, special tokens included.
        doc_stride: int. How many pieces a window begins after the one before it (Devlin et al. 2019, `run_squad.py`).
        max_question_length: int. A longer question loses what is behind.

    Call arguments:
        x: dict of `question` and `context`, strings `[n]`.

    Output: dict of int32 `[rows, length]`: `token_ids`, `segment_ids`, `padding_mask`.
    """

    def __init__(self, tokenizer, max_length=384, doc_stride=128, max_question_length=64, **kwargs):
        super().__init__(tokenizer, **kwargs)
        for name, value in (("doc_stride", doc_stride), ("max_question_length", max_question_length)):
            if value < 1:
                raise BadInput(f"{name} is {value}; expected at least 1.")
        self.doc_stride = doc_stride
        self.max_question_length = max_question_length
        self.max_length = max_length

    def check_max_length(self, max_length):
        if max_length < 4 + _LEAST_CONTEXT:
            raise BadInput(f"max_length is {max_length}; expected at least {4 + _LEAST_CONTEXT}.")

    @property
    def text_inputs(self):
        """Names of the text inputs, in order."""
        return (QUESTION, CONTEXT)

    def encode(self, x):
        """`EncodedQuestions`; argument as in a call."""
        question, context = (tf.reshape(tf.convert_to_tensor(x[name], tf.string), [-1]) for name in self.text_inputs)
        # Broken bytes become a character, as tokenizing counts them.
        context = tf.strings.unicode_transcode(context, "UTF-8", "UTF-8", errors="replace")
        asked = self.tokenizer.tokenize(question)
        room = min(self.max_question_length, self.max_length - 3 - _LEAST_CONTEXT)
        asked = shorten(asked, tf.minimum(asked.row_lengths(), room))
        pieces = Pieces(*self.tokenizer.tokenize_with_offsets(context))
        capacity = self.max_length - 3 - tf.cast(asked.row_lengths(), tf.int32)
        windows = windowing.make_windows(
            pieces.ids,
            self.tokenizer.cls_token_id,
            self.tokenizer.sep_token_id,
            self.max_length,
            tf.maximum(capacity - self.doc_stride, 0),
            first=asked,
        )
        return EncodedQuestions(context, pieces, windows)

    def get_config(self):
        return {
            **super().get_config(),
            "doc_stride": self.doc_stride,
            "max_question_length": self.max_question_length,
        }
