"""Characters and signs that BERT treats in ways of its own. No TensorFlow here: readers of data ask too."""

# What stands for a missing word.
MASK = "[MASK]"

# Ideographs are words of their own; Hangul, kana and punctuation of those scripts are not in these ranges, which are
# those of the `tokenizers` library.
IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def is_ideograph(character):
    """Whether a character is one that BERT parts from its neighbours; False for ""."""
    return bool(character) and any(first <= ord(character) <= last for first, last in IDEOGRAPHS)
