"""Text to ids: WordPiece, rows of `[CLS] text [SEP] pair [SEP]`, and windows over the words of a text."""

from bert_keras.tokenizers.masked_text_preprocessor import MaskedTextPreprocessor
from bert_keras.tokenizers.preprocessor import BertPreprocessor
from bert_keras.tokenizers.question_preprocessor import QuestionPreprocessor
from bert_keras.tokenizers.word_preprocessor import WordPreprocessor
from bert_keras.tokenizers.wordpiece import WordPieceTokenizer

__all__ = [
    "BertPreprocessor",
    "MaskedTextPreprocessor",
    "QuestionPreprocessor",
    "WordPieceTokenizer",
    "WordPreprocessor",
]
