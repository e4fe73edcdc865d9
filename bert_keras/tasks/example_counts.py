"""How the pipeline's Evaluator counts one example: its labels and what a served model answered, as arrays.

Labels are what a task's `target_features` gave, answers what the signature `examples` gave, both of one example. The
counts add up, see `bert_keras.metrics`.
"""

from bert_keras.data.words import JoinedWords, tags_of_spans
from bert_keras.metrics.entities import span_counts
from bert_keras.metrics.intents import intent_slot_counts
from bert_keras.metrics.question_answering import cmrc_counts, squad_counts
from bert_keras.metrics.roles import role_counts


def count_entities(labels, answers, name):
    """`span_counts` of the spans of `served_spans` under a name."""
    return span_counts(_spans(labels, "span"), _spans(answers, name))


def count_roles(labels, answers, name):
    """`role_counts`: as `count_entities`, without the predicate itself."""
    return role_counts(_spans(labels, "span"), _spans(answers, name))


def count_intents(labels, answers, name, separator):
    """`intent_slot_counts`; intents are names joined by `separator`, slots the spans under `name`."""
    begin, end = ([int(place) for place in labels[key].ravel() if place >= 0] for key in ("word_begin", "word_end"))
    words = JoinedWords("", begin, end)
    gold, found = (
        tags_of_spans(words, _spans(values, prefix)) for values, prefix in ((labels, "span"), (answers, name))
    )
    intents, answered = (_text(values["intent"]).split(separator) for values in (labels, answers))
    return intent_slot_counts((intents, gold), (answered, found))


def count_answers(labels, answers, metric, unanswerable):
    """`squad_counts` or `cmrc_counts` of the accepted answers' texts and of the one that was given.

    Args:
        metric: "squad" or "cmrc".
        unanswerable: whether the model may say that there is no answer: SQuAD is then counted as in its version 2.0. A
            question without an answer is counted so in any case.
    """
    accepted = [_decoded(text) for text in labels["answer_text"].ravel() if text]
    answer = _text(answers["answer"])
    if metric == "cmrc":
        return cmrc_counts(accepted, answer)
    return squad_counts(accepted, answer, "2.0" if unanswerable or not accepted else "1.1")


def _spans(values, name):
    columns = (values[f"{name}_{part}"].ravel() for part in ("begin", "end", "label"))
    return [(int(begin), int(end), _decoded(label)) for begin, end, label in zip(*columns) if begin >= 0]


def _text(value):
    return _decoded(value.ravel()[0])


def _decoded(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
