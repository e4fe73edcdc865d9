"""What tasks whose answers are the labelled spans of a text have in common."""

import dataclasses

import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.metrics.entities import metrics_of_counts, span_counts, sum_counts
from bert_keras.tasks.description import EvalSpec, TaskOption
from bert_keras.tasks.tagging import served_spans, spans_of_served
from bert_keras.tasks.word_examples import LENGTH, SPAN_BEGIN, SPAN_END, SPAN_LABEL
from bert_keras.tasks.word_task import WordTask, labels_of, plain_spans
from bert_keras.training.metrics import TagAccuracy


class SpanLabeler(WordTask):
    """A word task with the tagging head alone. A subclass sets `answer_name`, `types_feature` and, where its spans are
    not counted as entities are, `counts` and `example_count`, the function of `example_counts` that does the same.

    The answers are a dict for each text: `{answer_name: [{"text", "label", "begin", "end", "score"}]}`.
    """

    answer_name = None
    example_count = "count_entities"
    options = (
        TaskOption("crf", type=bool, default=False, help="Choose the tags of a text together, by a CRF."),
        TaskOption(
            "label_pieces", default="first", choices=("first", "all"), help="Which pieces of a word learn its tag."
        ),
    )

    def __init__(self, backbone, preprocessor=None, labels=(), crf=False, label_pieces="first", dropout=None, **kwargs):
        if isinstance(labels, str) or not len(labels):
            raise BadInput(f"{type(self).__name__} needs labels, a list of the names of what it shall find; pass them.")
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        head = self.tagging_head(backbone, labels, crf, dropout, label_pieces)
        # === Functional Model ===
        inputs = backbone.input
        outputs = head(backbone(inputs)["sequence_output"])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    @property
    def labels(self):
        """The labels of spans, in the order of their tags."""
        return list(self.tag_set.labels)

    @classmethod
    def describe_targets(cls, records, crf=False, label_pieces="first"):
        return {"labels": labels_of(records, cls.gold_spans(records)), "crf": crf, "label_pieces": label_pieces}

    def encode_records(self, records):
        x = dict(records.features)
        if records.targets is None:
            return x, None, None
        self.check_known(records, self.gold_spans(records), self.span_field(records))
        return x, records.targets, None

    def validation_records(self, records):
        """The texts whose labels the model knows: corpora have rare ones, of which some are held out altogether."""
        return self.known_records(records, self.unknown_labels(self.gold_spans(records), self.span_field(records)))

    def evaluate_records(self, records, batch_size=64):
        """The metrics of `Records`. Spans with a label that the model does not know are among those that it misses.

        Raises:
            BadInput: there are no targets, or the model knows none of their labels.
        """
        if records.targets is None:
            raise BadInput(f"{records.source} has no targets; expected some to compare the answers with.")
        spans = self.gold_spans(records)
        if not {label for row in spans for _, _, label in row} & set(self.tag_set.labels):
            self.check_known(records, spans, self.span_field(records))
        x, _, _ = self.encode_records(dataclasses.replace(records, targets=None))
        counts = (
            self.counts(gold, plain_spans(answer[self.answer_name]))
            for gold, answer in zip(spans, self.predict(x, batch_size=batch_size))
        )
        return metrics_of_counts(sum_counts(counts))

    @staticmethod
    def counts(gold, found):
        """How often each label was found rightly, found, and there to be found, in one text."""
        return span_counts(gold, found)

    def example_losses(self, targets, outputs):
        return self.tag_losses(targets, outputs)

    def default_metrics(self):
        return [TagAccuracy(name="accuracy")]

    def serving_outputs(self, outputs, encoded):
        """The spans; see `bert_keras.tasks.tagging.served_spans`, with names that begin with `answer_name`."""
        return served_spans(encoded.text, self.decode(outputs, encoded), self.answer_name)

    def token_answers(self, outputs):
        """For the signature `tokens`: `tag` string and `score` float32, `[N, L]`, of each token by itself."""
        best = tf.argmax(outputs, axis=-1)
        score = tf.reduce_max(tf.nn.softmax(outputs), axis=-1)
        return {"tag": tf.gather(tf.constant(self.tag_set.tags), best), "score": score}

    def answers_of(self, served):
        return [{self.answer_name: spans} for spans in spans_of_served(served, self.answer_name)]

    @classmethod
    def eval_spec(cls, labels=(), **_):
        scores = ("precision", "recall", "f1")
        details = tuple(f"{score}_{label}" for label in sorted(set(labels) - cls.uncounted) for score in scores)
        return EvalSpec(
            "bert_keras.metrics:metrics_of_counts",
            (*scores, *(f"macro_{score}" for score in scores), *details),
            "f1",
            count=f"bert_keras.tasks.example_counts:{cls.example_count}",
            arguments={"name": cls.answer_name},
            label_keys=(SPAN_BEGIN, SPAN_END, SPAN_LABEL),
            details=details,
            slices=(cls.types_feature, LENGTH),
        )

    def get_config(self):
        return {**super().get_config(), "labels": list(self.tag_set.tags)}
