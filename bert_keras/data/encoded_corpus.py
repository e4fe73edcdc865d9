"""A corpus as ids: flat arrays of all tokens, with the borders of words, sentences and documents."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable

import numpy as np

from bert_keras.data.records import shorten
from bert_keras.data.segmenters import Segmenter
from bert_keras.errors import BadInput

# Sentences that are tokenized at a time.
_BATCH = 2000
CONTINUES = "##"


@dataclasses.dataclass(frozen=True)
class EncodedCorpus:
    """The tokens of a corpus, one document after the other.

    Attributes:
        token_ids: int32 `[tokens]`.
        word_starts: bool `[tokens]`, where a word begins.
        sentences: int64 `[sentences + 1]`, where each sentence begins in `token_ids`, and the end.
        documents: int64 `[documents + 1]`, where each document begins in `sentences`, and the end.
        unknown: int, how many tokens are `[UNK]`.
    """

    token_ids: np.ndarray
    word_starts: np.ndarray
    sentences: np.ndarray
    documents: np.ndarray
    unknown: int = 0

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def num_sentences(self) -> int:
        return len(self.sentences) - 1

    @property
    def num_documents(self) -> int:
        return len(self.documents) - 1


def encode_documents(
    documents: Iterable[list[str]],
    tokenizer,
    segmenter: Segmenter | None = None,
    progress: Callable[[int], None] | None = None,
) -> EncodedCorpus:
    """Tokenizes documents.

    Sentences of which no token is left are dropped, and so are documents without sentences.

    Args:
        documents: iterable of lists of sentences.
        tokenizer: a `WordPieceTokenizer`.
        segmenter: cuts a text into words, for languages that write none. Without one a word is what the tokenizer
            makes of it: for Chinese, each character.
        progress: is told how many documents are done.
    """
    continues = np.array([piece.startswith(CONTINUES) for piece in tokenizer.get_vocabulary()])
    ids, starts, lengths, counts = [], [], [], []
    done = 0
    for batch in _batches_of_sentences(documents, _BATCH):
        sentences = [sentence for document in batch for sentence in document]
        if segmenter is None:
            pieces = tokenizer.tokenize(sentences)
            starts.append(~continues[pieces.flat_values.numpy()])
        else:
            pieces, begin, _ = tokenizer.tokenize_with_offsets(sentences)
            starts.append(_segmented(sentences, begin, ~continues[pieces.flat_values.numpy()], segmenter))
        ids.append(pieces.flat_values.numpy())
        lengths.append(pieces.row_lengths().numpy())
        firsts = _borders(np.array([len(document) for document in batch]))[:-1]
        counts.append(np.add.reduceat((lengths[-1] > 0).astype(np.int64), firsts))
        done += len(batch)
        if progress:
            progress(done)
    token_ids = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    lengths = np.concatenate(lengths) if lengths else np.zeros(0, np.int64)
    counts = np.concatenate(counts) if counts else np.zeros(0, np.int64)
    return EncodedCorpus(
        token_ids=token_ids.astype(np.int32),
        word_starts=np.concatenate(starts) if starts else np.zeros(0, bool),
        sentences=_borders(lengths[lengths > 0]),
        documents=_borders(counts[counts > 0]),
        unknown=int(np.count_nonzero(token_ids == tokenizer.unk_token_id)),
    )


def _segmented(sentences, begin, starts, segmenter: Segmenter) -> np.ndarray:
    """Where words begin by a segmenter; a piece that lies across its border begins no word."""
    flags = []
    for sentence, places in zip(sentences, np.split(begin.flat_values.numpy(), begin.row_splits.numpy()[1:-1])):
        at, borders = 0, {0}
        for word in segmenter(sentence):
            # Segmenters may drop blanks between words.
            begin_of_word = sentence.find(word, at)
            if begin_of_word < 0:
                raise BadInput(
                    f"The segmenter gave the word {shorten(word)}, which is not where it should be in "
                    f"{shorten(sentence)}; expected words that are the text when put together."
                )
            at = begin_of_word + len(word)
            borders.update((begin_of_word, at))
        # A character that the clean-up makes two of is one place.
        new = np.append(True, places[1:] != places[:-1])[: len(places)]
        flags.append(new & np.fromiter((place in borders for place in places.tolist()), bool, len(places)))
    found = np.concatenate(flags) if flags else starts
    return found & starts


def _batches_of_sentences(documents: Iterable[list[str]], size: int):
    """Yields lists of documents that hold about `size` sentences together; documents without sentences are left out."""
    documents = (document for document in documents if document)
    while True:
        batch, held = [], 0
        for document in documents:
            batch.append(document)
            held += len(document)
            if held >= size:
                break
        if not batch:
            return
        yield batch


def _borders(lengths: np.ndarray) -> np.ndarray:
    return np.fromiter(itertools.accumulate(lengths.tolist(), initial=0), np.int64, len(lengths) + 1)
