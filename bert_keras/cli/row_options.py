"""What the commands that make rows for pretraining share: their options, and the settings that these mean."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import click

_share = click.FloatRange(0, 1)

_OPTIONS = (
    click.option(
        "--objective",
        type=click.Choice(["nsp", "sop", "none", "tlm"]),
        default="nsp",
        show_default=True,
        help="Next sentence, sentence order, full sentences, or translations (texts: text, tab, translation).",
    ),
    click.option(
        "--short-seq-prob", type=_share, help="Share of shorter rows.  [default: 0.1 for nsp and sop, else 0]"
    ),
    click.option("--pack", is_flag=True, help="Put several short sequences into a row, kept apart."),
    click.option("--max-sequences", type=int, default=8, show_default=True, help="The most sequences of a packed row."),
    click.option("--languages", type=int, nargs=2, default=(0, 1), show_default=True, help="Segment numbers for tlm."),
    click.option(
        "--masking",
        type=click.Choice(["token", "whole-word", "ngram"]),
        default="token",
        show_default=True,
        help="What is hidden together.",
    ),
    click.option("--max-ngram", type=int, default=3, show_default=True, help="Words of the longest n-gram."),
    click.option("--mask-probability", type=float, default=0.15, show_default=True, help="Share of tokens to predict."),
    click.option("--max-predictions", type=int, help="The most of a row.  [default: the share of --max-length]"),
    click.option(
        "--segmenter",
        metavar="WORDS",
        help="What is a word in Chinese: a list of words, one a line, or module:function (jieba:lcut).",
    ),
    click.option(
        "--sentences",
        type=click.Choice(["split", "lines"]),
        default="split",
        show_default=True,
        help="Split paragraphs into sentences, or take each line for one.",
    ),
)
# The names under which a command gets them.
ROW_OPTIONS = (
    "objective",
    "short_seq_prob",
    "pack",
    "max_sequences",
    "languages",
    "masking",
    "max_ngram",
    "mask_probability",
    "max_predictions",
    "segmenter",
    "sentences",
)


def row_options(command: Callable) -> Callable:
    """Adds the options `ROW_OPTIONS` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def corpus_settings(values: Mapping[str, Any]):
    """The `CorpusSettings` that options mean; a segmenter is tried. Raises `BadInput`."""
    from bert_keras.data.pretraining_corpus import CorpusSettings
    from bert_keras.data.segmenters import load_segmenter

    settings = CorpusSettings(values["objective"] == "tlm", values["sentences"], values["field"], values["segmenter"])
    if settings.segmenter:
        load_segmenter(settings.segmenter)
    return settings


def row_settings(values: Mapping[str, Any], max_length: int):
    """The `RowSettings` and `MaskSettings` that options mean for rows of this length. Raises `BadInput`."""
    from bert_keras.data.idle_settings import check_all_used
    from bert_keras.data.masking import MaskSettings
    from bert_keras.data.row_plan import RowSettings

    check_all_used(values, lambda name: "--" + name.replace("_", "-"))
    rows = RowSettings(
        max_length=max_length,
        objective=values["objective"],
        short_seq_prob=values["short_seq_prob"],
        pack=values["pack"],
        max_sequences=values["max_sequences"],
        languages=values["languages"],
    )
    predictions = values["max_predictions"]
    if predictions is None:
        predictions = max(1, math.ceil(values["mask_probability"] * rows.max_length))
    masks = MaskSettings(
        probability=values["mask_probability"],
        max_predictions=predictions,
        unit=values["masking"].replace("-", "_"),
        max_ngram=values["max_ngram"],
    )
    return rows, masks
