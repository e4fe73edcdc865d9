"""What rows are made of, each objective beside its definition, on a corpus whose tokens say where they stand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.encoded_corpus import EncodedCorpus
from bert_keras.data.masking import MaskSettings
from bert_keras.data.pretraining_rows import PretrainingRows
from bert_keras.data.row_plan import RowSettings, plan_rows, sequence_lengths
from bert_keras.errors import BadInput
from tests.bert_keras.data.pretraining_world import CLS, FIRST, PAD, SEP, make_corpus, restored, texts_of, tokenizer_of


def rows_of(corpus, epoch=0, seed=0, **settings):
    rows = PretrainingRows(corpus, tokenizer_of(corpus), RowSettings(**settings), MaskSettings(), seed)
    return rows.rows(epoch, np.arange(rows.num_rows(epoch)))


def documents_of(corpus, positions):
    sentence = np.searchsorted(corpus.sentences, positions, side="right") - 1
    return np.searchsorted(corpus.documents, sentence, side="right") - 1


@pytest.fixture(scope="module")
def corpus():
    return make_corpus(documents=1500)


@pytest.fixture(scope="module")
def nsp(corpus):
    return rows_of(corpus, objective="nsp")


def pairs(rows):
    return [texts_of(tokens) for tokens in restored(rows)]


def test_rows_of_nsp_are_cls_a_sep_b_sep(nsp):
    tokens = restored(nsp)
    assert (tokens[:, 0] == CLS).all()
    assert ((tokens == CLS).sum(axis=1) == 1).all() and ((tokens == SEP).sum(axis=1) == 2).all()
    for row, mask, segments in zip(tokens, nsp["padding_mask"], nsp["segment_ids"]):
        length = mask.sum()
        first, last = np.flatnonzero(row == SEP)
        assert last == length - 1 and (mask[:length] == 1).all() and (row[length:] == PAD).all()
        assert segments.tolist() == [0] * (first + 1) + [1] * (last - first) + [0] * (128 - length)


def test_half_of_the_pairs_are_random(nsp):
    labels = nsp["sentence_label"]
    assert labels.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(labels)))


def test_a_real_b_follows_a_in_its_document(corpus, nsp):
    for (a, b), label in zip(pairs(nsp), nsp["sentence_label"]):
        if label == 0:
            assert len({*documents_of(corpus, [a[0], a[-1], b[0], b[-1]])}) == 1
            # What is missing between them was cut off, where both are too long for the row.
            assert a[-1] < b[0] and (b[0] == a[-1] + 1 or len(a) + len(b) == 125)


def test_a_random_b_stands_in_another_document(corpus, nsp):
    for (a, b), label in zip(pairs(nsp), nsp["sentence_label"]):
        one, other = set(documents_of(corpus, a)), set(documents_of(corpus, b))
        assert len(one) == len(other) == 1
        assert (one == other) == (label == 0)


def test_texts_are_runs_of_the_corpus(nsp):
    for texts in pairs(nsp):
        for text in texts:
            assert text == list(range(text[0], text[0] + len(text)))


def test_texts_begin_and_end_with_sentences_where_they_were_not_cut(corpus, nsp):
    begins, ends = set(corpus.sentences.tolist()), set((corpus.sentences - 1).tolist())
    for a, b in pairs(nsp):
        if len(a) + len(b) < 125:
            assert a[0] in begins and b[0] in begins and a[-1] in ends and b[-1] in ends


def test_every_token_of_a_document_of_several_sentences_is_used_or_was_cut(corpus):
    """Over a few epochs, since what is cut is drawn anew."""
    seen = np.zeros(corpus.num_tokens, bool)
    for epoch in range(6):
        tokens = restored(rows_of(corpus, epoch=epoch, objective="nsp"))
        seen[tokens[tokens >= FIRST] - FIRST] = True
    several = np.repeat(np.diff(corpus.documents) > 1, np.diff(corpus.sentences[corpus.documents]))
    assert seen[several].mean() > 0.995


def test_one_in_ten_sequences_aims_at_a_shorter_length():
    """In one long document for each row's fill, only those are far from full."""
    corpus = make_corpus(documents=3, each=20000, tokens=(3, 12))
    lengths = rows_of(corpus, objective="sop")["padding_mask"].sum(axis=1)
    # A short target is drawn from 2 to 125; up to 100 tokens with the sentence that goes over it are some 75 % of them.
    share = np.mean(lengths < 100)
    assert 0.06 < share < 0.09
    full = rows_of(corpus, objective="sop", short_seq_prob=0.0)["padding_mask"].mean()
    assert full > 0.995


def test_rows_of_long_documents_are_filled(nsp):
    long = make_corpus(documents=40, each=100)
    for objective, least in (("nsp", 0.93), ("sop", 0.93), ("none", 0.86)):
        assert rows_of(long, objective=objective)["padding_mask"].mean() > least


def test_sop_swaps_half_of_the_pairs(corpus):
    rows = rows_of(corpus, objective="sop")
    labels = rows["sentence_label"]
    assert labels.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(labels)))
    for (a, b), label in zip(pairs(rows), labels):
        assert len({*documents_of(corpus, [a[0], a[-1], b[0], b[-1]])}) == 1
        assert (a[0] > b[0]) == (label == 1)


def test_full_sentences_use_every_token_once(corpus):
    tokens = restored(rows_of(corpus, objective="none"))
    positions = tokens[tokens >= FIRST] - FIRST
    assert np.array_equal(np.sort(positions), np.arange(corpus.num_tokens))


def test_full_sentences_part_documents_by_sep_and_sentences_by_nothing(corpus):
    rows = rows_of(corpus, objective="none")
    borders = set(corpus.sentences.tolist())
    assert "sentence_label" not in rows and not rows["segment_ids"].any()
    for texts in pairs(rows):
        found = [set(documents_of(corpus, text)) for text in texts]
        assert all(len(documents) == 1 for documents in found) and len(set().union(*found)) == len(texts)
        assert all(text[0] in borders and text[-1] + 1 in borders for text in texts)


def test_full_sentences_leave_no_room_for_the_next_one(corpus):
    """Rows are as they come from the documents in a drawn order: the next sentence would not have fitted."""
    rows = rows_of(corpus, objective="none")
    ends = dict(zip(corpus.sentences[:-1].tolist(), np.diff(corpus.sentences).tolist()))
    document_starts = set(corpus.sentences[corpus.documents].tolist())
    for tokens, mask in zip(restored(rows), rows["padding_mask"]):
        following = texts_of(tokens)[-1][-1] + 1
        if following not in document_starts:
            assert mask.sum() + ends[following] > 128


def test_a_sentence_longer_than_a_row_is_cut_into_rows():
    corpus = make_corpus(documents=2, each=1, tokens=(300, 301))
    tokens = restored(rows_of(corpus, objective="none", max_length=64))
    assert np.array_equal(np.sort(tokens[tokens >= FIRST]) - FIRST, np.arange(600))


def test_full_sentences_begin_elsewhere_in_another_epoch(corpus):
    first = {texts_of(tokens)[0][0] for tokens in restored(rows_of(corpus, epoch=0, objective="none"))}
    second = {texts_of(tokens)[0][0] for tokens in restored(rows_of(corpus, epoch=1, objective="none"))}
    assert len(first & second) < 0.6 * len(first)


def test_tlm_rows_hold_a_text_and_its_translation():
    corpus = make_corpus(documents=300, each=2, tokens=(3, 90))
    rows = rows_of(corpus, objective="tlm", languages=(3, 5))
    assert len(rows["token_ids"]) == 300
    for tokens, segments, positions in zip(restored(rows), rows["segment_ids"], rows["position_ids"]):
        a, b = texts_of(tokens)
        (document,) = set(documents_of(corpus, a + b))
        starts = corpus.sentences[2 * document : 2 * document + 3]
        assert (a[0], b[0]) == (starts[0], starts[1])
        if np.diff(starts).sum() <= 125:
            assert (a[-1] + 1, b[-1] + 1) == (starts[1], starts[2])
        else:
            assert len(a) + len(b) == 125
        size = (len(a) + 2, len(b) + 1)
        assert segments[: sum(size)].tolist() == [3] * size[0] + [5] * size[1]
        assert positions[: sum(size)].tolist() == [*range(size[0]), *range(size[1])]


@pytest.mark.parametrize("objective", ["nsp", "sop", "none", "tlm"])
def test_packed_rows_hold_the_sequences_that_single_rows_do(objective):
    corpus = make_corpus(documents=300, each=2, tokens=(3, 30))
    single, packed = (rows_of(corpus, objective=objective, pack=pack) for pack in (False, True))
    expected = sorted(tuple(tokens[tokens > PAD]) for tokens in restored(single))
    found = []
    for tokens, numbers in zip(restored(packed), packed["sequence_ids"]):
        assert set(numbers[tokens != PAD]) == set(range(1, numbers.max() + 1)) and not numbers[tokens == PAD].any()
        found += [tuple(tokens[numbers == number]) for number in range(1, numbers.max() + 1)]
    assert sorted(found) == expected


def test_packed_rows_say_where_each_sequence_begins_and_its_label():
    corpus = make_corpus(documents=300, each=2, tokens=(3, 30))
    rows = rows_of(corpus, objective="sop", pack=True, max_sequences=4)
    assert rows["sentence_positions"].shape[1] == 4 and rows["sequence_ids"].max() == 4
    for index, tokens in enumerate(restored(rows)):
        count = rows["sequence_ids"][index].max()
        assert rows["sentence_weights"][index].tolist() == [1.0] * count + [0.0] * (4 - count)
        places = rows["sentence_positions"][index, :count]
        np.testing.assert_array_equal(places, np.flatnonzero(tokens == CLS))
        for number, label in enumerate(rows["sentence_labels"][index, :count], start=1):
            a, b = texts_of(tokens[rows["sequence_ids"][index] == number])
            assert (a[0] > b[0]) == (label == 1)


def test_packing_fills_rows():
    corpus = make_corpus(documents=600, each=2, tokens=(3, 30))
    assert rows_of(corpus, objective="tlm")["padding_mask"].mean() < 0.35
    assert rows_of(corpus, objective="tlm", pack=True)["padding_mask"].mean() > 0.95


def test_the_same_seed_gives_the_same_plan_and_another_one_does_not(corpus):
    def plan(seed, epoch):
        return plan_rows(corpus, RowSettings(), seed, epoch).begin.tolist()

    assert plan(1, 2) == plan(1, 2)
    assert plan(1, 2) != plan(2, 1) and plan(1, 2) != plan(1, 3)


@given(
    st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=2, max_size=8),
    st.sampled_from(["nsp", "sop", "none"]),
    st.integers(8, 40),
    st.floats(0, 1),
    st.booleans(),
)
def test_no_sequence_is_longer_than_a_row_nor_has_an_empty_text(documents, objective, max_length, short, pack):
    counts, lengths = [len(document) for document in documents], [n for document in documents for n in document]
    borders = [np.concatenate([[0], np.cumsum(values)]).astype("int64") for values in (lengths, counts)]
    tokens = np.arange(sum(lengths), dtype="int32")
    corpus = EncodedCorpus(tokens, np.ones(len(tokens), bool), *borders)
    settings = RowSettings(max_length=max_length, objective=objective, short_seq_prob=short, pack=pack)
    if objective != "none" and max(counts) < 2:
        with pytest.raises(BadInput):
            plan_rows(corpus, settings, 0, 0)
        return
    plan = plan_rows(corpus, settings, 0, 0)
    assert (plan.end > plan.begin).all()
    sizes = np.add.reduceat(sequence_lengths(plan)[plan.row_sequences], plan.rows[:-1])
    assert sizes.max() <= max_length
    assert sorted(plan.row_sequences.tolist()) == list(range(len(plan.labels)))


def one_sentence_each(count):
    return make_corpus(documents=count, each=1)


@pytest.mark.parametrize("objective", ["nsp", "sop"])
def test_documents_of_one_sentence_alone_are_refused(objective):
    with pytest.raises(BadInput, match=f"All 5 documents of the corpus have one sentence; the objective {objective}"):
        plan_rows(one_sentence_each(5), RowSettings(objective=objective), 0, 0)


def test_documents_of_one_sentence_are_counted_where_others_have_more(corpus):
    assert plan_rows(corpus, RowSettings(), 0, 0).documents_left_out == np.sum(np.diff(corpus.documents) == 1) > 0


def test_one_document_has_no_random_pairs():
    with pytest.raises(BadInput, match="The corpus is one document; the objective nsp takes random texts from another"):
        plan_rows(make_corpus(documents=1, each=9), RowSettings(), 0, 0)


def test_an_empty_corpus_is_refused():
    empty = EncodedCorpus(np.zeros(0, "int32"), np.zeros(0, bool), np.zeros(1, "int64"), np.zeros(1, "int64"))
    with pytest.raises(BadInput, match="The corpus is empty"):
        plan_rows(empty, RowSettings(objective="none"), 0, 0)


def test_a_corpus_of_one_language_is_refused_for_tlm(corpus):
    with pytest.raises(BadInput, match="tlm needs pairs of texts"):
        plan_rows(corpus, RowSettings(objective="tlm"), 0, 0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"objective": "mlm"}, "no objective 'mlm'; expected one of nsp, sop, none, tlm"),
        ({"max_length": 7}, "max_length is 7; expected at least 8"),
        ({"short_seq_prob": 1.5}, "short_seq_prob is 1.5"),
        ({"objective": "tlm", "short_seq_prob": 0.1}, "for the objective tlm 0"),
        ({"max_sequences": 0}, "max_sequences is 0"),
        ({"languages": (0,)}, r"languages is \(0,\); expected two segment numbers"),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(BadInput, match=said):
        RowSettings(**settings)
