"""`TextClassifier.fit` beside a hand-written `tf.function` loop, for BERT-tiny: what Keras' training loop costs.

    python benchmarks/bench_fit.py
    python benchmarks/bench_fit.py --epochs 3 --texts 640      # a short look, writes no results

Both sides start from the same weights and train on the same batches in the same order with the same optimizer; their
losses of the last epoch must agree. Each side is a process, an epoch a turn; the first epoch, in which TensorFlow
traces, is not counted. The loop is the plainest there is: it adds up the loss and does nothing else.
"""

import argparse
import os
import shlex
import statistics
import sys
from pathlib import Path

from interleave import Worker, take_turns
from results import machine, table, write_section

HERE = Path(__file__).resolve().parent
FIT, LOOP = "fit", "loop"

# What the project asks: `fit` takes at most so many times as long as the loop.
ASKED = 1.05


def main():
    options = parse()
    settings = vars(options)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    workers = [Worker(side, [sys.executable, str(HERE / "fit_epochs.py"), side], quiet) for side in (FIT, LOOP)]
    try:
        libraries = {worker.name: worker.ask(**settings)["library"] for worker in workers}
        epochs = {FIT: [], LOOP: []}
        for worker, reply in take_turns(workers):
            epochs[worker.name].append(reply)
    finally:
        for worker in workers:
            worker.close()
    losses = [epochs[side][-1]["loss"] for side in (FIT, LOOP)]
    if abs(losses[0] - losses[1]) > 1e-2 * abs(losses[1]):
        sys.exit(f"The losses of the last epoch differ ({losses[0]:.5f} and {losses[1]:.5f}): not the same training")
    report = describe(options, libraries[FIT], epochs)
    print(report)
    if len(sys.argv) == 1:
        write_section("bench-fit", report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=13)
    parser.add_argument("--texts", type=int, default=4096)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def describe(options, library, epochs):
    """The section of RESULTS.md (Markdown)."""
    counted = {side: replies[1:] for side, replies in epochs.items()}
    rows = [
        [side, *(f"{choose(reply[key] for reply in counted[side]):.3f}" for key, choose in MEASURES.values())]
        for side in (FIT, LOOP)
    ]
    ratios = [
        choose(reply[key] for reply in counted[FIT]) / choose(reply[key] for reply in counted[LOOP])
        for key, choose in MEASURES.values()
    ]
    rows.append(["fit / loop", *(f"{ratio:.3f}x" for ratio in ratios)])
    parts = [
        "## `fit` beside a hand-written loop, BERT-tiny",
        f"`{shlex.join(['python', 'benchmarks/bench_fit.py', *sys.argv[1:]])}` on {machine()}; {library}.",
        f"{len(counted[FIT])} epochs of {options.texts} texts (2 to 66 tokens, mean 12), batch size "
        f"{options.batch_size}, {options.threads} threads, an epoch a turn; same weights, batches and optimizer.",
        table(["", *MEASURES], rows),
    ]
    if ratios[0] > ASKED:
        parts.append(
            f"{ASKED:.0%} was asked for; this run shows {ratios[0]:.1%} by the medians of wall time, {ratios[1]:.1%} "
            f"by the best epochs and {ratios[2]:.1%} by processor time: the last is what `fit` itself costs, the first "
            "has the other programs on the machine in it."
        )
    return "\n\n".join(parts)


MEASURES = {
    "median epoch (s)": ("seconds", statistics.median),
    "best epoch (s)": ("seconds", min),
    "median processor time (s)": ("cpu_seconds", statistics.median),
}


if __name__ == "__main__":
    main()
