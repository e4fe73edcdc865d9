"""Worker of bench_fit: trains BERT-tiny by `fit` or by a hand-written loop, and hands the turn over after every epoch.

python benchmarks/fit_epochs.py fit|loop      (started by bench_fit.py)
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bert_keras  # noqa: F401, isort: skip - before TensorFlow, whose settings it chooses

import keras
import numpy as np
import tensorflow as tf
from interleave import Channel

from bert_keras import BertBackbone, BertConfig, BertPreprocessor, TextClassifier, WordPieceTokenizer
from bert_keras.training.batching import bucketed_batches, number_of_batches, tokenize_rows

WORDS = [f"word{number}" for number in range(30000)]


def main(side):
    channel = Channel()
    options = channel.receive()
    tf.config.threading.set_intra_op_parallelism_threads(options["threads"])
    channel.send(library=f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
    turns = Turns(channel, options["epochs"])
    classifier = make_classifier()
    texts, labels = draw_texts(options["texts"])
    rows = tokenize_rows(classifier.preprocessor, {"text": texts}, labels)
    channel.receive()
    {"fit": fit, "loop": loop}[side](classifier, rows, options, turns)
    channel.receive()


class Turns:
    """Times epochs; the time while the other side works is not counted."""

    def __init__(self, channel, epochs):
        self.channel, self.epochs, self.done = channel, epochs, 0

    def begin(self):
        self.started = time.perf_counter(), time.process_time()

    def end(self, loss):
        seconds, cpu_seconds = time.perf_counter() - self.started[0], time.process_time() - self.started[1]
        self.done += 1
        last = self.done == self.epochs
        self.channel.send(seconds=seconds, cpu_seconds=cpu_seconds, loss=float(loss), done=last)
        if not last:
            self.channel.receive()


def make_classifier():
    keras.utils.set_random_seed(0)
    tokenizer = WordPieceTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
    # Without dropout the two sides' losses can be compared.
    config = BertConfig.from_name("tiny_uncased").to_dict() | {"dropout": 0.0, "attention_dropout": 0.0}
    classifier = TextClassifier(BertBackbone(**config), BertPreprocessor(tokenizer), num_classes=2)
    classifier.compile()
    return classifier


def draw_texts(count):
    """`(texts, labels)` as long as sentences are: lognormal, mean 12 tokens, at most 66; the first word decides."""
    random = np.random.default_rng(0)
    lengths = np.clip(np.exp(random.normal(2.2, 0.55, count)), 1, 64).astype(int)
    first = random.integers(0, 100, count)
    texts = [
        " ".join(WORDS[word] for word in (head, *random.integers(100, 30000, length - 1)))
        for head, length in zip(first, lengths)
    ]
    return texts, (first % 2).astype("int32")


class EpochEnds(keras.callbacks.Callback):
    def __init__(self, turns):
        super().__init__()
        self.turns = turns

    def on_epoch_begin(self, epoch, logs=None):
        self.turns.begin()

    def on_epoch_end(self, epoch, logs=None):
        self.turns.end(logs["loss"])


def fit(classifier, rows, options, turns):
    classifier.fit(
        rows, batch_size=options["batch_size"], epochs=options["epochs"], callbacks=[EpochEnds(turns)], verbose=0
    )


def loop(classifier, rows, options, turns):
    count = number_of_batches(rows, options["batch_size"])
    optimizer = classifier._recipe.optimizer(count * options["epochs"])
    optimizer.build(classifier.trainable_variables)
    dataset = bucketed_batches(rows, options["batch_size"])
    total = tf.Variable(0.0)

    @tf.function(reduce_retracing=True)
    def step(features, targets):
        with tf.GradientTape() as tape:
            outputs = classifier(features, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=outputs)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [variable.value for variable in classifier.trainable_variables])
        optimizer.apply(gradients, classifier.trainable_variables)
        total.assign_add(loss)

    for _ in range(options["epochs"]):
        turns.begin()
        total.assign(0.0)
        for features, targets in dataset:
            step(features, targets)
        turns.end(total / count)


if __name__ == "__main__":
    main(sys.argv[1])
