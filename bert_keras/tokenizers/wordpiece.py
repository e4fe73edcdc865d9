"""WordPiece, as BERT checkpoints use it, in the TensorFlow graph."""

import contextlib
import os

import keras
import keras_nlp
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tokenizers.core_pieces import CorePieces
from bert_keras.tokenizers.text_pieces import TextPieces

VOCABULARY_FILE = "vocabulary.txt"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# A longer word is unknown as a whole, as in Google's code; it bounds the work on a hostile text.
MAX_WORD_CHARACTERS = 100


@keras.saving.register_keras_serializable(package="bert_keras")
class WordPieceTokenizer(keras_nlp.tokenizers.Tokenizer):
    """Cuts text into words, and words into the longest pieces of a vocabulary (Devlin et al. 2019, section 3).

    Works on Python strings and on graph tensors, one or many; ids equal those of Hugging Face's fast tokenizer.
    Special tokens written in a text ("[SEP]") are plain text.

    Args:
        vocabulary: path of a `vocab.txt` (one piece a line, its number from 0 is its id), or a list of pieces.
        lowercase: bool. True for uncased checkpoints, False for cased and multilingual cased ones. Chinese ideographs
            are always split into single characters.
        strip_accents: bool or None. None follows `lowercase`, as BERT does.

    Raises:
        BadInput: the vocabulary cannot be read, has a piece twice, or lacks one of the special tokens.

    Example:
    ```python
    tokenizer = bert_keras.WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "##s"])
    tokenizer(["Hellos hello"])  # <tf.RaggedTensor [[5, 6, 5]]>
    ```
    """

    def __init__(self, vocabulary=None, lowercase=True, strip_accents=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "int32"})
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self.vocabulary = None
        self.file_assets = [VOCABULARY_FILE]
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    @classmethod
    def from_preset(cls, preset, vocabulary=None):
        """The tokenizer of a preset; see `bert_keras.presets.find`. Raises `BadInput`."""
        from bert_keras.presets import load_tokenizer

        return load_tokenizer(preset, vocabulary)

    def set_vocabulary(self, vocabulary):
        """Takes a vocabulary: a path or a list of pieces. Raises `BadInput`."""
        source = "the vocabulary"
        if isinstance(vocabulary, (str, os.PathLike)):
            source = os.fspath(vocabulary)
            vocabulary = read_vocabulary(source)
        vocabulary = list(vocabulary)
        ids = {piece: index for index, piece in enumerate(vocabulary)}
        if len(ids) < len(vocabulary):
            piece = next(piece for index, piece in enumerate(vocabulary) if ids[piece] != index)
            raise BadInput(f"{source} has the piece {piece!r} more than once; expected every line to differ.")
        missing = [token for token in SPECIAL_TOKENS if token not in ids]
        if missing:
            raise BadInput(f"{source} lacks {', '.join(missing)}; a BERT vocabulary has {', '.join(SPECIAL_TOKENS)}.")
        self.vocabulary, self._ids = vocabulary, ids
        self.pad_token_id, self.unk_token_id, self.cls_token_id, self.sep_token_id, self.mask_token_id = (
            ids[token] for token in SPECIAL_TOKENS
        )
        self._pieces = self._pieces_of(TextPieces)

    @contextlib.contextmanager
    def core_ops(self):
        """While it lasts, tokenizing uses core TensorFlow ops alone, to the same effect.

        A graph that is traced in it runs where the ops of TensorFlow Text are missing.
        """
        self._check_vocabulary()
        before = self._pieces
        self._pieces = self._pieces_of(CorePieces)
        try:
            yield
        finally:
            self._pieces = before

    def call(self, inputs):
        # KerasHub's own `call` turns ragged results into Python lists outside a graph.
        return self.tokenize(inputs)

    def tokenize(self, inputs):
        """Ids of the pieces of each string.

        Args:
            inputs: a string, a list of strings, or a string tensor `[n]`.

        Returns:
            int32 RaggedTensor `[n, pieces]`; for a single string an int32 tensor `[pieces]`.
        """
        self._check_vocabulary()
        strings, single = _as_batch(inputs)
        ids = self._pieces.ids(strings)
        return ids[0] if single else ids

    def tokenize_with_offsets(self, inputs):
        """Ids, and where each piece stands in the string that was given.

        Args:
            inputs: a string, a list of strings, or a string tensor `[n]`.

        Returns:
            `(ids, begin, end)`, int32 RaggedTensors `[n, pieces]` (tensors `[pieces]` for a single string). `begin` and
            `end` count characters (Unicode code points), so `text[begin:end]` in Python is the piece as written.
        """
        self._check_vocabulary()
        strings, single = _as_batch(inputs)
        outputs = self._pieces.spans(strings)
        return tuple(output[0] for output in outputs) if single else outputs

    def detokenize(self, inputs):
        """Text of the given ids, `##` pieces joined to what stands before them.

        Args:
            inputs: int tensor or RaggedTensor `[n, pieces]`, or a list of lists.

        Returns:
            String tensor `[n]`. Letter case, accents and spacing that tokenizing dropped do not come back.
        """
        self._check_vocabulary()
        ids = tf.ragged.constant(inputs, "int32") if isinstance(inputs, list) else inputs
        pieces = tf.ragged.map_flat_values(lambda flat: tf.gather(tf.constant(self.vocabulary), flat), ids)
        text = tf.strings.reduce_join(pieces, axis=-1, separator=" ")
        return tf.strings.regex_replace(text, " ##", "")

    def get_vocabulary(self):
        self._check_vocabulary()
        return list(self.vocabulary)

    def vocabulary_size(self):
        self._check_vocabulary()
        return len(self.vocabulary)

    def id_to_token(self, id):
        self._check_vocabulary()
        if not 0 <= id < len(self.vocabulary):
            raise ValueError(f"There is no piece with id {id}; ids run from 0 to {len(self.vocabulary) - 1}.")
        return self.vocabulary[id]

    def token_to_id(self, token):
        self._check_vocabulary()
        return self._ids.get(token, self.unk_token_id)

    def save_assets(self, dir_path):
        with open(os.path.join(dir_path, VOCABULARY_FILE), "w", encoding="utf-8", newline="\n") as file:
            file.writelines(piece + "\n" for piece in self.vocabulary)

    def load_assets(self, dir_path):
        self.set_vocabulary(os.path.join(dir_path, VOCABULARY_FILE))

    def get_config(self):
        # The vocabulary travels as a file (an asset), not in the config.
        return {
            **super().get_config(),
            "vocabulary": None,
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
        }

    def _pieces_of(self, kind):
        return kind(self.vocabulary, "[UNK]", self.lowercase, self.strip_accents, MAX_WORD_CHARACTERS)

    def _check_vocabulary(self):
        if self.vocabulary is None:
            raise ValueError("WordPieceTokenizer has no vocabulary yet: pass `vocabulary` or call `set_vocabulary`.")


def read_vocabulary(path):
    """The pieces of a vocabulary file, one a line. Raises `BadInput` when it cannot be read as UTF-8 text."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            return [line.rstrip("\r\n") for line in file]
    except UnicodeDecodeError as error:
        raise BadInput(f"The vocabulary {path} is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    except OSError as error:
        raise BadInput(f"Cannot read the vocabulary {path}: {error.strerror}.") from error


def _as_batch(inputs):
    strings = tf.convert_to_tensor(inputs, tf.string)
    return (strings[None], True) if strings.shape.rank == 0 else (strings, False)
