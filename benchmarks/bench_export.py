"""The exported SavedModel beside KerasHub's export and ONNX Runtime, all of one MiniLM-L6 classifier, taking turns.

    make bench-export
    .venv/bin/python benchmarks/bench_export.py --rounds 3 --shapes 1x32 8x128      # a short look, writes no results

The three sides hold the same weights, take the same token ids and use as many threads; before anything is timed, their
scores must agree. SavedModels run as TensorFlow Serving runs them, in a session fed by tensor names. Each shape is
measured in a fresh session: oneDNN lays the weights out for the first shape that it sees. A run over all shapes goes
into RESULTS.md.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from interleave import Worker
from results import machine, table, write_section

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OURS, KERAS_HUB, ONNX = "bert_keras", "KerasHub", "ONNX Runtime"
SHAPES = ("1x32", "1x128", "8x128", "32x128", "8x384")

# How far scores may lie from ours. KerasHub's BERT has the tanh form of GELU, whatever the checkpoint says.
TOLERANCE = {OURS: 0.0, KERAS_HUB: 5e-3, ONNX: 1e-4}

# What the project asks of the export, as times faster than KerasHub's.
ASKED = {"1x32": 1.3, "8x128": 1.3}


def main():
    options = parse()
    with tempfile.TemporaryDirectory(prefix="bench-export-") as folder:
        make_models(options, Path(folder))
        workers = start_workers(options, Path(folder))
        try:
            libraries = {worker.name: worker.ask(threads=options.threads)["library"] for worker in workers}
            runs = {shape: run_shape(workers, shape, options) for shape in options.shapes}
            profiles = {shape: workers[0].ask(shape=shape, profile=True)["profile"] for shape in ASKED if shape in runs}
        finally:
            for worker in workers:
                worker.close()
    report = describe(options, libraries, runs, profiles)
    print(report)
    if tuple(options.shapes) == SHAPES:
        write_section("bench-export", report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), help="batch x length")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each side for each shape")
    parser.add_argument("--turn-seconds", type=float, default=0.5, help="about how long a turn takes")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each side")
    parser.add_argument("--peers-python", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    options = parser.parse_args()
    if not options.peers_python.exists():
        parser.error(f"{options.peers_python} does not exist; run `make peers`, or name one with --peers-python")
    return options


def make_models(options, folder):
    """Writes the classifier's three forms into `folder`: `ours`, `keras_hub`, `model.onnx`."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, HERE / "export_models.py", folder], check=True, env=quiet)
    subprocess.run(
        [options.peers_python, "-W", "ignore", HERE / "peers" / "onnx_export.py", folder], check=True, env=quiet
    )


def start_workers(options, folder):
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    served = [sys.executable, str(HERE / "export_session.py")]
    return [
        Worker(OURS, [*served, str(folder / "ours"), "tokens"], quiet),
        Worker(KERAS_HUB, [*served, str(folder / "keras_hub"), "serving_default"], quiet),
        Worker(ONNX, [str(options.peers_python), str(HERE / "peers" / "onnx_session.py"), str(folder / "model.onnx")]),
    ]


def run_shape(workers, shape, options):
    """Times of all sides for one shape: dict of name to lists of wall and processor seconds a call."""
    first = {worker.name: worker.ask(shape=shape) for worker in workers}
    check_equal({name: reply["scores"] for name, reply in first.items()}, shape)
    # Every side makes as many calls a turn: about `turn_seconds` of the fastest.
    calls = max(3, round(options.turn_seconds / min(reply["seconds"] for reply in first.values())))
    runs = {worker.name: {"seconds": [], "cpu_seconds": []} for worker in workers}
    for number in range(options.rounds):
        turn = number % len(workers)
        for worker in workers[turn:] + workers[:turn]:
            reply = worker.ask(shape=shape, calls=calls)
            runs[worker.name]["seconds"] += reply["seconds"]
            runs[worker.name]["cpu_seconds"].append(reply["cpu_seconds"])
    medians = ", ".join(f"{name} {statistics.median(run['seconds']) * 1e3:.2f} ms" for name, run in runs.items())
    print(f"{shape}: {medians} ({options.rounds} rounds of {calls} calls)", flush=True)
    return runs


def check_equal(scores, shape):
    for name, found in scores.items():
        difference = np.abs(np.array(found) - np.array(scores[OURS])).max()
        if not difference <= TOLERANCE[name]:
            sys.exit(f"{shape}: the scores of {name} differ from ours by {difference:.2g}; nothing was measured")


def describe(options, libraries, runs, profiles):
    """The section of RESULTS.md (Markdown)."""
    header = ["batch x length", *(f"{name} (ms)" for name in runs[options.shapes[0]])]
    header += ["times KerasHub", "by best", "by processor time", "times ONNX Runtime"]
    rows = []
    for shape, run in runs.items():
        ratio = {
            "median": compare(run, KERAS_HUB, statistics.median),
            "best": compare(run, KERAS_HUB, min),
            "cpu": compare(run, KERAS_HUB, statistics.median, "cpu_seconds"),
            "onnx": compare(run, ONNX, statistics.median),
        }
        times = [f"{statistics.median(side['seconds']) * 1e3:.2f}" for side in run.values()]
        rows.append([shape, *times, *(f"{value:.2f}x" for value in ratio.values())])
    parts = [
        "## Exported MiniLM-L6 classifier, float32",
        f"`{command()}` on {machine()}; {', '.join(f'{name}: {library}' for name, library in libraries.items())}.",
        f"Median wall time of a call, {options.rounds} turns of about {options.turn_seconds:g} s a side and shape, one "
        f"side at a time, {options.threads} threads each, scores equal (ONNX Runtime's to 1e-4, KerasHub's to 5e-3, "
        "because its BERT has the tanh form of GELU). Then how many times faster ours is: by the medians, by the best "
        "calls, by processor time (which other programs on the machine disturb least). ONNX Runtime's threads spin "
        "while they wait for each other, so a busy machine slows it more than the others.",
        table(header, rows),
        *shortfalls(runs),
        "Where our time goes, op by op:",
        *(f"{shape}: {profile}" for shape, profile in profiles.items()),
    ]
    return "\n\n".join(parts)


def shortfalls(runs):
    for shape, asked in ASKED.items():
        if shape in runs and (found := compare(runs[shape], KERAS_HUB, statistics.median)) < asked:
            yield f"At {shape} {asked} times KerasHub's speed was asked for; this run shows {found:.2f} times."


def compare(run, other, choose, what="seconds"):
    return choose(run[other][what]) / choose(run[OURS][what])


def command():
    arguments = list(sys.argv[1:])
    if "--peers-python" in arguments:  # where things lie on this machine is not part of the result
        place = arguments.index("--peers-python")
        del arguments[place : place + 2]
    return shlex.join(["python", "benchmarks/bench_export.py", *arguments])


if __name__ == "__main__":
    main()
