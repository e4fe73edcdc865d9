"""Every text of ../shared/data, cut by core ops and by TensorFlow Text: the pieces and offsets must be the same.

    .venv/bin/python benchmarks/tokenizer_equality.py                  # everything: some minutes
    .venv/bin/python benchmarks/tokenizer_equality.py --every 50       # a fiftieth of the lines

Files are taken line by line as they stand, markup and all; then each character of Unicode, alone and between letters.
Exit code 1, and the first text, where anything differs.
"""

import argparse
import gzip
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
VOCABULARIES = {
    "bert-base-uncased": True,
    "bert-base-cased": False,
    "bert-base-chinese": True,
    "bert-base-multilingual-cased": False,
}
BATCH = 256
# Lines of JSON may hold a whole data set.
LONGEST = 4000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, metavar="N", help="Take every Nth line and character alone.")
    parser.add_argument("--vocabularies", nargs="+", default=list(VOCABULARIES), choices=VOCABULARIES)
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for name in arguments.vocabularies:
        compare = comparison(DATA / "vocab" / f"{name}-vocab.txt", VOCABULARIES[name])
        count = pieces = 0
        for batch in batches(texts(arguments.every)):
            pieces += compare(batch)
            count += len(batch)
        print(f"{name}: {count:,} texts, {pieces:,} pieces: the same", flush=True)


def texts(every):
    """Lines of all files, in pieces of at most `LONGEST` characters, then all characters."""
    number = 0
    for path in sorted(DATA.rglob("*")):
        if not path.is_file():
            continue
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="\n") as file:
            for line in file:
                for begin in range(0, len(line), LONGEST):
                    number += 1
                    if number % every == 0:
                        yield line[begin : begin + LONGEST]
    for code in range(0, 0x110000, every):
        if not 0xD800 <= code < 0xE000:
            yield chr(code)
            yield f"a{chr(code)}é中"


def batches(values):
    batch = []
    for value in values:
        batch.append(value)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def comparison(vocabulary, lowercase):
    """A function of texts that gives the number of their pieces, and ends the program where the two sides differ."""
    import tensorflow as tf

    from bert_keras import WordPieceTokenizer

    tokenizer = WordPieceTokenizer(vocabulary, lowercase=lowercase)

    def traced():
        def cut(strings):
            return [tokenizer.tokenize(strings), *tokenizer.tokenize_with_offsets(strings)]

        return tf.function(cut, input_signature=[tf.TensorSpec([None], tf.string)]).get_concrete_function()

    text_ops = traced()
    with tokenizer.core_ops():
        core_ops = traced()

    def compare(batch):
        strings = tf.constant(batch, tf.string)
        expected, found = text_ops(strings), core_ops(strings)
        same = all(
            (a.row_splits.numpy().tobytes(), a.values.numpy().tobytes())
            == (b.row_splits.numpy().tobytes(), b.values.numpy().tobytes())
            for a, b in zip(expected, found)
        )
        if not same:
            rows = zip(batch, zip(*(part.to_list() for part in expected)), zip(*(part.to_list() for part in found)))
            text, wanted, got = next(row for row in rows if row[1] != row[2])
            sys.exit(f"{vocabulary.name}: {text!r}: {wanted} by TensorFlow Text, {got} by core ops")
        return int(expected[0].row_splits[-1])

    return compare


if __name__ == "__main__":
    main()
