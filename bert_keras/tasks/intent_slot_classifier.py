"""Intents and slots of utterances, learnt together."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bert_keras.data.cutting import PART_SIZE
from bert_keras.data.intents import intent_parts, read_intents
from bert_keras.data.words import join_words, tags_of_spans
from bert_keras.errors import BadInput, nearest
from bert_keras.layers import Linear
from bert_keras.metrics.intents import intent_slot_metrics
from bert_keras.tasks.description import Column, TaskOption
from bert_keras.tasks.inputs import rows_of
from bert_keras.tasks.intent_examples import INTENT, INTENT_COUNT, SEPARATOR, SLOTS, IntentExamples
from bert_keras.tasks.tagging import served_spans, spans_of_served
from bert_keras.tasks.word_examples import TOKENS
from bert_keras.tasks.word_task import GivenWords, labels_of, plain_spans
from bert_keras.training.metrics import TagAccuracy


@dataclasses.dataclass(frozen=True)
class GivenUtterances(GivenWords):
    """`GivenWords`, and float32 `[n, intents]` of zeros and ones, or None."""

    intents: np.ndarray | None = None

    def slice(self, start, stop):
        words = super().slice(start, stop)
        intents = None if self.intents is None else self.intents[start:stop]
        return GivenUtterances(words.texts, words.words, words.spans, words.weights, intents)


@keras.saving.register_keras_serializable(package="bert_keras")
class IntentSlotClassifier(IntentExamples):
    """Find what an utterance asks for, and the words that say with what: intent and slots.

    One encoder with two heads (Chen, Zhuo & Wang 2019): the pooled vector gives the intents, each word's vector its
    slot tag; the loss is the intents' plus `slot_weight` times the slots'.

    Where utterances may have several intents, a softmax learns to share itself evenly among them (Mahajan et al. 2018,
    section 2), a third head learns how many there are (Du et al. 2019, ML-Net), and the answer is that many, the
    likeliest. So utterances with one intent are learnt as well as if there were no others.

    Args:
        backbone: a `BertBackbone`.
        preprocessor: a `WordPreprocessor`.
        intents: list of intent names.
        labels: list of slot labels, or of the tags themselves.
        max_intents: int. How many intents an utterance may have at most.
        slot_weight: float. Weight of the slots' loss.
        crf: bool. Whether a CRF chooses the slot tags of an utterance together.
        label_pieces: `"first"` or `"all"`; see `TokenClassifier`.
        dropout: float. Rate before both heads; None = the encoder's.

    `predict` and `answers` give a dict for each utterance: `{"intents": [names], "intent_score", "slots": [{"text",
    "label", "begin", "end", "score"}]}`, begin and end in characters.

    Example:
    ```python
    model = bert_keras.IntentSlotClassifier.from_preset("minilm_l6_uncased", intents=["play", "book"], labels=["song"])
    model.fit([["play", "yesterday"]], [("play", ["O", "B-song"])], epochs=1)
    model.predict(["please play yesterday"])
    ```
    """

    task_name = "intent-slot"
    columns = (
        Column("tokens", help="The words of an utterance."),
        Column("intent", is_target=True, help="What it asks for; a#b stands for two."),
        Column("slots", is_target=True, help="The words' slot tags."),
    )
    options = (
        TaskOption("slot_weight", type=float, default=1.0, help="Weight of the slots' loss beside the intents'."),
        TaskOption("crf", type=bool, default=False, help="Choose the slot tags of an utterance together, by a CRF."),
        TaskOption("label_pieces", default="first", choices=("first", "all"), help="Which pieces of a word learn."),
    )
    reading = ("skip_bad_rows",)

    def __init__(
        self,
        backbone,
        preprocessor=None,
        intents=(),
        labels=(),
        max_intents=1,
        slot_weight=1.0,
        crf=False,
        label_pieces="first",
        dropout=None,
        **kwargs,
    ):
        intents = [intents] if isinstance(intents, str) else [str(intent) for intent in intents]
        if len(intents) < 2 or len(set(intents)) < len(intents):
            raise BadInput(f"intents is {list(intents)}; expected at least two different names.")
        if max_intents > 1 and any(SEPARATOR in intent for intent in intents):
            raise BadInput(f"intents is {intents}; several are joined by {SEPARATOR!r}, which no name may hold then.")
        if isinstance(labels, str) or not len(labels):
            raise BadInput("IntentSlotClassifier needs labels, a list of those of the slots; pass them.")
        if not 1 <= max_intents <= len(intents):
            raise BadInput(f"max_intents is {max_intents}; expected 1 to {len(intents)}, the number of intents.")
        if not slot_weight >= 0:
            raise BadInput(f"slot_weight is {slot_weight}; expected 0 or more.")
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        tag = self.tagging_head(backbone, labels, crf, dropout, label_pieces, name="slot_logits")
        self.intent_dense = _head(backbone, len(intents), "intent_logits")
        self.count_dense = _head(backbone, max_intents, "intent_count_logits") if max_intents > 1 else None
        # === Functional Model ===
        inputs = backbone.input
        encoded = backbone(inputs)
        pooled = self.output_dropout(encoded["pooled_output"])
        outputs = {INTENT: self.intent_dense(pooled), SLOTS: tag(encoded["sequence_output"])}
        if max_intents > 1:
            outputs[INTENT_COUNT] = self.count_dense(pooled)
        # === Config ===
        self.intents = intents
        self.max_intents = max_intents
        self.slot_weight = slot_weight
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    # === Records and targets ===

    @classmethod
    def read_records(cls, path, require_target=True, skip_bad_rows=False):
        """Reads utterances: a directory of `seq.in`, `seq.out`, `label`, or JSON Lines; see `read_intents`."""
        return read_intents(path, require_target=require_target, skip_bad_rows=skip_bad_rows)

    @classmethod
    def record_parts(cls, path, size=PART_SIZE, **reading):
        return intent_parts(path, size)

    @classmethod
    def describe_targets(cls, records, **options):
        intents = sorted({intent for intents, _ in records.targets for intent in intents})
        if len(intents) < 2:
            raise BadInput(f"{records.source}: every utterance has the intent {intents[0]!r}; expected at least two.")
        spans = cls.gold_spans(records)
        most = max(len(intents) for intents, _ in records.targets)
        return {"intents": intents, "labels": labels_of(records, spans), "max_intents": most, **options}

    def encode_records(self, records):
        x = {TOKENS: records.features[TOKENS]}
        if records.targets is None:
            return x, None, None
        self.check_known(records, self.gold_spans(records), self.span_field(records))
        for index, (intents, _) in enumerate(records.targets):
            for intent in intents:
                if intent not in self.intents:
                    raise BadInput(
                        f"{records.place(index, INTENT)}: the intent {intent!r} is none that this model "
                        f"knows{nearest(intent, self.intents)}; expected one of {', '.join(self.intents)}"
                    )
        return x, records.targets, None

    def validation_records(self, records):
        """The utterances whose intents and slots the model knows, with as many intents as it can find; ATIS, for one,
        tests on intents never trained on.
        """
        spans = self.gold_spans(records)
        unknown = [
            [(intent, INTENT) for intent in intents if intent not in self.intents]
            + [(SEPARATOR.join(intents), INTENT)] * (len(intents) > self.max_intents)
            + slots
            for (intents, _), slots in zip(records.targets, self.unknown_labels(spans, SLOTS))
        ]
        return self.known_records(records, unknown)

    def evaluate_records(self, records, batch_size=64):
        if records.targets is None:
            raise BadInput(f"{records.source} has no targets; expected some to compare the answers with.")
        # What the model does not know it has wrong: there is nothing to refuse.
        gold = [(intents, tags) for intents, tags in records.targets]
        predicted = []
        answers = self.predict({TOKENS: records.features[TOKENS]}, batch_size=batch_size)
        for words, answer in zip(records.features[TOKENS], answers):
            predicted.append((answer["intents"], tags_of_spans(join_words(words), plain_spans(answer[SLOTS]))))
        return intent_slot_metrics(gold, predicted)

    def given(self, x, y=None, sample_weight=None):
        """As `WordTask.given`; y holds `(intent, tags or spans)` or dicts of `intent` and `slots`, n of them.

        An intent is a name, "a#b" for two, or a list of names.
        """
        if y is None:
            words = super().given(x, None, sample_weight)
            return GivenUtterances(words.texts, words.words, None, words.weights)
        pairs = [_pair(target, row) for row, target in enumerate(rows_of(y))]
        words = super().given(x, [slots for _, slots in pairs], sample_weight)
        intents = np.zeros((len(pairs), len(self.intents)), "float32")
        for row, (names, _) in enumerate(pairs):
            for name in self._names(names, row):
                intents[row, self.intents.index(name)] = 1
        return GivenUtterances(words.texts, words.words, words.spans, words.weights, intents)

    def _names(self, names, row):
        names = names.split(SEPARATOR) if isinstance(names, str) and names not in self.intents else names
        names = [names] if isinstance(names, str) else [str(name) for name in names]
        for name in names:
            if name not in self.intents:
                raise BadInput(
                    f"y has the intent {name!r} in row {row}{nearest(name, self.intents)}; this model knows "
                    f"{', '.join(self.intents[:20])}."
                )
        if not 1 <= len(names) <= self.max_intents:
            raise BadInput(
                f"y has {len(names)} intents in row {row}; expected 1 to {self.max_intents}: pass max_intents for more."
            )
        return names

    def row_targets(self, encoded, given):
        slots, words = super().row_targets(encoded, given)
        if slots is None:
            return None, None
        intents = {name: values.numpy() for name, values in self.intent_targets(given.intents, encoded).items()}
        return {**intents, SLOTS: slots}, None

    # === Loss and metrics ===

    def example_losses(self, targets, outputs):
        wanted = ops.cast(targets[INTENT], "float32")
        known = tf.reduce_all(wanted >= 0, axis=-1)
        wanted = tf.math.divide_no_nan(wanted, tf.reduce_sum(wanted, axis=-1, keepdims=True))
        losses = tf.nn.softmax_cross_entropy_with_logits(wanted, outputs[INTENT])
        if self.max_intents > 1:
            count = tf.maximum(targets[INTENT_COUNT], 0)
            losses += tf.nn.sparse_softmax_cross_entropy_with_logits(count, outputs[INTENT_COUNT])
        return tf.where(known, losses, 0.0) + self.slot_weight * self.tag_losses(targets[SLOTS], outputs[SLOTS])

    def default_metrics(self):
        return {SLOTS: [TagAccuracy(name="accuracy")], INTENT: [keras.metrics.CategoricalAccuracy(name="accuracy")]}

    # === Answers ===

    def serving_outputs(self, outputs, encoded):
        """The answers.

        Returns:
            Dict of `intent` string `[n]` (several joined by "#"), `intent_score` float32 `[n]`, the sum of theirs,
            `intent_names` string and `intent_scores` float32 `[n, intents]`, which sum to 1, and the slots; see
            `served_spans`, names begin with `slots_`.
        """
        in_first = encoded.windows.begin == 0
        scores = tf.nn.softmax(tf.boolean_mask(outputs[INTENT], in_first))
        count = tf.ones_like(scores[:, :1], tf.int32)
        if self.max_intents > 1:
            count += tf.argmax(tf.boolean_mask(outputs[INTENT_COUNT], in_first), axis=-1, output_type=tf.int32)[:, None]
        order = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
        chosen = tf.argsort(order, axis=-1) < count
        names = tf.broadcast_to(tf.constant(self.intents)[None, :], tf.shape(scores))
        return {
            "intent": tf.strings.reduce_join(tf.ragged.boolean_mask(names, chosen), axis=-1, separator=SEPARATOR),
            "intent_score": tf.reduce_sum(tf.where(chosen, scores, 0.0), axis=-1),
            "intent_names": names,
            "intent_scores": scores,
            **served_spans(encoded.text, self.decode(outputs[SLOTS], encoded), SLOTS),
        }

    def token_answers(self, outputs):
        """For the signature `tokens`: the logits, float32: `intent` `[N, intents]`, `slots` `[N, L, tags]` and, where
        there may be several intents, `intent_count` `[N, max_intents]`.
        """
        return outputs

    def answers_of(self, served):
        slots = spans_of_served(served, SLOTS)
        names = [intent.decode() for intent in served["intent"]]
        # Of one intent the name is whole, also where it holds the separator.
        intents = [name.split(SEPARATOR) if self.max_intents > 1 else [name] for name in names]
        scores = [float(score) for score in served["intent_score"]]
        return [
            {"intents": names, "intent_score": score, SLOTS: found}
            for names, score, found in zip(intents, scores, slots)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "intents": list(self.intents),
            "labels": list(self.tag_set.tags),
            "max_intents": self.max_intents,
            "slot_weight": self.slot_weight,
        }


def _pair(target, row):
    """`(intent, slots)`."""
    if isinstance(target, dict) and {INTENT, SLOTS} <= set(target):
        return target[INTENT], target[SLOTS]
    if isinstance(target, (tuple, list)) and len(target) == 2:
        return tuple(target)
    raise BadInput(f"y has {target!r:.80} in row {row}; expected (intent, slots), or a dict of 'intent' and 'slots'.")


def _head(backbone, units, name):
    return Linear(units, initializer_range=backbone.config.initializer_range, dtype="float32", name=name)
