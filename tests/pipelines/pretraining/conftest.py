"""A corpus, an encoder that knows its words, and configs to pretrain it."""

import pytest

from tests.pipelines.pretraining.small_corpus import EVAL_FRACTION, PIECES, as_text, draw_documents

CONFIG = f"""name: words
pretraining:
  corpus: {{files: '*.txt', eval_fraction: {EVAL_FRACTION}, unknown_share: 0.5}}
  model: {{preset: ./tiny}}
  rows: {{duplicates: 2}}
  phases:
    - {{steps: 10, max_length: 16, batch_size: 16}}
    - {{steps: 20, max_length: 24, batch_size: 16}}
  train: {{learning_rate: 1.0e-2, strategy: none, log_every: 10, checkpoint_every: 10}}
"""


@pytest.fixture(scope="session")
def encoder_preset(tmp_path_factory):
    """Directory of a random encoder that was saved as a classifier's, so without a head for masked words."""
    from bert_keras import BertPreprocessor, TextClassifier, WordPieceTokenizer
    from tests.bert_keras.tiny_encoder import tiny_encoder

    path = tmp_path_factory.mktemp("presets") / "tiny"
    preprocessor = BertPreprocessor(WordPieceTokenizer(list(PIECES)), max_length=32)
    TextClassifier(tiny_encoder(PIECES), preprocessor, labels=["a", "b"]).save_to_preset(str(path))
    return path


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory, encoder_preset):
    """A function that makes a folder with the corpus in two files and the encoder as `tiny`."""

    def make(name="corpus"):
        folder = tmp_path_factory.mktemp(name)
        documents = draw_documents(40)
        (folder / "a.txt").write_text(as_text(documents[:25]))
        (folder / "b.txt").write_text(as_text(documents[25:]))
        (folder / "tiny").symlink_to(encoder_preset)
        return folder

    return make


@pytest.fixture
def pretraining_config(corpus_folder):
    """A function that writes the config with parts replaced into a folder with the corpus, and gives its path."""
    folder = corpus_folder()

    def write(*replaced, more=""):
        text = CONFIG
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path = folder / "pipeline.yaml"
        path.write_text(text + more)
        return path

    write.folder = folder
    return write
