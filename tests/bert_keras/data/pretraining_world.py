"""A made-up corpus whose every token says where it stands, and a tokenizer that needs no TensorFlow."""

import numpy as np

from bert_keras.data.encoded_corpus import EncodedCorpus

PAD, UNK, CLS, SEP, MASK, FIRST = range(6)


class PlainTokenizer:
    """What `PretrainingRows` asks a tokenizer for."""

    pad_token_id, unk_token_id, cls_token_id, sep_token_id, mask_token_id = PAD, UNK, CLS, SEP, MASK

    def __init__(self, size):
        self.size = size

    def get_vocabulary(self):
        return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"t{index}" for index in range(FIRST, self.size))]


def make_corpus(documents=200, sentences=(1, 20), tokens=(3, 40), seed=0, each=None):
    """A corpus in which token number i has the id `FIRST + i`, so that a row tells where it was taken from.

    `sentences` and `tokens` are ranges of what a document and a sentence have; `each` a number for all documents.
    """
    random = np.random.default_rng(seed)
    counts = np.full(documents, each) if each else random.integers(*sentences, documents)
    lengths = random.integers(*tokens, counts.sum())
    count = int(lengths.sum())
    borders = [np.concatenate([[0], np.cumsum(values)]).astype("int64") for values in (lengths, counts)]
    starts = random.random(count) > 0.3
    starts[borders[0][:-1]] = True
    return EncodedCorpus(np.arange(FIRST, FIRST + count, dtype="int32"), starts, *borders)


def tokenizer_of(corpus):
    return PlainTokenizer(FIRST + corpus.num_tokens)


def restored(rows):
    """The rows' tokens before they were hidden, `[n, length]`."""
    token_ids = rows["token_ids"].copy()
    row, place = np.nonzero(rows["mask_weights"])
    token_ids[row, rows["mask_positions"][row, place]] = rows["mask_ids"][row, place]
    return token_ids


def texts_of(tokens):
    """A sequence's texts, without special tokens and padding: a list of lists of positions in the corpus."""
    texts = [[]]
    for token in tokens.tolist():
        if token == SEP:
            texts.append([])
        elif token >= FIRST:
            texts[-1].append(token - FIRST)
    return texts[:-1]
