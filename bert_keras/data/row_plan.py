"""Which spans of a corpus make up each row, for each of the sentence objectives.

| objective | a sequence                                                                                           |
|-----------|------------------------------------------------------------------------------------------------------|
| `nsp`     | `[CLS] A [SEP] B [SEP]`; B follows A, or (half of the time) stands in another document (Devlin 2019)   |
| `sop`     | the same; B follows A, or (half of the time) A and B have changed places (Lan et al. 2020, 3.1)        |
| `none`    | `[CLS] sentences [SEP]` on across documents, with one `[SEP]` between two (Liu et al. 2019, 4.2)       |
| `tlm`     | `[CLS] A [SEP] B [SEP]`; B is a translation of A (Conneau and Lample 2019, section 3.3)                 |

A and B are runs of sentences of one document.
"""

import bisect
import dataclasses
from random import Random

import numpy as np

from bert_keras.data.encoded_corpus import EncodedCorpus
from bert_keras.data.packing import pack
from bert_keras.errors import BadInput

OBJECTIVES = ("nsp", "sop", "none", "tlm")
# A half and half objective's two labels.
REAL, OTHER = 0, 1
_NO_LABEL = -1


@dataclasses.dataclass(frozen=True)
class RowSettings:
    """What a row holds.

    Args:
        max_length: int. Length of every row in tokens, special tokens and padding included.
        objective: `"nsp"`, `"sop"`, `"none"` or `"tlm"`, see the table above.
        short_seq_prob: float in [0, 1], or None. Share of sequences that aim at a random shorter length, so that the
            model meets such. None: 0.1 for `nsp` and `sop`, 0 for the others. Sequences of `tlm` are as long as the
            texts: it takes 0 only.
        pack: bool. Puts several sequences side by side into a row, as many as fit. They are kept apart by
            `sequence_ids`.
        max_sequences: int. The most sequences of a packed row.
        languages: two ints, the segment numbers of the two texts of `tlm`.

    Raises:
        BadInput: a value out of range; the message names it.
    """

    max_length: int = 128
    objective: str = "nsp"
    short_seq_prob: float | None = None
    pack: bool = False
    max_sequences: int = 8
    languages: tuple[int, int] = (0, 1)

    def __post_init__(self):
        if self.objective not in OBJECTIVES:
            raise BadInput(f"There is no objective {self.objective!r}; expected one of {', '.join(OBJECTIVES)}.")
        if self.max_length < 8:
            raise BadInput(f"max_length is {self.max_length}; expected at least 8, special tokens included.")
        if self.short_seq_prob is None:
            object.__setattr__(self, "short_seq_prob", 0.1 if self.has_label else 0.0)
        if not 0 <= self.short_seq_prob <= (0 if self.objective == "tlm" else 1):
            raise BadInput(
                f"short_seq_prob is {self.short_seq_prob}; expected a number from 0 to 1, for the objective tlm 0."
            )
        if self.max_sequences < 1:
            raise BadInput(f"max_sequences is {self.max_sequences}; expected at least 1.")
        if len(self.languages) != 2 or min(self.languages) < 0:
            raise BadInput(f"languages is {self.languages}; expected two segment numbers, such as (0, 1).")
        object.__setattr__(self, "languages", tuple(self.languages))

    @property
    def has_label(self) -> bool:
        """Whether sequences have a label: 0 for the real next text or order, 1 for the other."""
        return self.objective in ("nsp", "sop")

    @property
    def restarts_positions(self) -> bool:
        """Whether the second text of a sequence counts its positions from 0 again."""
        return self.objective == "tlm"


@dataclasses.dataclass(frozen=True)
class RowPlan:
    """Rows as sequences, sequences as pieces, pieces as spans of `EncodedCorpus.token_ids`.

    Attributes:
        begin, end: int64 `[pieces]`, the span of each piece.
        segment: int32 `[pieces]`, its segment number.
        sequences: int64 `[sequences + 1]`, where each sequence begins in the pieces, and the end.
        labels: int32 `[sequences]`, 0 or 1, -1 where the objective has none.
        rows: int64 `[rows + 1]`, where each row begins in `row_sequences`, and the end.
        row_sequences: int64 `[sequences]`, the sequences in the order of the rows.
        documents_left_out: int, documents of one sentence where pairs were to be made.
    """

    begin: np.ndarray
    end: np.ndarray
    segment: np.ndarray
    sequences: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    row_sequences: np.ndarray
    documents_left_out: int = 0

    @property
    def num_rows(self) -> int:
        return len(self.rows) - 1


def plan_rows(corpus: EncodedCorpus, settings: RowSettings, seed: int, epoch: int) -> RowPlan:
    """The rows of an epoch, in random order. The same corpus, settings, seed and epoch give the same plan.

    Raises:
        BadInput: the corpus does not fit the objective.
    """
    check_corpus(corpus, settings)
    random = np.random.default_rng([seed, epoch])
    if settings.objective == "none":
        plan = _full_sentences(corpus, settings, random)
    elif settings.objective == "tlm":
        plan = _translations(corpus, settings)
    else:
        plan = _pairs(corpus, settings, random)
    lengths = sequence_lengths(plan)
    order = random.permutation(len(lengths))
    if settings.pack:
        rows = pack(lengths[order], settings.max_length, settings.max_sequences)
        rows = [rows[index] for index in random.permutation(len(rows))]
        counts = np.array([len(row) for row in rows])
        order = order[np.concatenate(rows)]
    else:
        counts = np.ones(len(lengths), np.int64)
    return dataclasses.replace(plan, rows=_borders(counts), row_sequences=order)


def check_corpus(corpus: EncodedCorpus, settings: RowSettings) -> None:
    """Raises `BadInput` where the corpus does not fit the objective."""
    if not corpus.num_tokens:
        raise BadInput("The corpus is empty: no token is left of it; expected texts.")
    if settings.objective == "none":
        return
    counts = np.diff(corpus.documents)
    if settings.objective == "tlm":
        if counts.max() > 2 or not (counts == 2).any():
            raise BadInput("The objective tlm needs pairs of texts; expected a parallel corpus.")
        return
    if not (counts > 1).any():
        raise BadInput(
            f"All {len(counts)} documents of the corpus have one sentence; the objective {settings.objective} needs "
            "several: part documents by blank lines, not sentences, or choose the objective none."
        )
    if settings.objective == "nsp" and len(counts) < 2:
        raise BadInput(
            "The corpus is one document; the objective nsp takes random texts from another one: part documents by "
            "blank lines, or choose the objective sop or none."
        )


def sequence_lengths(plan: RowPlan) -> np.ndarray:
    """int64 `[sequences]`: tokens of each sequence, special tokens included."""
    borders = np.concatenate([[0], np.cumsum(plan.end - plan.begin + 1)])
    return np.diff(borders[plan.sequences]) + 1


def _pairs(corpus: EncodedCorpus, settings: RowSettings, random: np.random.Generator) -> RowPlan:
    """Pairs for nsp and sop, as in Google's create_pretraining_data.py, but for two things.

    There a chunk of one sentence becomes a random pair whatever was drawn, so that more than half are random, and the
    length of a pair tells which. Here every chunk has two sentences: a sentence that is left at the end of a document
    takes the one before it along.
    """
    draw = Random(int(random.integers(2**63)))
    sentences, documents = corpus.sentences.tolist(), corpus.documents.tolist()
    most, has_random = settings.max_length - 3, settings.objective == "nsp"
    spans, labels, left_out = [], [], 0
    for document, (at, last) in enumerate(zip(documents, documents[1:])):
        if last - at < 2:
            left_out += 1
            continue
        while at < last:
            alone = at == last - 1
            first = at - 1 if alone else at
            target = most
            if draw.random() < settings.short_seq_prob:
                target = draw.randint(2, most)
            stop = bisect.bisect_left(sentences, sentences[first] + target, first + 2, last)
            cut = first + 1 + int(draw.random() * (stop - first - 1))
            label = REAL if draw.random() < 0.5 else OTHER
            second = (sentences[cut], sentences[stop])
            at = stop
            if label == OTHER and has_random:
                if alone:
                    first, cut = last - 1, last
                length = sentences[cut] - sentences[first]
                second = _elsewhere(sentences, documents, document, target - length, draw)
                # What was to be B begins the next pair.
                at = cut
            pair = (sentences[first], sentences[cut], *second)
            spans.append(pair if has_random or label == REAL else (*pair[2:], *pair[:2]))
            labels.append(label)
    begin, end = _cut_pairs(np.array(spans, np.int64), most, random)
    return _plan_of_pairs(begin, end, (0, 1), np.array(labels, np.int32), left_out)


def _elsewhere(sentences, documents, document, length, draw) -> tuple[int, int]:
    """The span of a text of about `length` tokens that begins at a random sentence of another document."""
    other = draw.randrange(len(documents) - 2)
    other += other >= document
    first = draw.randrange(documents[other], documents[other + 1])
    last = documents[other + 1]
    return sentences[first], sentences[bisect.bisect_left(sentences, sentences[first] + length, first + 1, last)]


def _cut_pairs(spans: np.ndarray, most: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end, int64 `[n, 2]` each, of pairs that are cut to `most` tokens: each token that goes comes from the
    longer text, and from its front or its end by chance."""
    begin, end = spans[:, 0::2].copy(), spans[:, 1::2].copy()
    cut = end - begin - shared_lengths(end - begin, most)
    in_front = random.binomial(cut, 0.5)
    return begin + in_front, end - (cut - in_front)


def shared_lengths(lengths: np.ndarray, most: int) -> np.ndarray:
    """How much of pairs of texts stays when they share `most` tokens, the longer one losing first: int64 `[n, 2]`."""
    first, second = lengths.T
    shorter = np.minimum(np.minimum(first, second), most // 2)
    longer = np.minimum(np.maximum(first, second), most - shorter)
    return np.stack([np.where(first > second, longer, shorter), np.where(first > second, shorter, longer)], axis=1)


def _translations(corpus: EncodedCorpus, settings: RowSettings) -> RowPlan:
    """Pairs of translations. What is too long loses its end, so that both texts begin alike."""
    counts = np.diff(corpus.documents)
    whole = counts == 2
    sentence = corpus.documents[:-1][whole, None] + np.arange(2)
    begin = corpus.sentences[sentence]
    lengths = shared_lengths(corpus.sentences[sentence + 1] - begin, settings.max_length - 3)
    labels = np.full(len(begin), _NO_LABEL, np.int32)
    return _plan_of_pairs(begin, begin + lengths, settings.languages, labels, int(np.count_nonzero(~whole)))


def _plan_of_pairs(begin, end, segments, labels, left_out=0) -> RowPlan:
    count = len(labels)
    return RowPlan(
        begin=begin.reshape(-1),
        end=end.reshape(-1),
        segment=np.tile(np.array(segments, np.int32), count),
        sequences=np.arange(0, 2 * count + 1, 2),
        labels=labels,
        rows=np.zeros(1, np.int64),
        row_sequences=np.zeros(0, np.int64),
        documents_left_out=left_out,
    )


def _full_sentences(corpus: EncodedCorpus, settings: RowSettings, random: np.random.Generator) -> RowPlan:
    """Rows of whole sentences over document borders; only a sentence longer than a row is cut. The order of the
    documents is drawn anew, so that rows begin elsewhere in every epoch."""
    most = settings.max_length - 2
    begin, end, starts_document = _sentences_in_order(corpus, random.permutation(corpus.num_documents), most)
    # A [SEP] stands before each sentence that begins a document, save where it begins the row.
    ends = np.cumsum(end - begin + starts_document).tolist()
    draw = Random(int(random.integers(2**63)))
    firsts, at, count = [], 0, len(ends)
    while at < count:
        firsts.append(at)
        target = most
        if draw.random() < settings.short_seq_prob:
            target = draw.randint(2, most)
        taken = (ends[at - 1] if at else 0) + int(starts_document[at])
        at = max(at + 1, bisect.bisect_right(ends, taken + target, at))
    starts_row = np.zeros(count, bool)
    starts_row[firsts] = True
    # Sentences side by side in a row and in a document are one piece.
    first_of_piece = np.flatnonzero(starts_row | starts_document)
    last_of_piece = np.append(first_of_piece[1:], count) - 1
    return RowPlan(
        begin=begin[first_of_piece],
        end=end[last_of_piece],
        segment=np.zeros(len(first_of_piece), np.int32),
        sequences=np.append(np.searchsorted(first_of_piece, firsts), len(first_of_piece)),
        labels=np.full(len(firsts), _NO_LABEL, np.int32),
        rows=np.zeros(1, np.int64),
        row_sequences=np.zeros(0, np.int64),
    )


def _sentences_in_order(corpus: EncodedCorpus, order: np.ndarray, most: int):
    """Begin, end and whether it begins a document, of each sentence of at most `most` tokens, documents in `order`."""
    counts = np.diff(corpus.documents)[order]
    sentence = ranges(corpus.documents[:-1][order], counts)
    begin, end = corpus.sentences[sentence], corpus.sentences[sentence + 1]
    starts_document = np.zeros(len(sentence), bool)
    starts_document[_borders(counts)[:-1]] = True
    parts = -(-(end - begin) // most)
    number = ranges(np.zeros(len(parts), np.int64), parts)
    begin, last = np.repeat(begin, parts) + number * most, np.repeat(end, parts)
    return begin, np.minimum(begin + most, last), np.repeat(starts_document, parts) & (number == 0)


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """int64: `start, start + 1, …` of each length, one after the other."""
    borders = _borders(lengths)
    return np.repeat(starts - borders[:-1], lengths) + np.arange(borders[-1])


def _borders(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
