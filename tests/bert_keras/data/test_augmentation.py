"""Changed copies of texts: what each operation does, how much, and what draws depend on."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.augmentation import OPERATIONS, Augmentation, Predictions, Synonyms
from bert_keras.errors import BadInput

TEXT = "one two three four five six seven eight nine ten"
WORDS = TEXT.split()
SYNONYMS = Synonyms([[word, word + "q"] for word in WORDS])


def changed(operation, text=TEXT, rate=0.2, source=SYNONYMS, number=0):
    return Augmentation((operation,), rate, source)(text, number)


@pytest.mark.parametrize("number", range(20))
def test_each_operation_changes_its_share_of_the_words(number):
    replaced = changed("replace", number=number).split()
    assert [word.removesuffix("q") for word in replaced] == WORDS and sum(word.endswith("q") for word in replaced) == 2
    inserted = changed("insert", number=number).split()
    assert len(inserted) == 12 and {word.removesuffix("q") for word in inserted} == set(WORDS)
    remaining = iter(inserted)
    assert all(word in remaining for word in WORDS)  # in their order
    deleted = changed("delete", number=number).split()
    assert len(deleted) == 8 and deleted == [word for word in WORDS if word in deleted]
    swapped = changed("swap", number=number).split()
    assert sorted(swapped) == sorted(WORDS) and sum(a != b for a, b in zip(swapped, WORDS)) == 4


def test_operations_are_drawn_evenly():
    augment = Augmentation(("delete", "swap"), 0.1)
    lengths = collections.Counter(len(augment(TEXT, number).split()) for number in range(2000))
    # 4 standard deviations.
    assert set(lengths) == {9, 10} and abs(lengths[9] - 1000) < 90


def test_words_are_drawn_evenly():
    kept = collections.Counter(word for number in range(3000) for word in changed("delete", number=number).split())
    assert all(abs(kept[word] - 2400) < 90 for word in WORDS)


def test_punctuation_stays_where_it_is():
    assert (
        changed("replace", "Two (one).", rate=1.0, source=Synonyms([["one", "eins"], ["two", "zwei"]]))
        == "Zwei (eins)."
    )
    assert changed("swap", "well, done!", rate=0.5) == "done, well!"


@pytest.mark.parametrize(
    "text, swapped",
    [
        ("the cafe\N{COMBINING ACUTE ACCENT}!", "cafe\N{COMBINING ACUTE ACCENT} the!"),
        # Vowel signs of Devanagari: "की" and "मेरा".
        ("\u0915\u0940 \u092e\u0947\u0930\u093e", "\u092e\u0947\u0930\u093e \u0915\u0940"),
        # A family, a heart in colour and the flag of a country are of several characters.
        ("hi \U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467 hi"),
        ("\u2764\ufe0f it", "it \u2764\ufe0f"),
        ("\U0001f1eb\U0001f1f7 won", "won \U0001f1eb\U0001f1f7"),
    ],
)
def test_what_stands_on_a_letter_or_a_sign_goes_where_it_goes(text, swapped):
    assert changed("swap", text, rate=0.5) == swapped


def test_ideographs_are_words_without_blanks():
    source = Synonyms([["北", "南"]])
    assert changed("replace", "我在北。", rate=1.0, source=source) == "我在南。"
    assert sorted(changed("insert", "我在北", rate=0.3, source=source)) == sorted("我在北南")


def test_a_text_of_one_word_is_neither_emptied_nor_swapped():
    assert changed("delete", "word.", rate=1.0) == changed("swap", "word.", rate=1.0) == "word."


def test_a_word_without_a_synonym_is_left_for_one_that_has_some():
    assert changed("replace", "alpha beta ten gamma", rate=0.2) == "alpha beta tenq gamma"
    assert changed("replace", "alpha beta") == changed("insert", "alpha beta") == "alpha beta"


def test_masking_hides_whole_words_and_leaves_punctuation():
    hidden = changed("mask").split()
    assert hidden.count("[MASK]") == 2 and all(a in (b, "[MASK]") for a, b in zip(hidden, WORDS, strict=True))
    assert changed("mask", "well-known, (Done)!", rate=1.0) == "[MASK], ([MASK])!"
    assert changed("mask", "我在", rate=1.0) == "[MASK][MASK]"


def test_a_mask_that_stands_in_a_text_is_a_word_and_stays_whole():
    for text in ("a [MASK], b", "([MASK]) b", "我[MASK]在"):
        for operation in ("mask", "delete", "swap"):
            result = changed(operation, text, rate=0.4)
            assert result.count("[MASK]") in ((1, 2) if operation == "mask" else (0, 1))
            assert not {"[", "]", "MASK"} & set(result.replace("[MASK]", ""))


def predictions(answers, seen=None):
    """A model that expects `answers` for every mask that it reads: the first two of a text."""

    def predict(texts):
        if seen is not None:
            seen.append(texts)
        return [[answers] * min(text.count("[MASK]"), 2) for text in texts]

    return Predictions(predict)


def test_predictions_see_all_texts_at_once_with_their_places_hidden():
    seen = []
    augment = Augmentation(("replace",), 0.5, predictions(["zwei"], seen))
    assert augment.many(["two", "One, two!"], [0, 1], [0, 0])[0] == "zwei"
    (texts,) = seen
    assert texts[0] == "[MASK]" and texts[1] in ("[MASK], two!", "One, [MASK]!")
    assert augment("One.", 5) == "Zwei."


def test_a_word_is_not_replaced_by_itself():
    assert changed("replace", "Two", source=predictions(["two", "zwei"])) == "Zwei"
    assert changed("replace", "Two", source=predictions(["two"])) == "Two"


def test_predicted_words_are_put_between_words():
    for number in range(10):
        inserted = changed("insert", source=predictions(["and"]), number=number).split()
        assert inserted.count("and") == 2 and [word for word in inserted if word != "and"] == WORDS
    assert changed("insert", "two", source=predictions(["and"])) in ("and two", "two and")


def test_masks_that_the_model_does_not_read_or_has_no_word_for_leave_the_text_as_it_is():
    replaced = changed("replace", rate=1.0, source=predictions(["x"])).split()
    assert replaced == ["x", "x", *WORDS[2:]]
    inserted = changed("insert", rate=1.0, source=predictions(["x"])).split()
    assert inserted.count("x") == 2 and [word for word in inserted if word != "x"] == WORDS
    for operation in ("replace", "insert"):
        assert changed(operation, source=predictions([])) == TEXT
        assert changed(operation, "a [MASK] b", source=predictions(["x"])) == "a [MASK] b"
    seen = []
    assert changed("replace", "!!! ...", source=predictions(["x"], seen)) == "!!! ..." and not seen


def test_the_same_number_gives_the_same_text_and_another_epoch_or_seed_does_not():
    augment = Augmentation(("swap",), 0.5)
    assert augment(TEXT, 3) == augment(TEXT, 3)
    assert (
        len(
            {
                augment(TEXT, 3),
                augment(TEXT, 3, epoch=1),
                augment(TEXT, 4),
                Augmentation(("swap",), 0.5, seed=1)(TEXT, 3),
            }
        )
        == 4
    )


@given(st.text(max_size=40), st.integers(0, 99), st.floats(0.01, 1.0))
def test_any_text_survives(text, number, rate):
    for operation in OPERATIONS:
        result = Augmentation((operation,), rate, SYNONYMS)(text, number)
        assert bool(result.strip()) == bool(text.strip())


def test_synonyms_come_from_lines_of_words(tmp_path):
    (tmp_path / "s.txt").write_text("good, fine,great\n\nbad\tawful\n")
    synonyms = Synonyms.from_file(str(tmp_path / "s.txt"))
    assert synonyms.for_word(["Good"], 0) == ["fine", "great"] and synonyms.for_word(["awful"], 0) == ["bad"]


@pytest.mark.parametrize(
    ("content", "said"),
    [("alone\n", "row 1: one word; expected several that mean the same"), ("\n", "the list holds no synonyms")],
)
def test_a_list_without_synonyms_is_refused(tmp_path, content, said):
    (tmp_path / "s.txt").write_text(content)
    with pytest.raises(BadInput, match=said):
        Synonyms.from_file(str(tmp_path / "s.txt"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"operations": ("shuffle",)}, "no operation 'shuffle'; expected some of mask, replace, insert, delete, swap"),
        ({"operations": ()}, "no operation ''"),
        ({"operations": ("swap",), "rate": 0.0}, "The rate is 0.0"),
        ({"operations": ("swap", "insert")}, "The operation 'insert' needs words"),
    ],
)
def test_settings_that_do_not_fit_are_refused(arguments, said):
    with pytest.raises(BadInput, match=said):
        Augmentation(**arguments)
