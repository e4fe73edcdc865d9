"""Where `bert-keras pretrain` takes its rows from: files of rows, or texts of which rows are made while it trains."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import click

from bert_keras.cli.progress import Progress
from bert_keras.cli.row_options import ROW_OPTIONS, corpus_settings, row_settings
from bert_keras.errors import BadInput

# What is said about rows that are made from texts; rows in files say it themselves.
OF_CORPUS = (*ROW_OPTIONS, "max_length", "field")
_DEFAULT_LENGTH = 128


@dataclasses.dataclass(frozen=True)
class RowPhase:
    """What the command line says of a phase.

    Attributes:
        data: directory of rows, or None where they are made from texts.
        max_length: int, of rows that are made.
        steps, batch_size: int.
        held_out: directory of held-out rows, or None.
    """

    data: str | None
    max_length: int
    steps: int
    batch_size: int
    held_out: str | None


def row_phases(context: click.Context) -> list[RowPhase]:
    """The phases of a command line. Raises `BadInput` where its parts do not fit together."""
    values = context.params
    data, corpus, steps = values["data"], values["corpus"], values["steps"]
    if bool(data) == bool(corpus):
        raise BadInput("There are no rows to learn from, or two kinds; expected one of --data and --corpus.")
    number = len(steps)
    if data:
        told = [name for name in OF_CORPUS if is_given(context, name)]
        if told:
            raise BadInput(
                f"{_option(told[0])} is for --corpus; the rows of --data were made already: give it to pretrain-data."
            )
        if number != len(data):
            raise BadInput(f"There are {len(data)} --data and {number} --steps; expected as many, one for each phase.")
    held_out = _of_each("eval", values["eval"], number) if data and values["eval"] else [None] * number
    return [
        RowPhase(*fields)
        for fields in zip(
            data or [None] * number,
            _of_each("max-length", values["max_length"] or (_DEFAULT_LENGTH,), number),
            steps,
            _of_each("batch-size", values["batch_size"], number),
            held_out,
        )
    ]


class StoredRows:
    """The rows of `--data`.

    Attributes:
        settings: list of `RowSettings`, of each phase.
        digest: a SHA-256 by which the rows, or the files that they are made of, are known.
    """

    def __init__(self, phases: list[RowPhase], values: Mapping[str, Any]):
        from bert_keras.data.row_files import RowFiles

        self._phases, self._seed = phases, values["seed"]
        rows = [RowFiles(phase.data) for phase in phases]
        self.settings = [one.settings for one in rows]
        self.digest = _digest(shard["sha256"] for one in rows for shard in one.manifest["shards"])

    def load(self, tokenizer, positions: int):
        """The rows of each phase, and its held-out ones or None. Raises `BadInput` where the tokenizer is another."""
        from bert_keras.data.row_files import RowFiles
        from bert_keras.tasks.pretraining_start import one_objective

        for phase in self._phases:
            rows = RowFiles(phase.data, self._seed, tokenizer)
            held_out = None if phase.held_out is None else RowFiles(phase.held_out, self._seed, tokenizer)
            if held_out is not None:
                one_objective([rows.settings, held_out.settings])
            yield rows, held_out


class MadeRows:
    """Rows of `--corpus`, with masks and pairs drawn anew every epoch; otherwise as `StoredRows`."""

    def __init__(self, phases: list[RowPhase], values: Mapping[str, Any]):
        from bert_keras.data.corpus import corpus_files
        from bert_keras.data.row_files import file_sha256
        from bert_keras.data.segmenters import words_sha256

        self._reading, self._seed = corpus_settings(values), values["seed"]
        tables = self._reading.parallel
        self._corpus = corpus_files(values["corpus"], tables=tables)
        self._held_out = corpus_files(values["eval"], tables=tables) if values["eval"] else None
        self._rows = [row_settings(values, phase.max_length) for phase in phases]
        self.settings = [rows for rows, _ in self._rows]
        vocabulary = [values["vocabulary"]] if values["vocabulary"] else []
        files = map(file_sha256, [*self._corpus, *vocabulary])
        self.digest = _digest([*files, words_sha256(self._reading.segmenter)])

    def load(self, tokenizer, positions: int):
        """The rows of each phase, and its held-out ones or None. Raises `BadInput` where the texts cannot be used."""
        corpus = self._read("reading texts", self._corpus, tokenizer)
        held_out = self._read("reading held-out texts", self._held_out, tokenizer) if self._held_out else None
        for settings in self._rows:
            yield tuple(
                texts and _rows_of(texts, tokenizer, settings, self._seed, positions) for texts in (corpus, held_out)
            )

    def _read(self, title: str, files, tokenizer):
        from bert_keras.data.pretraining_corpus import load_corpus

        with Progress(title, None, "documents") as progress:
            corpus = load_corpus(files, tokenizer, self._reading, progress.update)
            progress.say(
                f"{title}: {corpus.num_documents} documents, {corpus.num_sentences} sentences, {corpus.num_tokens} "
                f"tokens, {corpus.unknown / corpus.num_tokens:.2%} of them [UNK]"
            )
        return corpus


def _rows_of(corpus, tokenizer, settings, seed, positions):
    from bert_keras.data.pretraining_rows import PretrainingRows

    rows, masks = settings
    return PretrainingRows(corpus, tokenizer, rows, masks, seed, positions)


def _digest(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _of_each(option: str, given: tuple, number: int) -> tuple:
    """What was given for each phase, or once for all."""
    if len(given) not in (1, number):
        raise BadInput(f"There are {len(given)} --{option} for {number} phases; expected one, or one for each.")
    return given if len(given) == number else given * number


def is_given(context: click.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
