"""The data of bench_tasks for both sides, and the metrics of their predictions.

The coordinator reads the published files once, with bert_keras' readers, and both workers get the same rows as JSON. It
also measures both sides' predictions, with bert_keras' metrics, which the tests hold to seqeval's and the official
SQuAD script's figures. Neither needs TensorFlow.

| kind | row | prediction of a row |
|---|---|---|
| tags | words, tags | tags |
| intents | words, tags, intents | [intents, tags] |
| answers | question, context, answers: list of [text, begin] | the answer's text |
"""

import dataclasses

from bert_keras.data.intents import read_intents
from bert_keras.data.squad import read_squad, trainable
from bert_keras.data.tagged import read_tagged
from bert_keras.metrics import entity_metrics, intent_slot_metrics, squad_metrics
from bert_keras.metrics.entities import tag_spans

TAGS, INTENTS, ANSWERS = "tags", "intents", "answers"
METRICS = {
    TAGS: {"f1": "F1"},
    INTENTS: {"intent_accuracy": "intent", "slot_f1": "slot F1", "sentence_accuracy": "sentence"},
    ANSWERS: {"exact_match": "EM", "f1": "F1"},
}


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set, and the settings with which both sides train on it where the command line says nothing else."""

    title: str
    kind: str
    train: str
    dev: str
    epochs: int
    batch_size: int
    learning_rate: float
    max_length: int


# MiniLM-L6 is small and takes rates several times those of BERT-base; the epochs are few, so that three seeds of both
# sides are a matter of minutes (SQuAD: hours). No sentence has as many pieces as `max_length`.
DATA_SETS = {
    "conll2003": DataSet("CoNLL-2003", TAGS, "conll2003/train.txt", "conll2003/valid.txt", 3, 32, 2e-4, 256),
    "wnut17": DataSet("WNUT17", TAGS, "wnut17/train.conll", "wnut17/dev.conll", 2, 32, 3e-4, 256),
    "atis": DataSet("ATIS", INTENTS, "atis/train", "atis/dev", 2, 32, 3e-4, 256),
    "snips": DataSet("SNIPS", INTENTS, "snips/train", "snips/dev", 1, 32, 3e-4, 256),
    "squad": DataSet(
        "SQuAD v1.1, 28 articles to learn and 8 to measure",
        ANSWERS,
        "squad_v1.1/train_articles.json",
        "squad_v1.1/eval_articles.json",
        2,
        32,
        2e-4,
        384,
    ),
}


def read_rows(kind, path, fraction=1.0, to_learn=False):
    """The rows of a file, JSON-able dicts; `fraction` keeps its first ones."""
    if kind == TAGS:
        records = read_tagged(path)
        rows = [{"words": words, "tags": tags} for words, tags in zip(records.features["tokens"], records.targets)]
    elif kind == INTENTS:
        records = read_intents(path)
        rows = [
            {"words": words, "tags": tags, "intents": list(intents)}
            for words, (intents, tags) in zip(records.features["tokens"], records.targets)
        ]
    else:
        records = read_squad(path)
        records = trainable(records) if to_learn else records
        rows = [
            {
                "question": question,
                "context": context,
                "answers": [[a.text, a.begin] for a in answers if not to_learn or a.begin is not None],
            }
            for question, context, answers in zip(
                records.features["question"], records.features["context"], records.targets
            )
        ]
    return rows[: max(1, round(len(rows) * fraction))]


def score(kind, rows, predictions):
    """The metrics of one side's predictions: those in `METRICS`, fractions from 0 to 1."""
    if kind == TAGS:
        found = entity_metrics([row["tags"] for row in rows], predictions, strict=False)
    elif kind == INTENTS:
        gold = [(row["intents"], row["tags"]) for row in rows]
        found = intent_slot_metrics(gold, [(intents, plain_bio(tags)) for intents, tags in predictions])
    else:
        found = squad_metrics([[text for text, _ in row["answers"]] for row in rows], predictions)
    return {name: found[name] for name in METRICS[kind]}


def plain_bio(tags):
    """Tags in which every entity begins with B-, so that sentences compare by their entities."""
    out = ["O"] * len(tags)
    for begin, end, label in tag_spans(tags, strict=False):
        out[begin:end] = ["B-" + label] + ["I-" + label] * (end - begin - 1)
    return out
