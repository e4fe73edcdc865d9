"""Settings of rows for pretraining that do nothing beside the others: refused, lest somebody believe in them."""

from collections.abc import Callable, Mapping
from typing import Any

from bert_keras.data.masking import MaskSettings
from bert_keras.data.pretraining_corpus import CorpusSettings
from bert_keras.data.row_plan import RowSettings
from bert_keras.errors import BadInput

# Setting -> what it is where nobody chooses it, the other setting that it goes with, and the values of that one.
_GOES_WITH = {
    "max_sequences": (RowSettings.max_sequences, "pack", (True,)),
    "languages": (RowSettings.languages, "objective", ("tlm",)),
    "max_ngram": (MaskSettings.max_ngram, "masking", ("ngram",)),
    "segmenter": (CorpusSettings.segmenter, "masking", ("whole-word", "ngram")),
    "sentences": (CorpusSettings.sentences, "objective", ("nsp", "sop", "none")),
    "field": (CorpusSettings.field, "objective", ("nsp", "sop", "none")),
}


def check_all_used(values: Mapping[str, Any], written: Callable[[str], str] = str) -> None:
    """Looks whether each setting of rows has an effect.

    Args:
        values: name -> value of `objective`, `pack`, `masking` and whatever else there is to choose.
        written: gives a setting's name as the user writes it.

    Raises:
        BadInput: one was chosen that has none.
    """
    for name, (usual, other, fitting) in _GOES_WITH.items():
        chosen = values.get(name, usual)
        chosen = tuple(chosen) if isinstance(chosen, list) else chosen
        if chosen != usual and values[other] not in fitting:
            expected = written(other) + ("" if fitting == (True,) else f" {' or '.join(fitting)}")
            raise BadInput(
                f"{written(name)} does nothing here; expected {expected} beside it: add it, or leave both out"
            )
