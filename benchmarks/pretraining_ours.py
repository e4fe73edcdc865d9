"""Our side of bench_pretraining_speed: `PretrainingModel`'s training step."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bert_keras  # noqa: F401, isort: skip - before TensorFlow, whose settings it chooses

import keras
import numpy as np
import tensorflow as tf
from interleave import Channel


def main():
    channel = Channel()
    options = channel.receive()
    tf.config.threading.set_intra_op_parallelism_threads(options["threads"])
    keras.utils.set_random_seed(1)
    rows = dict(np.load(options["rows"]))
    model = bert_keras.PretrainingModel.from_preset(options["checkpoint"], sentence_objective="nsp", max_length=128)
    model.compile(bert_keras.PretrainingRecipe().build([10_000], [1e-4]))
    size, order = options["batch_size"], np.random.default_rng(1).permutation(len(rows["token_ids"]))
    first = {name: values[order[:size]] for name, values in rows.items()}
    loss = model.evaluate(tf.data.Dataset.from_tensors(first), verbose=0, return_dict=True)["loss"]
    model.build_optimizer()
    model.make_train_function()

    def batches():
        while True:
            for start in range(0, len(order) - size + 1, size):
                yield {name: values[order[start : start + size]] for name, values in rows.items()}

    signature = {name: tf.TensorSpec((size, *value.shape[1:]), value.dtype) for name, value in rows.items()}
    stream = iter(tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2))
    # The first step is traced in.
    model.train_function(stream)
    library = f"Keras {keras.__version__}, TensorFlow {tf.__version__}"
    channel.send(library=library, loss=float(loss), fill=float(rows["padding_mask"].mean()))
    while (request := channel.receive()) is not None:
        model.reset_metrics()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(request["steps"]):
            float(model.train_function(stream)["loss"])
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        tokens = float(model.get_metrics_result()["tokens"])
        channel.send(seconds=seconds, cpu_seconds=cpu_seconds, tokens=tokens)


if __name__ == "__main__":
    main()
