"""Worker of bench_export: a SavedModel in a session, as TensorFlow Serving runs it.

python benchmarks/export_session.py SAVED_MODEL SIGNATURE      (started by bench_export.py)
"""

import collections
import sys

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers its ops
from export_turns import answer, draw_tokens
from interleave import Channel
from tensorflow.core.protobuf import config_pb2


def main(path, signature):
    tf.get_logger().setLevel("ERROR")
    channel = Channel()
    threads = channel.receive()["threads"]
    channel.send(library=f"TensorFlow {tf.__version__}")
    shape, model = None, None
    while (request := channel.receive()) is not None:
        if request["shape"] != shape:
            # Before the former one is let go, so that only one lives; and fresh for each shape.
            model = None
            shape, model = request["shape"], Model(path, signature, threads)
        if request.get("profile"):
            channel.send(profile=model.profile(draw_tokens(shape)))
        else:
            channel.send(**answer(model, request))


class Model:
    """Call with a dict of token inputs; gives scores `[batch, labels]`."""

    def __init__(self, path, signature, threads):
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        self.session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        with self.session.graph.as_default():
            meta_graph = tf.compat.v1.saved_model.loader.load(self.session, ["serve"], path)
        definition = meta_graph.signature_def[signature]
        self.inputs = {name: info.name for name, info in definition.inputs.items()}
        outputs = definition.outputs
        scores = outputs["scores"] if "scores" in outputs else next(iter(outputs.values()))
        self.scores = scores.name
        options = config_pb2.CallableOptions()
        options.feed.extend(self.inputs.values())
        options.fetch.append(self.scores)
        self._call = self.session._make_callable_from_options(options)

    def __call__(self, tokens):
        return self._call(*(tokens[name] for name in self.inputs))[0]

    def profile(self, tokens, runs=20):
        """One line: the share of each op in the time of all ops, from the fastest of some traced runs."""
        feeds = {tensor: tokens[name] for name, tensor in self.inputs.items()}
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
        best = None
        for _ in range(runs):
            metadata = tf.compat.v1.RunMetadata()
            self.session.run(self.scores, feeds, options=options, run_metadata=metadata)
            times, counts = op_times(metadata)
            if best is None or times.total() < best[0].total():
                best = times, counts
        times, counts = best
        shown = [f"{op} ({counts[op]}) {time / times.total():.0%}" for op, time in times.most_common(8)]
        return f"{sum(counts.values())} ops, {times.total() / 1e3:.2f} ms: {', '.join(shown)}"


def op_times(metadata):
    """Microseconds and number of executions by kind of op."""
    times, counts = collections.Counter(), collections.Counter()
    for device in metadata.step_stats.dev_stats:
        for node in device.node_stats:
            op = node.timeline_label.split(" = ")[-1].split("(")[0]
            if op not in ("Const", "_Arg", "_Retval"):
                times[op] += node.op_end_rel_micros - node.op_start_rel_micros
                counts[op] += 1
    return times, counts


if __name__ == "__main__":
    main(*sys.argv[1:])
