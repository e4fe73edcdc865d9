"""Masking, each statement about it as a statistic over many rows, or as a property of any row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.counter_random import row_keys
from bert_keras.data.masking import MaskSettings, mask_rows
from bert_keras.errors import BadInput

PAD, CLS, SEP, MASK, FIRST, LAST = 0, 1, 2, 3, 10, 1000
REPLACEMENTS = np.arange(FIRST, LAST)
LENGTH = 128


def make_rows(count=3000, length=LENGTH, continues=0.4, seed=0):
    """`(token_ids, maskable, word_starts)`: [CLS] a [SEP] b [SEP] and padding, words of one or more tokens."""
    random = np.random.default_rng(seed)
    token_ids = random.integers(FIRST, LAST, (count, length), "int32")
    ends = random.integers(length * 3 // 4, length, count)
    middles = random.integers(2, length // 2, count)
    column = np.arange(length)
    token_ids[:, 0] = CLS
    token_ids[column > ends[:, None]] = PAD
    token_ids[np.arange(count), ends] = SEP
    token_ids[np.arange(count), middles] = SEP
    return token_ids, token_ids >= FIRST, random.random((count, length)) > continues


def masked(rows, seed=0, epoch=0, **settings):
    token_ids, maskable, word_starts = rows
    settings = MaskSettings(**{"max_predictions": 20, **settings})
    keys = row_keys(seed, epoch, np.arange(len(token_ids)))
    return mask_rows(token_ids, maskable, word_starts, settings, keys, MASK, REPLACEMENTS)


def hidden_tokens(rows, result):
    hidden = np.zeros(rows[0].shape, bool)
    row, place = np.nonzero(result.weights)
    hidden[row, result.positions[row, place]] = True
    return hidden


def words_of(rows):
    """The words of each row as lists of columns."""
    for row in range(len(rows[0])):
        words = []
        for column in range(rows[0].shape[1]):
            if not rows[1][row, column]:
                words.append(None)
            elif words and words[-1] and not rows[2][row, column]:
                words[-1].append(column)
            else:
                words.append([column])
        yield [word for word in words if word]


@pytest.fixture(scope="module")
def rows():
    return make_rows()


def test_fifteen_percent_of_the_tokens_are_predicted(rows):
    result = masked(rows)
    tokens = rows[1].sum(axis=1)
    np.testing.assert_array_equal(result.weights.sum(axis=1), np.rint(0.15 * tokens))
    assert result.weights.sum() / tokens.sum() == pytest.approx(0.15, abs=0.001)


@pytest.mark.parametrize("unit", ["whole_word", "ngram"])
def test_whole_units_come_near_to_fifteen_percent(rows, unit):
    share = masked(rows, unit=unit).weights.sum() / rows[1].sum()
    assert 0.145 < share <= 0.151


@pytest.mark.parametrize("unit", ["token", "whole_word", "ngram"])
def test_eighty_ten_ten(rows, unit):
    result = masked(rows, unit=unit)
    row, place = np.nonzero(result.weights)
    seen, was = result.token_ids[row, result.positions[row, place]], result.ids[row, place]
    deviation = 4 * np.sqrt(0.25 / len(was))
    assert np.mean(seen == MASK) == pytest.approx(0.8, abs=deviation)
    # One random token in 990 is the one that was there.
    assert np.mean((seen != MASK) & (seen != was)) == pytest.approx(0.1, abs=deviation)
    assert np.mean(seen == was) == pytest.approx(0.1, abs=deviation)


def test_random_tokens_are_drawn_evenly_from_the_replacements(rows):
    result = masked(rows, mask_share=0.0, random_share=1.0)
    row, place = np.nonzero(result.weights)
    times = np.bincount(result.token_ids[row, result.positions[row, place]], minlength=LAST)[FIRST:]
    expected = times.sum() / len(REPLACEMENTS)
    # 989 degrees of freedom: 1 in 1000 is above 1130.
    assert np.sum((times - expected) ** 2 / expected) < 1130 and times.min() > 0


def test_other_shares_are_kept(rows):
    result = masked(rows, mask_share=1.0, random_share=0.0)
    assert (result.token_ids[hidden_tokens(rows, result)] == MASK).all()


@pytest.mark.parametrize("unit", ["token", "whole_word", "ngram"])
def test_special_tokens_and_padding_are_never_touched(rows, unit):
    result = masked(rows, unit=unit)
    np.testing.assert_array_equal(result.token_ids[~rows[1]], rows[0][~rows[1]])
    assert not hidden_tokens(rows, result)[~rows[1]].any()


def test_what_is_not_predicted_is_not_changed(rows):
    result = masked(rows)
    hidden = hidden_tokens(rows, result)
    np.testing.assert_array_equal(result.token_ids[~hidden], rows[0][~hidden])


def test_each_token_is_as_likely_as_any_other(rows):
    hidden = sum(hidden_tokens(rows, masked(rows, epoch=epoch)).astype(int) for epoch in range(20))
    chance = np.clip(np.rint(0.15 * rows[1].sum(axis=1)), 1, 20) / rows[1].sum(axis=1)
    expected = 20 * (chance[:, None] * rows[1]).sum(axis=0)
    for column in range(1, LENGTH // 2):
        assert hidden[:, column].sum() == pytest.approx(expected[column], abs=5 * np.sqrt(expected[column]))


def test_max_predictions_is_never_exceeded(rows):
    result = masked(rows, max_predictions=7)
    assert result.positions.shape == (3000, 7) and (result.weights.sum(axis=1) == 7).all()


@pytest.mark.parametrize("unit", ["whole_word", "ngram"])
def test_words_are_hidden_whole_or_not_at_all(unit):
    rows = make_rows(300)
    hidden = hidden_tokens(rows, masked(rows, unit=unit))
    shares = [hidden[row, word].mean() for row, words in enumerate(words_of(rows)) for word in words]
    assert set(shares) == {0.0, 1.0}


def test_token_masking_cuts_words():
    rows = make_rows(300)
    hidden = hidden_tokens(rows, masked(rows))
    assert any(0 < hidden[row, word].mean() < 1 for row, words in enumerate(words_of(rows)) for word in words)


def test_lengths_of_ngrams_go_as_one_over_n():
    """With one token a word and a small share hidden, runs of hidden words are single n-grams, nearly all of them."""
    rows = make_rows(2000, length=512, continues=0.0)
    hidden = hidden_tokens(rows, masked(rows, unit="ngram", probability=0.04, max_predictions=20))
    edges = np.diff(np.pad(hidden, ((0, 0), (1, 1))).astype(int), axis=1)
    lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    shares = np.bincount(lengths)[1:4] / len(lengths)
    # The last one of a row must fit into what is left, which favours short ones a little.
    np.testing.assert_allclose(shares, np.array([6, 3, 2]) / 11, atol=0.06)


def test_a_row_with_one_token_has_one_prediction():
    row = np.array([[CLS, 77, SEP, PAD]], "int32")
    result = masked((row, row >= FIRST, np.ones((1, 4), bool)))
    assert (result.positions[0, 0], result.ids[0, 0], result.weights.sum()) == (1, 77, 1)


def test_a_word_longer_than_the_share_is_hidden_where_there_is_no_other():
    row = np.array([[CLS, 77, 78, 79, SEP]], "int32")
    result = masked((row, row >= FIRST, np.array([[0, 1, 0, 0, 0]], bool)), unit="whole_word")
    np.testing.assert_array_equal(result.ids[0, :4], [77, 78, 79, 0])


def test_a_row_without_tokens_has_no_prediction():
    row = np.array([[CLS, SEP, PAD]], "int32")
    result = masked((row, row >= FIRST, np.zeros((1, 3), bool)), unit="ngram")
    assert result.weights.sum() == 0 and (result.token_ids == row).all()


def test_masks_are_drawn_anew_every_epoch_and_come_back_with_the_seed(rows):
    first = masked(rows, epoch=0)
    np.testing.assert_array_equal(first.token_ids, masked(rows, epoch=0).token_ids)
    for other in (masked(rows, epoch=1), masked(rows, seed=1)):
        both = hidden_tokens(rows, first) & hidden_tokens(rows, other)
        # Independent draws of 15 % meet at 2.25 % of the tokens.
        assert both.sum() / rows[1].sum() == pytest.approx(0.0225, abs=0.001)


def test_a_row_alone_is_masked_as_in_a_block(rows):
    whole = masked(rows, unit="ngram")
    keys = row_keys(0, 0, np.array([41]))
    settings = MaskSettings(unit="ngram")
    alone = mask_rows(*(part[41:42] for part in rows), settings, keys, MASK, REPLACEMENTS)
    np.testing.assert_array_equal(alone.token_ids[0], whole.token_ids[41])


@given(
    st.lists(st.lists(st.sampled_from("[abA|_"), min_size=4, max_size=4), min_size=1, max_size=4),
    st.sampled_from(["token", "whole_word", "ngram"]),
    st.integers(1, 5),
    st.floats(0.01, 0.99),
)
def test_the_original_row_can_always_be_put_together_again(letters, unit, most, probability):
    letters = np.array(letters)
    token_ids = np.where(np.isin(letters, ["a", "b", "A"]), 20, CLS).astype("int32")
    rows = (token_ids, token_ids >= FIRST, letters != "b")
    result = masked(rows, unit=unit, max_predictions=most, probability=probability)
    restored = result.token_ids.copy()
    row, place = np.nonzero(result.weights)
    restored[row, result.positions[row, place]] = result.ids[row, place]
    np.testing.assert_array_equal(restored, token_ids)
    np.testing.assert_array_equal(result.weights.any(axis=1), rows[1].any(axis=1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"probability": 0.0}, "probability is 0.0; expected a number between 0 and 1"),
        ({"max_predictions": 0}, "max_predictions is 0; expected at least 1"),
        ({"unit": "letter"}, "no masking of 'letter'; expected one of token, whole_word, ngram"),
        ({"max_ngram": 0}, "max_ngram is 0"),
        ({"mask_share": 0.8, "random_share": 0.3}, "not more than 1 together"),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(BadInput, match=said.replace("(", r"\(")):
        MaskSettings(**settings)
