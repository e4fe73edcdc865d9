"""Utterances with intents and slots in the pipeline."""

import collections

import tensorflow as tf

from bert_keras.tasks.description import TARGET, EvalSpec, ExampleFeature
from bert_keras.tasks.pipelined import all_known, dense, numbers_of
from bert_keras.tasks.word_examples import LENGTH, SPAN_BEGIN, SPAN_END, SPAN_LABEL, TAGS, tag_targets, target_spans
from bert_keras.tasks.word_task import WordTask
from bert_keras.tokenizers.word_preprocessor import WORD_BEGIN, WORD_END

INTENT, SLOTS = "intent", "slots"
# How many intents there are, less one: the class of a head of its own.
INTENT_COUNT = "intent_count"
# What joins the names of several intents, as the published data write them.
SEPARATOR = "#"


class IntentExamples(WordTask):
    """A task on the intents and slots of utterances. A subclass sets `intents`, the names, and `max_intents`."""

    types_feature = "slot_types"
    reads_folders = True

    @classmethod
    def gold_spans(cls, records):
        return target_spans(records, [tags for _, tags in records.targets])

    @classmethod
    def span_field(cls, records):
        return SLOTS

    @classmethod
    def example_layout(cls, intents=(), **described):
        intent = ExampleFeature(role=TARGET, is_list=True, domain=tuple(intents))
        return {**super().example_layout(**described), INTENT: intent}

    @classmethod
    def example_features(cls, records, **described):
        intents = [list(intents) for intents, _ in records.targets]
        return {**super().example_features(records, **described), INTENT: intents}

    @classmethod
    def anomalies(cls, records, intents=(), **described):
        found = super().anomalies(records, **described)
        known = set(intents)
        unknown = [
            (index, intent)
            for index, (names, _) in enumerate(records.targets)
            for intent in names
            if intent not in known
        ]
        if unknown:
            counts = collections.Counter(intent for _, intent in unknown)
            names = ", ".join(f"{intent!r} {count}" for intent, count in counts.most_common())
            found.append(
                f"{records.source}: {len(unknown)} of {len(records)} utterances have intents that the training data "
                f"lack ({names}), which no model finds; the first: {records.place(unknown[0][0], INTENT)}"
            )
        return found

    def target_features(self, parsed):
        """As of spans, and `word_begin`, `word_end` int64 `[n, most words]`, -1 behind the last; `intent` string `[n]`,
        several joined.
        """
        names = tf.RaggedTensor.from_sparse(parsed[INTENT])
        return {
            **super().target_features(parsed),
            **{name: dense(parsed[name], -1) for name in (WORD_BEGIN, WORD_END)},
            INTENT: tf.strings.reduce_join(names, axis=-1, separator=SEPARATOR),
        }

    def targets_in_graph(self, encoded, parsed):
        names = tf.RaggedTensor.from_sparse(parsed[INTENT])
        numbers = numbers_of(names.flat_values, self.intents)
        # An unknown intent is no column.
        hot = names.with_flat_values(tf.one_hot(numbers, len(self.intents)))
        slots = super().targets_in_graph(encoded, parsed)[TAGS]
        return {**self.intent_targets(tf.reduce_max(hot, axis=1), encoded), SLOTS: slots}

    def intent_targets(self, intents, encoded):
        """What the heads of the intents learn from each row: an utterance in several windows says what it asks for in
        its first one.

        Args:
            intents: float32 `[n, intents]` of zeros and ones.
            encoded: `EncodedWords`.

        Returns:
            Dict of `intent` float32 `[rows, intents]` and, where there may be several, `intent_count` int32 `[rows]`;
            -1 in the further windows.
        """
        is_first = encoded.windows.begin == 0
        of_rows = tf.gather(intents, encoded.windows.document)
        targets = {INTENT: tf.where(is_first[:, None], of_rows, -1.0)}
        if self.max_intents > 1:
            count = tf.cast(tf.reduce_sum(of_rows, axis=1), tf.int32)
            targets[INTENT_COUNT] = tf.where(is_first, count - 1, -1)
        return targets

    def targets_of_rows(self, values, lengths):
        slots, _ = tag_targets(values[SLOTS], lengths)
        targets = {INTENT: values[INTENT].reshape(len(lengths), -1).astype("float32"), SLOTS: slots}
        if self.max_intents > 1:
            targets[INTENT_COUNT] = values[INTENT_COUNT].astype("int32")
        return targets, None

    def learnable(self, parsed):
        """The utterances whose intents and slots the model knows, with as many intents as it can find."""
        fits = tf.RaggedTensor.from_sparse(parsed[INTENT]).row_lengths() <= self.max_intents
        return super().learnable(parsed) & all_known(parsed[INTENT], self.intents) & fits

    @classmethod
    def eval_spec(cls, **_):
        metrics = ("intent_accuracy", "intent_f1", "slot_precision", "slot_recall", "slot_f1", "sentence_accuracy")
        return EvalSpec(
            "bert_keras.metrics:intent_slot_metrics_of_counts",
            metrics,
            "sentence_accuracy",
            count="bert_keras.tasks.example_counts:count_intents",
            arguments={"name": SLOTS, "separator": SEPARATOR},
            label_keys=(SPAN_BEGIN, SPAN_END, SPAN_LABEL, WORD_BEGIN, WORD_END, INTENT),
            slices=(INTENT, cls.types_feature, LENGTH),
        )
