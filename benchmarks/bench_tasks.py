"""Entities, intents with slots, and answers with MiniLM-L6: our tasks' `fit` beside HF transformers, taking turns.

    make bench-tasks
    .venv/bin/python benchmarks/bench_tasks.py --task wnut17 atis           # some data sets
    .venv/bin/python benchmarks/bench_tasks.py --seeds 1 --fraction 0.05    # a short look, writes no results

Both sides fine-tune the same checkpoint on the same rows with the same batch size, epochs, learning rate and seeds; the
first piece of a word learns its tag, long contexts are read through windows of the same stride. Ours has what is the
tasks' default; the peer is HF's `AutoModelForTokenClassification`, `AutoModelForQuestionAnswering` or the joint model
of Chen, Zhuo & Wang 2019, in a plain loop with length grouping (peers/hf_loop.py). Utterances with two intents are
several labels with us and one label of its own with the peer, each side's own way; right is the whole set.

The predictions of both for the dev set are measured by one implementation, ours, which golden tests hold to seqeval's
(`I-` after another type begins an entity) and the official SQuAD script's figures. The wall time of a run is
tokenizing, batching, compiling and training, from words or texts to the last step. A run over the whole training file
goes into RESULTS.md, a section for each data set, seed by seed; seeds that are there already, of a run with the same
settings, are kept and not run again (`--again` does).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

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
from task_data import ANSWERS, DATA_SETS, METRICS, read_rows, score

# What each data set has its own default of.
OWN_DEFAULTS = ("epochs", "batch_size", "learning_rate", "max_length")
SETTINGS = ("weight_decay", "fraction", "steps_per_turn", "threads", "attention")


def main():
    options = parse()
    for name in options.task:
        run(name, options)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", nargs="+", choices=tuple(DATA_SETS), default=list(DATA_SETS), help="default: all")
    add_options(parser)
    for option, kind in (("epochs", int), ("batch-size", int), ("learning-rate", float), ("max-length", int)):
        parser.add_argument(f"--{option}", type=kind, help="default: the data set's, see task_data.py")
    parser.add_argument("--doc-stride", type=int, default=128, help="pieces from one window's start to the next one's")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the folder of all data")
    options = parser.parse_args()
    for name in options.task:
        for part in (DATA_SETS[name].train, DATA_SETS[name].dev):
            if not (options.data / part).exists():
                parser.error(f"{options.data / part} does not exist; name the folder that holds {part} with --data")
    check_peers_python(parser, options)
    return options


def run(name, options):
    """Runs the seeds that are missing of one data set, and writes its section."""
    data, section = DATA_SETS[name], f"bench-tasks-{name}"
    chosen = settings_of(data, options)
    runs = {OURS: [], PEER: []} if options.again or options.fraction < 1 else earlier_runs(section, chosen)
    train = read_rows(data.kind, options.data / data.train, options.fraction, to_learn=True)
    dev = read_rows(data.kind, options.data / data.dev)
    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory) / "rows.json"
        rows.write_text(json.dumps({"train": train, "dev": dev}), encoding="utf-8")
        ours, peer = start_workers("tasks_ours.py", "hf_tasks.py", options.peers_python)
        with ours, peer:
            settings = chosen | {"kind": data.kind, "rows": str(rows), "group_by_length": True}
            libraries = {worker.name: worker.ask(**settings)["library"] for worker in (ours, peer)}
            print(f"{data.title}: {len(train)} rows to learn, {len(dev)} to measure", flush=True)

            def figures(reply):
                return score(data.kind, dev, reply["predictions"]) | {"loss": reply["loss"]}

            for _ in missing_seeds(ours, peer, runs, options.seeds, figures):
                report = describe(data, options, chosen, libraries, runs)
                if options.fraction == 1.0:
                    write_section(section, report)
                print(report, flush=True)


def settings_of(data, options):
    """What a seed's run depends on, a JSON-able dict."""
    own = {name: getattr(options, name) or getattr(data, name) for name in OWN_DEFAULTS}
    settings = own | {name: getattr(options, name) for name in SETTINGS}
    return settings | ({"doc_stride": options.doc_stride} if data.kind == ANSWERS else {})


def describe(data, options, chosen, libraries, runs):
    """The section of RESULTS.md (Markdown)."""
    metrics = METRICS[data.kind]
    header, rows = [""], [[f"{name} ({libraries[name]})"] for name in (OURS, PEER)]
    for metric, label in metrics.items():
        header += [f"dev {label} by seed", "mean"]
        for row, name in zip(rows, (OURS, PEER)):
            row += [by_seed(runs[name], metric), f"{mean(runs[name], metric):.4f}"]
    for row, name in zip(rows, (OURS, PEER)):
        row += time_cells(runs[name])
    windows = f", windows every {chosen['doc_stride']} pieces" if "doc_stride" in chosen else ""
    losses = ", ".join(f"{name} {mean(runs[name], 'loss'):.4f}" for name in (OURS, PEER))
    return "\n\n".join(
        (
            f"## {data.title}, MiniLM-L6",
            f"`{command('bench_tasks.py')}` on {machine()}; {len(runs[OURS])} of {options.seeds} seeds done.",
            f"{chosen['epochs']} epoch(s) of {chosen['fraction']:.0%} of the training file, {recipe_in_words(chosen)}"
            f"{windows}. The peer: each batch padded to its longest row, rows grouped by length, {chosen['attention']} "
            f"attention, fused AdamW. Wall time: tokenizing, batching, compiling, training; turns of "
            f"{chosen['steps_per_turn']} batches, one side at a time, {chosen['threads']} threads each.",
            table([*header, *TIME_COLUMNS], rows),
            f"Mean training loss of the last epoch: {losses}.",
            compared_times(runs),
            runs_comment(chosen, runs),
        )
    )


if __name__ == "__main__":
    main()
