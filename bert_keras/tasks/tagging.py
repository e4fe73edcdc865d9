"""Spans of words to BIO tags and back, in the graph."""

import dataclasses
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tokenizers.words import containing, first_of_run

OUTSIDE = "O"


class Spans(NamedTuple):
    """Labelled spans of texts, RaggedTensors `[n, spans]`; begin and end are int32 and count characters.

    `label` is a string, `score` a float32 from 0 to 1.
    """

    begin: tf.RaggedTensor
    end: tf.RaggedTensor
    label: tf.RaggedTensor
    score: tf.RaggedTensor | None = None


@dataclasses.dataclass(frozen=True)
class TagSet:
    """The tags of a model, in the order of its outputs: `O`, and `B-x` or `I-x` or both for each label x."""

    tags: tuple

    def __post_init__(self):
        wrong = [tag for tag in self.tags if tag != OUTSIDE and not (tag[:2] in ("B-", "I-") and tag[2:])]
        if wrong or OUTSIDE not in self.tags or len(set(self.tags)) < len(self.tags) or len(self.tags) < 2:
            raise BadInput(
                f"The tags are {', '.join(self.tags)}; expected O and, for each label x, B-x and I-x, each once."
            )

    @classmethod
    def of_labels(cls, labels):
        """The tags for labels ("PER", "LOC"), or the tags themselves ("O", "B-PER", "I-PER" …)."""
        labels = [str(label) for label in labels]
        if OUTSIDE in labels:
            return cls(tuple(labels))
        return cls((OUTSIDE, *(prefix + label for label in labels for prefix in ("B-", "I-"))))

    @property
    def labels(self):
        """The labels, sorted by their first tag."""
        return tuple(dict.fromkeys(tag[2:] for tag in self.tags if tag != OUTSIDE))

    @property
    def label_ids(self):
        """int32 `[tags]`: the number of each tag's label, -1 for `O`."""
        return np.asarray([-1 if tag == OUTSIDE else self.labels.index(tag[2:]) for tag in self.tags], "int32")

    @property
    def outside(self):
        return self.tags.index(OUTSIDE)

    def _ids(self, prefix):
        """int32 `[labels]`: the tag that begins or continues each label; where it is missing, the other one."""
        other = {"B-": "I-", "I-": "B-"}[prefix]
        found = [prefix + label if prefix + label in self.tags else other + label for label in self.labels]
        return np.asarray([self.tags.index(tag) for tag in found], "int32")

    @property
    def continued(self):
        """int32 `[tags]`: the tag that continues what each tag stands for."""
        inside = self._ids("I-")
        tags = [index if label < 0 else inside[label] for index, label in enumerate(self.label_ids)]
        return np.asarray(tags, "int32")

    def tags_of_spans(self, words, begin, end, label):
        """The tag of each word: int32 `[all words]`.

        Args:
            words: `Words`.
            begin, end: int32 RaggedTensors `[n, spans]`, in characters, sorted, not overlapping.
            label: int32 RaggedTensor `[n, spans]`, numbers of labels.

        A word belongs to the span in which it begins. A label of -1, unknown, gives words of -1.
        """
        span = containing(words.begin, begin, end)
        row_starts = tf.gather(begin.row_starts(), words.begin.value_rowids())
        place = tf.where(span >= 0, row_starts + tf.cast(span, tf.int64), 0)
        of_span = tf.gather(tf.concat([label.flat_values, [0]], 0), place)
        known = tf.where(of_span >= 0, of_span, 0)
        begins, continues = tf.gather(self._ids("B-"), known), tf.gather(self._ids("I-"), known)
        tag = tf.where(first_of_run(span, words.begin), begins, continues)
        tag = tf.where(of_span >= 0, tag, -1)
        return tf.where(span >= 0, tag, self.outside)

    def spans_of_tags(self, words, tags, scores):
        """The spans that tags stand for. Whatever the tags, what comes out is in order and does not overlap.

        A span begins at a `B-`, and at an `I-` that does not follow its own label.

        Args:
            words: `Words`.
            tags: int32 `[all words]`.
            scores: float32 `[all words]`. A span's score is the mean of its words'.

        Returns:
            `Spans`.
        """
        label = tf.gather(self.label_ids, tags)
        is_begin = tf.constant([tag.startswith("B-") for tag in self.tags])
        within = label >= 0
        changes = first_of_run(label, words.begin)
        starts = within & (changes | tf.gather(is_begin, tags))
        next_starts = tf.concat([(starts | changes)[1:], [True]], 0)[: tf.size(starts)]
        ends = within & next_starts
        count = tf.reduce_sum(words.begin.with_flat_values(tf.cast(starts, tf.int64)), axis=1)
        number = tf.boolean_mask(tf.cumsum(tf.cast(starts, tf.int32)) - 1, within)
        score = tf.math.segment_mean(tf.boolean_mask(scores, within), number)

        def ragged(flat):
            return tf.RaggedTensor.from_row_lengths(flat, count, validate=False)

        names = tf.constant(self.labels)
        return Spans(
            ragged(tf.boolean_mask(words.begin.flat_values, starts)),
            ragged(tf.boolean_mask(words.end.flat_values, ends)),
            ragged(tf.gather(names, tf.boolean_mask(label, starts))),
            ragged(score),
        )


def span_texts(text, spans):
    """The text of each span: string RaggedTensor `[n, spans]`."""
    flat = tf.gather(text, spans.begin.value_rowids())
    begin, end = spans.begin.flat_values, spans.end.flat_values
    return spans.begin.with_flat_values(tf.strings.substr(flat, begin, end - begin, unit="UTF8_CHAR"))


def served_spans(text, spans, name):
    """Spans as dense tensors for a client that knows no ragged ones.

    Returns:
        Dict of `{name}_text` and `{name}_label` string, `{name}_begin` and `{name}_end` int32, `{name}_score` float32,
        all `[n, most spans]`, filled up with "", -1 and 0; `{name}_count` int32 `[n]`.
    """
    return {
        f"{name}_text": span_texts(text, spans).to_tensor(""),
        f"{name}_label": spans.label.to_tensor(""),
        f"{name}_begin": spans.begin.to_tensor(-1),
        f"{name}_end": spans.end.to_tensor(-1),
        f"{name}_score": spans.score.to_tensor(0.0),
        f"{name}_count": tf.cast(spans.begin.row_lengths(), tf.int32),
    }


def spans_of_served(served, name):
    """What `served_spans` gave, as numpy, as a list for each text of dicts: text, label, begin, end, score."""
    return [
        [
            {
                "text": served[f"{name}_text"][row, index].decode(),
                "label": served[f"{name}_label"][row, index].decode(),
                "begin": int(served[f"{name}_begin"][row, index]),
                "end": int(served[f"{name}_end"][row, index]),
                "score": float(served[f"{name}_score"][row, index]),
            }
            for index in range(count)
        ]
        for row, count in enumerate(served[f"{name}_count"])
    ]
