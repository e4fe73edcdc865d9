"""Which settings of rows are refused because they do nothing beside the others."""

import pytest

from bert_keras.data.idle_settings import check_all_used
from bert_keras.errors import BadInput

USUAL = {"objective": "nsp", "pack": False, "masking": "token", "max_sequences": 8, "languages": [0, 1], "max_ngram": 3}
USUAL |= {"segmenter": None, "sentences": "split", "field": "text"}
# What is chosen, and what it goes with.
CHOICES = [
    ({"max_sequences": 4}, {"pack": True}, "expected pack beside it"),
    ({"languages": (1, 0)}, {"objective": "tlm"}, "expected objective tlm beside it"),
    ({"max_ngram": 2}, {"masking": "ngram"}, "expected masking ngram beside it"),
    ({"segmenter": "words.txt"}, {"masking": "whole-word"}, "expected masking whole-word or ngram beside it"),
]


@pytest.mark.parametrize(("chosen", "beside", "expected"), CHOICES)
def test_a_setting_needs_the_one_that_it_goes_with(chosen, beside, expected):
    check_all_used({**USUAL, **chosen, **beside})
    with pytest.raises(BadInput, match=f"--{next(iter(chosen))} does nothing here"):
        check_all_used({**USUAL, **chosen}, lambda name: f"--{name}")
    with pytest.raises(BadInput, match=expected):
        check_all_used({**USUAL, **chosen})


@pytest.mark.parametrize("chosen", [{"sentences": "lines"}, {"field": "body"}])
def test_translations_are_not_split_and_have_fields_of_their_own(chosen):
    check_all_used({**USUAL, **chosen})
    with pytest.raises(BadInput, match="does nothing here; expected objective nsp or sop or none beside it"):
        check_all_used({**USUAL, **chosen, "objective": "tlm"})
