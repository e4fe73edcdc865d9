"""What the embedded server costs: the same SavedModel in a Session of one process, and behind gRPC.

    make bench-serving
    python benchmarks/bench_serving.py --rounds 1 --seconds 2      # a short look, writes no results

Two models. A MiniLM-L6 classifier on sentences of SST-2's dev file, text in, answers out: what batching gains, and how
much of the rate of a Session with batches of 32 is left behind a server that gets one text a request. And a model of
one string op, for the transport's own cost. One text a request; the callers (serving_callers.py) and the base line
(serving_direct.py) have processes of their own, and one side is asked at a time. Callers and server share the machine.
"""

import argparse
import contextlib
import json
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

DIRECT, PLAIN, BATCHING = "Session", "server", "server, batching"
CALLERS = (1, 8, 32, 128)
ROWS = 32
PARAMETERS = f"""max_batch_size {{ value: {ROWS} }} batch_timeout_micros {{ value: 1000 }}
max_enqueued_batches {{ value: 100 }} num_batch_threads {{ value: 1 }}"""


def main():
    options = parse()
    if options.export:
        export(*options.export)
        return
    texts, _ = read_sst2(options.data / "sst2" / "dev.tsv")
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as folder:
        for name, title in MODELS.items():
            model = Path(folder) / name
            subprocess.run(
                [sys.executable, __file__, "--export", name, str(model / "1")], check=True, env=environment()
            )
            report = describe(title, options, measured(model, texts, options))
            print(report, flush=True)
            if (options.rounds, options.seconds) == (parse([]).rounds, parse([]).seconds):
                write_section(f"bench-serving-{name}", report)


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of data sets")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn")
    parser.add_argument("--export", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


MODELS = {"minilm": "MiniLM-L6 classifier, sentences of SST-2", "tiny": "a model of one string op"}


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


def measured(model, texts, options):
    """`{(side, callers or rows): [figures of each turn]}`."""
    batching = model / "batching.config"
    batching.write_text(PARAMETERS)
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(worker("serving_direct.py"))
        callers = stack.enter_context(worker("serving_callers.py"))
        direct.ask(path=str(model / "1"), texts=texts)
        callers.ask(model="m", texts=texts)
        flags = ["--enable_batching", f"--batching_parameters_file={batching}"]
        ports = {
            PLAIN: stack.enter_context(serving(model)).port,
            BATCHING: stack.enter_context(serving(model, *flags)).port,
        }
        sides = [(DIRECT, 1), (DIRECT, ROWS), *((name, count) for name in ports for count in CALLERS)]
        turns = {side: [] for side in sides}
        for number in range(options.rounds):
            # Each round begins elsewhere, so that no side always follows the same one.
            turn = number * 3 % len(sides)
            for name, count in sides[turn:] + sides[:turn]:
                if name == DIRECT:
                    figures = direct.ask(rows=count, seconds=options.seconds)
                else:
                    target = f"127.0.0.1:{ports[name]}"
                    figures = callers.ask(target=target, callers=count, seconds=options.seconds)
                turns[name, count].append(figures)
                print(f"{name} {count}: {figures['rate']:.1f} texts a second", flush=True)
    return turns


def worker(script):
    return Worker(script, [sys.executable, str(HERE / script)], {"TF_CPP_MIN_LOG_LEVEL": "3"})


def describe(title, options, turns):
    def median(side, figure):
        return statistics.median(turn[figure] for turn in turns[side])

    base = median((DIRECT, ROWS), "rate")
    rows = [
        [
            name,
            f"batches of {count}" if name == DIRECT else f"{count} callers",
            f"{median((name, count), 'rate'):.0f}",
            f"{median((name, count), 'rate') / base:.2f}",
            f"{median((name, count), 'p50') * 1e3:.1f}",
            f"{median((name, count), 'p99') * 1e3:.1f}",
            str(sum(turn["failures"] for turn in turns[name, count])),
        ]
        for name, count in turns
    ]
    added = (median((PLAIN, 1), "p50") - median((DIRECT, 1), "p50")) * 1e3
    header = ["", "", "texts a second", f"of batches of {ROWS}", "median (ms)", "99 % (ms)", "failed"]
    rates = {
        f"{name} {count}": [round(turn["rate"], 1) for turn in of_side] for (name, count), of_side in turns.items()
    }
    return f"""## The embedded server: {title}

`{command("bench_serving.py")}` on {machine()}; {time.strftime("%Y-%m-%d")}.

One text a request. {options.rounds} turns of {options.seconds:g} s a side, one side at a time; medians over the turns,
latencies of a run for the Session, of the whole call for the server. Batches: at most {ROWS}, 1 ms, one thread. Server,
callers and base line share the cores. A caller alone waits {added:.1f} ms longer than for the Session.

{table(header, rows)}

<!-- {json.dumps(rates)} -->"""


if __name__ == "__main__":
    main()
