"""`bert-keras pretrain-data`: a corpus in, rows for pretraining out."""

import contextlib
import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.corpus_options import CORPUS_HELP, corpus_argument, field_option, seed_option
from bert_keras.cli.progress import Progress
from bert_keras.cli.quiet import silence_beam, starting_tensorflow
from bert_keras.cli.row_options import corpus_settings, row_options, row_settings
from bert_keras.errors import BadInput

_POSITIONS = 512


@click.command(
    cls=contract.Command,
    short_help="Make rows for pretraining from a corpus.",
    help="Make rows for pretraining from a corpus, with Apache Beam: TFRecord files and a manifest." + CORPUS_HELP,
)
@corpus_argument
@click.option("--out", required=True, metavar="DIR", help="The directory to write.")
@click.option("--vocabulary", metavar="FILE", help="A vocab.txt; say --cased where it is cased.")
@click.option("--cased", is_flag=True, help="The vocabulary is cased: no lower-casing, accents stay.")
@click.option("--preset", help="Takes the tokenizer and the number of positions of a preset instead.")
@click.option("--positions", type=click.IntRange(8), help=f"Positions of the encoder.  [default: {_POSITIONS}]")
@click.option("--max-length", type=int, default=128, show_default=True, help="Tokens of a row.")
@row_options
@click.option("--duplicates", type=click.IntRange(1), default=10, show_default=True, help="Rounds through the corpus.")
@click.option("--shards", type=click.IntRange(1), help="Files to write.  [default: by the size of the corpus]")
@click.option(
    "--beam", "beam_options", multiple=True, metavar="NAME=VALUE", help="For Beam: runner=FlinkRunner. Repeat for more."
)
@field_option
@seed_option
def pretrain_data(out, **values):
    # The directory is checked before anything slow begins.
    with _out_directory(out) as directory:
        manifest = _write(directory, **values)
    click.echo(json.dumps({"out": out, "shards": len(manifest["shards"]), **manifest["counts"]}, ensure_ascii=False))


def _write(out, corpus, vocabulary, cased, preset, positions, shards, duplicates, seed, beam_options, **values) -> dict:
    if importlib.util.find_spec("apache_beam") is None:
        raise BadInput(
            "pretrain-data runs on Apache Beam, which is not installed: pip install 'bert-keras[tfx]'; without it rows "
            "are made while a model trains (bert-keras pretrain --corpus)"
        )
    from bert_keras.data.corpus import corpus_files
    from bert_keras.data.row_files import shards_for

    settings = corpus_settings(values)
    rows, masks = row_settings(values, values["max_length"])
    files = corpus_files(corpus, tables=settings.parallel)
    with starting_tensorflow():
        tokenizer, positions = _tokenizer(vocabulary, cased, preset, positions)
        from pipelines.pretraining_data import RowJob, write_rows
    silence_beam()
    job = RowJob(
        out=str(out),
        vocabulary=tokenizer.get_vocabulary(),
        lowercase=tokenizer.lowercase,
        strip_accents=tokenizer.strip_accents,
        corpus=settings,
        rows=rows,
        masks=masks,
        shards=shards or shards_for(files),
        duplicates=duplicates,
        seed=seed,
        positions=positions,
    )
    _check_length(job)
    with _progress_of_files(Path(out), job.shards):
        return write_rows(files, job, beam_options)


def _tokenizer(vocabulary, cased, preset, positions):
    from bert_keras.presets import load_backbone, load_tokenizer
    from bert_keras.tokenizers import WordPieceTokenizer

    if (vocabulary is None) == (preset is None):
        raise BadInput("there is no tokenizer, or two; expected one of --vocabulary and --preset")
    if preset is None:
        return WordPieceTokenizer(vocabulary, lowercase=not cased), positions or _POSITIONS
    if cased or positions:
        raise BadInput("--cased and --positions are for --vocabulary; the preset says both")
    return load_tokenizer(preset), load_backbone(preset, load_weights=False).config.max_sequence_length


def _check_length(job) -> None:
    if job.rows.max_length > job.positions:
        raise BadInput(
            f"--max-length is {job.rows.max_length}, and the encoder has {job.positions} positions; expected rows of "
            "at most as many tokens: lower it, or give --positions for an encoder with more"
        )


@contextlib.contextmanager
def _out_directory(out: str) -> Iterator[str]:
    if "://" not in out:
        with output.new_directory(out) as directory:
            yield str(directory)
            # By this file a later run knows that the directory may be replaced.
            with (directory / output.MARK).open("w", encoding="utf-8") as file:
                output.write_json(file, {"command": "pretrain-data"})
        return
    # There is no renaming of a folder there; the manifest, which comes last, says that the rows are whole.
    yield out


@contextlib.contextmanager
def _progress_of_files(directory: Path, shards: int) -> Iterator[None]:
    """Shows how many shards are there, whoever writes them."""
    done = threading.Event()
    with Progress("making rows", shards, "shards") as progress:

        def watch():
            while not done.wait(1.0):
                progress.update(sum(name.endswith(".tfrecord") for name in os.listdir(directory)))

        thread = threading.Thread(target=watch, daemon=True)
        if directory.is_dir():
            thread.start()
        try:
            yield
        finally:
            done.set()
            if thread.is_alive():
                thread.join()
