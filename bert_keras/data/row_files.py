"""Rows for pretraining in files: shards of TFRecord with a manifest that says how they were made and what they hold."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from bert_keras.data.masking import MaskSettings
from bert_keras.data.pretraining_rows import START, Position
from bert_keras.data.row_features import parse_rows, row_features
from bert_keras.data.row_plan import RowSettings
from bert_keras.errors import BadInput, nearest

MANIFEST = "manifest.json"
FORMAT = "bert-keras pretraining rows 1"
# Rows that are mixed with each other, beyond the random order that they have in their shard.
_MIXED = 4096
# Of text, as it is on disk, for one shard; a gzipped file counts as three times its size.
_SHARD_BYTES = 32 << 20


def shard_name(index: int, count: int) -> str:
    """The file name of a shard."""
    return f"rows-{index:05d}-of-{count:05d}.tfrecord"


def shards_for(files: list[str]) -> int:
    """How many shards the rows of these files are dealt out to where nobody says a number."""
    return max(1, sum(os.path.getsize(path) * (3 if path.endswith(".gz") else 1) for path in files) // _SHARD_BYTES)


def vocabulary_sha256(vocabulary: list[str]) -> str:
    """The SHA-256 of a vocabulary as `vocab.txt` holds it, a piece a line."""
    return hashlib.sha256("".join(piece + "\n" for piece in vocabulary).encode()).hexdigest()


class RowFiles:
    """A directory of rows, read as a stream like that of `PretrainingRows`.

    Args:
        directory: where `manifest.json` is.
        seed: int, for the order of rows in each epoch.
        tokenizer: a `WordPieceTokenizer`, or None. With one, rows of another vocabulary are refused.

    Attributes:
        manifest: dict, the manifest.
        settings, masks: the `RowSettings` and `MaskSettings` that the rows were made with.
        features: name -> `Feature`, see `row_features`.

    Raises:
        BadInput: there is no manifest, a shard is missing or has another size, or the vocabulary is another one.
    """

    def __init__(self, directory: str | os.PathLike, seed: int = 0, tokenizer=None):
        self.directory, self.seed = os.fspath(directory), seed
        self.manifest = _read_manifest(self.directory)
        self.settings = _settings(RowSettings, self.manifest["settings"]["rows"], self.directory)
        self.masks = _settings(MaskSettings, self.manifest["settings"]["masks"], self.directory)
        self.features = row_features(self.settings, self.masks)
        self._paths = [os.path.join(self.directory, shard["file"]) for shard in self.manifest["shards"]]
        for path, shard in zip(self._paths, self.manifest["shards"]):
            if "://" not in path and (not os.path.exists(path) or os.path.getsize(path) != shard["bytes"]):
                raise BadInput(
                    f"{path}: the shard is missing or not of {shard['bytes']} bytes, as the manifest says; expected "
                    "the files as they were written: copy them again"
                )
        if tokenizer is not None:
            self.check_vocabulary(tokenizer)

    def check_vocabulary(self, tokenizer) -> None:
        """Raises `BadInput` where the rows were made with another vocabulary than this tokenizer's."""
        expected, found = self.manifest["vocabulary"]["sha256"], vocabulary_sha256(tokenizer.get_vocabulary())
        if found != expected:
            raise BadInput(
                f"{self.directory}: the rows were made with another vocabulary (SHA-256 {expected[:12]}…, the "
                f"model's is {found[:12]}…); expected the same: make the rows anew"
            )

    def num_rows(self, epoch: int = 0) -> int:
        """How many rows an epoch has."""
        return sum(shard["rows"] for shard in self.manifest["shards"])

    def advance(self, start: Position, rows: int) -> Position:
        """Where a stream stands that began at `start` and has given this many rows, of all readers together."""
        epochs, row = divmod(start[1] + rows, self.num_rows())
        return Position(start[0] + epochs, row)

    def verify(self) -> None:
        """Reads all shards once. Raises `BadInput` where one has another SHA-256 than the manifest says."""
        for path, shard in zip(self._paths, self.manifest["shards"]):
            if file_sha256(path) != shard["sha256"]:
                raise BadInput(f"{path}: the shard is not what was written (SHA-256); copy or make it again")

    def dataset(
        self,
        batch_size: int | None = None,
        epochs: int | None = None,
        start: Position = START,
        num_shards: int = 1,
        index: int = 0,
        drop_remainder: bool = False,
    ):
        """The stream of rows as a `tf.data.Dataset` of dicts; arguments as those of `PretrainingRows.dataset`.

        Shards come in another order in every epoch, and rows are mixed anew. To begin within an epoch, the rows before
        it are read and dropped.
        """
        import tensorflow as tf

        first, row = start
        last = tf.int64.max if epochs is None else first + epochs
        paths = tf.constant(self._paths)

        def seeds(epoch, part):
            return tf.stack([tf.cast(self.seed, tf.int64), epoch * 2**32 + part])

        def of_epoch(epoch):
            # Not `Dataset.shuffle`, whose order depends on the global seed too.
            files = tf.random.experimental.stateless_shuffle(paths, seeds(epoch, -1))
            rows = tf.data.TFRecordDataset(files).batch(_MIXED).enumerate()
            rows = rows.map(lambda part, some: tf.random.experimental.stateless_shuffle(some, seeds(epoch, part)))
            return rows.unbatch().skip(tf.where(epoch == first, tf.cast(row, tf.int64), tf.cast(0, tf.int64)))

        dataset = tf.data.Dataset.range(first, last).flat_map(of_epoch).shard(num_shards, index)
        if batch_size is not None:
            dataset = dataset.batch(batch_size, drop_remainder=drop_remainder)
        return dataset.map(lambda serialized: parse_rows(serialized, self.features)).prefetch(2)


def manifest_of(
    settings: Mapping[str, Any], tokenizer: Mapping[str, Any], shards: list[dict], counts: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of a manifest.

    Args:
        settings: `rows`, `masks` and whatever else the rows were made with.
        tokenizer: `pieces` (number), `sha256`, `lowercase`, `strip_accents`.
        shards: `file`, `rows`, `bytes` and `sha256` of each.
        counts: from `pretraining_counts.report`.
    """
    rows, masks = RowSettings(**settings["rows"]), MaskSettings(**settings["masks"])
    features = {
        name: {"shape": list(feature.shape), "dtype": feature.dtype}
        for name, feature in row_features(rows, masks).items()
    }
    return {
        "format": FORMAT,
        "rows": sum(shard["rows"] for shard in shards),
        "counts": dict(counts),
        "settings": dict(settings),
        "vocabulary": dict(tokenizer),
        "features": features,
        "shards": shards,
    }


def file_sha256(path: str) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def _read_manifest(directory: str) -> dict:
    path = os.path.join(directory, MANIFEST)
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}: cannot be read ({error}); expected the directory that `bert-keras pretrain-data` wrote"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BadInput(f"{path}: this is no manifest of pretraining rows; expected the format {FORMAT!r}")
    return manifest


def _settings(kind, values: dict, directory: str):
    known = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            raise BadInput(f"{directory}/{MANIFEST}: there is no setting {name!r}{nearest(name, known)}")
    return kind(**values)
