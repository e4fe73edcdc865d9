"""What tasks that read long texts through windows have in common."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from bert_keras.tasks.base import BertTask
from bert_keras.tasks.pipelined import SEGMENT_IDS, TOKEN_IDS
from bert_keras.tasks.trainable import batch_size_of
from bert_keras.tokenizers.windows import padded
from bert_keras.training.batching import PerToken, TokenizedRows

# The lengths in tokens of an example's windows, whose ids Transform writes one after the other.
WINDOW_LENGTHS = "window_lengths"
# Texts that are tokenized, or answered, at a time: few enough to stay small in memory.
_CHUNK = 512
# Calls after which it pays to trace the tokenizer: a trace takes as long as a few dozen runs without one.
_CALLS_BEFORE_TRACE = 16


class WindowedTask(BertTask):
    """A task whose texts become one row or several, and whose answers are put together from the rows' outputs.

    The preprocessor's `encode` gives a tuple with the field `windows`. A subclass gives `given`, `row_targets`,
    `serving_outputs(outputs, encoded)` and `answers_of`; for the pipeline `targets_in_graph`, `targets_of_rows` and,
    where some examples are not learnt from, `learnable`.
    """

    has_windows = True
    _traces = {}
    _encode_calls = 0

    def given(self, x, y=None, sample_weight=None):
        """What users hand over, checked: an object with `len`, `slice(start, stop)`, `tensors()` (what `encode` takes)
        and `weights` (float32 `[n]` or None). Raises `BadInput` or ValueError.
        """
        raise NotImplementedError(f"{type(self).__name__}.given")

    def row_targets(self, encoded, given):
        """The targets of the windows' rows, and how much each row counts (float32 `[rows]`); `(None, None)` without."""
        raise NotImplementedError(f"{type(self).__name__}.row_targets")

    def tokenize(self, x, y=None, sample_weight=None):
        given = self.given(x, y, sample_weight)
        parts = [self._tokenize_part(given.slice(at, at + _CHUNK)) for at in range(0, len(given), _CHUNK)]
        return joined_rows(parts), None

    def _tokenize_part(self, given):
        encoded = self.encode(given)
        rows = TokenizedRows.from_ragged(encoded.windows.token_ids, encoded.windows.segment_ids)
        targets, weights = self.row_targets(encoded, given)
        if given.weights is not None:
            of_rows = given.weights[encoded.windows.document.numpy()]
            weights = of_rows if weights is None else weights * of_rows
        return dataclasses.replace(rows, targets=targets, weights=weights)

    def encode(self, given):
        """The preprocessor's `encode`, traced once where it is called often."""
        self._encode_calls += 1
        if self._encode_calls <= _CALLS_BEFORE_TRACE:
            return self.preprocessor.encode(given.tensors())
        return self._traced("encode", lambda features: self.preprocessor.encode(features), given.tensors())

    def _traced(self, name, function, *arguments):
        """What the function gives as a graph, made anew when a setting has changed: a trace holds them as constants.

        One trace does for any number of rows, and for rows of any length. Nothing here branches on tensors: AutoGraph
        would only slow the tracing, most of all by its look at every turn of a loop over the vocabulary.
        """
        specs, settings = tf.nest.map_structure(_spec_of_any_size, arguments), repr(self.get_config())
        key = (name, repr(specs))
        if self._traces.get(key, (None, None))[0] != settings:
            traced = tf.function(function, input_signature=specs, autograph=False)
            self._traces = {**self._traces, key: (settings, traced)}
        return self._traces[key][1](*arguments)

    def served_answers(self, features, model):
        encoded = self.preprocessor.encode(features)
        rows = padded(encoded.windows, self.preprocessor.tokenizer.pad_token_id)
        return self.serving_outputs(model(**rows), encoded)

    def answers(self, x, batch_size=64):
        given = self.given(x)
        found = []
        for at in range(0, len(given), _CHUNK):
            served = self.served_part(given.slice(at, at + _CHUNK), batch_size)
            found += self.answers_of({name: tensor.numpy() for name, tensor in served.items()})
        return found

    def served_part(self, given, batch_size):
        """The served answers to some texts, as tensors."""
        encoded = self.encode(given)
        rows = TokenizedRows.from_ragged(encoded.windows.token_ids, encoded.windows.segment_ids)
        outputs = keras.tree.map_structure(tf.constant, self.outputs_of(rows, batch_size))
        return self._traced("serve", lambda *given: self.serving_outputs(*given), outputs, encoded)

    def predict(self, x=None, batch_size=None, **kwargs):
        """The answers, as `answers` gives them: windows and pieces are of no use to anyone outside.

        Args:
            x: as in `fit`.
            batch_size: int. Windows at a time; default 64.
            **kwargs: `verbose` is taken and not needed.
        """
        unknown = set(kwargs) - {"verbose"}
        if unknown:
            raise ValueError(f"predict takes x and batch_size, not {', '.join(sorted(unknown))}.")
        return self.answers(x, 64 if batch_size is None else batch_size_of(batch_size))

    # === Pipeline ===

    def targets_in_graph(self, encoded, parsed):
        """As `row_targets`, in the graph, from raw examples.

        Args:
            encoded: what the preprocessor's `encode` gave for their inputs.
            parsed: what `tf.io.parse_example` gave for `example_spec`.

        Returns:
            Dict of name to the targets of the windows' rows: an int32 RaggedTensor `[rows, length]`, or a tensor
            `[rows, k]`.
        """
        raise NotImplementedError(f"{type(self).__name__}.targets_in_graph")

    def targets_of_rows(self, values, lengths):
        """The targets that `fit` takes, and how much each row counts (float32 `[rows]` or None).

        Args:
            values: what `targets_in_graph` gave, as numpy arrays of all rows' values one after the other.
            lengths: int `[rows]`, in tokens.
        """
        raise NotImplementedError(f"{type(self).__name__}.targets_of_rows")

    def learnable(self, parsed):
        """Bool `[n]`: the raw examples that `fit` would be given; None = all."""
        return None

    def training_features(self, parsed):
        """All windows of an example one after the other: `token_ids`, `segment_ids`, the targets, and
        `window_lengths` to part them again. An example that is not learnt from has no window.
        """
        encoded = self.preprocessor.encode(self.inputs_of_examples(parsed))
        windows, targets = encoded.windows, self.targets_in_graph(encoded, parsed)
        of_rows = {TOKEN_IDS: windows.token_ids, SEGMENT_IDS: windows.segment_ids, **targets}
        of_rows[WINDOW_LENGTHS] = windows.token_ids.row_lengths()[:, None]
        count = tf.shape(parsed[self.serving_inputs[0]], out_type=tf.int64)[0]
        learnable = self.learnable(parsed)
        return {name: _of_examples(values, windows.document, count, learnable) for name, values in of_rows.items()}

    def training_rows(self, features):
        values = {name: ragged.flat_values.numpy() for name, ragged in features.items()}
        lengths, token_ids, segment_ids = (
            values.pop(name).astype("int32") for name in (WINDOW_LENGTHS, TOKEN_IDS, SEGMENT_IDS)
        )
        targets, weights = self.targets_of_rows(values, lengths)
        return TokenizedRows(token_ids, lengths, segment_ids, targets, weights)

    def count_windows(self, records):
        x, *_ = self.encode_records(dataclasses.replace(records, targets=None))
        return np.bincount(self.encode(self.given(x)).windows.document)


def _of_examples(values, document, count, learnable):
    """Values of the windows' rows, RaggedTensor or tensor `[rows, k]`, as a RaggedTensor `[n, values of all rows]`."""
    ragged = values if isinstance(values, tf.RaggedTensor) else tf.RaggedTensor.from_tensor(values)
    example, flat = tf.gather(tf.cast(document, tf.int64), ragged.value_rowids()), ragged.flat_values
    if learnable is not None:
        kept = tf.gather(learnable, example)
        example, flat = tf.boolean_mask(example, kept), tf.boolean_mask(flat, kept)
    return tf.RaggedTensor.from_value_rowids(flat, example, nrows=count, validate=False)


def _spec_of_any_size(tensor):
    """The type of a tensor of which no size is fixed but the last one's, where it is not the only one."""
    spec = tf.type_spec_from_value(tensor)
    if isinstance(spec, tf.RaggedTensorSpec):
        return tf.RaggedTensorSpec([None] * len(spec.shape), spec.dtype, spec.ragged_rank, spec.row_splits_dtype)
    *sizes, last = spec.shape
    return tf.TensorSpec([None] * len(sizes) + [last if sizes else None], spec.dtype)


def joined_rows(parts):
    """Several `TokenizedRows` with targets of one kind as one."""

    def join(values):
        first = values[0]
        if first is None:
            return None
        if isinstance(first, dict):
            return {name: join([value[name] for value in values]) for name in first}
        if isinstance(first, PerToken):
            return PerToken(np.concatenate([value.values for value in values]))
        return np.concatenate(values)

    names = [field.name for field in dataclasses.fields(TokenizedRows)]
    return TokenizedRows(*(join([getattr(part, name) for part in parts]) for name in names))


def check_weights(sample_weight, count):
    """`sample_weight` as float32 `[count]`, or None. Raises ValueError."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, "float32")
    if weights.shape != (count,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError(f"sample_weight must be {count} numbers, finite and not negative, and not all of them 0.")
    return weights
