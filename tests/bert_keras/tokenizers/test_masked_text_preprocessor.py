"""`[MASK]` in a text becomes the mask token, wherever it stands."""

import pytest


@pytest.fixture(scope="module")
def preprocessor(tokenizer):
    from bert_keras import MaskedTextPreprocessor

    return MaskedTextPreprocessor(tokenizer, max_length=8)


def rows_of(preprocessor, tokenizer, texts):
    features = preprocessor(texts)
    pieces = [[tokenizer.id_to_token(token) for token in row if token] for row in features["token_ids"].numpy()]
    return pieces, features["mask_positions"].numpy().tolist()


def test_masks_stand_where_the_text_has_them(preprocessor, tokenizer):
    pieces, positions = rows_of(preprocessor, tokenizer, ["a [MASK] film", "[MASK][MASK]the plot[MASK]", "good"])
    assert pieces == [
        ["[CLS]", "a", "[MASK]", "film", "[SEP]"],
        ["[CLS]", "[MASK]", "[MASK]", "the", "plot", "[MASK]", "[SEP]"],
        ["[CLS]", "good", "[SEP]"],
    ]
    assert positions == [[2, 0, 0], [1, 2, 5], [0, 0, 0]]


def test_a_text_without_masks_gives_the_ids_of_the_plain_preprocessor(preprocessor, tokenizer):
    from bert_keras import BertPreprocessor

    texts = ["the good films", "a very dull plot with a fine cast"]
    plain = BertPreprocessor(tokenizer, max_length=8)(texts)
    masked = preprocessor(texts)
    for name, expected in plain.items():
        assert masked[name].numpy().tolist() == expected.numpy().tolist()


def test_a_mask_behind_max_length_is_not_among_the_positions(preprocessor, tokenizer):
    _, positions = rows_of(preprocessor, tokenizer, ["[MASK] a the very story plot with [MASK] cast"])
    assert positions == [[1]]
