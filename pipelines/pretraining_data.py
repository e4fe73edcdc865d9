"""Rows for pretraining as a Beam job: a corpus in, shards of TFRecord and a manifest out.

    documents of each file -> dealt out to shards -> each shard tokenized, cut into rows, masked and written

A shard is a corpus of its own, made by `PretrainingRows` as rows are made while a model trains; random texts of its
pairs come from its own documents. What is in it depends on files, settings and seed, not on the runner or its workers.
A worker holds one shard's documents in memory at a time.

Workers report through files beside the rows, so that a runner elsewhere tells as much as one on this machine. All of
them must see the folder: on several machines it is a mounted one, or one of Beam's file systems (`gs://`).
"""

import collections
import dataclasses
import json
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions

from bert_keras.data.encoded_corpus import encode_documents
from bert_keras.data.masking import MaskSettings
from bert_keras.data.pretraining_corpus import CorpusSettings, read_texts
from bert_keras.data.pretraining_counts import count_rows, report
from bert_keras.data.pretraining_rows import Position, PretrainingRows
from bert_keras.data.row_features import serialize_rows
from bert_keras.data.row_files import MANIFEST, file_sha256, manifest_of, shard_name, vocabulary_sha256
from bert_keras.data.row_plan import RowSettings
from bert_keras.data.segmenters import load_segmenter
from bert_keras.errors import BadInput, WorkFailed
from bert_keras.tokenizers import WordPieceTokenizer
from pipelines.arguments import without_arguments

# Where workers leave what they have to say.
REPORTS = ".reports"
# What a job runs on where the user names nothing. Later Beams start a runner of their own otherwise, which has to be
# downloaded.
_ON_THIS_MACHINE = {"runner": "DirectRunner", "direct_running_mode": "in_memory"}


@dataclasses.dataclass(frozen=True)
class RowJob:
    """All that workers need to know; plain values, which travel to other machines.

    Attributes:
        out: the folder to write into.
        vocabulary: list of str, the tokenizer's pieces.
        lowercase, strip_accents: bool, as `WordPieceTokenizer` has them.
        corpus: `CorpusSettings`.
        rows: `RowSettings`.
        masks: `MaskSettings`.
        shards: how many files of rows there are.
        duplicates: how often the corpus is gone through, with pairs and masks of its own each time.
        seed: int.
        positions: int or None, see `PretrainingRows`.
        name: what these rows are, in front of what is wrong with them, where there are several jobs.
    """

    out: str
    vocabulary: list[str]
    lowercase: bool
    strip_accents: bool
    corpus: CorpusSettings
    rows: RowSettings
    masks: MaskSettings
    shards: int = 1
    duplicates: int = 1
    seed: int = 0
    positions: int | None = None
    name: str = ""


def write_rows(files: list[str], job: RowJob, options: Iterable[str] = ()) -> dict[str, Any]:
    """Runs the job and writes the manifest when all shards are there.

    Args:
        files: the corpus, in an order that is part of what makes the rows reproduce.
        job: the settings.
        options: Beam's own, `name=value` each: `runner=FlinkRunner`, `flink_master=…`; without any, the direct runner
            on this machine.

    Returns:
        The manifest.

    Raises:
        BadInput: a file cannot be read, or the corpus does not fit the settings.
        WorkFailed: the runner did not finish.
    """
    with without_arguments():
        pipeline = beam.Pipeline(options=_options(options))
        documents = (
            pipeline
            | "Files" >> beam.Create(list(enumerate(files)))
            | "OneEach" >> beam.Reshuffle()
            | "Documents" >> beam.FlatMap(documents_of_file, job=job)
        )
        write_shards(documents, job)
        run_jobs(pipeline, [job])
    return finish(files, job)


def write_shards(documents, job: RowJob, label: str = "") -> None:
    """Adds a job to a Beam pipeline.

    Args:
        documents: PCollection of (shard, (place, sentences)); in a shard documents are in the order of their places.
        job: the settings.
        label: sets the steps of one job apart from those of another in the same pipeline.
    """
    _ = documents | f"Shards{label}" >> beam.GroupByKey() | f"Rows{label}" >> beam.ParDo(WriteShard(job))


def run_jobs(pipeline, jobs: list[RowJob]) -> None:
    """Runs a Beam pipeline with the steps of these jobs.

    Raises:
        BadInput: a file cannot be read, or a corpus does not fit the settings.
        WorkFailed: the runner did not finish.
    """
    try:
        state = pipeline.run().wait_until_finish()
    except Exception:
        # What a worker has said about the corpus says more than that it failed.
        for job in jobs:
            _check_reports(_reports(job.out))
        raise
    for job in jobs:
        _check_reports(_reports(job.out))
    if state not in ("DONE", None):
        raise WorkFailed(f"the Beam job ended as {state}; expected DONE: see the runner's log")


def finish(files: list[str], job: RowJob) -> dict[str, Any]:
    """Writes the manifest of a job that ran; returns it. Raises `BadInput` where there was no document."""
    reports = _reports(job.out)
    shards = sorted((said["shard"] for said in reports if "shard" in said), key=lambda shard: shard["file"])
    if not shards:
        raise BadInput(f"{', '.join(files[:3])}: the corpus is empty; expected at least one line of text")
    counts: collections.Counter = collections.Counter()
    for said in reports:
        counts.update(said.get("counts", {}))
    manifest = manifest_of(_settings(files, job), _tokenizer(job), shards, report(counts, job.rows))
    _write_json(FileSystems.join(job.out, MANIFEST), manifest, indent=2)
    FileSystems.delete([FileSystems.join(job.out, REPORTS)])
    return manifest


def documents_of_file(
    numbered: tuple[int, str], job: RowJob
) -> Iterator[tuple[int, tuple[tuple[int, int], list[str]]]]:
    """Yields (shard, (place, sentences)) for the documents of a file; what is wrong with it becomes a report."""
    number, path = numbered
    try:
        for index, sentences in enumerate(read_texts(path, job.corpus, _open)):
            if sentences:
                yield (number + index) % job.shards, ((number, index), sentences)
    except BadInput as error:
        _say(job.out, {"error": str(error), "order": [0, number]})


class WriteShard(beam.DoFn):
    """Takes (shard, documents) and writes its rows; what it counts, or what is wrong, becomes a report."""

    def __init__(self, job: RowJob):
        self._job = job

    def setup(self):
        job = self._job
        self._tokenizer = WordPieceTokenizer(job.vocabulary, job.lowercase, job.strip_accents)
        self._segmenter = None if job.corpus.segmenter is None else load_segmenter(job.corpus.segmenter)

    def process(self, element):
        shard, documents = element
        try:
            _say(self._job.out, self._written(shard, documents))
        except BadInput as error:
            job = self._job
            said = f"{job.name}: {error}" if job.name else str(error)
            said += f" (in shard {shard + 1} of {job.shards})" if job.shards > 1 else ""
            _say(job.out, {"error": said, "order": [1, shard]})
        return []

    def _written(self, shard: int, documents) -> dict[str, Any]:
        job = self._job
        # Grouping keeps no order.
        texts = [sentences for _, sentences in sorted(documents, key=lambda document: document[0])]
        corpus = encode_documents(texts, self._tokenizer, self._segmenter)
        seed = int(np.random.SeedSequence([job.seed, shard]).generate_state(1, np.uint64)[0])
        made = PretrainingRows(corpus, self._tokenizer, job.rows, job.masks, seed, job.positions)
        counts = collections.Counter(
            documents=corpus.num_documents,
            documents_left_out=made.plan(0).documents_left_out,
            sentences=corpus.num_sentences,
            tokens=corpus.num_tokens,
            unknown_tokens=corpus.unknown,
        )
        name = shard_name(shard, job.shards)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, name)
            rows = 0
            with tf.io.TFRecordWriter(path) as writer:
                for block in made.blocks(Position(0, 0), epochs=job.duplicates):
                    counts.update(count_rows(block, made.ids))
                    for example in serialize_rows(block):
                        writer.write(example)
                        rows += 1
            if not counts["predictions"]:
                raise BadInput("No token of the rows is masked; expected a vocabulary that fits the corpus.")
            size, digest = os.path.getsize(path), file_sha256(path)
            _copy(path, FileSystems.join(job.out, name))
        return {"shard": {"file": name, "rows": rows, "bytes": size, "sha256": digest}, "counts": dict(counts)}


def _options(named: Iterable[str]) -> PipelineOptions:
    chosen: dict[str, str] = {}
    for option in named:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise BadInput(f"the Beam option {option!r}: expected NAME=VALUE, for example runner=FlinkRunner")
        chosen[name.lstrip("-")] = value
    if "runner" not in chosen:
        chosen = {**_ON_THIS_MACHINE, **chosen}
    options = PipelineOptions([f"--{name}={value}" for name, value in chosen.items()])
    unknown = [name for name in chosen if name not in options.get_all_options()]
    if unknown:
        raise BadInput(
            f"Beam has no option {unknown[0]!r}; expected one that the runner knows, see Beam's documentation"
        )
    options.view_as(SetupOptions).save_main_session = False
    return options


def _settings(files: list[str], job: RowJob) -> dict[str, Any]:
    return {
        "files": files,
        "corpus": dataclasses.asdict(job.corpus),
        "rows": dataclasses.asdict(job.rows),
        "masks": dataclasses.asdict(job.masks),
        "shards": job.shards,
        "duplicates": job.duplicates,
        "seed": job.seed,
    }


def _tokenizer(job: RowJob) -> dict[str, Any]:
    return {
        "pieces": len(job.vocabulary),
        "sha256": vocabulary_sha256(job.vocabulary),
        "lowercase": job.lowercase,
        "strip_accents": job.strip_accents,
    }


def _open(path: str):
    try:
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except beam.io.filesystem.BeamIOError as error:
        raise BadInput(f"{path}: cannot be read ({error}); expected a readable data file") from error


def _say(out: str, said: dict[str, Any]) -> None:
    """Leaves a report. A worker that is started again says the same under another name."""
    folder = FileSystems.join(out, REPORTS)
    if not FileSystems.exists(folder):
        try:
            FileSystems.mkdirs(folder)
        except OSError:
            pass  # Another worker was quicker.
    _write_json(FileSystems.join(folder, f"{uuid.uuid4().hex}.json"), said)


def _reports(out: str) -> list[dict[str, Any]]:
    """What workers have said, each thing once."""
    found: dict[str, dict] = {}
    (matched,) = FileSystems.match([FileSystems.join(out, REPORTS, "*.json")])
    for file in matched.metadata_list:
        with FileSystems.open(file.path) as opened:
            text = opened.read().decode()
        found[text] = json.loads(text)
    return list(found.values())


def _check_reports(reports: list[dict[str, Any]]) -> None:
    errors = sorted((said for said in reports if "error" in said), key=lambda said: said["order"])
    if errors:
        raise BadInput(errors[0]["error"])


def _write_json(path: str, content: dict[str, Any], indent: int | None = None) -> None:
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        file.write((json.dumps(content, indent=indent, sort_keys=indent is None) + "\n").encode())


def _copy(path: str, target: str) -> None:
    """Under another name first: nobody meets half a shard, and of two workers with the same one the last wins."""
    temporary = f"{target}.{uuid.uuid4().hex}"
    with (
        open(path, "rb") as source,
        FileSystems.create(temporary, compression_type=CompressionTypes.UNCOMPRESSED) as to,
    ):
        for part in iter(lambda: source.read(1 << 20), b""):
            to.write(part)
    FileSystems.rename([temporary], [target])
