"""Writes pieces.json: the pieces that the `tokenizers` library learns from made-up words.

Run with the peers' Python, from the checkout: `.venv-peers/bin/python tests/golden/make_pieces.py`.

The counts are drawn so that pairs are rarely equally frequent: whom a trainer prefers then is its own affair.
"""

import json
import pathlib
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
HERE = pathlib.Path(__file__).parent


def main():
    draw = random.Random(7)
    words = {}
    while len(words) < 400:
        words["".join(draw.choices("abcde", [8, 4, 3, 2, 1], k=draw.randint(1, 7)))] = draw.randint(1, 3000)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=75, min_frequency=2, special_tokens=SPECIAL, show_progress=False, continuing_subword_prefix="##"
    )
    tokenizer.train_from_iterator((" ".join([word] * count) for word, count in words.items()), trainer)
    ids = tokenizer.get_vocab()
    pieces = [piece for piece in sorted(ids, key=ids.get) if len(piece.removeprefix("##")) > 1]
    golden = {"words": words, "pieces": [piece for piece in pieces if piece not in SPECIAL]}
    (HERE / "pieces.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
