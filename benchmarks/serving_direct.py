"""The base line of bench_serving.py: the same SavedModel in a Session of this process, without a server."""

import itertools
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import tensorflow as tf
from interleave import Channel

from serving.client import LoadReport
from serving.server import session


def main():
    channel = Channel()
    settings = channel.receive()
    session.import_custom_ops()
    # TensorFlow takes 0 for a choice of its own, as the server's flags do.
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=settings["op_threads"])
    model = session.ModelSession.load(settings["path"], config=config)
    texts = itertools.cycle([text.encode() for text in settings["texts"]])
    channel.send(ready=True)
    run = runner(model)
    while (turn := channel.receive()) is not None:
        channel.send(done=True, **figures(run, texts, **turn))


def runner(model):
    signature = model.signatures["serving_default"]
    feed = signature.inputs["text"].name
    fetches = [signature.outputs[name].name for name in sorted(signature.outputs)]
    return lambda batch: model.run({feed: batch}, fetches)


def figures(run, texts, rows, at_a_time, seconds):
    """Runs batches of the next `rows` texts for `seconds`, some at a time; latencies are those of a run."""
    lock, latencies = threading.Lock(), []

    def batch():
        with lock:
            return np.array(list(itertools.islice(texts, rows)), object)

    def work():
        while (began := time.perf_counter()) - start < seconds:
            run(batch())
            latencies.append(time.perf_counter() - began)

    run(batch())
    busy, start = time.process_time(), time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(at_a_time)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = LoadReport(time.perf_counter() - start, rows, tuple(latencies), {})
    return {"busy": time.process_time() - busy, "rows": rows * len(latencies), **report.as_dict()}


if __name__ == "__main__":
    main()
