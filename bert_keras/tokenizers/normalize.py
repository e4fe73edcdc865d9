"""BERT's text clean-up as graph ops: what happens to a string before it is cut into words.

The steps and the character classes are those of Google's `BasicTokenizer` (tokenization.py of google-research/bert), as
the `tokenizers` library carries them out, so that ids equal those that checkpoints were trained with. `tf_text`'s own
`FastBertTokenizer` is not used: it folds compatibility characters ("…" to three dots, "ﬁ" to "fi", "２" to "2"), which
BERT does not.
"""

import re
import unicodedata

import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.characters import IDEOGRAPHS, is_ideograph

_CJK = "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in IDEOGRAPHS)
# Every ASCII character that is no letter, digit or space counts as punctuation, "$" and "^" too.
_ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"
_STANDS_ALONE = rf"([{_ASCII_PUNCTUATION}\p{{P}}{_CJK}])"
_ASCII_MARK = re.compile(f"[{_ASCII_PUNCTUATION}]")
_WHITESPACE = r"[\t\n\r\p{Z}]"
_DROPPED = r"[\p{C}\x{FFFD}]"


def normalize(strings, lowercase, strip_accents):
    """Cleans strings; words, punctuation and ideographs come out parted by spaces.

    Args:
        strings: string tensor of any shape, UTF-8; broken bytes are dropped.
        lowercase: bool. Lower-cases, character by character.
        strip_accents: bool. Drops nonspacing marks after canonical decomposition ("é" becomes "e").

    Returns:
        String tensor of the same shape.
    """
    strings = tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")
    strings = tf.strings.regex_replace(strings, _WHITESPACE, " ")
    strings = tf.strings.regex_replace(strings, _DROPPED, "")
    if strip_accents:
        strings = tf.strings.regex_replace(tf_text.normalize_utf8(strings, "NFD"), r"\p{Mn}", "")
    if lowercase:
        # Lower-casing a whole string would turn a sigma that ends a word into "ς".
        strings = tf.strings.lower(tf.strings.regex_replace(strings, "Σ", "σ"), encoding="utf-8")
    return tf.strings.regex_replace(strings, _STANDS_ALONE, r" \1 ")


def stands_alone(character):
    """Why `normalize` parts a character from its neighbours: "punctuation", "ideograph", or None where it does not."""
    if is_ideograph(character):
        return "ideograph"
    if _ASCII_MARK.match(character) or unicodedata.category(character).startswith("P"):
        return "punctuation"
    return None
