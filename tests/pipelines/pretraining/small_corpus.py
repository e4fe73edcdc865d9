"""Documents of made-up words, whose every sentence repeats itself, so that masked words can be told."""

import hashlib
import random

WORDS = [f"{first}{last}" for first in ("ba", "de", "ki", "lo", "mu") for last in ("ra", "ne", "si", "to")]
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ".")
# No piece of the vocabulary.
UNKNOWN = "xyz"
EVAL_FRACTION = 0.3


def draw_documents(count, seed=0, sentences=6):
    """A list of documents, lists of sentences such as "Bara dene bara dene."; one word in forty is unknown."""
    draw = random.Random(seed)

    def sentence():
        pair = [draw.choice(WORDS) if draw.random() < 0.975 else UNKNOWN, draw.choice(WORDS)]
        return " ".join(pair * draw.randint(2, 3)).capitalize() + "."

    return [[sentence() for _ in range(sentences)] for _ in range(count)]


def as_text(documents):
    """The documents as a file of text: paragraphs of three sentences, a blank line between two documents."""
    paragraphs = [[" ".join(document[at : at + 3]) for at in range(0, len(document), 3)] for document in documents]
    return "\n\n".join("\n".join(some) for some in paragraphs) + "\n"


def held_out(documents):
    """Those of the documents that the pipeline does not train on: whose hash is in the lowest part of all numbers."""
    hashes = [hashlib.sha256("\n".join(document).encode()).hexdigest() for document in documents]
    return [document for document, digest in zip(documents, hashes) if int(digest, 16) < EVAL_FRACTION * 16**64]


def count_by_hand(documents):
    """documents, sentences, characters, tokens, unknown tokens: each word is one piece, and so is each full stop."""
    sentences = [sentence for document in documents for sentence in document]
    words = [word.rstrip(".").lower() for sentence in sentences for word in sentence.split()]
    unknown = sum(word == UNKNOWN for word in words)
    return len(documents), len(sentences), sum(map(len, sentences)), len(words) + len(sentences), unknown
