"""The base line of bench_serving.py: the same SavedModel in a Session of this process, without a server."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from interleave import Channel

from serving.server import session


def main():
    channel = Channel()
    settings = channel.receive()
    session.import_custom_ops()
    model = session.ModelSession.load(settings["path"])
    texts = np.array([text.encode() for text in settings["texts"]], object)
    channel.send(ready=True)
    run = runner(model)
    while (turn := channel.receive()) is not None:
        channel.send(done=True, **figures(run, texts, **turn))


def runner(model):
    signature = model.signatures["serving_default"]
    feed = signature.inputs["text"].name
    fetches = [signature.outputs[name].name for name in sorted(signature.outputs)]
    return lambda batch: model.run({feed: batch}, fetches)


def figures(run, texts, rows, seconds):
    """Runs batches of `rows` texts for `seconds`."""
    run(texts[:rows])
    latencies, start, place = [], time.perf_counter(), 0
    while (began := time.perf_counter()) - start < seconds:
        run(np.take(texts, range(place, place + rows), mode="wrap"))
        place += rows
        latencies.append(time.perf_counter() - began)
    p50, p99 = np.percentile(latencies, (50, 99))
    return {"rate": place / (time.perf_counter() - start), "p50": p50, "p99": p99, "failures": 0}


if __name__ == "__main__":
    main()
