"""The embedded server with batches by tokens and length, with batches by rows alone, and without batches.

    python benchmarks/bench_serving_batches.py
    python benchmarks/bench_serving_batches.py --rounds 1 --requests 64      # a short look, writes no results

One MiniLM-L6 classifier, exported; three servers of it, of which one at a time is asked, in turns. Texts of mixed
length, one in a request: sentences of SST-2's dev file, and every fifth one a film review from TFX's wheel. Before
anything is timed, the three must give the same scores.
"""

import argparse
import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from fine_tuning import command
from results import machine, table, write_section
from served import ROOT, environment, serving
from sst2_data import read_sst2

NONE, ROWS, TOKENS = "no batches", "by rows", "by tokens and length"
CONCURRENCY, MAX_LENGTH = 32, 256
PARAMETERS = """max_batch_size { value: 32 } batch_timeout_micros { value: 2000 } max_enqueued_batches { value: 100 }
num_batch_threads { value: 1 }"""


def main():
    options = parse()
    if options.export:
        export(options.export)
        return
    texts = mixed_texts(options)
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder, contextlib.ExitStack() as stack:
        subprocess.run([sys.executable, __file__, "--export", f"{folder}/model/1"], check=True, env=environment())
        servers = [
            Server(name, stack.enter_context(serving(f"{folder}/model", *flags)))
            for name, flags in sides(options, folder).items()
        ]
        check_equal(servers, texts)
        runs = {server.name: [] for server in servers}
        for number in range(options.rounds):
            turn = number % len(servers)
            for server in servers[turn:] + servers[:turn]:
                runs[server.name].append(server.turn(texts))
                print(server.name, f"{len(texts) / runs[server.name][-1]['seconds']:.1f} texts a second", flush=True)
        rows_a_batch = {server.name: server.rows_a_batch() for server in servers}
    report = describe(options, texts, runs, rows_a_batch)
    print(report)
    if (options.rounds, options.requests) == (parse([]).rounds, parse([]).requests):
        write_section("bench-serving-batches", report)


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of data sets")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each side")
    parser.add_argument("--requests", type=int, default=128, help="texts in a turn")
    parser.add_argument("--tokens", type=int, default=1024, help="budget of a batch")
    parser.add_argument("--export", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def export(folder):
    from bert_keras import TextClassifier

    classifier = TextClassifier.from_preset("minilm_l6_uncased", labels=["negative", "positive"], max_length=MAX_LENGTH)
    # A head that tells texts apart, so that the comparison of scores means something.
    classifier.output_dense.kernel.assign(np.random.default_rng(0).normal(0, 1, classifier.output_dense.kernel.shape))
    classifier.export(folder)


def mixed_texts(options):
    """[(text, is_long)]"""
    short, _ = read_sst2(options.data / "sst2" / "dev.tsv")
    wheel = Path(find_spec("tfx").submodule_search_locations[0])
    reviews = (wheel / "examples" / "imdb" / "data" / "imdb_small_with_labels.txt").read_text(encoding="utf-8")
    long = re.findall(r'^[01],"(.*)"$', reviews, flags=re.MULTILINE)
    draw = random.Random(0)
    draw.shuffle(short)
    draw.shuffle(long)
    return [(long[n % len(long)], True) if n % 5 == 0 else (short[n], False) for n in range(options.requests)]


def sides(options, folder):
    """`{name: flags}`"""
    path = Path(folder) / "batching.config"
    path.write_text(PARAMETERS)
    rows = ["--enable_batching", f"--batching_parameters_file={path}"]
    return {NONE: [], ROWS: rows, TOKENS: [*rows, f"--ext_max_batch_tokens={options.tokens}"]}


class Server:
    """A side: a server of its own, and what is asked of it."""

    def __init__(self, name, served):
        self.name = name
        self._served = served
        self._client = served.client

    def scores(self, texts):
        with ThreadPoolExecutor(CONCURRENCY) as callers:
            return np.concatenate(list(callers.map(lambda text: self._client.predict([text])["scores"], texts)))

    def turn(self, texts):
        """All texts, asked by CONCURRENCY callers: wall seconds, processor seconds of the server, latency of each."""
        before, began = self._served.cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(CONCURRENCY) as callers:
            latencies = list(callers.map(self._ask, texts))
        return {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": self._served.cpu_seconds() - before,
            "short": [took for took, (_, is_long) in zip(latencies, texts) if not is_long],
            "long": [took for took, (_, is_long) in zip(latencies, texts) if is_long],
        }

    def rows_a_batch(self):
        """Mean over all batches; None where there were none."""
        rows, batches = self._served.batched()
        return rows / batches if batches else None

    def _ask(self, text):
        began = time.perf_counter()
        self._client.predict([text[0]])
        return time.perf_counter() - began


def check_equal(servers, texts):
    """Also warms up: every side has seen every text once."""
    only = [text for text, _ in texts]
    first = servers[0].scores(only)
    for server in servers[1:]:
        difference = np.abs(server.scores(only) - first).max()
        if not difference <= 1e-5:
            sys.exit(f"the scores of {server.name} differ from those without batches by {difference:.2g}")


def describe(options, texts, runs, rows_a_batch):
    header = ["batches", "texts a second", "times none", "by processor time", "rows a batch"]
    header += ["median of short / long (ms)", "95 % of short / long (ms)"]
    rows = []
    for name, turns in runs.items():
        rows.append(
            [
                name,
                f"{len(texts) / statistics.median(turn['seconds'] for turn in turns):.1f}",
                f"{times(runs, name, NONE, 'seconds'):.2f}x",
                f"{times(runs, name, NONE, 'cpu_seconds'):.2f}x",
                "1" if rows_a_batch[name] is None else f"{rows_a_batch[name]:.1f}",
                *(
                    " / ".join(
                        f"{np.percentile(sum((turn[kind] for turn in turns), []), p) * 1e3:.0f}" for kind in KINDS
                    )
                    for p in (50, 95)
                ),
            ]
        )
    long = sum(is_long for _, is_long in texts)
    lengths = {kind: np.mean([len(text) for text, is_long in texts if is_long == (kind == "long")]) for kind in KINDS}
    return f"""## Batches of the embedded server, texts of mixed length

`{command("bench_serving_batches.py")}` on {machine()}{pinned()}.

MiniLM-L6 classifier, text signature, rows cut at {MAX_LENGTH} tokens. {len(texts) - long} sentences (mean
{lengths["short"]:.0f} characters) and {long} reviews (mean {lengths["long"]:.0f}) a turn, one text a request,
{CONCURRENCY} callers, {options.rounds} turns a side, one side at a time; scores equal to 1e-5. Batches by rows: at most
32, 2 ms, one thread. By tokens and length: the same and `--ext_max_batch_tokens={options.tokens}`. Medians over the
turns; latencies are of the whole call with {CONCURRENCY} callers.

{table(header, rows)}

{verdict(runs)}

<!-- {json.dumps({name: [round(turn["seconds"], 3) for turn in turns] for name, turns in runs.items()})} -->"""


KINDS = ("short", "long")


def times(runs, name, other, what):
    """How many times faster than the other side."""
    return statistics.median(turn[what] for turn in runs[other]) / statistics.median(turn[what] for turn in runs[name])


def verdict(runs):
    wall, cpu = (
        {other: times(runs, TOKENS, other, what) for other in (NONE, ROWS)} for what in ("seconds", "cpu_seconds")
    )
    worth = "pay" if wall[NONE] >= 1.1 else "do not pay by wall time"
    return (
        f"Beside no batches, batches by tokens and length {worth} here: {wall[NONE]:.2f} times the speed, "
        f"{cpu[NONE]:.2f} times by processor time. Beside batches by rows, which make short texts as long as the "
        f"longest of their batch, they have {wall[ROWS]:.2f} times the speed, {cpu[ROWS]:.2f} by processor time. On a "
        "machine that other programs use, read the processor time."
    )


def pinned():
    allowed = len(os.sched_getaffinity(0))
    return "" if allowed == os.cpu_count() else f", held to {allowed} of them, clients included"


if __name__ == "__main__":
    main()
