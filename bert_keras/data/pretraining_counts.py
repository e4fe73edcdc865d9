"""What rows for pretraining hold, counted on the rows themselves, and the shares that matter."""

import collections
from collections.abc import Mapping

import numpy as np

from bert_keras.data.row_building import SpecialIds
from bert_keras.data.row_plan import RowSettings

_ORDER = (
    "documents",
    "documents_left_out",
    "sentences",
    "tokens",
    "unknown_tokens",
    "rows",
    "sequences",
    "positions",
    "filled",
    "text_tokens",
    "predictions",
    "predictions_mask",
    "predictions_random",
    "predictions_kept",
    "pairs_real",
    "pairs_other",
)


def count_rows(rows: Mapping[str, np.ndarray], ids: SpecialIds) -> collections.Counter:
    """Counts of a block of rows, which may be added up; `report` makes shares of them.

    `rows`, `positions` (rows x length), `filled` (no padding), `text_tokens` (no special token either), `predictions`,
    `predictions_mask`, `predictions_random`, `predictions_kept`, and where there are labels `pairs_real`,
    `pairs_other`. A random token that happens to be the one that stood there counts as kept.
    """
    filled = rows["padding_mask"] == 1
    special = np.isin(rows["token_ids"], [ids.pad, ids.unk, ids.cls, ids.sep])
    row, place = np.nonzero(rows["mask_weights"])
    seen, was = rows["token_ids"][row, rows["mask_positions"][row, place]], rows["mask_ids"][row, place]
    counts = collections.Counter(
        rows=len(filled),
        positions=filled.size,
        filled=int(filled.sum()),
        text_tokens=int((filled & ~special).sum()),
        predictions=len(seen),
        predictions_mask=int((seen == ids.mask).sum()),
        predictions_random=int(((seen != ids.mask) & (seen != was)).sum()),
        predictions_kept=int((seen == was).sum()),
    )
    labels = None
    if "sentence_label" in rows:
        labels = rows["sentence_label"]
    elif "sentence_labels" in rows:
        labels = rows["sentence_labels"][rows["sentence_weights"] == 1]
    if labels is not None:
        counts.update(pairs_real=int((labels == 0).sum()), pairs_other=int((labels == 1).sum()))
    if "sequence_ids" in rows:
        counts.update(sequences=int(rows["sequence_ids"].max(axis=1).sum()))
    return counts


def report(counts: Mapping[str, int], settings: RowSettings) -> dict[str, float]:
    """The counts in the field's words, with shares: a dict for JSON."""
    names = {"pairs_real": "real_pairs", "pairs_other": "random_pairs"}
    if settings.objective == "sop":
        names = {"pairs_real": "pairs_in_order", "pairs_other": "swapped_pairs"}
    shares = {
        "fill_rate": ("filled", "positions"),
        "masked_share": ("predictions", "text_tokens"),
        "mask_share": ("predictions_mask", "predictions"),
        "random_share": ("predictions_random", "predictions"),
        "kept_share": ("predictions_kept", "predictions"),
        "unknown_share": ("unknown_tokens", "tokens"),
    }
    said = {names.get(name, name): int(counts[name]) for name in _ORDER if name in counts}
    for name, (part, whole) in shares.items():
        if counts.get(whole):
            said[name] = round(counts.get(part, 0) / counts[whole], 6)
    pairs = counts.get("pairs_real", 0) + counts.get("pairs_other", 0)
    if pairs:
        said[f"{names['pairs_other']}_share"] = round(counts["pairs_other"] / pairs, 6)
    return said
