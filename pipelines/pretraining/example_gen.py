"""ExampleGen for running text: a document is an example, in the splits train and eval.

| feature                        | meaning                                                                             |
|--------------------------------|-------------------------------------------------------------------------------------|
| `text`                         | the sentences of the document; of a parallel corpus a text and its translation      |
| `document`                     | SHA-256 of the sentences: equal documents are one, and fall into one split          |
| `file`, `number`               | where it stands: the file, and the how-manieth document of it, from 0               |
| `num_sentences`                | sentences                                                                           |
| `num_characters`               | characters of the sentences                                                         |
| `num_tokens`, `num_unknown`    | pieces that the tokenizer makes of them, and how many of these are `[UNK]`          |

The counts are here so that the statistics of the examples say what there is to know of a corpus. A file is read by one
worker.
"""

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples
from tfx.v1.dsl.components import BeamComponentParameter, OutputArtifact, Parameter, component

from bert_keras import presets
from bert_keras.data.pretraining_corpus import CorpusSettings, read_texts
from bert_keras.errors import BadInput
from bert_keras.tasks.description import ExampleFeature
from pipelines.example_gen import SPLITS, make_example

COUNTS = ("num_sentences", "num_characters", "num_tokens", "num_unknown")
# What the schema is told of the features: no text, name or hash is an anomaly.
LAYOUT = {
    "text": ExampleFeature(is_list=True),
    "document": ExampleFeature(),
    "file": ExampleFeature(),
    "number": ExampleFeature(dtype="int64"),
    **{name: ExampleFeature(dtype="int64") for name in COUNTS},
}
# Documents that are tokenized at a time.
_BATCH = 256


@component(use_beam=True)
def CorpusExampleGen(  # noqa: N802 - a component is called like a class
    examples: OutputArtifact[Examples],
    source: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
):
    """Writes the documents as gzipped TFRecord. Raises `BadInput` where a split has none.

    TFX's FileBasedExampleGen takes one pattern a split; a corpus is any number of files. `source` is JSON, see
    `prepare.Prepared`.
    """
    how = json.loads(source)
    examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
    files = [(key, path) for key, stamped in how["files"].items() for path, *_ in stamped]
    with beam_pipeline:
        documents = (
            beam_pipeline
            | "Files" >> beam.Create(files)
            | "OneEach" >> beam.Reshuffle()
            | "Documents" >> beam.FlatMap(examples_of_file, source=how)
            | "Split" >> beam.Partition(_number_of_split, len(SPLITS))
        )
        for split, of_split in zip(SPLITS, documents):
            path = os.path.join(artifact_utils.get_split_uri([examples], split), "documents")
            _ = (
                of_split
                | f"Examples[{split}]" >> beam.Values()
                | f"Write[{split}]" >> beam.io.WriteToTFRecord(path, file_name_suffix=".gz")
            )
    for split in SPLITS:
        if not any(True for _ in read_examples(artifact_utils.get_split_uri([examples], split))):
            raise BadInput(
                f"{files[0][1]}: no document of the corpus fell into the split {split!r}; expected some: add "
                "documents (a blank line ends one), change `corpus.eval_fraction`, or give `corpus.train` and "
                "`corpus.eval`"
            )


def examples_of_file(named: tuple[str, str], source: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yields (split, serialized example) for the documents of a file. Raises `BadInput`.

    Args:
        named: the data key (files, train, eval) that names the file, and its path.
        source: see `prepare.Prepared`.
    """
    key, path = named
    tokenizer = load_tokenizer(source["start"]["preset"], source["start"]["vocabulary"])
    texts = enumerate(read_texts(path, CorpusSettings(**source["corpus"])))
    while batch := [numbered for _, numbered in zip(range(_BATCH), texts)]:
        counts = _counts([sentences for _, sentences in batch], tokenizer)
        for (number, sentences), counted in zip(batch, counts):
            document = hashlib.sha256("\n".join(sentences).encode()).hexdigest()
            split = key if key in SPLITS else split_of(document, source["eval_fraction"])
            place = {"document": document, "file": path, "number": number}
            values = {"text": sentences, **place, **dict(zip(COUNTS, counted))}
            yield split, make_example(values).SerializeToString(deterministic=True)


def split_of(document: str, eval_fraction: float) -> str:
    """The split of a document by its hash, in hexadecimal digits."""
    return "eval" if int(document[:12], 16) < eval_fraction * 16**12 else "train"


def read_examples(folder: str) -> Iterator[tf.train.Example]:
    """The examples of a split's folder, in any order."""
    files = tf.io.gfile.glob(os.path.join(folder, "*"))
    for serialized in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(serialized)


@functools.lru_cache(maxsize=1)
def load_tokenizer(preset: str, vocabulary: str | None):
    """The tokenizer of the model that pretraining starts from, made once a worker."""
    return presets.load_tokenizer(preset, vocabulary)


def _counts(documents: list[list[str]], tokenizer) -> Iterable[tuple[int, ...]]:
    """`COUNTS` of each document."""
    sentences = [len(document) for document in documents]
    pieces = tokenizer.tokenize([sentence for document in documents for sentence in document])
    document = np.repeat(np.repeat(np.arange(len(documents)), sentences), pieces.row_lengths().numpy())
    unknown = document[pieces.flat_values.numpy() == tokenizer.unk_token_id]
    characters = (sum(map(len, document)) for document in documents)
    tokens, unknown = (np.bincount(of, minlength=len(documents)).tolist() for of in (document, unknown))
    return zip(sentences, characters, tokens, unknown)


def _number_of_split(element: tuple[str, bytes], _) -> int:
    return SPLITS.index(element[0])
