"""Spans of a corpus laid out as rows of tokens, blocks of rows at a time."""

from typing import NamedTuple

import numpy as np

from bert_keras.data.encoded_corpus import EncodedCorpus
from bert_keras.data.row_plan import RowPlan, RowSettings, ranges


class SpecialIds(NamedTuple):
    """The ids of the special tokens."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


class BuiltRows(NamedTuple):
    """Rows before tokens are hidden.

    Attributes:
        token_ids, segment_ids, position_ids, sequence_ids: int32 `[n, length]`; sequences count from 1, padding is 0.
        maskable, word_starts: bool `[n, length]`, as `mask_rows` takes them.
        first_positions, labels: int32 `[n, sequences]`, where each sequence begins, and its label; `max_sequences`
            columns, one for rows that are not packed.
        used: bool `[n, sequences]`.
    """

    token_ids: np.ndarray
    segment_ids: np.ndarray
    position_ids: np.ndarray
    sequence_ids: np.ndarray
    maskable: np.ndarray
    word_starts: np.ndarray
    first_positions: np.ndarray
    labels: np.ndarray
    used: np.ndarray


def build_rows(
    corpus: EncodedCorpus, plan: RowPlan, numbers: np.ndarray, settings: RowSettings, ids: SpecialIds
) -> BuiltRows:
    """Lays out the rows of a plan with these numbers, int `[n]`."""
    sequences_of_row = np.diff(plan.rows)[numbers]
    sequence = plan.row_sequences[ranges(plan.rows[:-1][numbers], sequences_of_row)]
    pieces_of_sequence = np.diff(plan.sequences)[sequence]
    piece = ranges(plan.sequences[:-1][sequence], pieces_of_sequence)
    begin, length = plan.begin[piece], plan.end[piece] - plan.begin[piece]

    # Everything flat: a piece takes its tokens and a [SEP], the first of a sequence a [CLS] too.
    first_piece = np.cumsum(pieces_of_sequence) - pieces_of_sequence
    opens = np.zeros(len(piece), np.int64)
    opens[first_piece] = 1
    size = opens + length + 1
    row_of_sequence = np.repeat(np.arange(len(numbers)), sequences_of_row)
    row_of_piece = np.repeat(row_of_sequence, pieces_of_sequence)
    before = np.cumsum(size) - size
    first_sequence = np.cumsum(sequences_of_row) - sequences_of_row
    place = before - before[first_piece[first_sequence]][row_of_piece]
    start = row_of_piece * settings.max_length + place

    shape = (len(numbers), settings.max_length)
    token_ids = np.full(shape, ids.pad, np.int32)
    maskable, word_starts = np.zeros(shape, bool), np.zeros(shape, bool)
    segment_ids, position_ids, sequence_ids = (np.zeros(shape, np.int32) for _ in range(3))
    source, target = ranges(begin, length), ranges(start + opens, length)
    token_ids.reshape(-1)[target] = corpus.token_ids[source]
    word_starts.reshape(-1)[target] = corpus.word_starts[source]
    maskable.reshape(-1)[target] = ~np.isin(corpus.token_ids[source], ids)
    token_ids.reshape(-1)[start[first_piece]] = ids.cls
    token_ids.reshape(-1)[start + size - 1] = ids.sep
    filled = ranges(start, size)
    segment_ids.reshape(-1)[filled] = np.repeat(plan.segment[piece], size)
    sequence_in_row = np.arange(len(sequence)) - first_sequence[row_of_sequence]
    sequence_ids.reshape(-1)[filled] = np.repeat(np.repeat(sequence_in_row + 1, pieces_of_sequence), size)
    if settings.restarts_positions:
        position_ids.reshape(-1)[filled] = ranges(np.zeros(len(size), np.int64), size)
    else:
        size_of_sequence = np.add.reduceat(size, first_piece)
        position_ids.reshape(-1)[filled] = ranges(np.zeros(len(sequence), np.int64), size_of_sequence)

    most = settings.max_sequences if settings.pack else 1
    first_positions, labels = np.zeros((len(numbers), most), np.int32), np.zeros((len(numbers), most), np.int32)
    used = np.zeros((len(numbers), most), bool)
    first_positions[row_of_sequence, sequence_in_row] = place[first_piece]
    labels[row_of_sequence, sequence_in_row] = plan.labels[sequence]
    used[row_of_sequence, sequence_in_row] = True
    return BuiltRows(
        token_ids, segment_ids, position_ids, sequence_ids, maskable, word_starts, first_positions, labels, used
    )
