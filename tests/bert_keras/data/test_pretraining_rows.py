"""Rows made while a model trains: the same ones however the stream is cut, dealt out and taken up again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.masking import MaskSettings
from bert_keras.data.pretraining_counts import count_rows, report
from bert_keras.data.pretraining_rows import Position, PretrainingRows, rebatched
from bert_keras.data.row_plan import RowSettings
from bert_keras.errors import BadInput
from tests.bert_keras.data.pretraining_world import (
    FIRST,
    MASK,
    SEP,
    UNK,
    PlainTokenizer,
    make_corpus,
    restored,
    tokenizer_of,
)


def make(corpus=None, seed=0, masks=None, positions=None, **settings):
    corpus = make_corpus(documents=150) if corpus is None else corpus
    masks = masks or MaskSettings()
    return PretrainingRows(corpus, tokenizer_of(corpus), RowSettings(**settings), masks, seed, positions)


@pytest.fixture(scope="module")
def made():
    return make()


def stream(made, rows=None, **arguments):
    """`token_ids` of a stream `[rows, length]`."""
    found, count = [], 0
    for block in made.blocks(**arguments):
        found.append(block["token_ids"])
        count += len(found[-1])
        if rows is not None and count >= rows:
            break
    return np.concatenate(found)[:rows]


def test_epochs_have_other_masks_and_other_pairs(made):
    first, second = (made.rows(epoch, np.arange(300)) for epoch in (0, 1))
    assert not np.array_equal(restored(first), restored(second))
    full = make(objective="none")
    first, second = (
        {tuple(row) for row in full.rows(epoch, np.arange(full.num_rows(epoch)))["token_ids"]} for epoch in (0, 1)
    )
    assert not first & second


def test_two_readers_with_one_seed_see_the_same_and_another_seed_sees_other_rows(made):
    np.testing.assert_array_equal(stream(make(), 700), stream(made, 700))
    assert not np.array_equal(stream(make(seed=1), 700), stream(made, 700))


@pytest.mark.parametrize("consumed", [0, 1, 300, 5000])
def test_a_stream_taken_up_again_goes_on_where_it_stopped(made, consumed):
    whole = stream(made, consumed + 100)
    start = made.advance(Position(), consumed)
    np.testing.assert_array_equal(stream(made, 100, start=start), whole[consumed:])


def test_a_position_counts_epochs(made):
    assert made.advance(Position(0, 5), made.num_rows(0)) == Position(1, 5)
    assert made.advance(Position(), made.num_rows(0) + made.num_rows(1)) == Position(2, 0)


@given(st.integers(1, 7), st.integers(0, 600), st.integers(1, 3))
def test_shards_are_disjoint_and_together_everything(num_shards, row, epochs):
    made = small_rows()
    row %= made.num_rows(0)
    whole = stream(made, start=Position(0, row), epochs=epochs)
    parts = [
        stream_or_nothing(made, start=Position(0, row), epochs=epochs, num_shards=num_shards, index=index)
        for index in range(num_shards)
    ]
    for index, part in enumerate(parts):
        np.testing.assert_array_equal(part, whole[index::num_shards])


_small = []


def small_rows():
    if not _small:
        _small.append(make(make_corpus(documents=6, each=8), max_length=64, masks=MaskSettings(max_predictions=10)))
    return _small[0]


def stream_or_nothing(made, **arguments):
    blocks = [block["token_ids"] for block in made.blocks(**arguments)]
    return np.concatenate([np.zeros((0, 64), "int32"), *blocks])


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 7), st.booleans())
def test_batches_are_the_blocks_cut_anew(sizes, size, drop_remainder):
    values = np.arange(sum(sizes))
    blocks = [{"x": part} for part in np.split(values, np.cumsum(sizes)[:-1])] if sizes else []
    batches = [batch["x"] for batch in rebatched(iter(blocks), size, drop_remainder)]
    assert all(len(batch) == size for batch in batches[:-1])
    kept = len(values) - len(values) % size if drop_remainder else len(values)
    np.testing.assert_array_equal(np.concatenate([[], *batches]), values[:kept])


def test_a_dataset_holds_the_rows_in_batches_and_without(made):
    whole = stream(made, epochs=1)
    batches = [batch for batch in made.dataset(batch_size=100, epochs=1).as_numpy_iterator()]
    np.testing.assert_array_equal(np.concatenate([batch["token_ids"] for batch in batches]), whole)
    assert {len(batch["token_ids"]) for batch in batches[:-1]} == {100}
    singles = [row["token_ids"] for row in made.dataset(epochs=1).take(10).as_numpy_iterator()]
    np.testing.assert_array_equal(singles, whole[:10])


@pytest.mark.parametrize("settings", [{}, {"pack": True}, {"objective": "tlm"}, {"objective": "none", "pack": True}])
def test_a_dataset_says_what_is_in_its_rows(settings):
    corpus = make_corpus(documents=20, each=2)
    dataset = make(corpus, **settings).dataset(batch_size=4, drop_remainder=True, epochs=1)
    batch = next(dataset.as_numpy_iterator())
    assert {name: (value.shape, value.dtype.name) for name, value in batch.items()} == {
        name: (tuple(spec.shape), spec.dtype.name) for name, spec in dataset.element_spec.items()
    }
    expected = {"token_ids", "segment_ids", "padding_mask", "mask_positions", "mask_ids", "mask_weights"}
    if "objective" not in settings:
        expected |= {"sentence_positions", "sentence_labels", "sentence_weights"} if settings else {"sentence_label"}
    expected |= {"sequence_ids"} if "pack" in settings else set()
    expected |= {"position_ids"} if settings.get("objective") == "tlm" else set()
    assert set(batch) == expected


def test_counts_are_what_a_reader_of_the_rows_counts(made):
    counts = made.counts()
    rows = made.rows(0, np.arange(made.num_rows()))
    tokens = restored(rows)
    said = report(counts, made.settings)
    assert (said["documents"], said["tokens"]) == (150, made.corpus.num_tokens)
    assert said["fill_rate"] == pytest.approx(rows["padding_mask"].mean(), abs=1e-6)
    assert said["masked_share"] == pytest.approx(rows["mask_weights"].sum() / (tokens >= FIRST).sum(), abs=1e-6)
    assert said["random_pairs"] == rows["sentence_label"].sum()
    assert said["real_pairs"] + said["random_pairs"] == said["rows"] == len(tokens)
    assert said["mask_share"] == pytest.approx((rows["token_ids"] == MASK).sum() / rows["mask_weights"].sum(), abs=1e-6)


def test_counts_of_packed_rows_count_sequences():
    made = make(pack=True)
    rows = made.rows(0, np.arange(made.num_rows()))
    counts = count_rows(rows, made.ids)
    assert counts["sequences"] == rows["sentence_weights"].sum() == counts["pairs_real"] + counts["pairs_other"]


def test_swapped_pairs_have_their_own_name():
    assert "swapped_pairs_share" in report(make(objective="sop").counts(), RowSettings(objective="sop"))


def test_unknown_tokens_are_never_masked():
    corpus = make_corpus(documents=60)
    corpus.token_ids[::2] = UNK
    made = make(corpus)
    rows = made.rows(0, np.arange(made.num_rows()))
    used = rows["mask_weights"] == 1
    assert used.any() and (rows["mask_ids"][used] >= FIRST).all()


def test_random_tokens_are_no_special_ones(made):
    made = make(masks=MaskSettings(mask_share=0.0, random_share=1.0))
    rows = made.rows(0, np.arange(made.num_rows()))
    row, place = np.nonzero(rows["mask_weights"])
    assert (rows["token_ids"][row, rows["mask_positions"][row, place]] >= FIRST).all()


def test_unused_entries_replace_nothing():
    from bert_keras.data.pretraining_rows import replacement_ids

    tokenizer = PlainTokenizer(8)
    tokenizer.get_vocabulary = lambda: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "a", "##b"]
    assert replacement_ids(tokenizer).tolist() == [6, 7]


def test_rows_longer_than_the_encoder_are_refused():
    with pytest.raises(BadInput, match="max_length is 128, and the encoder has 64 positions"):
        make(positions=64)


def test_a_corpus_of_unknown_tokens_is_refused():
    import dataclasses

    corpus = make_corpus(documents=5)
    corpus.token_ids[:] = UNK
    with pytest.raises(BadInput, match=r"tokens of the corpus are \[UNK\], so that none can be masked"):
        make(dataclasses.replace(corpus, unknown=corpus.num_tokens))


def test_segments_of_a_batch_end_with_sep(made):
    rows = made.rows(0, np.arange(50))
    ends = rows["padding_mask"].sum(axis=1) - 1
    assert (rows["token_ids"][np.arange(50), ends] == SEP).all()
