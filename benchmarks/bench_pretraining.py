"""Pretraining on two cores, from raw text to fine-tuning, by the commands that users type.

    python benchmarks/bench_pretraining.py english
    python benchmarks/bench_pretraining.py english --steps 20 --fraction 0.01      # a short look, writes no results

english: a vocabulary and BERT-mini from Wikinews, then SST-2. chinese: BERT-mini from Wikipedia, whole words masked,
then ChnSentiCorp. continued: MiniLM-L6, whose head for masked words is a fresh one, goes on with Wikinews.
--steps, --batch-size and --learning-rate try other settings, and write no results.

Every fortieth article is held out. At the masked positions of the held-out rows the encoder's perplexity stands beside
those of a unigram and a bigram model of the same tokens, the accuracy of its sentence head beside chance, and the
accuracy of fine-tuning from the pretrained weights beside that from random ones. A call with the same --work goes on
where the one before was stopped.
"""

import argparse
import dataclasses
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

from fine_tuning import command
from ngrams import Bigrams
from results import machine, table, write_section

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HELD_OUT_EVERY = 40


@dataclasses.dataclass(frozen=True)
class Part:
    """What is pretrained on what, and the task that shows what it is good for; paths are below --data."""

    title: str
    corpus: str
    preset: str
    steps: int = 12000
    batch_size: int = 16
    length: int = 64
    learning_rate: float = 1e-3
    vocabulary: str | None = None
    pieces: int | None = None
    masking: str = "token"
    mask_probability: float = 0.15
    objective: str = "nsp"
    # Of `pretrain`: what a small model from random weights needs to get beyond the frequencies of words.
    from_scratch: tuple[str, ...] = ()
    task: str | None = None
    fraction: float = 1.0
    tuning: tuple[str, ...] = ()

    @property
    def is_random_start(self):
        return bool(self.vocabulary or self.pieces)


TRIED = ("steps", "batch_size", "learning_rate", "fraction")
TUNING = ("--epochs", "2", "--batch-size", "32", "--learning-rate", "3e-4", "--max-length", "128")
PARTS = {
    "english": Part(
        title="BERT-mini from Wikinews",
        corpus="pretrain_en_wikinews/wikinews.txt.gz",
        preset="mini_uncased",
        pieces=8000,
        # With 2 layers x 128, 3e-3 and 30 % get further than 1e-3 and 15 % in the same time; a wider model wants less.
        learning_rate=2e-3,
        mask_probability=0.3,
        objective="none",
        from_scratch=("--dropout", "0", "--output-bias", "counts"),
        task="sst2",
        fraction=0.3,
        tuning=TUNING,
    ),
    "chinese": Part(
        title="BERT-mini from Chinese Wikipedia, whole words masked",
        corpus="pretrain_zh_wikipedia/zhwiki.txt.gz",
        preset="mini_chinese",
        vocabulary="vocab/bert-base-chinese-vocab.txt",
        masking="whole-word",
        task="chnsenticorp",
        tuning=TUNING,
    ),
    "continued": Part(
        title="MiniLM-L6 with a fresh head, continued on Wikinews",
        corpus="pretrain_en_wikinews/wikinews.txt.gz",
        preset="minilm_l6_uncased",
        steps=1000,
        learning_rate=5e-4,
    ),
}


def main():
    options = parse()
    part = PARTS[options.part]
    chosen = {name: getattr(options, name) for name in TRIED if getattr(options, name) is not None}
    part = dataclasses.replace(part, **chosen)
    work = options.work or ROOT / "runs" / f"pretraining_{options.part}"
    work.mkdir(parents=True, exist_ok=True)
    train, held_out = split(options.data / part.corpus, work)
    vocabulary = options.data / part.vocabulary if part.vocabulary else None
    if part.pieces:
        vocabulary = work / "vocab.txt"
        if not vocabulary.exists():
            bert_keras("vocab", "train", train, "--size", part.pieces, "--out", vocabulary)
    segmenter = write_words(options.words, work) if part.masking == "whole-word" else None
    pretrain(part, options, work, train, held_out, vocabulary, segmenter)
    compared = compare(part, options, work, train, held_out, vocabulary, segmenter)
    accuracies = fine_tune(part, options, work, vocabulary) if part.task else {}
    report = written(part, options, work, compared, accuracies)
    print(report)
    if part == PARTS[options.part]:
        write_section(f"bench-pretraining-{options.part}", report)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, help="where the run lies; default runs/pretraining_PART")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--eval-rows", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=3, help="of fine-tuning")
    parser.add_argument("--fraction", type=float, help="part of the task's training file, from its top")
    words = ROOT.glob(".venv-peers/lib/python*/site-packages/jieba/dict.txt")
    parser.add_argument("--words", type=Path, default=next(words, None), help="jieba's dict.txt, for Chinese words")
    options = parser.parse_args()
    if PARTS[options.part].masking == "whole-word" and options.words is None:
        parser.error("there is no list of Chinese words; run `make peers`, or name jieba's dict.txt with --words")
    return options


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


def write_words(dictionary, work):
    """The words of jieba's dictionary, one a line."""
    path = work / "words.txt"
    lines = dictionary.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.split(" ")[0] for line in lines if line) + "\n", encoding="utf-8")
    return path


def pretrain(part, options, work, train, held_out, vocabulary, segmenter):
    """Trains, or goes on."""
    out = work / "run"
    bert_keras(
        *("pretrain", "--corpus", train, "--eval", held_out, "--eval-rows", options.eval_rows),
        *("--eval-every", max(1, part.steps // 8), "--preset", part.preset, "--out", out),
        *(("--vocabulary", vocabulary) if vocabulary else ()),
        *("--steps", part.steps, "--batch-size", part.batch_size, "--learning-rate", part.learning_rate),
        *("--max-length", part.length, "--warmup", 0.1, "--checkpoint-every", 1000, "--keep", 2, "--seed", 1),
        *("--masking", part.masking, *(("--segmenter", segmenter) if segmenter else ())),
        *("--mask-probability", part.mask_probability, "--objective", part.objective, *part.from_scratch),
        *(("--resume",) if out.exists() else ()),
    )


def compare(part, options, work, train, held_out, vocabulary, segmenter):
    """What other models make of the very positions that the run was measured at: perplexity by model.

    Also: how many rows and positions those are.
    """
    import numpy as np

    import bert_keras
    from bert_keras.presets import load_tokenizer

    tokenizer = load_tokenizer(part.preset, vocabulary and str(vocabulary))
    reading = bert_keras.CorpusSettings(segmenter=str(segmenter) if segmenter else None)
    texts = bert_keras.load_corpus([train], tokenizer)
    model = Bigrams(texts.token_ids, texts.sentences, tokenizer.vocabulary_size())
    made = bert_keras.PretrainingRows(
        bert_keras.load_corpus([held_out], tokenizer, reading),
        tokenizer,
        bert_keras.RowSettings(max_length=part.length, objective=part.objective),
        bert_keras.MaskSettings(
            part.mask_probability, math.ceil(part.mask_probability * part.length), part.masking.replace("-", "_")
        ),
        seed=1,
    )
    count = min(options.eval_rows, made.num_rows())
    count -= count % min(part.batch_size, count)
    rows = made.rows(0, np.arange(count))
    ids = rows["token_ids"].copy()
    row, place = np.nonzero(rows["mask_weights"])
    positions, hidden = rows["mask_positions"][row, place], rows["mask_ids"][row, place]
    ids[row, positions] = hidden
    # Both see the true piece before the masked one, which the encoder may not.
    found = {"unigram": model.unigram(hidden), "bigram": model.bigram(ids[row, positions - 1], hidden)}
    perplexities = {name: float(np.exp(-np.log(p).mean())) for name, p in found.items()}
    if not part.is_random_start:
        fresh = bert_keras.PretrainingModel.from_preset(part.preset, max_length=part.length, seed=1)
        fresh.compile()
        batches = made.dataset(batch_size=part.batch_size, epochs=1).take(count // part.batch_size)
        perplexities[f"{part.preset}, before"] = fresh.evaluate(batches, verbose=0, return_dict=True)["perplexity"]
    return perplexities, count, len(hidden)


def fine_tune(part, options, work, vocabulary):
    """Dev accuracies of the task, by start, in the order of the seeds."""
    folder = options.data / part.task
    rows = (folder / "train.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    train = work / f"{part.task}.tsv"
    train.write_text("".join(rows[: 1 + round((len(rows) - 1) * part.fraction)]), encoding="utf-8")
    starts = {
        "pretrained": ("--preset", work / "run" / "preset"),
        "random": ("--preset", part.preset, "--vocabulary", vocabulary),
    }
    found = {name: [] for name in starts}
    for seed in range(1, options.seeds + 1):
        for name, start in starts.items():
            out = work / f"{part.task}_{name}_{seed}"
            if not out.exists():
                bert_keras(
                    *("fine-tune", "classification", *start, "--train", train, "--eval", folder / "dev.tsv"),
                    *(*part.tuning, "--seed", seed, "--out", out),
                )
            found[name].append(json.loads((out / "metrics.json").read_text())["eval"]["accuracy"])
    return found


def interval(share, count):
    """Wilson's 95 % confidence interval of a share."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def written(part, options, work, compared, accuracies):
    perplexities, rows, masked = compared
    lines = [json.loads(line) for line in (work / "run" / "metrics.jsonl").read_text().splitlines()]
    curve = [line for line in lines if "val_perplexity" in line]
    seconds, tokens = (sum(line.get(name, 0) for line in lines) for name in ("seconds", "tokens"))
    cells = [[name, f"{value:.1f}"] for name, value in perplexities.items()]
    cells += [[f"{part.preset}, step {line['step']}", f"{line['val_perplexity']:.1f}"] for line in curve]
    start = f"A vocabulary of {part.pieces} pieces, then " if part.pieces else ""
    beside = "".join(f", `{name} {value}`" for name, value in zip(part.from_scratch[::2], part.from_scratch[1::2]))
    report = f"""## Pretraining: {part.title}

`{command("bench_pretraining.py")}` on {machine()}.

{start}{part.steps} steps of {part.batch_size} rows of {part.length} tokens (objective {part.objective},
{part.mask_probability:.0%} masked, AdamW, learning rate {part.learning_rate:g}, 10 % warm-up, linear decay{beside}):
{tokens / 1e6:.1f} million tokens in {seconds / 60:.0f} minutes.

Perplexity at the same {masked} masked positions of {rows} rows of articles held out. The unigram and the bigram model
(interpolated Kneser-Ney) count the tokens of the training articles, and the bigram model sees the true piece before the
masked one, which the encoder may find masked too.

{table(["model", "perplexity"], cells)}
"""
    if part.objective == "nsp":
        share = curve[-1]["val_nsp_accuracy"]
        low, high = interval(share, rows)
        report += f"""
Next sentence: {share:.3f} of the held-out rows right, 95 % confidence interval {low:.3f} to {high:.3f}; chance is 0.5.
"""
    if not accuracies:
        return report
    tuned = [
        [name, ", ".join(f"{value:.4f}" for value in values), f"{statistics.mean(values):.4f}"]
        for name, values in accuracies.items()
    ]
    return f"""{report}
Then {part.task}, {part.fraction:.0%} of the training file ({" ".join(part.tuning)}):

{table(["start", "dev accuracy by seed", "mean"], tuned)}
"""


if __name__ == "__main__":
    main()
