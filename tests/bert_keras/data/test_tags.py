"""Tag schemes: each is recognized, becomes BIO and back, and what fits none is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.tags import SCHEMES, bio_of, detect_scheme, first_illegal, is_legal, spans_of, tag_problem, to_bio
from bert_keras.errors import BadInput

# (first, inside, last, single) of each scheme that marks more than the first word.
LETTERS = {"BIO": "BIIB", "IO": "IIII", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
kinds = st.sampled_from(["PER", "creative-work", "PER.NAM", "O", "B-I"])


@st.composite
def sentences(draw, apart=False):
    """`(spans, length)`; with `apart`, a word outside parts two spans."""
    spans, word = [], 0
    for _ in range(draw(st.integers(0, 4))):
        word += draw(st.integers(1 if apart else 0, 2))
        size = draw(st.integers(1, 4))
        spans.append((draw(kinds), word, word + size))
        word += size
    return spans, word + draw(st.integers(0, 2))


def written(spans, length, scheme):
    """The tags of these spans, by a way of writing of its own."""
    tags = ["O"] * length
    for number, (kind, begin, end) in enumerate(spans):
        if scheme == "IOB1":
            touches = number and spans[number - 1][0] == kind and spans[number - 1][2] == begin
            letters = ("B" if touches else "I") + "I" * (end - begin - 1)
        else:
            first, inside, last, single = LETTERS[scheme]
            letters = single if end - begin == 1 else first + inside * (end - begin - 2) + last
        tags[begin:end] = [f"{letter}-{kind}" for letter in letters]
    return tags


class TestSchemes:
    @given(st.data(), st.sampled_from(SCHEMES))
    def test_spans_written_in_any_scheme_come_back(self, data, scheme):
        spans, length = data.draw(sentences(apart=scheme == "IO"))
        tags = written(spans, length, scheme)
        assert is_legal(tags, scheme)
        assert spans_of(to_bio(tags, scheme)) == spans

    @given(sentences())
    def test_bio_of_is_the_inverse_of_spans_of(self, sentence):
        spans, length = sentence
        assert bio_of(spans[::-1], length) == written(spans, length, "BIO")
        assert spans_of(bio_of(spans, length)) == spans

    @given(st.lists(sentences(), min_size=1, max_size=5), st.sampled_from(SCHEMES))
    def test_the_scheme_that_is_detected_reads_the_same_spans(self, drawn, scheme):
        if scheme == "IO":
            drawn = [(spans[:1], length) for spans, length in drawn]
        tags = [written(spans, length, scheme) for spans, length in drawn]
        found = detect_scheme(tags)
        assert [spans_of(to_bio(one, found)) for one in tags] == [spans for spans, _ in drawn]

    @pytest.mark.parametrize("tags, scheme", [
        (["O", "B-PER", "I-PER", "B-PER"], "BIO"),
        (["O", "I-PER", "B-PER", "I-LOC"], "IOB1"),
        (["O", "I-PER", "I-PER"], "IO"),
        (["B-PER", "E-PER", "S-LOC"], "BIOES"),
        (["B-PER", "I-PER", "L-PER", "U-LOC"], "BILOU"),
        (["B-PER", "M-PER", "E-PER", "O"], "BMES"),
        (["O", "O"], "BIO"),
        ([], "BIO"),
    ])  # fmt: skip
    def test_each_scheme_is_recognized(self, tags, scheme):
        assert detect_scheme([tags]) == scheme

    def test_a_few_beginnings_with_i_leave_a_file_bio(self):
        assert detect_scheme([["B-PER", "I-PER"], ["O", "I-PER"]]) == "BIO"

    def test_one_stray_tag_does_not_make_the_scheme_of_a_file(self):
        clean = [["B-PER", "I-PER", "O"]] * 5
        assert detect_scheme([["O", "E-PER"], *clean]) == "BIO"
        assert detect_scheme([["O", "X-PER"], *clean]) == "BIO"

    def test_in_bio_an_i_after_no_tag_of_its_type_becomes_b(self):
        assert to_bio(["I-PER", "I-PER", "I-LOC", "O", "I-LOC"], "BIO") == ["B-PER", "I-PER", "B-LOC", "O", "B-LOC"]

    def test_a_type_may_hold_dashes_and_dots(self):
        assert spans_of(["B-creative-work", "I-creative-work", "B-PER.NAM"]) == [
            ("creative-work", 0, 2),
            ("PER.NAM", 2, 3),
        ]


class TestIllegal:
    @pytest.mark.parametrize("tags, scheme, position", [
        (["O", "I-PER"], "BIO", 1),
        (["B-LOC", "I-PER"], "BIO", 1),
        (["I-PER", "O", "B-PER"], "IOB1", 2),
        (["I-PER", "B-PER"], "IO", 1),
        (["B-PER", "O"], "BIOES", 1),
        (["O", "I-PER"], "BIOES", 1),
        (["O", "B-PER"], "BIOES", 1),
        (["B-PER", "E-LOC"], "BIOES", 1),
        (["B-PER", "S-PER"], "BIOES", 1),
        (["B-PER", "L-PER"], "BIOES", 1),
        (["U-PER", "L-PER"], "BILOU", 1),
        (["B-PER", "I-PER"], "BMES", 1),
    ])  # fmt: skip
    def test_the_first_tag_that_does_not_fit_is_found(self, tags, scheme, position):
        assert first_illegal(tags, scheme) == position
        assert not is_legal(tags, scheme)

    def test_a_lenient_check_lets_bio_begin_with_i(self):
        assert is_legal(["O", "I-PER", "I-LOC"], "BIO", lenient=True)

    @pytest.mark.parametrize("tag", ["X-PER", "B-", "", "PER", "b-PER", "B", "I- ", "o", "B_PER", "-PER"])
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_what_is_no_tag_fits_no_scheme(self, tag, scheme):
        assert first_illegal(["O", tag], scheme, lenient=True) == 1
        with pytest.raises(BadInput, match="^tag 2: "):
            to_bio(["O", tag], scheme)

    @pytest.mark.parametrize("tags, scheme, message", [
        (["X-PER"], "BIO", "'X-PER' is no tag; expected O, or a letter of BIO, IOB1, IO, BIOES, BILOU, BMES with a "
         "dash and a type, such as B-PER: mend the tag or choose another column"),
        (["E-PER"], "BIO", "'E-PER' does not fit the scheme BIO of the other tags; expected O or one of B-, I-: write "
         "all tags in one scheme"),
        (["O", "I-PER"], "BIO", "'I-PER' after 'O' is not BIO; expected B-PER"),
        (["I-PER"], "BIOES", "'I-PER' after the start is not BIOES; expected B-PER or S-PER"),
        (["B-PER", "O"], "BILOU", "'O' after 'B-PER' is not BILOU; expected I-PER or L-PER"),
        (["B-PER"], "BMES", "'B-PER' at the end is not BMES; expected the entity to end with E-PER (a single word is "
         "S-PER)"),
    ])  # fmt: skip
    def test_the_message_says_what_was_expected(self, tags, scheme, message):
        assert tag_problem(tags, scheme)[1] == message

    @pytest.mark.parametrize("spans", [[("A", 1, 1)], [("A", 0, 4)], [("A", -1, 1)], [("A", 0, 2), ("B", 1, 3)]])
    def test_spans_that_cannot_be_written_are_refused(self, spans):
        with pytest.raises(ValueError, match="The span"):
            bio_of(spans, 3)
