"""`bert-keras pretrain-data`: a corpus in, rows for pretraining out."""

import contextlib
import importlib.util
import json
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.corpus_options import CORPUS_HELP, corpus_argument, field_option, seed_option
from bert_keras.cli.progress import Progress
from bert_keras.cli.quiet import starting_tensorflow
from bert_keras.errors import BadInput

_POSITIONS = 512
_share = click.FloatRange(0, 1)


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
@click.option(
    "--objective",
    type=click.Choice(["nsp", "sop", "none", "tlm"]),
    default="nsp",
    show_default=True,
    help="Next sentence, sentence order, full sentences, or translations (CORPUS: text, tab, translation).",
)
@click.option("--max-length", type=int, default=128, show_default=True, help="Tokens of a row.")
@click.option("--short-seq-prob", type=_share, help="Share of shorter rows.  [default: 0.1 for nsp and sop, else 0]")
@click.option("--pack", is_flag=True, help="Put several short sequences into a row, kept apart.")
@click.option("--max-sequences", type=int, default=8, show_default=True, help="The most sequences of a packed row.")
@click.option("--languages", type=int, nargs=2, default=(0, 1), show_default=True, help="Segment numbers for tlm.")
@click.option(
    "--masking",
    type=click.Choice(["token", "whole-word", "ngram"]),
    default="token",
    show_default=True,
    help="What is hidden together.",
)
@click.option("--max-ngram", type=int, default=3, show_default=True, help="Words of the longest n-gram.")
@click.option("--mask-probability", type=float, default=0.15, show_default=True, help="Share of tokens to predict.")
@click.option("--max-predictions", type=int, help="The most of a row.  [default: the share of --max-length]")
@click.option(
    "--segmenter",
    metavar="WORDS",
    help="What is a word in Chinese: a list of words, one a line, or module:function (jieba:lcut).",
)
@click.option(
    "--sentences",
    type=click.Choice(["split", "lines"]),
    default="split",
    show_default=True,
    help="Split paragraphs into sentences, or take each line for one.",
)
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
            "can be made while a model trains (bert_keras.data.pretraining_rows)"
        )
    from bert_keras.data.corpus import corpus_files
    from bert_keras.data.masking import MaskSettings
    from bert_keras.data.pretraining_corpus import CorpusSettings
    from bert_keras.data.row_files import shards_for
    from bert_keras.data.row_plan import RowSettings
    from bert_keras.data.segmenters import load_segmenter

    parallel = values["objective"] == "tlm"
    settings = CorpusSettings(parallel, values["sentences"], values["field"], values["segmenter"])
    rows = RowSettings(
        max_length=values["max_length"],
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
    if settings.segmenter:
        load_segmenter(settings.segmenter)
    files = corpus_files(corpus, tables=parallel)
    with starting_tensorflow():
        tokenizer, positions = _tokenizer(vocabulary, cased, preset, positions)
        from pipelines.pretraining_data import RowJob, write_rows
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
