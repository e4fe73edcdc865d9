"""From files to what rows for pretraining are made of: texts in sentences, and their ids."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator

from bert_keras.data.corpus import TEXT, corpus_files, read_documents
from bert_keras.data.encoded_corpus import EncodedCorpus, encode_documents
from bert_keras.data.lines import OpenFile
from bert_keras.data.parallel import read_pairs
from bert_keras.data.segmenters import load_segmenter
from bert_keras.data.sentences import split_sentences
from bert_keras.errors import BadInput

SENTENCES = ("split", "lines")


@dataclasses.dataclass(frozen=True)
class CorpusSettings:
    """How files are read.

    Args:
        parallel: bool. The files hold texts and translations (objective `tlm`), see `read_pairs`; otherwise documents,
            see `corpus`.
        sentences: `"split"`: paragraphs are split into sentences; `"lines"`: each line is one.
        field: where the text stands in the objects of JSON Lines.
        segmenter: how words are found in text without blanks, see `load_segmenter`, or None.

    Raises:
        BadInput: there is no such way to make sentences.
    """

    parallel: bool = False
    sentences: str = "split"
    field: str = TEXT
    segmenter: str | None = None

    def __post_init__(self):
        if self.sentences not in SENTENCES:
            raise BadInput(f"There are no sentences by {self.sentences!r}; expected one of {', '.join(SENTENCES)}.")


def read_texts(path: str, settings: CorpusSettings, open_file: OpenFile | None = None) -> Iterator[list[str]]:
    """Yields the documents of a file as lists of sentences; of a parallel corpus, pairs of texts. Raises `BadInput`."""
    if settings.parallel:
        yield from read_pairs(path, open_file)
        return
    for document in read_documents(path, settings.field, open_file):
        if settings.sentences == "lines":
            yield document.paragraphs
        else:
            yield [sentence for paragraph in document.paragraphs for sentence in split_sentences(paragraph)]


def load_corpus(
    files: Iterable[str | os.PathLike],
    tokenizer,
    settings: CorpusSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> EncodedCorpus:
    """Reads and tokenizes files, all of them in memory: about five bytes a token.

    Args:
        files: paths and globs, or a single one.
        tokenizer: a `WordPieceTokenizer`.
        settings: `CorpusSettings`.
        progress: is told how many documents are done.

    Raises:
        BadInput: a file cannot be read, or there is no text in any.
    """
    settings = settings or CorpusSettings()
    segmenter = None if settings.segmenter is None else load_segmenter(settings.segmenter)
    paths = corpus_files(files, tables=settings.parallel)
    documents = (texts for path in paths for texts in read_texts(path, settings))
    corpus = encode_documents(documents, tokenizer, segmenter, progress)
    if not corpus.num_tokens:
        raise BadInput(f"{', '.join(paths[:3])}: the corpus is empty; expected at least one line of text")
    return corpus
