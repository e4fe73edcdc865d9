"""What pretraining's options cost and save: time of a step and the most memory of a process, each in a process alone.

    python benchmarks/bench_pretraining_options.py
    python benchmarks/bench_pretraining_options.py --size tiny --batch-size 8 --steps 3      # a short look

Random rows of 128 tokens with 20 masked positions. Memory is what the process holds at most above what it held before
the first step: activations, gradients, and the optimizer's moments. The first step, which is traced in, is not timed.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

from results import machine, table, write_section

OPTIONS = {
    "plain": {},
    "accumulate 4": {"accumulate": 4},
    "recompute": {"recompute": True},
    "recompute, accumulate 4": {"recompute": True, "accumulate": 4},
    "jit": {"jit_compile": True},
    "mixed_bfloat16": {"dtype": "mixed_bfloat16"},
}


def main():
    arguments = parse()
    if arguments.only:
        print(json.dumps(measure(arguments, **OPTIONS[arguments.only])))
        return
    rows = [["option", "seconds a step", "memory of training, MB"]]
    for name in OPTIONS:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        rows.append([name, f"{found['seconds']:.2f}", f"{found['megabytes']:.0f}"])
        print(*rows[-1], sep=", ", file=sys.stderr, flush=True)
    report = f"""## Options of pretraining

`python {" ".join(sys.argv)}` on {machine()}: {arguments.size}, {arguments.batch_size} rows of {arguments.length}
tokens.

{table(rows[0], rows[1:])}
"""
    print(report)
    if len(sys.argv) == 1:
        write_section("bench-pretraining-options", report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="mini")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--only", choices=OPTIONS, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(arguments, dtype=None, **compiled):
    import numpy as np
    import tensorflow as tf

    from bert_keras import BertBackbone, BertConfig, PretrainingModel

    config = BertConfig.from_name(arguments.size)
    model = PretrainingModel(BertBackbone(config, dtype=dtype))
    model.compile(**compiled)
    random, size, length = np.random.default_rng(0), arguments.batch_size, arguments.length
    rows = {
        "token_ids": random.integers(0, config.vocabulary_size, (size, length)),
        "segment_ids": np.zeros((size, length)),
        "padding_mask": np.ones((size, length)),
        "mask_positions": random.integers(0, length, (size, 20)),
        "mask_ids": random.integers(0, config.vocabulary_size, (size, 20)),
        "sentence_label": random.integers(0, 2, size),
    }
    rows = {name: values.astype("int32") for name, values in rows.items()}
    rows["mask_weights"] = np.ones((size, 20), "float32")
    model.make_train_function()
    iterator = iter(tf.data.Dataset.from_tensors(rows).repeat())
    before, seconds = peak_megabytes(), []
    for _ in range(arguments.steps + 1):
        start = time.perf_counter()
        float(model.train_function(iterator)["loss"])
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds[1:]), "megabytes": peak_megabytes() - before}


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
