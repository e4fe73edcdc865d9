"""Rows for pretraining, drawn at random, and a stream of them that can be taken up anywhere."""

import numpy as np

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnop")
LENGTH, POSITIONS = 12, 3


def draw_rows(count, seed=0, length=LENGTH):
    """A dict of arrays: texts of 5 to `length` tokens with one to three masked ones, and a sentence label.

    A text repeats one letter, so that masked ones can be learnt; the label says whether it is of the first half.
    """
    random = np.random.default_rng(seed)
    rows = {name: np.zeros((count, length), "int32") for name in ("token_ids", "segment_ids", "padding_mask")}
    rows |= {name: np.zeros((count, POSITIONS), "int32") for name in ("mask_positions", "mask_ids")}
    rows |= {"mask_weights": np.zeros((count, POSITIONS), "float32"), "sentence_label": np.zeros(count, "int32")}
    for row in range(count):
        size, letter = random.integers(5, length + 1), random.integers(5, len(PIECES))
        masks = np.sort(random.choice(np.arange(1, size - 1), random.integers(1, POSITIONS + 1), replace=False))
        rows["token_ids"][row, :size] = [2, *[letter] * (size - 2), 3]
        rows["token_ids"][row, masks] = 4
        rows["segment_ids"][row, size // 2 : size] = 1
        rows["padding_mask"][row, :size] = 1
        rows["mask_positions"][row, : len(masks)], rows["mask_ids"][row, : len(masks)] = masks, letter
        rows["mask_weights"][row, : len(masks)] = 1
        rows["sentence_label"][row] = letter < (5 + len(PIECES)) // 2
    return rows


class RowStream:
    """`draw_rows` again and again, in another order each epoch: what a `Phase` reads."""

    def __init__(self, count=40, seed=0, length=LENGTH):
        self.rows, self.count, self.seed = draw_rows(count, seed, length), count, seed

    def num_rows(self):
        return self.count

    def advance(self, start, rows):
        epochs, row = divmod(start[1] + rows, self.count)
        return start[0] + epochs, row

    def dataset(self, batch_size, start=(0, 0), drop_remainder=True):
        import tensorflow as tf

        def batches():
            number = start[0] * self.count + start[1]
            while True:
                places = [self._place(number + offset) for offset in range(batch_size)]
                yield {name: values[places] for name, values in self.rows.items()}
                number += batch_size

        return tf.data.Dataset.from_generator(
            batches,
            output_signature={
                name: tf.TensorSpec((batch_size, *values.shape[1:]), values.dtype) for name, values in self.rows.items()
            },
        )

    def _place(self, number):
        epoch, row = divmod(number, self.count)
        return np.random.default_rng([self.seed, epoch]).permutation(self.count)[row]
