"""SST-2 with MiniLM-L6: `TextClassifier.fit` beside an HF transformers (PyTorch) loop, taking turns.

    make bench-sst2
    .venv/bin/python benchmarks/bench_sst2.py --seeds 1 --fraction 0.02     # a short look, writes no results

Both sides fine-tune the same checkpoint on the same sentences with the same batch size, epochs, learning rate and
seeds, and are then asked for the labels of the dev set. The wall time of a run is tokenizing, batching, compiling and
training, from raw strings to the last step; loading the checkpoint and the closing evaluation are left out. One side
works at a time, some batches each (see interleave.py). A run over the whole training file goes into RESULTS.md, seed by
seed; seeds that are there already, of a run with the same settings, are kept and not run again (`--again` does).
"""

import argparse
import json
import os
import re
import shlex
import statistics
import sys
from pathlib import Path

from interleave import Worker, take_turns
from results import machine, read_section, table, write_section

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OURS, PEER = "bert_keras", "HF transformers"
# Options that change nothing about a seed's run.
NOT_SETTINGS = ("seeds", "again", "peers_python", "data")


def main():
    options = parse()
    chosen = {name: value for name, value in vars(options).items() if name not in NOT_SETTINGS}
    runs = {OURS: [], PEER: []} if options.again or options.fraction < 1 else earlier_runs(chosen)
    settings = chosen | {"train": str(options.data / "train.tsv"), "dev": str(options.data / "dev.tsv")}
    ours = Worker(OURS, [sys.executable, str(HERE / "sst2_ours.py")], {"TF_CPP_MIN_LOG_LEVEL": "3"})
    # OpenMP's threads spin while they wait for each other, which on a busy machine makes torch several times slower.
    peer = Worker(PEER, [str(options.peers_python), str(HERE / "peers" / "hf_sst2.py")], {"OMP_WAIT_POLICY": "PASSIVE"})
    with ours, peer:
        libraries = {worker.name: worker.ask(**settings)["library"] for worker in (ours, peer)}
        for seed in range(len(runs[OURS]) + 1, options.seeds + 1):
            # Who goes first alternates, so that neither always meets the colder machine.
            order = [ours, peer] if seed % 2 else [peer, ours]
            for worker, run in run_seed(order, seed):
                runs[worker].append({name: run[name] for name in ("accuracy", "seconds", "cpu_seconds")})
            report = describe(options, chosen, libraries, runs)
            if options.fraction == 1.0:
                write_section("bench-sst2", report)
            print(report)


def earlier_runs(chosen):
    """The runs that RESULTS.md holds of these settings, by side, in the order of their seeds."""
    found = re.search("<!-- runs (.*) -->", read_section("bench-sst2"))
    kept = json.loads(found[1]) if found else {}
    return kept["runs"] if kept.get("settings") == chosen else {OURS: [], PEER: []}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of each side, with seeds 1, 2, …")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--fraction", type=float, default=1.0, help="part of the training file, from its top")
    parser.add_argument("--steps-per-turn", type=int, default=16, help="batches until the other side has its turn")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each side")
    parser.add_argument("--attention", default="sdpa", help="the peer's: sdpa or eager")
    parser.add_argument("--group-by-length", action="store_true", help="the peer sorts by length within 50 batches")
    parser.add_argument("--compile", action="store_true", help="the peer runs through torch.compile")
    parser.add_argument("--again", action="store_true", help="run seeds anew that RESULTS.md holds already")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "sst2")
    parser.add_argument("--peers-python", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    options = parser.parse_args()
    if not (options.data / "train.tsv").exists():
        parser.error(f"{options.data} holds no train.tsv; name the folder of SST-2 with --data")
    if not options.peers_python.exists():
        parser.error(f"{options.peers_python} does not exist; run `make peers`, or name one with --peers-python")
    return options


def run_seed(workers, seed):
    """Yields `(worker name, last reply)` when a worker is through; prints how far both are."""
    progress = {worker.name: (0, 0.0) for worker in workers}
    for turn, (worker, reply) in enumerate(take_turns(workers, seed=seed)):
        progress[worker.name] = reply["steps"], reply["seconds"]
        if reply["done"] or turn % 10 == 9:
            standing = (f"{name} {steps} steps in {seconds:.1f} s" for name, (steps, seconds) in progress.items())
            print(f"seed {seed}: {', '.join(standing)}", flush=True)
        if reply["done"]:
            print(f"seed {seed}: {worker.name} dev accuracy {reply['accuracy']:.4f}", flush=True)
            yield worker.name, reply


def describe(options, chosen, libraries, runs):
    """The section of RESULTS.md (Markdown)."""
    seeds = len(runs[OURS])
    rows = [
        [
            f"{name} ({libraries[name]})",
            ", ".join(f"{run['accuracy']:.4f}" for run in runs[name]),
            f"{statistics.mean(run['accuracy'] for run in runs[name]):.4f}",
            ", ".join(f"{run['seconds']:.0f}" for run in runs[name]),
            f"{median(runs[name], 'seconds'):.0f}",
            f"{median(runs[name], 'cpu_seconds'):.0f}",
        ]
        for name in (OURS, PEER)
    ]
    ratio, cpu_ratio = (median(runs[PEER], key) / median(runs[OURS], key) for key in ("seconds", "cpu_seconds"))
    extras = "".join(f", {name}" for name in ("group_by_length", "compile") if getattr(options, name))
    return "\n\n".join(
        (
            "## SST-2, MiniLM-L6",
            f"`{command()}` on {machine()}; {seeds} of {options.seeds} seeds done.",
            f"{options.epochs} epoch(s) of {options.fraction:.0%} of the training file, batch size "
            f"{options.batch_size}, learning rate {options.learning_rate:g} with 10 % warm-up and linear decay, AdamW "
            f"with weight decay {options.weight_decay:g} (not on biases and LayerNorm), gradients clipped to 1, max "
            f"length {options.max_length}. The peer: each batch padded to its longest row, {options.attention} "
            f"attention, fused AdamW{extras}. Wall time: tokenizing, batching, compiling, training; turns of "
            f"{options.steps_per_turn} batches, one side at a time, {options.threads} threads each.",
            table(["", "dev accuracy by seed", "mean", "wall time by seed (s)", "median", "processor time (s)"], rows),
            f"The peer's median wall time is {ratio:.2f} times ours, its processor time {cpu_ratio:.2f} times. On a "
            "machine that other programs use at the same time, the processor time is the better figure.",
            f"<!-- runs {json.dumps({'settings': chosen, 'runs': runs})} -->",
        )
    )


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def command():
    arguments = [argument for argument in sys.argv[1:]]
    for option in ("--peers-python", "--data"):  # where things lie on this machine is not part of the result
        if option in arguments:
            place = arguments.index(option)
            del arguments[place : place + 2]
    return shlex.join(["python", "benchmarks/bench_sst2.py", *arguments])


if __name__ == "__main__":
    main()
