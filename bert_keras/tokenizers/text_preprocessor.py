"""What the preprocessors of all tasks have in common."""

import keras
import keras_nlp

from bert_keras.tokenizers import windows as windowing
from bert_keras.tokenizers.wordpiece import WordPieceTokenizer


class TextPreprocessor(keras_nlp.models.Preprocessor):
    """Texts to the model's three inputs. A subclass sets `max_length` last in its `__init__`.

    Args:
        tokenizer: a `WordPieceTokenizer`.
    """

    tokenizer_cls = WordPieceTokenizer

    def __init__(self, tokenizer, **kwargs):
        super().__init__(**{**kwargs, "dtype": "int32"})
        self.tokenizer = tokenizer
        # There is nothing to build; without this Keras traces `call` to find out, and warns.
        self.built = True

    @property
    def max_length(self):
        """Longest row in tokens, special tokens included. Setting it raises `BadInput` when it leaves no room."""
        return self._max_length

    @max_length.setter
    def max_length(self, max_length):
        self.check_max_length(max_length)
        self._max_length = max_length

    def check_max_length(self, max_length):
        """Raises `BadInput` where so many tokens leave no room for text."""
        raise NotImplementedError(f"{type(self).__name__}.check_max_length")

    def get_config(self):
        return {**super().get_config(), "max_length": self.max_length}


class WindowedPreprocessor(TextPreprocessor):
    """A preprocessor that makes a row of each window over a text; a subclass gives `encode`."""

    def encode(self, x):
        """The texts as a tuple with the field `windows`; argument as in a call."""
        raise NotImplementedError(f"{type(self).__name__}.encode")

    def call(self, x, y=None, sample_weight=None):
        features = windowing.padded(self.encode(x).windows, self.tokenizer.pad_token_id)
        return keras.utils.pack_x_y_sample_weight(features, y, sample_weight)
