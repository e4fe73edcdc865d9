"""What the embedded server costs: the same SavedModel in a Session of one process, and behind gRPC.

    make bench-serving
    python benchmarks/bench_serving.py --rounds 1 --seconds 2      # a short look; with options no results are written
    python benchmarks/bench_serving.py --models minilm --callers 32 --batching 32,1000,1 --batching 8,5000,2

Two models. A MiniLM-L6 classifier on sentences of SST-2's dev file, text in, answers out: what batching gains, and how
much of the best rate of a Session with batches is left behind a server that gets one text a request. And a model of
one string op, for the transport's own cost. One text a request; the callers (serving_callers.py) and the base line
(serving_direct.py) have processes of their own, and one side is asked at a time. Callers and server share the machine.

oneDNN and TensorFlow prepare each op for each shape that they meet, so a process is slower until it has seen most row
counts and lengths. Every side has a first turn of its own for that, of which the rate is told apart; texts come to all
in one random order that goes on from turn to turn, so that no side gets the same batches again and again.
"""

import argparse
import contextlib
import dataclasses
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fine_tuning import command
from interleave import Worker
from results import machine, table, write_section
from served import ROOT, environment, serving
from sst2_data import read_sst2

HERE = Path(__file__).resolve().parent

DIRECT, DIRECT_BESIDE, PLAIN = "Session", "Session, two at a time", "server"
# The sides of the base line, and how many batches of theirs run beside each other.
BESIDE = {DIRECT: 1, DIRECT_BESIDE: 2}
CALLERS = 1, 8, 32, 128
ROWS = 1, 16, 32


@dataclasses.dataclass(frozen=True)
class Batching:
    """Parameters of the server's batches: rows, microseconds that the first of a batch waits, threads."""

    rows: int
    micros: int
    threads: int

    @classmethod
    def parse(cls, text):
        return cls(*map(int, text.split(",")))

    @property
    def side(self):
        return f"server, batches of {self.rows}, {self.micros / 1000:g} ms, {self.threads} at a time"

    @property
    def parameters(self):
        return (
            f"max_batch_size {{ value: {self.rows} }} batch_timeout_micros {{ value: {self.micros} }} "
            f"max_enqueued_batches {{ value: 100 }} num_batch_threads {{ value: {self.threads} }}"
        )


# Half as many rows as 32 callers: while a batch runs the other half fill the next one, and the model never waits. With
# more rows hardly a batch is full, and each has another shape than the last. What a batch may wait matters where it is
# not full: a batch of two or three rows costs nearly as much as one of eight.
BATCHING = Batching(rows=16, micros=5000, threads=1)


@dataclasses.dataclass(frozen=True)
class Model:
    title: str
    pace: float  # how long a turn of it is beside the others'


MODELS = {
    "minilm": Model("MiniLM-L6 classifier, sentences of SST-2", 1.0),
    "tiny": Model("a model of one string op", 0.2),
}


def main():
    options = parse()
    if options.export:
        export(*options.export)
        return
    texts, _ = read_sst2(options.data / "sst2" / "dev.tsv")
    random.Random(options.seed).shuffle(texts)
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        for name in options.models:
            model = Path(folder) / name
            subprocess.run(
                [sys.executable, __file__, "--export", name, str(model / "1")], check=True, env=environment()
            )
            report = describe(MODELS[name], options, *measured(model, texts, options, MODELS[name].pace))
            print(report, flush=True)
            if vars(options) == vars(parse([])) | {"data": options.data}:
                write_section(f"bench-serving-{name}", report)


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of data sets")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--callers", nargs="+", type=int, default=list(CALLERS), help="how many ask at a time")
    parser.add_argument("--batching", type=Batching.parse, action="append", metavar="ROWS,MICROSECONDS,THREADS")
    parser.add_argument("--op-threads", type=int, default=0, help="within an op, on both sides; 0: TensorFlow chooses")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side, after its first one")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn; the first one has twice as many")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the texts")
    parser.add_argument("--export", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.batching = options.batching or [BATCHING]
    return options


def export(name, folder):
    if name == "minilm":
        from bert_keras import TextClassifier

        labels = ["negative", "positive"]
        TextClassifier.from_preset("minilm_l6_uncased", labels=labels, max_length=128).export(folder)
        return
    import tensorflow as tf

    class Length(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def __call__(self, text):
            return {"length": tf.strings.length(text)}

    model = Length()
    tf.saved_model.save(model, folder, signatures=model.__call__)


def measured(model, texts, options, pace):
    """The figures of the first turn, and of the others: `{(side, callers or rows): figures}`, `{…: [figures]}`."""
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(worker("serving_direct.py"))
        callers = stack.enter_context(worker("serving_callers.py"))
        direct.ask(path=str(model / "1"), texts=texts, op_threads=options.op_threads)
        callers.ask(model="m", texts=texts)
        threads = f"--tensorflow_intra_op_parallelism={options.op_threads}"
        servers = {PLAIN: stack.enter_context(serving(model, threads))}
        for number, batching in enumerate(options.batching):
            path = model / f"batching-{number}.config"
            path.write_text(batching.parameters)
            flags = [threads, "--enable_batching", f"--batching_parameters_file={path}"]
            servers[batching.side] = stack.enter_context(serving(model, *flags))

        def turn(name, count, seconds):
            if name in BESIDE:
                found = direct.ask(rows=count, at_a_time=BESIDE[name], seconds=seconds * pace)
            else:
                found = asked(servers[name], callers, count, seconds * pace)
            print(f"{name} {count}: {found['rows_per_second']:.1f} texts a second", flush=True)
            return found

        sides = [*direct_sides(options), *((name, count) for name in servers for count in options.callers)]
        first = {side: turn(*side, 2 * options.seconds) for side in sides}
        turns = {side: [] for side in sides}
        for number in range(options.rounds):
            # Each round begins elsewhere, so that no side always follows the same one.
            begin = number * 3 % len(sides)
            for side in sides[begin:] + sides[:begin]:
                turns[side].append(turn(*side, options.seconds))
    return first, turns


def direct_sides(options):
    """One text; batches; and batches beside each other where the server runs them so."""
    beside = any(batching.threads > 1 for batching in options.batching)
    rows = sorted({*ROWS, *(batching.rows for batching in options.batching)})
    return [(DIRECT, count) for count in rows] + [(DIRECT_BESIDE, count) for count in rows[1:] if beside]


def asked(server, callers, count, seconds):
    """The figures of a turn of callers, with the server's share in them."""
    busy, (rows, batches) = server.cpu_seconds(), server.batched()
    found = callers.ask(target=f"127.0.0.1:{server.port}", callers=count, seconds=seconds)
    later_rows, later_batches = server.batched()
    return {
        **found,
        "busy": found["busy"] + server.cpu_seconds() - busy,
        "rows_a_batch": (later_rows - rows) / max(later_batches - batches, 1),
    }


def worker(script):
    return Worker(script, [sys.executable, str(HERE / script)], {"TF_CPP_MIN_LOG_LEVEL": "3"})


def describe(model, options, first, turns):
    def median(side, figure):
        return statistics.median(figure(turn) for turn in turns[side])

    def rate(side):
        return median(side, lambda turn: turn["rows_per_second"])

    def latency(side, share):
        return median(side, lambda turn: turn["latency_ms"][share] or 0.0)

    def busy(side):
        return median(side, lambda turn: turn["busy"] / max(turn["rows"], 1) * 1e3)

    def rows_a_batch(side):
        return f"{median(side, lambda turn: turn['rows_a_batch']):.1f}" if "batches" in side[0] else ""

    best = max((side for side in turns if side[0] in BESIDE), key=rate)
    rows = [
        [
            side[0],
            f"batches of {side[1]}" if side[0] in BESIDE else f"{side[1]} callers",
            f"{rate(side):.0f}",
            f"{rate(side) / rate(best):.2f}",
            f"{first[side]['rows_per_second']:.0f}",
            f"{latency(side, 'p50'):.1f}",
            f"{latency(side, 'p99'):.1f}",
            f"{busy(side):.2f}",
            rows_a_batch(side),
            str(sum(sum(turn["errors"].values()) for turn in [first[side], *turns[side]])),
        ]
        for side in turns
    ]
    header = ["", "", "texts a second", "of the best Session", "first turn"]
    header += ["median (ms)", "99 % (ms)", "processor time a text (ms)", "rows a batch", "failed"]
    rates = {f"{side[0]} {side[1]}": [turn["rows_per_second"] for turn in of_side] for side, of_side in turns.items()}
    batched = "\n".join(
        f"`{batching.parameters}`:\n{count} callers get {rate(side) / rate(best):.2f} of the best rate of the Session, "
        f"{busy(best) / busy(side):.2f} by processor time, 99 % of them within {latency(side, 'p99'):.0f} ms."
        for batching in options.batching
        for count in options.callers
        if count >= batching.rows
        for side in [(batching.side, count)]
    )
    return f"""## The embedded server: {model.title}

`{command("bench_serving.py")}` on {machine()}; {time.strftime("%Y-%m-%d")}.

One text a request. {options.rounds} turns of {options.seconds * model.pace:g} s a side, one side at a time, after a
first one of twice the time, in which most shapes are met for the first time; medians over the turns, latencies of a run
for the Session, of the whole call for the server. Processor time is that of the Session's process, or of server and
callers together, which share the cores.

{batched}

{table(header, rows)}

<!-- {json.dumps(rates)} -->"""


if __name__ == "__main__":
    main()
