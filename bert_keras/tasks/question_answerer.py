"""Extractive question answering: the part of a context that answers a question, or that none does."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bert_keras import presets
from bert_keras.checkpoints import huggingface
from bert_keras.data.cutting import PART_SIZE
from bert_keras.data.squad import Answer, read_squad, squad_parts, trainable
from bert_keras.data.words import share_of_ideographs
from bert_keras.errors import BadInput
from bert_keras.layers import Linear
from bert_keras.metrics.question_answering import (
    METRICS,
    best_null_threshold,
    clear_threshold,
    cmrc_metrics,
    squad_metrics,
)
from bert_keras.tasks.answer_spans import NEVER, best_spans, window_spans
from bert_keras.tasks.description import Column, TaskOption
from bert_keras.tasks.inputs import collect
from bert_keras.tasks.question_examples import PLACES, QuestionExamples
from bert_keras.tasks.windowed import check_weights
from bert_keras.tokenizers.question_preprocessor import CONTEXT, QUESTION, QuestionPreprocessor
from bert_keras.training.metrics import SpanAccuracy

# Added to the logits of padding: nothing is left of it after the softmax, and sums with it stay finite.
_PADDING = -1e9
# Texts of which more is written in ideographs are measured as CMRC 2018 measures.
_CHINESE = 0.3


@dataclasses.dataclass(frozen=True)
class GivenQuestions:
    """Questions and contexts, n strings each; the answers' places in the contexts or None; weights `[n]` or None."""

    questions: list
    contexts: list
    places: list | None
    weights: np.ndarray | None

    def __len__(self):
        return len(self.questions)

    def slice(self, start, stop):
        parts = (self.questions, self.contexts, self.places, self.weights)
        return GivenQuestions(*(None if part is None else part[start:stop] for part in parts))

    def tensors(self):
        return {QUESTION: tf.constant(self.questions, tf.string), CONTEXT: tf.constant(self.contexts, tf.string)}


@keras.saving.register_keras_serializable(package="bert_keras")
class QuestionAnswerer(QuestionExamples):
    """Answer questions with a part of a context, or say that it holds no answer.

    A linear layer over each token's vector gives the scores of being an answer's first and its last piece (Devlin et
    al. 2019, sections 4.2 and 4.3). Of all spans up to `max_answer_length` pieces the one with the highest sum is the
    answer; a span counts in the window that shows most of what stands around its beginning.

    Args:
        backbone: a `BertBackbone`.
        preprocessor: a `QuestionPreprocessor`.
        unanswerable: bool. Whether some questions have no answer (SQuAD v2.0).
        null_threshold: float. Where `unanswerable`: there is no answer where its score is above the best answer's by
            more than this. `tune` chooses it.
        max_answer_length: int. Longest answer in pieces.
        n_best: int. How many answers are given beside the best one.
        metric: `"squad"` or `"cmrc"`: whose rules exact match and F1 follow.
        dropout: float. Rate before the linear layer; default 0, as in BERT.

    `predict` and `answers` give a dict for each question: `{"answer", "null_score", "n_best"}`: answer is None or
    `{"text", "begin", "end", "score"}`, begin and end in characters of the context, score a probability among the best
    answers (and none, where `unanswerable`); null_score is how far "no answer" is above the best answer, in logits.

    Example:
    ```python
    answerer = bert_keras.QuestionAnswerer.from_preset("minilm_l6_uncased")
    asked = {"question": ["Where did Ada go?"], "context": ["Ada went to Rome in May."]}
    answerer.fit(asked, [(12, 16)], epochs=1)
    answerer.predict(asked)  # [{"answer": {"text": …, "begin": …, "end": …, "score": …}, …}]
    ```
    """

    task_name = "question-answering"
    preprocessor_cls = QuestionPreprocessor
    default_max_length = 384
    columns = (
        Column("question", help="The question."),
        Column("context", help="The text that may hold the answer."),
        Column("answers", is_target=True, help="Accepted answers and where they begin."),
    )
    options = (
        TaskOption("max_answer_length", type=int, default=30, help="Longest answer in pieces."),
        TaskOption("n_best", type=int, default=20, help="How many answers are given beside the best one."),
        TaskOption("metric", choices=METRICS, help="Whose rules exact match and F1 follow; chosen by the script."),
        TaskOption("doc_stride", type=int, default=128, help="Pieces from the start of a window to the next one's."),
        TaskOption("max_question_length", type=int, default=64, help="Pieces of a question that are read."),
    )
    reading = ("skip_bad_rows",)

    def __init__(
        self,
        backbone,
        preprocessor=None,
        unanswerable=False,
        null_threshold=0.0,
        max_answer_length=30,
        n_best=20,
        metric="squad",
        dropout=0.0,
        **kwargs,
    ):
        for name, value in (("max_answer_length", max_answer_length), ("n_best", n_best)):
            if value < 1:
                raise BadInput(f"{name} is {value}; expected at least 1.")
        if metric not in METRICS:
            raise BadInput(f"metric is {metric!r}; expected one of {', '.join(METRICS)}.")
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dropout = keras.layers.Dropout(dropout, dtype=backbone.dtype_policy, name="output_dropout")
        # Logits in float32 under every policy: the loss and the scores are made of them.
        self.output_dense = Linear(
            2, initializer_range=backbone.config.initializer_range, dtype="float32", name="logits"
        )
        # === Functional Model ===
        inputs = backbone.input
        logits = self.output_dense(self.output_dropout(backbone(inputs)["sequence_output"]))
        padding = 1.0 - ops.cast(inputs["padding_mask"], "float32")
        outputs = logits + ops.expand_dims(padding * _PADDING, -1)
        # === Config ===
        self.unanswerable = unanswerable
        self.null_threshold = null_threshold
        self.max_answer_length = max_answer_length
        self.n_best = n_best
        self.metric = metric
        self.dropout_rate = dropout
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """A question answerer from a preset; see `BertTask.from_preset`.

        A Hugging Face directory with a question answering head keeps its head. `doc_stride` and `max_question_length`
        are the preprocessor's.
        """
        task = super().from_preset(preset, load_weights, **kwargs)
        found = presets.find(preset)
        if load_weights and found.kind == presets.HUGGING_FACE:
            if huggingface.read_checkpoint(found.path).head == huggingface.QUESTION_ANSWERING:
                tensors = huggingface.read_tensors(found.path)
                presets.assign(
                    task, huggingface.linear_weights(tensors, "qa_outputs", "logits", found.path), found.path
                )
        return task

    @classmethod
    def preprocessor_options(cls, kwargs):
        return {name: kwargs.pop(name) for name in ("doc_stride", "max_question_length") if name in kwargs}

    # === Records and targets ===

    @classmethod
    def read_records(cls, path, require_target=True, skip_bad_rows=False):
        """Reads SQuAD's JSON (v1.1 and v2.0), or a question a line as JSON; see `bert_keras.data.squad.read_squad`."""
        return read_squad(path, require_target=require_target, skip_bad_rows=skip_bad_rows)

    @classmethod
    def record_parts(cls, path, size=PART_SIZE, **reading):
        return squad_parts(path, size)

    @classmethod
    def training_records(cls, records):
        return trainable(records)

    @classmethod
    def describe_targets(cls, records, metric=None, **options):
        chinese = share_of_ideographs(records.features[CONTEXT][:200]) > _CHINESE
        return {
            "unanswerable": any(not answers for answers in records.targets),
            "metric": metric or ("cmrc" if chinese else "squad"),
            **options,
        }

    def encode_records(self, records):
        x = {name: records.features[name] for name in (QUESTION, CONTEXT)}
        return x, records.targets, None

    def evaluate_records(self, records, batch_size=64):
        if records.targets is None:
            raise BadInput(f"{records.source} has no answers; expected some to compare with.")
        answers = self.predict(self.encode_records(records)[0], batch_size=batch_size)
        gold = [[answer.text for answer in accepted] for accepted in records.targets]
        predicted = ["" if answer["answer"] is None else answer["answer"]["text"] for answer in answers]
        if self.metric == "cmrc":
            return cmrc_metrics(gold, predicted)
        return squad_metrics(gold, predicted, version="1.1" if all(gold) else "2.0")

    def tune(self, records, batch_size=64):
        """Chooses `null_threshold` so that F1 on these records is best; does nothing where all have answers."""
        if not self.unanswerable or records.targets is None or all(records.targets):
            return
        answers = self.predict(self.encode_records(records)[0], batch_size=batch_size)
        null_scores = [answer["null_score"] for answer in answers]
        best = best_null_threshold(
            [[answer.text for answer in accepted] for accepted in records.targets],
            [answer["n_best"][0]["text"] if answer["n_best"] else "" for answer in answers],
            null_scores,
            self.metric,
        )
        self.null_threshold = clear_threshold(best["best_f1_threshold"], null_scores)

    def given(self, x, y=None, sample_weight=None):
        """What users hand over as `GivenQuestions`.

        Args:
            x: dict (or tuple, or data frame) of `question` and `context`, n strings each.
            y: of each question None, or where its answer stands in the context: `(begin, end)` in characters, an
                `Answer`, a dict of `text` and `answer_start`, or a list of the last two, of which the first is learnt.
            sample_weight: n floats or None.
        """
        found = collect(x, y, None, (QUESTION, CONTEXT))
        contexts = [c.decode("utf-8", "replace") if isinstance(c, bytes) else c for c in found.features[CONTEXT]]
        places = None
        if found.targets is not None:
            places = [_place(target, row, contexts[row]) for row, target in enumerate(found.targets)]
        return GivenQuestions(found.features[QUESTION], contexts, places, check_weights(sample_weight, len(contexts)))

    def row_targets(self, encoded, given):
        if given.places is None:
            return None, None
        begin, end = (tf.constant([place[i] for place in given.places], tf.int32) for i in (0, 1))
        places = window_spans(encoded, begin, end).numpy()
        return self.targets_of_rows({PLACES: places}, encoded.windows.token_ids.row_lengths().numpy())

    # === Loss and metrics ===

    def example_losses(self, targets, outputs):
        losses = (
            tf.nn.sparse_softmax_cross_entropy_with_logits(targets[:, side], outputs[:, :, side]) for side in (0, 1)
        )
        return sum(losses) / 2

    def default_metrics(self):
        return [SpanAccuracy(name="accuracy")]

    # === Answers ===

    def serving_outputs(self, outputs, encoded):
        """The answers.

        Returns:
            Dict of `answer` string, `begin` and `end` int32, `score` and `null_score` float32, `has_answer` bool, all
            `[n]`; without an answer "", -1, -1 and the score of having none. `n_best_text`, `n_best_begin`,
            `n_best_end`, `n_best_score` `[n, n_best]`, the best one first, filled up with "", -1 and 0.
        """
        scores, begin, end, null = best_spans(outputs, encoded, self.max_answer_length, self.n_best)
        there = scores > NEVER / 2
        begin, end = tf.where(there, begin, -1), tf.where(there, end, -1)
        contexts = tf.repeat(encoded.context[:, None], tf.shape(begin)[1], axis=1)
        text = tf.strings.substr(contexts, tf.maximum(begin, 0), tf.maximum(end - begin, 0), unit="UTF8_CHAR")
        null_score = null - scores[:, 0]
        has_answer = there[:, 0]
        if self.unanswerable:
            has_answer &= null_score <= self.null_threshold
            every = tf.nn.softmax(tf.concat([scores, null[:, None]], axis=1))
            share, of_null = every[:, :-1], every[:, -1]
        else:
            share, of_null = tf.nn.softmax(scores), tf.zeros_like(null)
        share = tf.where(there, share, 0.0)
        # Where nothing can be an answer, there is surely none.
        null_score = tf.where(there[:, 0], null_score, -NEVER)
        return {
            "answer": tf.where(has_answer, text[:, 0], ""),
            "begin": tf.where(has_answer, begin[:, 0], -1),
            "end": tf.where(has_answer, end[:, 0], -1),
            "score": tf.where(has_answer, share[:, 0], of_null),
            "has_answer": has_answer,
            "null_score": null_score,
            "n_best_text": text,
            "n_best_begin": begin,
            "n_best_end": end,
            "n_best_score": share,
        }

    def token_answers(self, outputs):
        """For the signature `tokens`: `start_logits` and `end_logits`, float32 `[N, L]`."""
        return {"start_logits": outputs[:, :, 0], "end_logits": outputs[:, :, 1]}

    def answers_of(self, served):
        answers = []
        for row, has_answer in enumerate(served["has_answer"]):
            best = [
                {
                    "text": served["n_best_text"][row, place].decode(),
                    "begin": int(served["n_best_begin"][row, place]),
                    "end": int(served["n_best_end"][row, place]),
                    "score": float(served["n_best_score"][row, place]),
                }
                for place in range(self.n_best)
                if served["n_best_begin"][row, place] >= 0
            ]
            null_score = float(served["null_score"][row])
            answers.append({"answer": best[0] if has_answer else None, "null_score": null_score, "n_best": best})
        return answers

    def get_config(self):
        return {
            **super().get_config(),
            "unanswerable": self.unanswerable,
            "null_threshold": self.null_threshold,
            "max_answer_length": self.max_answer_length,
            "n_best": self.n_best,
            "metric": self.metric,
            "dropout": self.dropout_rate,
        }


def _place(target, row, context):
    """`(begin, end)` of the answer to learn, `(-1, -1)` where there is none."""
    if isinstance(target, np.ndarray):
        target = target.tolist()
    if isinstance(target, dict):
        # As data frames that were read from Parquet have them.
        target = {k: value.tolist() if isinstance(value, np.ndarray) else value for k, value in target.items()}
    if isinstance(target, dict) and isinstance(target.get("text"), list):
        target = [dict(zip(("text", "answer_start"), pair)) for pair in zip(target["text"], target["answer_start"])]
    if isinstance(target, list) and not (
        len(target) == 2 and all(isinstance(value, (int, np.integer)) for value in target)
    ):
        usable = [answer for answer in target if not (isinstance(answer, Answer) and answer.begin is None)]
        target = usable[0] if usable else None
    if target is None:
        return -1, -1
    try:
        if isinstance(target, Answer):
            begin, end = target.begin, target.begin + len(target.text)
        elif isinstance(target, dict):
            begin = int(target["answer_start"])
            end = begin + len(target["text"])
        else:
            begin, end = map(int, target)
    except (TypeError, ValueError, KeyError) as error:
        raise BadInput(
            f"y has {target!r:.80} in row {row}; expected None, (begin, end) in characters, or a dict of 'text' and "
            "'answer_start'."
        ) from error
    if isinstance(target, dict) and context[begin:end] != target["text"]:
        raise BadInput(
            f"y has the answer {target['text']!r:.60} at {begin} in row {row}; the context has "
            f"{context[begin:end]!r:.60} there: mend answer_start."
        )
    if not 0 <= begin < end <= len(context):
        raise BadInput(
            f"y has an answer from {begin} to {end} in row {row}; the context has {len(context)} characters."
        )
    return begin, end
