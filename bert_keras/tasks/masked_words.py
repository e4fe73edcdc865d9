"""Filling in the masked words of a text."""

import keras
import numpy as np
import tensorflow as tf

from bert_keras.characters import MASK
from bert_keras.data.records import text_problem
from bert_keras.errors import BadInput
from bert_keras.tasks.preset_task import PresetTask

_BATCH_SIZE = 32


class MaskedWords(PresetTask):
    """A model with masked language modelling logits that fills in `[MASK]`. A subclass builds it."""

    def fill_masks(self, texts, top_k=5):
        """The likeliest pieces for every `[MASK]` of each text, each mask for itself.

        Args:
            texts: list of strings with at least one `[MASK]` each.
            top_k: int. How many pieces for each mask.

        Returns:
            A list with, for each text, a list with, for each mask, a list of dicts, likeliest first: `token` (the
            piece), `score` (its probability) and `text` (the text with this mask filled in).

        Raises:
            BadInput: a text is empty or has no `[MASK]`, or one that stands behind the preprocessor's `max_length`.
        """
        if isinstance(texts, str):
            raise BadInput("fill_masks takes a list of texts; put the single one in a list.")
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise BadInput(f"top_k is {top_k!r}; expected a whole number of at least 1.")
        for number, text in enumerate(texts, start=1):
            if problem := text_problem(text):
                raise BadInput(f"text {number}: {problem}")
            if MASK not in text:
                raise BadInput(f"text {number} has no {MASK}; expected at least one, such as 'a {MASK} film'.")
        filled = []
        for start in range(0, len(texts), _BATCH_SIZE):
            filled += self._fill_batch(texts[start : start + _BATCH_SIZE], start, top_k)
        return filled

    def expected_words(self, texts, top_k=10):
        """Whole words that may stand for each `[MASK]`: what `Predictions` of an augmentation asks.

        Args:
            texts: list of strings with at least one `[MASK]` each.
            top_k: int. Of how many likeliest pieces the words are taken; ends of words and punctuation drop out.

        Returns:
            A list with, for each text, a list with, for each mask, a list of words, likeliest first. Masks behind the
            preprocessor's `max_length` are not among them.
        """
        # Texts of like length together: the others of a batch are padded to its longest one.
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        found = [[] for _ in texts]
        for start in range(0, len(order), _BATCH_SIZE):
            numbers = order[start : start + _BATCH_SIZE]
            counts, _, ids = self._likeliest([texts[number] for number in numbers], top_k)
            for number, count, of_masks in zip(numbers, counts, ids):
                found[number] = [self._words(pieces) for pieces in of_masks[:count]]
        return found

    def _words(self, ids):
        pieces = [self.preprocessor.tokenizer.id_to_token(token) for token in ids]
        return [piece for piece in pieces if not piece.startswith(("##", "[")) and any(map(str.isalnum, piece))]

    def _likeliest(self, texts, top_k):
        """How many masks each text has that are read, and scores and ids of the likeliest pieces: `[n, masks, k]`."""
        features = keras.tree.map_structure(tf.convert_to_tensor, self.preprocessor(list(texts)))
        found = np.count_nonzero(features["mask_positions"], axis=1)
        size = self.preprocessor.tokenizer.vocabulary_size()
        # An encoder may have more rows in its table than the vocabulary has pieces.
        logits = self(features, training=False)["mlm_logits"][..., :size]
        scores, ids = tf.math.top_k(tf.nn.softmax(logits), min(top_k, size))
        return found, scores.numpy(), ids.numpy()

    def _fill_batch(self, texts, start, top_k):
        found, scores, ids = self._likeliest(texts, top_k)
        for number, text in enumerate(texts):
            if found[number] < text.count(MASK):
                raise BadInput(
                    f"text {start + number + 1} has a {MASK} behind the first {self.preprocessor.max_length} tokens, "
                    "which is all that is read; shorten the text or raise max_length."
                )
        vocabulary = self.preprocessor.tokenizer.get_vocabulary()
        return [
            [
                [
                    {"token": vocabulary[token], "score": float(score), "text": _filled(text, mask, vocabulary[token])}
                    for token, score in zip(ids[number, mask], scores[number, mask])
                ]
                for mask in range(found[number])
            ]
            for number, text in enumerate(texts)
        ]


def _filled(text, mask, piece):
    """The text with its mask of this number replaced; a `##` piece is joined to what stands before."""
    parts = text.split(MASK)
    before, after = MASK.join(parts[: mask + 1]), MASK.join(parts[mask + 1 :])
    if piece.startswith("##"):
        return before.rstrip() + piece[2:] + after
    return before + piece + after
