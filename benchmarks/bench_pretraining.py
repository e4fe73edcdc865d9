"""Pretraining a small BERT on two cores, from raw text to fine-tuning, by the commands that users type.

    python benchmarks/bench_pretraining.py --data ../shared/data
    python benchmarks/bench_pretraining.py --data ../shared/data --steps 20 --fraction 0.01     # a short look

English Wikinews: every fortieth article is held out, a vocabulary is trained on the others, then a `mini` encoder. At
the masked positions of the held-out rows its perplexity stands beside that of a unigram and a bigram model of the same
tokens, and the accuracy of its sentence head beside chance. Then SST-2 from the pretrained weights and from random
ones.
A call with the same --work goes on where the one before was stopped.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

from fine_tuning import command
from ngrams import Bigrams
from results import machine, table, write_section

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SECTION = "bench-pretraining"
HELD_OUT_EVERY = 40
PRESET = "mini_uncased"


def main():
    options = parse()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    train, held_out = split(options.data / "pretrain_en_wikinews" / "wikinews.txt.gz", work)
    vocabulary = work / "vocab.txt"
    if not vocabulary.exists():
        bert_keras("vocab", "train", train, "--size", options.pieces, "--out", vocabulary)
    seconds = pretrain(options, train, held_out, vocabulary)
    lines = [json.loads(line) for line in (work / "run" / "metrics.jsonl").read_text().splitlines()]
    curve = [line for line in lines if "val_perplexity" in line]
    baselines, measured = perplexities_of_ngrams(options, train, held_out, vocabulary)
    accuracies = fine_tune(options, vocabulary)
    report = written(options, lines, curve, baselines, measured, accuracies, seconds)
    print(report)
    if options.steps == parse([]).steps and options.fraction == parse([]).fraction:
        write_section(SECTION, report)


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "wikinews", help="where the run lies")
    parser.add_argument("--pieces", type=int, default=8000, help="size of the vocabulary")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=64, help="tokens of a row")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--eval-rows", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=3, help="of fine-tuning")
    parser.add_argument("--fraction", type=float, default=0.3, help="part of SST-2's training file, from its top")
    return parser.parse_args(arguments)


def bert_keras(*arguments):
    subprocess.run([Path(sys.executable).with_name("bert-keras"), *map(str, arguments)], check=True)


def split(articles, work):
    """Writes the articles to learn from and those held out: two files."""
    from bert_keras.data.corpus import read_documents

    paths = work / "train.txt", work / "held_out.txt"
    if not all(path.exists() for path in paths):
        texts = ["\n".join(document.paragraphs) + "\n" for document in read_documents(str(articles))]
        held_out = texts[::HELD_OUT_EVERY]
        del texts[::HELD_OUT_EVERY]
        for path, some in zip(paths, (texts, held_out)):
            path.write_text("\n".join(some), encoding="utf-8")
    return paths


def pretrain(options, train, held_out, vocabulary):
    """Trains, or goes on; the seconds that training took, without start-up and measuring."""
    out = options.work / "run"
    bert_keras(
        *("pretrain", "--corpus", train, "--eval", held_out, "--eval-rows", options.eval_rows),
        *("--eval-every", max(1, options.steps // 8), "--preset", PRESET, "--vocabulary", vocabulary, "--out", out),
        *("--steps", options.steps, "--batch-size", options.batch_size, "--learning-rate", options.learning_rate),
        *("--max-length", options.length, "--warmup", 0.1, "--checkpoint-every", 1000, "--keep", 2, "--seed", 1),
        *(("--resume",) if out.exists() else ()),
    )
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return sum(line.get("seconds", 0) for line in lines)


def perplexities_of_ngrams(options, train, held_out, vocabulary):
    """Perplexities at the very positions that the run was measured at, by model; and how many rows and
    positions those are."""
    import numpy as np

    import bert_keras

    tokenizer = bert_keras.WordPieceTokenizer(str(vocabulary))
    texts = bert_keras.load_corpus([train], tokenizer)
    model = Bigrams(texts.token_ids, texts.sentences, tokenizer.vocabulary_size())
    rows = bert_keras.PretrainingRows(
        bert_keras.load_corpus([held_out], tokenizer),
        tokenizer,
        bert_keras.RowSettings(max_length=options.length),
        bert_keras.MaskSettings(max_predictions=math.ceil(0.15 * options.length)),
        seed=1,
    )
    count = min(options.eval_rows, rows.num_rows())
    rows = rows.rows(0, np.arange(count - count % min(options.batch_size, count)))
    ids = rows["token_ids"].copy()
    row, place = np.nonzero(rows["mask_weights"])
    positions, hidden = rows["mask_positions"][row, place], rows["mask_ids"][row, place]
    ids[row, positions] = hidden
    # Both see the true word before the masked one, which the encoder may not.
    found = {"unigram": model.unigram(hidden), "bigram": model.bigram(ids[row, positions - 1], hidden)}
    return {name: float(np.exp(-np.log(p).mean())) for name, p in found.items()}, (len(ids), len(hidden))


def fine_tune(options, vocabulary):
    """Dev accuracies on SST-2, by start, in the order of the seeds."""
    sst2 = options.data / "sst2"
    rows = (sst2 / "train.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    part = options.work / "sst2.tsv"
    part.write_text("".join(rows[: 1 + round((len(rows) - 1) * options.fraction)]), encoding="utf-8")
    starts = {
        "pretrained": ("--preset", options.work / "run" / "preset"),
        "random": ("--preset", PRESET, "--vocabulary", vocabulary),
    }
    found = {name: [] for name in starts}
    for seed in range(1, options.seeds + 1):
        for name, start in starts.items():
            out = options.work / f"sst2_{name}_{seed}"
            if not out.exists():
                bert_keras(
                    *("fine-tune", "classification", *start, "--train", part, "--eval", sst2 / "dev.tsv"),
                    *("--epochs", 2, "--batch-size", 32, "--learning-rate", 3e-4, "--max-length", 128),
                    *("--seed", seed, "--out", out),
                )
            found[name].append(json.loads((out / "metrics.json").read_text())["eval"]["accuracy"])
    return found


def interval(share, count):
    """Wilson's 95 % confidence interval of a share."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def written(options, lines, curve, baselines, measured, accuracies, seconds):
    count, masked = measured
    low, high = interval(curve[-1]["val_nsp_accuracy"], count)
    tokens = sum(line.get("tokens", 0) for line in lines)
    perplexities = [["model", "perplexity"]]
    perplexities += [[name, f"{value:.1f}"] for name, value in baselines.items()]
    perplexities += [[f"BERT-mini, step {line['step']}", f"{line['val_perplexity']:.1f}"] for line in curve]
    tuned = [
        [name, ", ".join(f"{value:.4f}" for value in values), f"{statistics.mean(values):.4f}"]
        for name, values in accuracies.items()
    ]
    return f"""## Pretraining on Wikinews, BERT-mini

`{command("bench_pretraining.py")}` on {machine()}.

A vocabulary of {options.pieces} pieces and {options.steps} steps of {options.batch_size} rows of {options.length}
tokens (NSP, 15 % masked, AdamW, learning rate {options.learning_rate:g}, 10 % warm-up, linear decay):
{tokens / 1e6:.1f} million tokens in {seconds / 60:.0f} minutes, {tokens / seconds:,.0f} tokens a second.

Perplexity at the same {masked} masked positions of articles held out. The unigram and the bigram model (interpolated
Kneser-Ney) count the tokens of the training articles, and the bigram model sees the true piece before the masked one,
which the encoder may find masked too.

{table(perplexities[0], perplexities[1:])}

Next sentence: {curve[-1]["val_nsp_accuracy"]:.3f} of {count} held-out rows right, 95 % confidence interval {low:.3f} to
{high:.3f}; chance is 0.5.

Then SST-2, {options.fraction:.0%} of the training file, 2 epochs, batch size 32, learning rate 3e-4:

{table(["start", "dev accuracy by seed", "mean"], tuned)}
"""


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{(time.monotonic() - started) / 60:.1f} minutes", file=sys.stderr)
