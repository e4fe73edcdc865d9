"""Steps of pretraining beside HF transformers (PyTorch) on the same rows, taking turns: tokens a second.

    python benchmarks/bench_pretraining_speed.py
    python benchmarks/bench_pretraining_speed.py --size tiny --turns 2 --steps 2      # a short look, writes no results

Rows of Wikinews (NSP, 15 % masked) as `PretrainingRows` makes them, once one sequence a row and once packed; Hugging
Face's BertForPreTraining has no packing and learns from the former. Both sides start from the same random weights, give
the same loss before the first step, and train with AdamW, gradients clipped to 1, dropout as in the paper. Tokens are
counted without padding.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from fine_tuning import HERE, OURS, PEER, ROOT, check_peers_python, command
from interleave import Worker
from results import machine, table, write_section

SECTION = "bench-pretraining-speed"
PACKED = "bert_keras, packed"
# Sides agree on the first loss to this, in nats of about 11.
SAME = 1e-3


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "size": options.size,
            "threads": options.threads,
            "checkpoint": str(Path(folder) / "checkpoint"),
            "batch_size": options.batch_size,
        }
        rows = {name: str(Path(folder) / f"{name.replace(', ', '_')}.npz") for name in (OURS, PACKED)}
        rows[PEER] = rows[OURS]
        write_rows(options, rows)
        python = {OURS: sys.executable, PACKED: sys.executable, PEER: str(options.peers_python)}
        script = {OURS: "pretraining_ours.py", PACKED: "pretraining_ours.py", PEER: "peers/hf_pretraining.py"}
        # The peer first: it makes the weights that all start from.
        workers = [
            Worker(name, [python[name], str(HERE / script[name])], {"OMP_WAIT_POLICY": "PASSIVE"})
            for name in (PEER, OURS, PACKED)
        ]
        try:
            replies = {worker.name: worker.ask(**settings, rows=rows[worker.name]) for worker in workers}
            check_losses(replies)
            turns = measure(workers, options)
        finally:
            for worker in workers:
                worker.close()
    report = describe(options, replies, turns)
    print(report)
    if len(sys.argv) == 1:
        write_section(SECTION, report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="mini", help="a named size")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6, help="of a turn")
    parser.add_argument("--threads", type=int, default=2, help="threads of each side")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers-python", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    options = parser.parse_args()
    check_peers_python(parser, options)
    return options


def write_rows(options, paths):
    """Enough rows for the longest run, as arrays in two files."""
    sys.path.insert(0, str(ROOT))
    import itertools

    import numpy as np

    import bert_keras
    from bert_keras.data.corpus import read_documents
    from bert_keras.data.encoded_corpus import encode_documents
    from bert_keras.data.sentences import split_sentences
    from bert_keras.presets import load_tokenizer

    tokenizer = load_tokenizer("minilm_l6_uncased")
    articles = read_documents(str(options.data / "pretrain_en_wikinews" / "wikinews.txt.gz"))
    documents = (
        [sentence for paragraph in article.paragraphs for sentence in split_sentences(paragraph)]
        for article in itertools.islice(articles, 1500)
    )
    corpus = encode_documents(documents, tokenizer)
    for name, pack in ((OURS, False), (PACKED, True)):
        made = bert_keras.PretrainingRows(corpus, tokenizer, bert_keras.RowSettings(pack=pack), seed=1)
        np.savez(paths[name], **made.rows(0, np.arange(made.num_rows())))


def check_losses(replies):
    ours, peer = replies[OURS]["loss"], replies[PEER]["loss"]
    if abs(ours - peer) > SAME:
        raise SystemExit(f"The sides do not begin alike: loss {ours:.5f} and {peer:.5f}.")


def measure(workers, options):
    """Tokens a second by wall time and by processor time, of each turn, by side."""
    turns = {worker.name: [] for worker in workers}
    for turn in range(options.turns):
        # Who goes first changes, so that nobody always meets the colder machine.
        for worker in workers[turn % 3 :] + workers[: turn % 3]:
            reply = worker.ask(steps=options.steps)
            turns[worker.name].append((reply["tokens"] / reply["seconds"], reply["tokens"] / reply["cpu_seconds"]))
    return turns


def describe(options, replies, turns):
    wall = {name: statistics.median(rate for rate, _ in rates) for name, rates in turns.items()}
    cpu = {name: statistics.median(rate for _, rate in rates) for name, rates in turns.items()}
    rows = [
        [
            f"{name} ({replies[name]['library']})",
            f"{replies[name]['fill']:.2f}",
            f"{wall[name]:,.0f}",
            f"{wall[name] / wall[PEER]:.2f}x",
            f"{cpu[name] / cpu[PEER]:.2f}x",
        ]
        for name in (OURS, PACKED, PEER)
    ]
    header = ["", "fill rate", "tokens a second", "times the peer", "by processor time"]
    return f"""## Pretraining steps, BERT-{options.size}

`{command("bench_pretraining_speed.py")}` on {machine()}.

{options.batch_size} rows of 128 tokens a step, {options.turns} turns of {options.steps} steps a side, one side at a
time, {options.threads} threads each; medians over the turns. Losses before the first step:
{replies[OURS]["loss"]:.4f} and {replies[PEER]["loss"]:.4f}. The peer's loss goes through the vocabulary at every
position, as its model does; ours at the masked ones.

{table(header, rows)}
"""


if __name__ == "__main__":
    main()
