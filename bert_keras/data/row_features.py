"""The features of a row for pretraining: the one format of rows in files and of rows made while a model trains.

With L = `max_length`, P = `max_predictions` and S = `max_sequences`; int32 but for weights, which are float32:

| feature                        | shape | meaning                                                                   |
|--------------------------------|-------|---------------------------------------------------------------------------|
| `token_ids`                    | [L]   | tokens as the model sees them                                             |
| `segment_ids`                  | [L]   | 0 and 1 for A and B; for `tlm` the languages                              |
| `padding_mask`                 | [L]   | 1 for a token, 0 for padding                                              |
| `mask_positions`, `mask_ids`   | [P]   | where tokens are predicted, and which stood there; 0 where unused         |
| `mask_weights`                 | [P]   | 1 for a prediction, 0 where unused                                        |
| `sentence_label`               | []    | `nsp`, `sop`: 0 = next, in order; 1 = from another document, swapped      |
| `position_ids`                 | [L]   | `tlm`: positions, which begin with 0 in the second text again             |
| `sequence_ids`                 | [L]   | packed rows: 1, 2, … for the sequences of a row, 0 for padding, as        |
|                                |       | `BertBackbone.packed()` takes them                                        |
| `sentence_positions`           | [S]   | packed rows of `nsp`, `sop`, in the place of `sentence_label`: where each |
|                                |       | `[CLS]` stands                                                            |
| `sentence_labels`              | [S]   | and the labels of the sequences                                           |
| `sentence_weights`             | [S]   | 1 for a sequence, 0 where unused                                          |
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bert_keras.data.masking import MaskSettings
from bert_keras.data.row_plan import RowSettings


class Feature(NamedTuple):
    """What a feature of one row looks like."""

    shape: tuple[int, ...]
    dtype: str


def row_features(rows: RowSettings, masks: MaskSettings) -> dict[str, Feature]:
    """The features that rows of these settings have, by name."""
    per_token = ["token_ids", "segment_ids", "padding_mask"]
    if rows.restarts_positions:
        per_token.append("position_ids")
    if rows.pack:
        per_token.append("sequence_ids")
    features = {name: Feature((rows.max_length,), "int32") for name in per_token}
    for name in ("mask_positions", "mask_ids"):
        features[name] = Feature((masks.max_predictions,), "int32")
    features["mask_weights"] = Feature((masks.max_predictions,), "float32")
    if rows.has_label and rows.pack:
        for name in ("sentence_positions", "sentence_labels"):
            features[name] = Feature((rows.max_sequences,), "int32")
        features["sentence_weights"] = Feature((rows.max_sequences,), "float32")
    elif rows.has_label:
        features["sentence_label"] = Feature((), "int32")
    return features


def serialize_rows(rows: Mapping[str, np.ndarray]) -> list[bytes]:
    """Rows `[n, …]` as n serialized `tf.train.Example`s. Keys are in one order: the same rows give the same bytes."""
    import tensorflow as tf

    flat = {name: rows[name].reshape(len(rows[name]), -1).tolist() for name in sorted(rows)}
    count = len(next(iter(flat.values())))
    examples = []
    for index in range(count):
        example = tf.train.Example()
        for name, values in flat.items():
            feature = example.features.feature[name]
            kind = feature.float_list if rows[name].dtype.kind == "f" else feature.int64_list
            kind.value.extend(values[index])
        examples.append(example.SerializeToString(deterministic=True))
    return examples


def parse_rows(serialized, features: Mapping[str, Feature]):
    """Serialized rows, a string tensor `[n]` or a scalar, as a dict of tensors; works in a graph."""
    import tensorflow as tf

    spec = {
        name: tf.io.FixedLenFeature(feature.shape, tf.float32 if feature.dtype == "float32" else tf.int64)
        for name, feature in features.items()
    }
    parse = tf.io.parse_single_example if serialized.shape.rank == 0 else tf.io.parse_example
    return {name: tf.cast(value, features[name].dtype) for name, value in parse(serialized, spec).items()}
