"""Text classification: one label, several labels, or a number, for a text or a pair of texts."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bert_keras import presets
from bert_keras.checkpoints import huggingface
from bert_keras.data import labels as label_data
from bert_keras.errors import BadInput, nearest
from bert_keras.layers import Linear, MeanPooler
from bert_keras.metrics.classification import multilabel_metrics, single_label_metrics
from bert_keras.metrics.regression import regression_metrics
from bert_keras.tasks.description import Column, TaskOption
from bert_keras.tasks.text_examples import TextExamples
from bert_keras.tokenizers import MaskedTextPreprocessor

PROBLEMS = label_data.PROBLEMS
SINGLE_LABEL = ("binary", "multiclass")
POOLINGS = ("cls", "mean")


@keras.saving.register_keras_serializable(package="bert_keras")
class TextClassifier(TextExamples):
    """Classify texts or pairs of texts: sentiment, topic, paraphrase, inference, similarity.

    Dropout and a linear layer over one vector for the whole text (Devlin et al. 2019, section 4.1).

    Args:
        backbone: a `BertBackbone`.
        preprocessor: a `BertPreprocessor`, whose `pair` says whether the model reads pairs.
        labels: list of label names, their order is that of the ids; empty for regression. Where all are written as
            numbers ("1" … "5"), a number in `y` is a name and not an id, and so is a bool beside "true" and "false".
        problem: `"binary"` or `"multiclass"` (softmax, one label each), `"multilabel"` (sigmoid, any number of labels)
            or `"regression"` (one number). None: by the number of labels.
        num_classes: int. Instead of `labels`, when they have no names: "0", "1", …
        label_separator: str. What parts several labels of one row in tables, for multi-label.
        dropout: float. Rate before the linear layer; None = the encoder's.
        pooling: `"cls"`, the encoder's pooler over `[CLS]` as BERT was pretrained with it, or `"mean"`, the mean of all
            tokens, for encoders trained to have their meaning there, as `minilm_l6_uncased` was.

    `predict` gives logits, float32 `[n, labels]` (regression: `[n, 1]`, the value). `answers` gives dicts:
    `{"label", "score", "scores"}`, for multi-label `{"labels", "scores"}`, for regression `{"value"}`.

    Example:
    ```python
    classifier = bert_keras.TextClassifier.from_preset("minilm_l6_uncased", labels=["negative", "positive"])
    classifier.fit(["dull", "a delight"], ["negative", "positive"], epochs=1)
    classifier.answers(["what a film"])  # [{"label": "positive", "score": 0.5…, "scores": {…}}]
    ```
    """

    task_name = "classification"
    columns = (
        Column(
            "text",
            aliases=("sentence", "sentence1", "text_a", "review", "question1", "premise", "#1 String"),
            help="The text.",
        ),
        Column(
            "text_pair",
            required=False,
            aliases=("sentence2", "text_b", "question2", "hypothesis", "#2 String"),
            help="The second text of a pair.",
        ),
        Column(
            "label",
            aliases=("labels", "score", "similarity_score", "sentiment", "class", "Quality", "target"),
            is_target=True,
        ),
    )
    options = (
        TaskOption(
            "problem", choices=PROBLEMS, help="What the labels mean; inferred from the training labels if not given."
        ),
        TaskOption("label_separator", help="What parts several labels of one row, for multi-label tables."),
        TaskOption("pooling", default=POOLINGS[0], choices=POOLINGS, help="What the text's vector is made of."),
    )

    def __init__(
        self,
        backbone,
        preprocessor=None,
        labels=(),
        problem=None,
        num_classes=None,
        label_separator=None,
        dropout=None,
        pooling=POOLINGS[0],
        **kwargs,
    ):
        labels = _label_names(labels, num_classes)
        problem = problem or {0: "regression", 2: "binary"}.get(len(labels), "multiclass")
        _check_labels(labels, problem)
        if pooling not in POOLINGS:
            hint = nearest(str(pooling), POOLINGS)
            raise BadInput(f"pooling is {pooling!r}{hint}; expected one of {', '.join(POOLINGS)}.")

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        rate = backbone.config.dropout if dropout is None else dropout
        self.output_dropout = keras.layers.Dropout(rate, dtype=backbone.dtype_policy, name="output_dropout")
        # Logits in float32 under every policy: the loss and the scores are made of them.
        self.output_dense = Linear(
            max(len(labels), 1), initializer_range=backbone.config.initializer_range, dtype="float32", name="logits"
        )

        # === Functional Model ===
        inputs = backbone.input
        encoded = backbone(inputs)
        if pooling == "mean":
            pooler = MeanPooler(dtype=backbone.dtype_policy, name="mean_pooler")
            pooled = pooler(encoded["sequence_output"], inputs["padding_mask"])
        else:
            pooled = encoded["pooled_output"]
        outputs = self.output_dense(self.output_dropout(pooled))
        # === Config ===
        self.labels = labels
        self.problem = problem
        self.label_separator = label_separator
        self.dropout_rate = dropout
        self.pooling = pooling
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """A classifier from a preset; see `BertTask.from_preset`.

        A Hugging Face directory with a sequence classification head keeps its head and label names, unless `labels` or
        `num_classes` asks for a new one. The head reads `pooling="cls"`, and texts up to the encoder's positions unless
        `max_length` says otherwise, as it answers at home. Whether it reads pairs the directory does not say: `pair`.
        """
        found = (
            cls._hugging_face_head(preset)
            if load_weights and not {"labels", "num_classes", "problem"} & set(kwargs)
            else None
        )
        if found and kwargs.get("pooling", POOLINGS[0]) != POOLINGS[0]:
            raise BadInput(
                f"{found.path}: its head was trained over [CLS], and pooling is {kwargs['pooling']!r}; pass labels for "
                "a new head, or leave pooling out."
            )
        if found is None:
            return super().from_preset(preset, load_weights, **kwargs)
        problem = found.problem or ("regression" if len(found.labels) == 1 else None)
        labels = [] if problem == "regression" else found.labels
        if kwargs.get("max_length") is None:
            kwargs["max_length"] = found.config.max_sequence_length
        task = super().from_preset(preset, load_weights, labels=labels, problem=problem, **kwargs)
        head = huggingface.linear_weights(huggingface.read_tensors(found.path), "classifier", "logits", found.path)
        presets.assign(task, head, found.path)
        return task

    @staticmethod
    def _hugging_face_head(preset):
        found = presets.find(preset)
        if found.kind != presets.HUGGING_FACE:
            return None
        read = huggingface.read_checkpoint(found.path)
        return read if read.head == huggingface.SEQUENCE_CLASSIFICATION else None

    # === Targets ===

    @classmethod
    def describe_targets(cls, records, problem=None, label_separator=None, **options):
        described = label_data.describe_labels(records, problem=problem, separator=label_separator)
        if label_separator:
            described["label_separator"] = label_separator
        return {**described, **options, "pair": "text_pair" in records.features}

    def encode_targets(self, records):
        if self.problem == "regression":
            return label_data.regression_values(records)
        if self.problem == "multilabel":
            return label_data.many_hot(records, self.labels, self.label_separator)
        return label_data.class_ids(records, self.labels)

    def targets_to_array(self, targets):
        if self.problem == "regression":
            return np.asarray([_number(target, row) for row, target in enumerate(targets)], "float32")
        if self.problem == "multilabel":
            return np.stack([self._many_hot_row(target, row) for row, target in enumerate(targets)])
        ids = [self._label_id(target, f"y has {target!r} in row {row}") for row, target in enumerate(targets)]
        return np.asarray(ids, "int32")

    def tokenize_to_learn(self, x, y=None, sample_weight=None):
        """As `tokenize`; `[MASK]` in a text is the mask token, as augmentation by masking writes it."""
        return self.tokenized_by(MaskedTextPreprocessor.like(self.preprocessor), x, y, sample_weight)

    def _many_hot_row(self, target, row):
        if not isinstance(target, (list, tuple, set, frozenset, np.ndarray)):
            raise BadInput(f"y has {target!r} in row {row}; expected a list of labels, or a row of zeros and ones.")
        values = np.zeros(len(self.labels), "float32")
        # A set has no order: zeros and ones in it are labels or ids.
        is_row = len(target) == len(self.labels) and not isinstance(target, (set, frozenset))
        if is_row and all(value in (0, 1) for value in target):
            values[:] = list(target)
            return values
        for name in target:
            values[self._label_id(name, f"y has {name!r} in row {row}")] = 1
        return values

    def _label_id(self, target, found):
        if isinstance(target, bytes):
            target = target.decode("utf-8")
        if isinstance(target, (np.generic, np.ndarray)):
            target = target.tolist()
        if isinstance(target, list) and len(target) == 1:
            target = target[0]
        label_id = self._id_of_name(target) if isinstance(target, str) else self._id_of_number(target)
        if label_id is not None:
            return label_id
        known = ", ".join(self.labels[:10]) + (", …" if len(self.labels) > 10 else "")
        or_id = "" if self._numbers else f", or an id from 0 to {len(self.labels) - 1}"
        raise BadInput(f"{found}; expected one of the labels {known}{or_id}.")

    def _id_of_name(self, name):
        return self.labels.index(name) if name in self.labels else None

    def _id_of_number(self, number):
        """The label that a number or a bool is the name of, else the one that it is the id of."""
        if not isinstance(number, (bool, int, float)):
            return None
        truths = [label.lower() for label in self.labels]
        if isinstance(number, bool) and {"true", "false"} <= set(truths):
            return truths.index(str(number).lower())
        if self._numbers:
            return self._numbers.index(number) if number in self._numbers else None
        whole = isinstance(number, int) or number.is_integer()
        if whole and str(int(number)) in self.labels:
            return self.labels.index(str(int(number)))
        return int(number) if whole and 0 <= number < len(self.labels) else None

    @property
    def _numbers(self):
        """The labels as floats where all are written as numbers, as stars are, else []: a number is then a label's
        name, not its place.
        """
        try:
            numbers = [float(label) for label in self.labels]
        except ValueError:
            return []
        return numbers if np.isfinite(numbers).all() else []

    def class_weights(self, targets, class_weight):
        if self.problem not in SINGLE_LABEL:
            raise ValueError(f"class_weight needs one label a text; this model's problem is {self.problem!r}.")
        if not isinstance(class_weight, dict):
            if not isinstance(class_weight, str) or class_weight != "balanced":
                raise ValueError(f"class_weight is {class_weight!r}; expected 'balanced' or a dict of label to weight.")
            counts = np.bincount(targets, minlength=len(self.labels))
            of_class = np.divide(len(targets), len(self.labels) * counts, out=np.zeros(len(counts)), where=counts > 0)
        else:
            of_class = np.ones(len(self.labels))
            for label, weight in class_weight.items():
                if isinstance(weight, str) or not 0 <= weight < float("inf"):
                    raise ValueError(f"class_weight has {weight!r} for {label!r}; expected a number, 0 or more.")
                of_class[self._label_id(label, f"class_weight has {label!r}")] = weight
        return of_class[targets].astype("float32")

    # === Loss and metrics ===

    def example_losses(self, targets, outputs):
        if self.problem == "regression":
            return ops.square(outputs[:, 0] - ops.cast(targets, "float32"))
        if self.problem == "multilabel":
            # Summed in BERT-like code or averaged over labels: the average keeps the learning rate's meaning.
            return ops.mean(tf.nn.sigmoid_cross_entropy_with_logits(ops.cast(targets, "float32"), outputs), axis=-1)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs)

    def default_metrics(self):
        if self.problem == "regression":
            return [keras.metrics.MeanAbsoluteError(name="mae")]
        if self.problem == "multilabel":
            return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def metrics_of(self, targets, outputs):
        if self.problem == "regression":
            return regression_metrics(targets, outputs[:, 0])
        scores = self._scores(tf.constant(outputs)).numpy()
        return (multilabel_metrics if self.problem == "multilabel" else single_label_metrics)(targets, scores)

    def _scores(self, logits):
        return tf.sigmoid(logits) if self.problem == "multilabel" else tf.nn.softmax(logits)

    # === Answers ===

    def serving_outputs(self, outputs):
        """Named answers.

        Returns, by problem:
            binary, multiclass: `label` string `[n]`, `score` float32 `[n]`, `classes` string and `scores` float32
            `[n, labels]`. multilabel: `predicted` bool `[n, labels]` (score above 0.5), `classes`, `scores`.
            regression: `value` float32 `[n]`.
        """
        if self.problem == "regression":
            return {"value": outputs[:, 0]}
        scores = self._scores(outputs)
        classes = tf.broadcast_to(tf.constant(self.labels)[None, :], tf.shape(scores))
        if self.problem == "multilabel":
            return {"predicted": scores > 0.5, "classes": classes, "scores": scores}
        return {
            "label": tf.gather(tf.constant(self.labels), tf.argmax(outputs, axis=-1)),
            "score": tf.reduce_max(scores, axis=-1),
            "classes": classes,
            "scores": scores,
        }

    def answers_of(self, served):
        if self.problem == "regression":
            return [{"value": float(value)} for value in served["value"]]
        rows = [{label: float(score) for label, score in zip(self.labels, scores)} for scores in served["scores"]]
        if self.problem == "multilabel":
            chosen = [[label for label, yes in zip(self.labels, row) if yes] for row in served["predicted"]]
            return [{"labels": labels, "scores": scores} for labels, scores in zip(chosen, rows)]
        return [
            {"label": label.decode(), "score": float(score), "scores": scores}
            for label, score, scores in zip(served["label"], served["score"], rows)
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "labels": list(self.labels),
            "problem": self.problem,
            "label_separator": self.label_separator,
            "dropout": self.dropout_rate,
            "pooling": self.pooling,
        }


def _number(target, row):
    try:
        number = float(target[0] if isinstance(target, list) and len(target) == 1 else target)
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"y has {target!r:.80} in row {row}; expected a number, for a model without labels is a regression: pass "
            "labels=[…] to classify."
        ) from error
    # float32 is what the model sees: a number beyond its range is infinite to it.
    if not abs(number) <= np.finfo("float32").max:
        raise ValueError(f"y has NaN or infinity in row {row}; expected numbers.")
    return number


def _label_names(labels, num_classes):
    if isinstance(labels, (str, bytes)):
        raise BadInput(f"labels is the single text {labels!r}; expected a list of label names.")
    names = [str(label) for label in labels]
    if num_classes is None:
        return names
    if names and len(names) != num_classes:
        raise BadInput(f"num_classes is {num_classes}, and there are {len(names)} labels; leave num_classes out.")
    return names or [str(number) for number in range(num_classes)]


def _check_labels(labels, problem):
    if problem not in PROBLEMS:
        raise BadInput(f"problem is {problem!r}; expected one of {', '.join(PROBLEMS)}.")
    if len(set(labels)) < len(labels):
        raise BadInput(f"labels has a name twice: {', '.join(labels)}; expected different names.")
    expected = {"binary": "exactly 2", "multiclass": "at least 2", "multilabel": "at least 1", "regression": "no"}[
        problem
    ]
    fits = {
        "binary": len(labels) == 2,
        "multiclass": len(labels) >= 2,
        "multilabel": bool(labels),
        "regression": not labels,
    }
    if not fits[problem]:
        raise BadInput(f"problem {problem!r} needs {expected} labels, got {len(labels)}; pass labels=[…] that fit.")
