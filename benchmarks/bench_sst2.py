"""SST-2 with MiniLM-L6: `TextClassifier.fit` beside an HF transformers (PyTorch) loop, taking turns.

    make bench-sst2
    .venv/bin/python benchmarks/bench_sst2.py --seeds 1 --fraction 0.02     # a short look, writes no results

Both sides fine-tune the same checkpoint on the same sentences with the same batch size, epochs, learning rate and
seeds, and are asked for the labels of the dev set several times an epoch. What counts is the best of these looks, as
GLUE's dev figures are mostly given; it is partly the luck of 872 sentences, so the last look stands beside it. The wall
time of a run is tokenizing, batching, compiling and training, from raw strings to the last step; loading the checkpoint
and the looks are left out. One side works at a time, some batches each (see interleave.py).

A run over the whole training file goes into RESULTS.md, seed by seed; seeds that are there already, of a run with the
same settings, are kept and not run again (`--again` does).
"""

import argparse
from pathlib import Path

from fine_tuning import (
    OURS,
    PEER,
    ROOT,
    TIME_COLUMNS,
    add_options,
    by_seed,
    check_peers_python,
    command,
    compared_times,
    earlier_runs,
    mean,
    missing_seeds,
    recipe_in_words,
    runs_comment,
    start_workers,
    time_cells,
)
from results import machine, table, write_section

SECTION = "bench-sst2"
# Options that change nothing about a seed's run.
NOT_SETTINGS = ("seeds", "again", "peers_python", "data")


def main():
    options = parse()
    chosen = {name: value for name, value in vars(options).items() if name not in NOT_SETTINGS}
    runs = {OURS: [], PEER: []} if options.again or options.fraction < 1 else earlier_runs(SECTION, chosen)
    settings = chosen | {"train": str(options.data / "train.tsv"), "dev": str(options.data / "dev.tsv")}
    ours, peer = start_workers("sst2_ours.py", "hf_sst2.py", options.peers_python)
    with ours, peer:
        libraries = {worker.name: worker.ask(**settings)["library"] for worker in (ours, peer)}
        for _ in missing_seeds(ours, peer, runs, options.seeds, scored):
            report = describe(options, chosen, libraries, runs)
            if options.fraction == 1.0:
                write_section(SECTION, report)
            print(report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--evaluations-per-epoch", type=int, default=4, help="looks at the dev set, the best counts")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument(
        "--no-group-by-length",
        dest="group_by_length",
        action="store_false",
        help="the peer does not sort by length within 50 batches",
    )
    parser.add_argument("--compile", action="store_true", help="the peer runs through torch.compile")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "sst2")
    options = parser.parse_args()
    if not (options.data / "train.tsv").exists():
        parser.error(f"{options.data} holds no train.tsv; name the folder of SST-2 with --data")
    check_peers_python(parser, options)
    return options


def scored(reply):
    """The figures of a run, from a worker's last reply."""
    accuracies = [look["accuracy"] for look in reply["looks"]]
    return {"accuracy": max(accuracies), "last_accuracy": accuracies[-1]}


def describe(options, chosen, libraries, runs):
    """The section of RESULTS.md (Markdown)."""
    rows = [
        [
            f"{name} ({libraries[name]})",
            by_seed(runs[name], "accuracy"),
            f"{mean(runs[name], 'accuracy'):.4f}",
            by_seed(runs[name], "last_accuracy"),
            *time_cells(runs[name]),
        ]
        for name in (OURS, PEER)
    ]
    extras = "".join(f", {name}" for name in ("group_by_length", "compile") if getattr(options, name))
    return "\n\n".join(
        (
            "## SST-2, MiniLM-L6",
            f"`{command('bench_sst2.py')}` on {machine()}; {len(runs[OURS])} of {options.seeds} seeds done.",
            f"{options.epochs} epoch(s) of {options.fraction:.0%} of the training file, {recipe_in_words(chosen)}; "
            f"{options.evaluations_per_epoch} look(s) at the dev set an epoch. "
            f"The peer: each batch padded to its longest row, {options.attention} attention, fused AdamW{extras}. Wall "
            f"time: tokenizing, batching, compiling, training; turns of {options.steps_per_turn} batches, one side at "
            f"a time, {options.threads} threads each.",
            table(["", "dev accuracy by seed, best look", "mean", "last look", *TIME_COLUMNS], rows),
            compared_times(runs),
            runs_comment(chosen, runs),
        )
    )


if __name__ == "__main__":
    main()
