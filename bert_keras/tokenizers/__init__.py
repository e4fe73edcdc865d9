"""Text to ids: WordPiece, and rows of `[CLS] text [SEP] pair [SEP]`."""

from bert_keras.tokenizers.preprocessor import BertPreprocessor
from bert_keras.tokenizers.wordpiece import WordPieceTokenizer

__all__ = ["BertPreprocessor", "WordPieceTokenizer"]
