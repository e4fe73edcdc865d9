"""`bert-keras vocab train`: a corpus in, a vocabulary out."""

import hashlib
import json

import click

from bert_keras.cli import contract, output
from bert_keras.cli.corpus_options import CORPUS_HELP, corpus_argument, counted, field_option, seed_option
from bert_keras.cli.progress import Progress
from bert_keras.cli.quiet import starting_tensorflow


@click.group(cls=contract.Group, short_help="Train a vocabulary.")
def vocab() -> None:
    """Train a vocabulary on a corpus."""


@vocab.command(
    short_help="Train a WordPiece vocabulary.",
    help="Train a WordPiece vocabulary and write it as a vocab.txt, one piece a line." + CORPUS_HELP,
)
@corpus_argument
@click.option("--out", required=True, metavar="FILE", help="The vocab.txt to write.")
@click.option("--size", type=click.IntRange(6), required=True, help="Number of pieces, special tokens included.")
@click.option(
    "--kind",
    type=click.Choice(["uncased", "cased", "chinese"]),
    default="uncased",
    show_default=True,
    help="chinese is uncased and keeps more characters.",
)
@click.option("--max-characters", type=click.IntRange(1), help="How many different characters are kept.")
@click.option("--min-count", type=click.IntRange(1), default=2, show_default=True, help="What is rarer is no piece.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Learn from N documents, drawn by the seed.")
@field_option
@seed_option
def train(corpus, out, size, kind, max_characters, min_count, sample, field, seed):
    from bert_keras.data.corpus import corpus_files, read_corpus, sampled

    files = corpus_files(corpus)
    with output.new_file(out) as file:
        with starting_tensorflow():
            from bert_keras.tokenizers import vocabulary as training
        described = training.KINDS[kind]
        with Progress("reading", None, "documents") as progress:
            documents = counted(read_corpus(files, field), progress)
            if sample:
                documents = sampled(documents, sample, seed)
            texts = (paragraph for document in documents for paragraph in document.paragraphs)
            words = training.count_words(texts, described.lowercase)
        with Progress("learning", size, "pieces") as progress:
            pieces = training.pieces_of_words(
                words, size, max_characters or described.max_characters, min_count, progress.update
            )
        content = "".join(piece + "\n" for piece in pieces)
        file.write(content)
    per_word, unknown = training.pieces_per_word(words, pieces, described.lowercase)
    report = {
        "pieces": len(pieces),
        "words": sum(words.values()),
        "different_words": len(words),
        "pieces_per_word": round(per_word, 4),
        "unknown_words": round(unknown, 6),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    # The vocabulary itself may go to stdout.
    click.echo(json.dumps(report), err=out == "-")
