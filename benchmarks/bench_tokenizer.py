"""The tokenizer of core ops beside TensorFlow Text's, in graphs as they are exported, taking turns.

    .venv/bin/python benchmarks/bench_tokenizer.py
    .venv/bin/python benchmarks/bench_tokenizer.py --rounds 3        # a short look, writes no results

Texts are of ../shared/data: sentences of SST-2, contexts of SQuAD. Both graphs are run as TensorFlow Serving runs them,
in a session that is fed by tensor names, with one thread; before anything is timed, they must give the same pieces.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
ROUNDS, REPEATS = 15, 5
SIDES = {"tf-text": "TensorFlow Text", "core": "core ops"}
WAYS = ("ids", "ids and offsets")


def main():
    """Measures and, after a whole run, writes the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        graphs = {side: Graph(Path(folder) / side, side) for side in SIDES}
        for way in WAYS:
            for name, texts in shapes().items():
                answers = [[values.tolist() for values in graphs[side](way, texts)] for side in SIDES]
                if answers[0] != answers[1]:
                    raise SystemExit(f"{name}: the sides differ")
                rows.append([way, name, *compare(graphs, way, texts, rounds)])
                print(" | ".join(rows[-1]), flush=True)
        # The size on disk is that of the tables: nothing else is in these graphs.
        sizes = {side: (Path(folder) / side / "saved_model.pb").stat().st_size for side in SIDES}
    if rounds == ROUNDS:
        write(rows, sizes)


def shapes():
    """Batches by name: 1 and 32 texts, short and long."""
    with open(DATA / "sst2" / "dev.tsv", encoding="utf-8") as file:
        short = [line.split("\t")[0] for line in file.readlines()[1:33]]
    with open(DATA / "squad_v1.1" / "eval_articles.json", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    contexts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    long = [" ".join(contexts[i : i + 3])[:2000] for i in range(32)]
    texts = {"sentence": short, "2,000 characters": long}
    return {f"{count} x {kind}": some[:count] for kind, some in texts.items() for count in (1, 32)}


class Graph:
    """A SavedModel of the tokenizer of `bert-base-uncased`, in a session."""

    def __init__(self, path, ops):
        import contextlib

        import tensorflow as tf

        from bert_keras import WordPieceTokenizer

        tokenizer = WordPieceTokenizer(DATA / "vocab" / "bert-base-uncased-vocab.txt")
        module = tf.Module()
        signatures = {}
        with tokenizer.core_ops() if ops == "core" else contextlib.nullcontext():
            for way in WAYS:

                def cut(text, way=way):
                    parts = [tokenizer.tokenize(text)] if way == "ids" else tokenizer.tokenize_with_offsets(text)
                    return {str(number): part.to_tensor() for number, part in enumerate(parts)}

                function = tf.function(cut, input_signature=[tf.TensorSpec([None], tf.string, name="text")])
                signatures[way.replace(" ", "_")] = function.get_concrete_function()
        tf.saved_model.save(module, str(path), signatures=signatures)
        one = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=one)
        with self._session.graph.as_default():
            loaded = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], str(path)).signature_def
        self._calls = {}
        for way in WAYS:
            signature = loaded[way.replace(" ", "_")]
            fetches = [signature.outputs[name].name for name in sorted(signature.outputs)]
            self._calls[way] = self._session.make_callable(fetches, [signature.inputs["text"].name])

    def __call__(self, way, texts):
        import numpy as np

        return self._calls[way](np.array([text.encode() for text in texts], object))


def compare(graphs, way, texts, rounds):
    """Cells: each side's median milliseconds of processor time, their ratio, the ratio of wall times."""
    times = {side: ([], []) for side in graphs}
    for _ in range(rounds):
        for side, graph in graphs.items():
            graph(way, texts)
            for _ in range(REPEATS):
                wall, cpu = time.perf_counter(), time.process_time()
                graph(way, texts)
                times[side][0].append(time.perf_counter() - wall)
                times[side][1].append(time.process_time() - cpu)
    wall, cpu = ({side: statistics.median(times[side][kind]) for side in graphs} for kind in (0, 1))
    milliseconds = [f"{1e3 * cpu[side]:.2f}" for side in SIDES]
    return [*milliseconds, f"{cpu['core'] / cpu['tf-text']:.2f}x", f"{wall['core'] / wall['tf-text']:.2f}x"]


def write(rows, sizes):
    import tensorflow as tf
    from results import machine, table, write_section

    header = ["result", "texts", *(f"{name} (ms)" for name in SIDES.values()), "ratio", "ratio of wall times"]
    body = f"""
## The tokenizer of core ops beside TensorFlow Text's

`python benchmarks/bench_tokenizer.py` on one of {machine()}, which other work shared; TensorFlow {tf.__version__}.

Vocabulary of `bert-base-uncased`, one thread, sides in turns, medians of {ROUNDS * REPEATS} runs; milliseconds of
processor time a request. The graph that holds both signatures takes {sizes["core"] / 1e6:.1f} MB of core ops,
{sizes["tf-text"] / 1e6:.1f} MB of TensorFlow Text's.

{table(header, rows)}
"""
    write_section("bench-tokenizer", body)


if __name__ == "__main__":
    main()
