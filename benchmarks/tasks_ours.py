"""Our side of bench_tasks: a task's `fit` on raw words or texts, with a callback that hands the turn over."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bert_keras  # noqa: F401, isort: skip - before TensorFlow, whose settings it chooses

import keras
import tensorflow as tf
from hand_over import HandOver
from interleave import Channel, StopWatch

from bert_keras.data.words import join_words, tags_of_spans
from bert_keras.tasks import get_task

PRESET = "minilm_l6_uncased"


def main():
    channel = Channel()
    options = channel.receive()
    tf.config.threading.set_intra_op_parallelism_threads(options["threads"])
    rows = json.loads(Path(options["rows"]).read_text(encoding="utf-8"))
    kind = KINDS[options["kind"]]
    channel.send(library=f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
    while (request := channel.receive()) is not None:
        watch = StopWatch(channel, options["steps_per_turn"])
        keras.utils.clear_session()
        keras.utils.set_random_seed(request["seed"])
        task = kind.build(rows["train"], options)
        task.compile(recipe={name: options[name] for name in ("learning_rate", "weight_decay")})
        watch.start()
        history = task.fit(
            kind.inputs(rows["train"]),
            kind.targets(rows["train"]),
            batch_size=options["batch_size"],
            epochs=options["epochs"],
            seed=request["seed"],
            callbacks=[HandOver(watch)],
            verbose=0,
        )
        watch.stop()
        predictions = kind.predictions(rows["dev"], task.predict(kind.inputs(rows["dev"])))
        channel.send(done=True, loss=history.history["loss"][-1], predictions=predictions, **watch.report())


class Tags:
    @staticmethod
    def build(train, options):
        return get_task("token-classification").from_preset(
            PRESET, labels=labels_of(train), max_length=options["max_length"]
        )

    @staticmethod
    def inputs(rows):
        return {"tokens": [row["words"] for row in rows]}

    @staticmethod
    def targets(rows):
        return [row["tags"] for row in rows]

    @staticmethod
    def predictions(rows, answers):
        return [tags_of(row, answer["entities"]) for row, answer in zip(rows, answers)]


class Intents(Tags):
    @staticmethod
    def build(train, options):
        return get_task("intent-slot").from_preset(
            PRESET,
            intents=sorted({intent for row in train for intent in row["intents"]}),
            labels=labels_of(train),
            max_intents=max(len(row["intents"]) for row in train),
            max_length=options["max_length"],
        )

    @staticmethod
    def targets(rows):
        return [(row["intents"], row["tags"]) for row in rows]

    @staticmethod
    def predictions(rows, answers):
        return [(answer["intents"], tags_of(row, answer["slots"])) for row, answer in zip(rows, answers)]


class Answers:
    @staticmethod
    def build(train, options):
        return get_task("question-answering").from_preset(
            PRESET, max_length=options["max_length"], doc_stride=options["doc_stride"]
        )

    @staticmethod
    def inputs(rows):
        return {name: [row[name] for row in rows] for name in ("question", "context")}

    @staticmethod
    def targets(rows):
        spans = [row["answers"][0] for row in rows]
        return [(begin, begin + len(text)) for text, begin in spans]

    @staticmethod
    def predictions(rows, answers):
        return [answer["answer"]["text"] if answer["answer"] else "" for answer in answers]


KINDS = {"tags": Tags, "intents": Intents, "answers": Answers}


def labels_of(rows):
    return sorted({tag[2:] for row in rows for tag in row["tags"] if tag != "O"})


def tags_of(row, spans):
    found = [(span["begin"], span["end"], span["label"]) for span in spans]
    return tags_of_spans(join_words(row["words"]), found)


if __name__ == "__main__":
    main()
