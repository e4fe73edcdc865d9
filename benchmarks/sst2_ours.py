"""Our side of bench_sst2: `TextClassifier.fit` on raw strings, with a callback that hands the turn over."""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bert_keras  # noqa: F401, isort: skip - before TensorFlow, whose settings it chooses

import keras
import numpy as np
import tensorflow as tf
from hand_over import HandOver
from interleave import Channel, StopWatch
from sst2_data import read_sst2

from bert_keras.tasks import get_task


def main():
    channel = Channel()
    options = channel.receive()
    tf.config.threading.set_intra_op_parallelism_threads(options["threads"])
    train, dev = read_sst2(options["train"], options["fraction"]), read_sst2(options["dev"])
    channel.send(library=f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
    while (request := channel.receive()) is not None:
        watch = StopWatch(channel, options["steps_per_turn"])
        keras.utils.clear_session()
        keras.utils.set_random_seed(request["seed"])
        classifier = get_task("classification").from_preset(
            "minilm_l6_uncased", labels=["0", "1"], max_length=options["max_length"]
        )
        classifier.compile(recipe={name: options[name] for name in ("learning_rate", "weight_decay")})
        best = bert_keras.KeepBest(
            partial(watch.paused, accuracy_on, classifier, dev),
            "accuracy",
            evaluations_per_epoch=options["evaluations_per_epoch"],
        )
        watch.start()
        classifier.fit(
            train[0],
            np.asarray(train[1]),
            batch_size=options["batch_size"],
            epochs=options["epochs"],
            seed=request["seed"],
            callbacks=[HandOver(watch), best],
            verbose=0,
        )
        watch.stop()
        channel.send(done=True, looks=best.history, **watch.report())


def accuracy_on(classifier, dev):
    guesses = np.asarray(classifier.predict(dev[0], verbose=0))
    guesses = guesses.argmax(-1) if guesses.shape[-1] > 1 else (guesses[:, 0] > 0).astype(int)
    return {"accuracy": float((guesses == np.asarray(dev[1])).mean())}


if __name__ == "__main__":
    main()
