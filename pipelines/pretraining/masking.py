"""Masking: documents to rows of masked words, by the Beam job that `bert-keras pretrain-data` runs.

Training documents give rows for each phase, gone through several times. Held-out documents are masked once, at the
length of the last phase, with a seed of their own: whatever else a later run changes, its figures are of the same rows.
"""

import json
import logging
import os
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples
from tfx.v1.dsl.components import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    Parameter,
    component,
)

from bert_keras.data.masking import MaskSettings
from bert_keras.data.pretraining_corpus import CorpusSettings
from bert_keras.data.row_plan import RowSettings
from pipelines.example_gen import SPLITS
from pipelines.pretraining.example_gen import load_tokenizer
from pipelines.pretraining_data import RowJob, finish, run_jobs, write_shards

log = logging.getLogger(__name__)

_HELD_OUT_SEED = 0


@component(use_beam=True)
def Masking(  # noqa: N802 - a component is called like a class
    examples: InputArtifact[Examples],
    rows: OutputArtifact[Examples],
    settings: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    """Writes the rows of both splits, a folder for each phase, as `RowFiles` reads them.

    `settings` is JSON, see `prepare.Prepared`. Raises `BadInput` where a split does not fit the objective.
    """
    how = json.loads(settings)
    rows.split_names = artifact_utils.encode_split_names(list(SPLITS))
    jobs = {split: _jobs(split, artifact_utils.get_split_uri([rows], split), how) for split in SPLITS}
    for split, of_split in jobs.items():
        folder = artifact_utils.get_split_uri([examples], split)
        documents = (
            beam_pipeline
            | f"Examples[{split}]" >> beam.io.ReadFromTFRecord(os.path.join(folder, "*"))
            | f"Documents[{split}]" >> beam.Map(document_of_example)
        )
        for number, job in enumerate(of_split):
            dealt = documents | f"Deal[{split}{number}]" >> beam.Map(_dealt, shards=job.shards)
            write_shards(dealt, job, f"[{split}{number}]")
    run_jobs(beam_pipeline, [job for of_split in jobs.values() for job in of_split])
    for split, of_split in jobs.items():
        for job in of_split:
            manifest = finish([artifact_utils.get_split_uri([examples], split)], job)
            log.info("%s: %s", split, _in_words(manifest))


def phase_folders(folder: str) -> list[str]:
    """The folders of the phases' rows, in their order, in the folder of a split."""
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


def document_of_example(serialized: bytes) -> tuple[str, tuple[tuple[str, int], list[str]]]:
    """(hash, (place, sentences)) of an example that `CorpusExampleGen` wrote."""
    values = tf.train.Example.FromString(serialized).features.feature
    (document,), (file,) = values["document"].bytes_list.value, values["file"].bytes_list.value
    (number,) = values["number"].int64_list.value
    sentences = [sentence.decode() for sentence in values["text"].bytes_list.value]
    return document.decode(), ((file.decode(), number), sentences)


def _dealt(named: tuple[str, Any], shards: int) -> tuple[int, Any]:
    document, placed = named
    return int(document[-12:], 16) % shards, placed


def _in_words(manifest: dict[str, Any]) -> str:
    counts, length = manifest["counts"], manifest["settings"]["rows"]["max_length"]
    words = f"{counts['rows']:,} rows of {length} tokens, {counts['fill_rate']:.0%} filled, "
    words += f"{counts['masked_share']:.1%} of the text masked"
    if left_out := counts["documents_left_out"]:
        words += f", {left_out:,} of {counts['documents']:,} documents left out, which have one sentence"
    return words


def _jobs(split: str, folder: str, how: dict[str, Any]) -> list[RowJob]:
    start, is_held_out = how["start"], split == "eval"
    tokenizer = load_tokenizer(start["preset"], start["vocabulary"])
    return [
        RowJob(
            out=os.path.join(folder, f"phase-{number:02d}"),
            vocabulary=tokenizer.get_vocabulary(),
            lowercase=tokenizer.lowercase,
            strip_accents=tokenizer.strip_accents,
            corpus=CorpusSettings(**how["corpus"]),
            rows=RowSettings(**phase["rows"]),
            masks=MaskSettings(**phase["masks"]),
            shards=how["shards"][split],
            duplicates=1 if is_held_out else how["duplicates"],
            seed=_HELD_OUT_SEED if is_held_out else how["seed"],
            positions=how["positions"],
            name=f"the split {split}",
        )
        for number, phase in enumerate(how["phases"][-1:] if is_held_out else how["phases"], start=1)
    ]
