"""Pretraining on one device, on two, and in two processes: tokens a second of `bert-keras pretrain`, taking turns.

    python benchmarks/bench_scale_out.py
    python benchmarks/bench_scale_out.py --preset tiny_uncased --rounds 1 --steps 8     # a short look, no results

Every run is the command that users type, from the same random weights, over the same rows of Wikinews, with the same
global batch. The processors of this machine are shared out: one device has them all, each of two devices or processes
its part. So nothing can become faster here, and what the table shows is what it costs to spread the work: gradients
that are added up, over memory or over gRPC, and steps that wait for each other. One run works at a time.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fine_tuning import ROOT, command
from results import machine, table, write_section

SECTION = "bench-scale-out"
ALONE, ONE_THREAD = "one device", "one device, one thread"
MIRRORED, WORKERS = "two logical devices, mirrored", "two processes, multi_worker"
SIDES = (ALONE, ONE_THREAD, MIRRORED, WORKERS)
# Lines of metrics.jsonl that are left out: the step function is traced in the first.
WARM_UP = 1
TWO_DEVICES = """
import bert_keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from bert_keras.cli import main
main()
"""


def main():
    options = parse()
    rates = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        texts = write_texts(options, Path(folder))
        for number in range(options.rounds):
            # Who goes first changes, so that nobody always meets the colder machine.
            for side in SIDES[number % len(SIDES) :] + SIDES[: number % len(SIDES)]:
                out = Path(folder) / f"{number} {side}"
                pretrain(side, options, texts, out)
                rates[side] += tokens_per_second(out)
                print(f"round {number + 1}, {side}: {statistics.median(rates[side]):,.0f} tokens/s", flush=True)
    report = describe(options, rates)
    print(report)
    if len(sys.argv) == 1:
        write_section(SECTION, report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="mini_uncased", help="a named size with its vocabulary")
    parser.add_argument("--batch-size", type=int, default=32, help="rows of a step, over all devices")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
    parser.add_argument("--steps", type=int, default=24, help="of a run")
    parser.add_argument("--log-every", type=int, default=4, help="steps that one figure is the mean of")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    if options.steps // options.log_every <= WARM_UP:
        parser.error(f"--steps {options.steps} are too few for figures every {options.log_every} steps")
    return options


def write_texts(options, folder):
    sys.path.insert(0, str(ROOT))
    from bert_keras.data.corpus import read_documents

    articles = read_documents(str(options.data / "pretrain_en_wikinews" / "wikinews.txt.gz"))
    texts = ["\n".join(article.paragraphs) + "\n" for article in itertools.islice(articles, 1500)]
    path = folder / "texts.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def pretrain(side, options, texts, out):
    strategy = {MIRRORED: "mirrored", WORKERS: "multi_worker"}.get(side, "none")
    arguments = ["pretrain", "--preset", options.preset, "--corpus", texts, "--out", out, "--strategy", strategy]
    arguments += ["--vocabulary", options.data / "vocab" / "bert-base-uncased-vocab.txt", "--max-length", 128]
    arguments += ["--batch-size", options.batch_size, "--steps", options.steps, "--log-every", options.log_every]
    program = TWO_DEVICES if side == MIRRORED else "from bert_keras.cli import main; main()"
    line = [sys.executable, "-c", program, *map(str, arguments)]
    processors = sorted(os.sched_getaffinity(0))
    half = max(1, len(processors) // 2)
    if side == WORKERS:
        from serving.ports import free_ports

        addresses = [f"localhost:{port}" for port in free_ports(2)]
        # No process may take what the other one has been given.
        parts = (set(processors[:half]), set(processors[-half:]))
        started = [start(line, part, tf_config(addresses, index)) for index, part in enumerate(parts)]
    else:
        started = [start(line, set(processors[:1] if side == ONE_THREAD else processors))]
    for process in started:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"{side} ended with code {process.returncode}:\n{said}")


def start(line, processors, variables=None):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})}
    return subprocess.Popen(
        line,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )


def tf_config(addresses, index):
    return {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})}


def tokens_per_second(out):
    """The rates of a run that are counted; those of several processes are of all of them together."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["tokens_per_second"] for line in lines if "tokens_per_second" in line][WARM_UP:]


def describe(options, rates):
    medians = {side: statistics.median(values) for side, values in rates.items()}
    rows = [
        [
            side,
            f"{medians[side]:,.0f}",
            f"{medians[side] / medians[ALONE]:.2f}x",
            f"{min(all_):,.0f} to {max(all_):,.0f}",
        ]
        for side, all_ in rates.items()
    ]
    return f"""## Pretraining spread over devices and processes

`{command("bench_scale_out.py")}` on {machine()}.

{options.preset}, {options.batch_size} rows of 128 tokens a step over all devices; {options.rounds} runs a side of
{options.steps} steps, one run at a time; medians of figures over {options.log_every} steps, without the first of a run.
All sides share the processors of this one machine: the ratio is what spreading costs, not what it gains.

{table(["", "tokens a second", "times one device", "from, to"], rows)}
"""


if __name__ == "__main__":
    main()
