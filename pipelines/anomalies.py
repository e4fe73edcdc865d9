"""What is odd about records and no schema can say: told with counts and the place of the first, before TFX is loaded.

What a schema can say (a tag that training never saw, a feature that is missing) comes from TFX's ExampleValidator.
"""

import math
from typing import Any

import numpy as np

from bert_keras.errors import BadInput, where

# Texts of a file that are tokenized to see how long they are: enough to tell a share to a few percent.
_LOOK_AT = 1000


def anomalies_of(task, records, targets: dict[str, Any]) -> list[str]:
    """What is odd about the records of one file, a sentence each."""
    found = []
    if records.skipped:
        found.append(f"{records.source}: {len(records.skipped)} rows were left out; the first: {records.skipped[0]}")
    return found + task.anomalies(records, **targets)


def long_texts(task, records, allowed: float) -> str | None:
    """A sentence where more than the allowed share of texts is longer than the model reads at a time.

    Args:
        task: the task, with its tokenizer.
        records: `Records`, of which up to a thousand, evenly spread, are looked at.
        allowed: from 0 to 1.
    """
    step = math.ceil(len(records) / _LOOK_AT)
    looked_at = records.slice(step=step)
    longer = np.flatnonzero(task.count_windows(looked_at) > 1)
    if len(longer) <= allowed * len(looked_at):
        return None
    return (
        f"{records.source}: {len(longer)} of {len(looked_at)} texts that were looked at are longer than the "
        f"{task.preprocessor.max_length} tokens that the model reads at a time (`data.long_share` allows {allowed:g} "
        f"of them) and are read through several windows; the first: {where(records.source, looked_at.rows[longer[0]])}"
    )


def stopped(found: list[str], key: str = "data.anomalies") -> BadInput:
    """What to raise where anomalies were found and the config says, under this key, that they stop the run."""
    more = f" (and {len(found) - 1} more anomalies)" if len(found) > 1 else ""
    return BadInput(f"{found[0]}{more}; mend the data, or go on all the same with `{key}: tell`")
