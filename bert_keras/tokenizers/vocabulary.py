"""A WordPiece vocabulary trained on texts of one's own."""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tokenizers.normalize import normalize, stands_alone
from bert_keras.tokenizers.piece_learner import CONTINUES, learn_pieces
from bert_keras.tokenizers.wordpiece import MAX_WORD_CHARACTERS, SPECIAL_TOKENS, WordPieceTokenizer

# Texts that are cleaned up at a time.
_BATCH = 1000


@dataclasses.dataclass(frozen=True)
class VocabularyKind:
    """How a kind of vocabulary treats text: what its tokenizer must be made with, and how many characters it keeps."""

    lowercase: bool
    max_characters: int


# A thousand characters cover alphabets and leave the odd foreign one out; Chinese has some ten thousand in use.
KINDS = {
    "uncased": VocabularyKind(lowercase=True, max_characters=1000),
    "cased": VocabularyKind(lowercase=False, max_characters=1000),
    "chinese": VocabularyKind(lowercase=True, max_characters=12000),
}


def train_vocabulary(
    texts: Iterable[str],
    size: int,
    kind: str = "uncased",
    max_characters: int | None = None,
    min_count: int = 2,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """The pieces of a vocabulary for `WordPieceTokenizer`, trained on texts.

    First come the special tokens, then the characters of the corpus, then longer pieces as they were learnt. A letter
    is there alone and as a continuation ("a", "##a"), so that no word made of known letters is unknown; ideographs and
    punctuation marks, which are words of their own, are there once. Texts are cleaned up and cut into words by the
    tokenizer's own code. The same texts give the same vocabulary.

    Args:
        texts: iterable of str; of files the lines, such as `(line for path in paths for line in open(path))`.
        size: int. Number of pieces, special tokens included. Fewer come back where the corpus has no more.
        kind: `"uncased"`, `"cased"` or `"chinese"` (which is uncased, with more characters).
        max_characters: int or None. How many different characters are kept, the most frequent ones; None: as `KINDS`.
        min_count: int. What stands in the corpus less often becomes no piece.
        progress: is told how many pieces are learnt.

    Returns:
        List of str, at most `size`, none twice.

    Raises:
        BadInput: there is no such kind, the texts are none or hold no word, or the characters alone take more than
            `size`.
    """
    if isinstance(texts, (str, bytes, os.PathLike)):
        raise BadInput("texts is a single one, or a path; expected a list of texts, or another iterable of them.")
    if kind not in KINDS:
        raise BadInput(f"There is no kind of vocabulary {kind!r}; expected one of {', '.join(KINDS)}.")
    counts = count_words(map(_text, texts), KINDS[kind].lowercase)
    limit = KINDS[kind].max_characters if max_characters is None else max_characters
    return pieces_of_words(counts, size, limit, min_count, progress)


def _text(text):
    if not isinstance(text, (str, bytes)):
        raise BadInput(
            f"texts holds {text!r:.80}, a {type(text).__name__}; expected str: read files and give the lines."
        )
    return text


def pieces_of_words(
    counts: Mapping[str, int],
    size: int,
    max_characters: int,
    min_count: int = 2,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """`train_vocabulary` from words that were counted already. Raises `BadInput`."""
    if not counts:
        raise BadInput("The corpus holds no word; expected texts to learn a vocabulary from.")
    characters = _frequent_characters(counts, max_characters, min_count)
    letters = [character for character in characters if stands_alone(character) is None]
    start = [*SPECIAL_TOKENS, *characters, *(CONTINUES + letter for letter in letters)]
    if len(start) > size:
        raise BadInput(
            f"A vocabulary of {size} pieces has no room: special tokens and single characters take {len(start)}; "
            "expected a larger size, or fewer characters (max_characters)."
        )
    # Nothing stands beside a word of one character: it takes no part in the merges.
    return start + learn_pieces(counts, letters, size - len(start), min_count, progress)


def count_words(texts: Iterable[str], lowercase: bool) -> collections.Counter:
    """How often each word stands in texts, as `WordPieceTokenizer` cuts them; words that it refuses are left out."""
    counts: collections.Counter = collections.Counter()
    for batch in _batches(texts, _BATCH):
        words = tf.strings.split(normalize(tf.constant(batch, tf.string), lowercase, lowercase)).flat_values
        unique, _, times = tf.unique_with_counts(words)
        for word, count in zip(unique.numpy().tolist(), times.numpy().tolist()):
            counts[word] += count
    decoded = ((word.decode("utf-8"), count) for word, count in counts.items())
    return collections.Counter({word: count for word, count in decoded if len(word) <= MAX_WORD_CHARACTERS})


def pieces_per_word(counts: Mapping[str, int], vocabulary: list[str], lowercase: bool) -> tuple[float, float]:
    """How a vocabulary serves counted words: (mean number of pieces of a running word, share of unknown words)."""
    tokenizer = WordPieceTokenizer(vocabulary, lowercase=lowercase)
    words, times = list(counts), np.array(list(counts.values()), "float64")
    ids = tokenizer.tokenize(words)
    lengths = ids.row_lengths().numpy()
    unknown = tf.reduce_any(ids == tokenizer.unk_token_id, axis=1).numpy()
    return float(np.average(lengths, weights=times)), float(np.average(unknown, weights=times))


def _frequent_characters(counts: Mapping[str, int], limit: int, min_count: int) -> list[str]:
    """The most frequent characters, in the order of their code points."""
    times: collections.Counter = collections.Counter()
    for word, count in counts.items():
        for character in word:
            times[character] += count
    frequent = sorted((item for item in times.items() if item[1] >= min_count), key=lambda item: (-item[1], item[0]))
    return sorted(character for character, _ in frequent[:limit])


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    batch = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
