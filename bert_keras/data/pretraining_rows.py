"""Rows for pretraining made from an encoded corpus, with masks and pairs drawn anew every epoch."""

import collections
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bert_keras.data.counter_random import row_keys
from bert_keras.data.encoded_corpus import EncodedCorpus
from bert_keras.data.masking import MaskSettings, mask_rows
from bert_keras.data.pretraining_counts import count_rows
from bert_keras.data.row_building import SpecialIds, build_rows
from bert_keras.data.row_features import row_features
from bert_keras.data.row_plan import RowPlan, RowSettings, plan_rows
from bert_keras.errors import BadInput

# Rows that are made at a time: enough to be quick, few enough to stay in the processor's cache.
BLOCK = 256


class Position(NamedTuple):
    """Where a stream of rows stands: the epoch, and the row in it that comes next."""

    epoch: int = 0
    row: int = 0


START = Position()


class PretrainingRows:
    """All rows of a corpus, epoch after epoch.

    A row depends on corpus, settings, seed, epoch and its number alone. So a stream can be cut anywhere, taken up
    again, or dealt out to several readers, and the rows are the same bit for bit.

    Args:
        corpus: an `EncodedCorpus`.
        tokenizer: the tokenizer that encoded it.
        rows: `RowSettings`.
        masks: `MaskSettings`.
        seed: int.
        positions: int or None. How many positions the encoder has; rows that are longer are refused.

    Attributes:
        features: name -> `Feature`, see `row_features`.

    Raises:
        BadInput: the corpus does not fit the objective, no token of it can be masked, or rows are too long.

    Example:
    ```python
    corpus = encode_documents([["One sentence.", "Another one."], ["A text.", "Of its own."]], tokenizer)
    rows = PretrainingRows(corpus, tokenizer, RowSettings(max_length=32), MaskSettings(max_predictions=5))
    dataset = rows.dataset(batch_size=2, epochs=3)
    ```
    """

    def __init__(
        self,
        corpus: EncodedCorpus,
        tokenizer,
        rows: RowSettings | None = None,
        masks: MaskSettings | None = None,
        seed: int = 0,
        positions: int | None = None,
    ):
        self.corpus, self.settings, self.masks = corpus, rows or RowSettings(), masks or MaskSettings()
        self.seed = seed
        if positions is not None and self.settings.max_length > positions:
            raise BadInput(
                f"max_length is {self.settings.max_length}, and the encoder has {positions} positions; expected rows "
                "of at most as many tokens: lower max_length, or build the encoder with a larger max_sequence_length."
            )
        if corpus.num_tokens and corpus.unknown == corpus.num_tokens:
            raise BadInput(
                f"All {corpus.num_tokens} tokens of the corpus are [UNK], so that none can be masked; expected a "
                "vocabulary that fits the corpus."
            )
        self.ids = special_ids(tokenizer)
        self.features = row_features(self.settings, self.masks)
        self._replacements = replacement_ids(tokenizer)
        # The plan of an epoch takes time; a stream needs two of them at most.
        self._plans: collections.OrderedDict[int, RowPlan] = collections.OrderedDict()
        self.plan(0)

    def plan(self, epoch: int) -> RowPlan:
        """Which spans make up the rows of an epoch."""
        if epoch not in self._plans:
            self._plans[epoch] = plan_rows(self.corpus, self.settings, self.seed, epoch)
            while len(self._plans) > 2:
                self._plans.popitem(last=False)
        return self._plans[epoch]

    def num_rows(self, epoch: int = 0) -> int:
        """How many rows an epoch has; pairs are drawn anew, so epochs differ a little."""
        return self.plan(epoch).num_rows

    def rows(self, epoch: int, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The rows of an epoch with these numbers, int `[n]`: dict of arrays `[n, …]`, see `row_features`."""
        numbers = np.asarray(numbers)
        built = build_rows(self.corpus, self.plan(epoch), numbers, self.settings, self.ids)
        keys = row_keys(self.seed, epoch, numbers)
        masked = mask_rows(
            built.token_ids,
            built.maskable,
            built.word_starts,
            self.masks,
            keys,
            self.ids.mask,
            self._replacements,
        )
        values = {
            "token_ids": masked.token_ids,
            "segment_ids": built.segment_ids,
            "padding_mask": (built.sequence_ids > 0).astype(np.int32),
            "mask_positions": masked.positions,
            "mask_ids": masked.ids,
            "mask_weights": masked.weights,
            "sentence_label": built.labels[:, 0],
            "position_ids": built.position_ids,
            "sequence_ids": built.sequence_ids,
            "sentence_positions": built.first_positions,
            "sentence_labels": built.labels,
            "sentence_weights": built.used.astype(np.float32),
        }
        return {name: values[name] for name in self.features}

    def counts(self, epoch: int = 0) -> collections.Counter:
        """Counts of an epoch: of the corpus, and of all rows, which are made for it. See `pretraining_counts`."""
        total = collections.Counter(
            documents=self.corpus.num_documents,
            documents_left_out=self.plan(epoch).documents_left_out,
            sentences=self.corpus.num_sentences,
            tokens=self.corpus.num_tokens,
            unknown_tokens=self.corpus.unknown,
        )
        for block in self.blocks(Position(epoch), epochs=1):
            total.update(count_rows(block, self.ids))
        return total

    def advance(self, start: Position, rows: int) -> Position:
        """Where a stream stands that began at `start` and has given this many rows, of all readers together."""
        epoch, row = start
        row += rows
        while row >= self.num_rows(epoch):
            row -= self.num_rows(epoch)
            epoch += 1
        return Position(epoch, row)

    def blocks(
        self, start: Position = START, epochs: int | None = None, num_shards: int = 1, index: int = 0
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields blocks of up to `BLOCK` rows; for the arguments see `dataset`."""
        epoch, row = start
        end = None if epochs is None else epoch + epochs
        skip = index
        while end is None or epoch < end:
            numbers = np.arange(row + skip, self.num_rows(epoch), num_shards)
            for first in range(0, len(numbers), BLOCK):
                yield self.rows(epoch, numbers[first : first + BLOCK])
            # Rows are dealt out on and on over the end of an epoch.
            skip = (skip - max(self.num_rows(epoch) - row, 0)) % num_shards
            epoch, row = epoch + 1, 0

    def dataset(
        self,
        batch_size: int | None = None,
        epochs: int | None = None,
        start: Position = START,
        num_shards: int = 1,
        index: int = 0,
        drop_remainder: bool = False,
    ):
        """The stream of rows as a `tf.data.Dataset` of dicts, see `row_features`.

        Args:
            batch_size: int, or None for rows without a batch dimension. Batches run on over the end of an epoch.
            epochs: int or None. How many epochs, the rest of the one where the stream begins included; None: no end.
            start: `Position` at which the stream begins. To take up training, give what `advance` says about the rows
                that all readers have seen.
            num_shards, index: int. The stream gives every `num_shards`-th row, from the one numbered `index` on: what
                several readers see is disjoint, and is everything.
            drop_remainder: bool. Drops the last batch where it is smaller than the others.
        """
        import tensorflow as tf

        def blocks():
            stream = self.blocks(Position(*start), epochs, num_shards, index)
            return stream if batch_size is None else rebatched(stream, batch_size, drop_remainder)

        fixed = batch_size if drop_remainder else None
        signature = {
            name: tf.TensorSpec((fixed, *feature.shape), feature.dtype) for name, feature in self.features.items()
        }
        dataset = tf.data.Dataset.from_generator(blocks, output_signature=signature)
        if batch_size is None:
            dataset = dataset.unbatch()
        return dataset.prefetch(2)


def rebatched(blocks, size: int, drop_remainder: bool = False) -> Iterator[dict[str, np.ndarray]]:
    """Yields dicts of `size` rows from dicts of any number of rows; the last may have fewer."""
    held = None
    for block in blocks:
        if held is not None:
            block = {name: np.concatenate([held[name], block[name]]) for name in block}
        count = len(next(iter(block.values())))
        whole = count - count % size
        for first in range(0, whole, size):
            yield {name: values[first : first + size] for name, values in block.items()}
        held = {name: values[whole:] for name, values in block.items()} if whole < count else None
    if held is not None and not drop_remainder:
        yield held


def special_ids(tokenizer) -> SpecialIds:
    """The ids of a tokenizer's special tokens."""
    return SpecialIds(
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
        tokenizer.mask_token_id,
    )


def replacement_ids(tokenizer) -> np.ndarray:
    """int64 `[m]`: the ids that random tokens are drawn from: all but special tokens and unused entries.

    Raises:
        BadInput: the vocabulary has nothing else.
    """
    vocabulary = tokenizer.get_vocabulary()
    special = set(special_ids(tokenizer))
    ids = [index for index, piece in enumerate(vocabulary) if index not in special and not piece.startswith("[unused")]
    if not ids:
        raise BadInput("The vocabulary has special tokens alone; expected pieces of words.")
    return np.array(ids)
