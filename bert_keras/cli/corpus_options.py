"""What the commands that read running text share: how a corpus is named and read."""

from collections.abc import Iterable, Iterator

import click

from bert_keras.cli.progress import Progress
from bert_keras.data.corpus import TEXT, Document

corpus_argument = click.argument("corpus", nargs=-1, required=True, metavar="CORPUS...")
field_option = click.option(
    "--field", default=TEXT, show_default=True, metavar="NAME", help="Where the text stands in JSON Lines."
)
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For every draw.")

CORPUS_HELP = """

    CORPUS is any number of files and globs (in quotes): plain text with blank lines between documents, or JSON Lines,
    gzipped or not.
    """


def counted(documents: Iterable[Document], progress: Progress) -> Iterator[Document]:
    """The documents, told to a progress display as they go by."""
    number = 0
    for number, document in enumerate(documents, start=1):
        yield document
        progress.update(number)
    if number:
        progress.say(f"{progress.title}: {number} documents")
