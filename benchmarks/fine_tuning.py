"""What the benchmarks of fine-tuning share: two sides in turns, seed by seed, and finished seeds kept in RESULTS.md.

A section of RESULTS.md ends in a comment with its settings and runs as JSON. A later call with the same settings goes
on from there, so that a long benchmark may be stopped at any time and loses one seed at most.
"""

import json
import os
import re
import shlex
import statistics
import sys
from pathlib import Path

from interleave import Worker, take_turns
from results import read_section

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OURS, PEER = "bert_keras", "HF transformers"


def add_options(parser):
    """Options that mean the same in every benchmark of fine-tuning."""
    parser.add_argument("--seeds", type=int, default=3, help="runs of each side, with seeds 1, 2, …")
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--fraction", type=float, default=1.0, help="part of the training file, from its top")
    parser.add_argument("--steps-per-turn", type=int, default=16, help="batches until the other side has its turn")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each side")
    parser.add_argument("--attention", default="sdpa", help="the peer's: sdpa or eager")
    parser.add_argument("--again", action="store_true", help="run seeds anew that RESULTS.md holds already")
    parser.add_argument("--peers-python", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")


def check_peers_python(parser, options):
    if not options.peers_python.exists():
        parser.error(f"{options.peers_python} does not exist; run `make peers`, or name one with --peers-python")


def start_workers(ours, peer, peers_python):
    """Both sides' processes, from file names in this directory: `(ours, peer)`, to be closed."""
    # OpenMP's threads spin while they wait for each other, which on a busy machine makes torch several times slower.
    return (
        Worker(OURS, [sys.executable, str(HERE / ours)], {"TF_CPP_MIN_LOG_LEVEL": "3"}),
        Worker(PEER, [str(peers_python), str(HERE / "peers" / peer)], {"OMP_WAIT_POLICY": "PASSIVE"}),
    )


def earlier_runs(section, settings):
    """The runs that a section of RESULTS.md holds of these settings, by side, in the order of their seeds."""
    found = re.search("<!-- runs (.*) -->", read_section(section))
    kept = json.loads(found[1]) if found else {}
    return kept["runs"] if kept.get("settings") == settings else {OURS: [], PEER: []}


def runs_comment(settings, runs):
    """What `earlier_runs` reads."""
    return f"<!-- runs {json.dumps({'settings': settings, 'runs': runs})} -->"


def missing_seeds(ours, peer, runs, seeds, figures):
    """Runs the seeds that `runs` lacks and adds them to it; yields the seed's number when both sides are through.

    Args:
        ours, peer: `Worker`s that train when they are asked with a `seed`.
        runs: what `earlier_runs` gave.
        seeds: int. How many runs of each side there shall be.
        figures: function from a worker's last reply to what that run scored, a dict of floats.
    """
    for seed in range(len(runs[OURS]) + 1, seeds + 1):
        # Who goes first alternates, so that neither always meets the colder machine.
        order = [ours, peer] if seed % 2 else [peer, ours]
        for name, reply in _run_seed(order, seed):
            scored = figures(reply)
            print(f"seed {seed}: {name} {', '.join(f'{key} {value:.4f}' for key, value in scored.items())}", flush=True)
            runs[name].append(scored | {key: reply[key] for key in ("seconds", "cpu_seconds")})
        yield seed


def _run_seed(workers, seed):
    """Yields `(worker name, last reply)` when a worker is through; prints how far both are."""
    progress = {worker.name: (0, 0.0) for worker in workers}
    for turn, (worker, reply) in enumerate(take_turns(workers, seed=seed)):
        progress[worker.name] = reply["steps"], reply["seconds"]
        if reply["done"] or turn % 10 == 9:
            standing = (f"{name} {steps} steps in {seconds:.1f} s" for name, (steps, seconds) in progress.items())
            print(f"seed {seed}: {', '.join(standing)}", flush=True)
        if reply["done"]:
            yield worker.name, reply


def by_seed(runs, key, digits=4):
    return ", ".join(f"{run[key]:.{digits}f}" for run in runs)


def mean(runs, key):
    return statistics.mean(run[key] for run in runs)


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def time_cells(runs):
    """Cells under `TIME_COLUMNS`."""
    return [by_seed(runs, "seconds", 0), f"{median(runs, 'seconds'):.0f}", f"{median(runs, 'cpu_seconds'):.0f}"]


TIME_COLUMNS = ["wall time by seed (s)", "median", "processor time (s)"]


def compared_times(runs):
    """A sentence."""
    ratio, cpu_ratio = (median(runs[PEER], key) / median(runs[OURS], key) for key in ("seconds", "cpu_seconds"))
    return (
        f"The peer's median wall time is {ratio:.2f} times ours, its processor time {cpu_ratio:.2f} times. On a "
        "machine that other programs use at the same time, the processor time is the better figure."
    )


def recipe_in_words(settings):
    """What both sides do alike: a phrase."""
    return (
        f"batch size {settings['batch_size']}, learning rate {settings['learning_rate']:g} with 10 % warm-up and "
        f"linear decay, AdamW with weight decay {settings['weight_decay']:g} (not on biases and LayerNorm), gradients "
        f"clipped to 1, max length {settings['max_length']}"
    )


def command(script):
    """The command line to name beside results, without where things lie on this machine."""
    arguments = sys.argv[1:]
    for option in ("--peers-python", "--data", "--work"):
        if option in arguments:
            place = arguments.index(option)
            del arguments[place : place + 2]
    return shlex.join(["python", f"benchmarks/{script}", *arguments])
