"""Questions over contexts in the pipeline: what they ask for, where their answers stand, and what is odd about them."""

import tensorflow as tf

from bert_keras.data.buckets import QUESTION_WORDS, bucket, bucket_names, question_word
from bert_keras.data.records import Records
from bert_keras.data.squad import Answer, can_train
from bert_keras.tasks.answer_spans import window_spans
from bert_keras.tasks.description import SLICE, TARGET, EvalSpec, ExampleFeature
from bert_keras.tasks.pipelined import dense
from bert_keras.tasks.windowed import WindowedTask
from bert_keras.tokenizers.question_preprocessor import CONTEXT, QUESTION

ANSWER_TEXT, ANSWER_BEGIN = "answer_text", "answer_begin"
QUESTION_WORD, CONTEXT_LENGTH = "question_word", "context_length"
# The targets of rows: the first and the last token of the answer.
PLACES = "answer_tokens"
_LENGTHS = (400, 800, 1200, 1600)


class QuestionExamples(WindowedTask):
    """A task that answers questions with a part of a context."""

    # What a context holds is learnt with its first question.
    split_by = CONTEXT

    @classmethod
    def example_layout(cls, **_):
        return {
            QUESTION: ExampleFeature(),
            CONTEXT: ExampleFeature(),
            ANSWER_TEXT: ExampleFeature(role=TARGET, is_list=True),
            ANSWER_BEGIN: ExampleFeature("int64", TARGET, is_list=True),
            QUESTION_WORD: ExampleFeature(role=SLICE, domain=QUESTION_WORDS),
            CONTEXT_LENGTH: ExampleFeature(role=SLICE, domain=bucket_names(_LENGTHS)),
        }

    @classmethod
    def example_features(cls, records, **described):
        """The texts; the accepted answers, and where they begin in the context, -1 for one that is not in it; the
        question word, and the length of the context in characters.
        """
        questions, contexts = records.features[QUESTION], records.features[CONTEXT]
        return {
            QUESTION: questions,
            CONTEXT: contexts,
            ANSWER_TEXT: [[answer.text for answer in accepted] for accepted in records.targets],
            ANSWER_BEGIN: [
                [-1 if answer.begin is None else answer.begin for answer in accepted] for accepted in records.targets
            ],
            QUESTION_WORD: list(map(question_word, questions)),
            CONTEXT_LENGTH: [bucket(len(context), _LENGTHS) for context in contexts],
        }

    @classmethod
    def anomalies(cls, records, unanswerable=False, **_):
        found, count = [], len(records)
        targets = list(enumerate(records.targets))
        absent = [index for index, accepted in targets if not can_train(accepted)]
        if absent:
            found.append(
                f"{records.source}: {len(absent)} of {count} questions have no answer that their context holds; they "
                f"are not learnt from; the first: {records.place(absent[0], 'answers')}"
            )
        mended = [index for index, accepted in targets if any(answer.mended for answer in accepted)]
        if mended:
            found.append(
                f"{records.source}: {len(mended)} of {count} questions have an answer elsewhere than 'answer_start' "
                f"says; the nearest place was taken; the first: {records.place(mended[0], 'answers')}"
            )
        none = [index for index, accepted in targets if not accepted]
        if none and not unanswerable:
            found.append(
                f"{records.source}: {len(none)} of {count} questions have no answer, and all of the training data have "
                f"one: the model always answers; the first: {records.place(none[0], 'answers')}"
            )
        return found

    def target_features(self, parsed):
        """Dict of `answer_text`: string `[n, most answers]`, the accepted answers, filled up with ""."""
        return {ANSWER_TEXT: dense(parsed[ANSWER_TEXT], "")}

    def targets_in_graph(self, encoded, parsed):
        text, begin = (tf.RaggedTensor.from_sparse(parsed[name]) for name in (ANSWER_TEXT, ANSWER_BEGIN))
        begin = tf.cast(begin, tf.int32)
        end = begin.with_flat_values(begin.flat_values + tf.strings.length(text.flat_values, unit="UTF8_CHAR"))
        # The first that the context holds is learnt.
        begin, end = (
            tf.ragged.boolean_mask(place, begin >= 0)[:, :1].to_tensor(-1, shape=[None, 1])[:, 0]
            for place in (begin, end)
        )
        return {PLACES: window_spans(encoded, begin, end)}

    def targets_of_rows(self, values, lengths):
        return values[PLACES].reshape(len(lengths), 2).astype("int32"), None

    def learnable(self, parsed):
        """The questions that have no answer, or one that their context holds."""
        begin = tf.RaggedTensor.from_sparse(parsed[ANSWER_BEGIN])
        return (begin.row_lengths() == 0) | tf.reduce_any(begin >= 0, axis=1)

    @property
    def tuning_features(self):
        """What the threshold of "no answer" is chosen on: questions as a user asks them, and their answers."""
        return (QUESTION, CONTEXT, ANSWER_TEXT, ANSWER_BEGIN) if self.unanswerable else ()

    def tuning_records(self, features):
        places = zip(features[ANSWER_TEXT], features[ANSWER_BEGIN])
        targets = [
            [Answer(text, None if begin < 0 else begin) for text, begin in zip(*of_question)] for of_question in places
        ]
        questions = {name: features[name] for name in (QUESTION, CONTEXT)}
        return Records(questions, targets, list(range(1, len(targets) + 1)), "the split eval")

    @classmethod
    def eval_spec(cls, unanswerable=False, metric="squad", **_):
        names, function = ("exact_match", "f1"), "answer_metrics_of_counts"
        if metric == "cmrc":
            of_none = tuple(f"no_answer_{name}" for name in names) if unanswerable else ()
            names, function = (*names, "average", *of_none), "cmrc_metrics_of_counts"
        elif unanswerable:
            names += tuple(f"{group}_{name}" for group in ("has_answer", "no_answer") for name in names)
        return EvalSpec(
            f"bert_keras.metrics:{function}",
            names,
            "f1",
            count="bert_keras.tasks.example_counts:count_answers",
            arguments={"metric": metric, "unanswerable": unanswerable},
            label_keys=(ANSWER_TEXT,),
            slices=(QUESTION_WORD, CONTEXT_LENGTH),
        )
