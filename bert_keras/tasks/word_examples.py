"""Texts with labelled spans in the pipeline: their words, their spans, and what is odd about them."""

import collections

import numpy as np
import tensorflow as tf

from bert_keras.data.buckets import bucket, bucket_names
from bert_keras.data.words import join_words, spans_of_tags
from bert_keras.tasks.description import INPUT, SLICE, TARGET, ExampleFeature
from bert_keras.tasks.pipelined import all_known, dense, numbers_of
from bert_keras.tasks.windowed import WindowedTask
from bert_keras.tokenizers.word_preprocessor import TEXT, WORD_BEGIN, WORD_END
from bert_keras.training.batching import PerToken

TOKENS = "tokens"
SPAN_BEGIN, SPAN_END, SPAN_LABEL = "span_begin", "span_end", "span_label"
LENGTH = "length"
# The targets of rows: the tag of each token.
TAGS = "tags"
# Stands among the labels of a text that has none, so that such texts are a slice too.
NO_LABEL = "none"
_LENGTHS = (50, 100, 200, 400)


class WordExamples(WindowedTask):
    """A task on the spans of texts. A subclass sets `types_feature`, the feature that lists the labels in a text, and
    gives `tags_in_graph`; where the records' targets are more than tags or spans also `gold_spans`.
    """

    types_feature = None
    # Labels that are given and not found: no score of theirs is reported.
    uncounted = frozenset()

    @classmethod
    def gold_spans(cls, records):
        """The spans of records as lists of `(begin, end, label)`, in characters of the text that the words make."""
        return target_spans(records)

    @classmethod
    def example_layout(cls, labels=(), **_):
        places = ExampleFeature("int64", TARGET, is_list=True)
        words = ExampleFeature("int64", INPUT, is_list=True)
        return {
            TEXT: ExampleFeature(),
            WORD_BEGIN: words,
            WORD_END: words,
            SPAN_BEGIN: places,
            SPAN_END: places,
            SPAN_LABEL: ExampleFeature(role=TARGET, is_list=True, domain=tuple(labels)),
            # A label that training never saw is told of span_label already.
            cls.types_feature: ExampleFeature(role=SLICE, is_list=True),
            LENGTH: ExampleFeature(role=SLICE, domain=bucket_names(_LENGTHS)),
        }

    @classmethod
    def example_features(cls, records, **described):
        """The texts, with their words where these are known; the spans; the labels in a text, and its length in
        characters. Labels that training never saw are taken: they are anomalies, and no model finds them.
        """
        texts, begin, end = records.features.get(TEXT), [[] for _ in records.rows], [[] for _ in records.rows]
        if TOKENS in records.features:
            texts, begin, end = map(list, zip(*map(join_words, records.features[TOKENS])))
        spans = cls.gold_spans(records)
        return {
            TEXT: texts,
            WORD_BEGIN: begin,
            WORD_END: end,
            SPAN_BEGIN: [[span[0] for span in row] for row in spans],
            SPAN_END: [[span[1] for span in row] for row in spans],
            SPAN_LABEL: [[span[2] for span in row] for row in spans],
            cls.types_feature: [sorted({label for _, _, label in row} - cls.uncounted) or [NO_LABEL] for row in spans],
            LENGTH: [bucket(len(text), _LENGTHS) for text in texts],
        }

    @classmethod
    def anomalies(cls, records, labels=(), **_):
        found = []
        if records.repaired:
            found.append(
                f"{records.source}: {records.repaired} tags begin a span with I-, which BIO does not allow, and were "
                f"read as B-; the first: {records.first_repaired}"
            )
        spans, known = cls.gold_spans(records), set(labels)
        unknown = [(index, label) for index, row in enumerate(spans) for _, _, label in row if label not in known]
        if unknown:
            counts = collections.Counter(label for _, label in unknown)
            names = ", ".join(f"{label!r} {count}" for label, count in counts.most_common())
            place = records.place(unknown[0][0], cls.span_field(records))
            found.append(
                f"{records.source}: {len(unknown)} of {sum(map(len, spans))} spans have labels that the training data "
                f"lack ({names}), which no model finds; the first: {place}"
            )
        return found

    @classmethod
    def span_field(cls, records):
        """The role of the records' field that holds the spans, for messages."""
        return "tags" if TOKENS in records.features else "spans"

    def inputs_of_examples(self, parsed):
        words = {name: tf.RaggedTensor.from_sparse(parsed[name]) for name in (WORD_BEGIN, WORD_END)}
        return {**super().inputs_of_examples(parsed), **words}

    def target_features(self, parsed):
        """Dict of `span_begin`, `span_end` int64 and `span_label` string, `[n, most spans]`, filled up with -1 and "".

        There is one column at least.
        """
        fill = {SPAN_BEGIN: -1, SPAN_END: -1, SPAN_LABEL: ""}
        return {name: dense(parsed[name], value) for name, value in fill.items()}

    def targets_in_graph(self, encoded, parsed):
        begin, end = (tf.cast(tf.RaggedTensor.from_sparse(parsed[name]), tf.int32) for name in (SPAN_BEGIN, SPAN_END))
        names = tf.RaggedTensor.from_sparse(parsed[SPAN_LABEL])
        label = names.with_flat_values(numbers_of(names.flat_values, self.tag_set.labels))
        return {TAGS: self.tags_in_graph(encoded, begin, end, label)}

    def learnable(self, parsed):
        """The texts whose labels the model knows; the loss leaves out the others, see `known_records`."""
        return all_known(parsed[SPAN_LABEL], self.tag_set.labels)

    def targets_of_rows(self, values, lengths):
        return tag_targets(values[TAGS], lengths)


def target_spans(records, targets=None):
    """The targets of records as lists of `(begin, end, label)`, in characters of the text that the words make.

    Args:
        records: `Records` with `tokens` or `text`.
        targets: lists of BIO tags or of spans; None = the records' own.
    """
    targets = records.targets if targets is None else targets
    if TOKENS not in records.features:
        return targets
    words = map(join_words, records.features[TOKENS])
    return [spans_of_tags(joined, tags) for joined, tags in zip(words, targets)]


def tag_targets(tags, lengths):
    """The targets of rows and how much each counts: by its words, for the loss is a mean over them.

    Args:
        tags: int `[all tokens]`, -1 where a token says nothing of a word.
        lengths: int `[rows]`, in tokens.

    Returns:
        `(PerToken, float32 [rows])`.
    """
    ends = np.cumsum(lengths)
    total = np.concatenate([[0], np.cumsum(tags >= 0)])
    return PerToken(tags.astype("int32")), (total[ends] - total[ends - lengths]).astype("float32")
