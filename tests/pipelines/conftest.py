"""Films in a few words, and a preset of 2 layers x 32 that learns to tell the good ones within seconds."""

import json
import random
import re

import pytest

GOOD, BAD = ("good", "great", "fine", "lovely"), ("bad", "awful", "dull", "poor")
FILLERS = ("the", "film", "is", "a", "story", "of", "one", "man", "and", "his", "dog", ",", "it", "was")
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *FILLERS, '"')


def draw_films(count, seed):
    """Dicts of text, label and channel. Some texts hold quotes, tabs and line ends; one label in twenty is wrong."""
    rng = random.Random(seed)
    films = []
    for number in range(count):
        good = rng.random() < 0.5
        words = [rng.choice(FILLERS) for _ in range(rng.randint(3, 9))]
        words += [rng.choice(GOOD if good else BAD) for _ in range(2)]
        rng.shuffle(words)
        text = '"' + "\t".join(words) + "\n" if number % 10 == 0 else " ".join(words)
        label = good if number % 20 else not good
        films.append({"text": text, "label": "pos" if label else "neg", "channel": rng.choice(["tv", "web"])})
    return films


@pytest.fixture(scope="session")
def films():
    """`draw_films(count, seed)`."""
    return draw_films


@pytest.fixture(scope="session")
def write_jsonl():
    """A function that writes dicts as JSON Lines."""

    def write(path, rows):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    return write


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory):
    """Directory of a random encoder with the vocabulary of the films."""
    import keras

    from bert_keras import BertBackbone, BertPreprocessor, TextClassifier, WordPieceTokenizer

    keras.utils.set_random_seed(1)
    size = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64, "max_sequence_length": 32}
    encoder = BertBackbone(vocabulary_size=len(PIECES), **size)
    preprocessor = BertPreprocessor(WordPieceTokenizer(list(PIECES)), max_length=32)
    path = tmp_path_factory.mktemp("presets") / "tiny"
    TextClassifier(encoder, preprocessor, labels=["neg", "pos"]).save_to_preset(str(path))
    return path


@pytest.fixture
def workspace(tmp_path, write_jsonl):
    """A folder with `films.jsonl` of 20 rows: a function that writes a config there and returns its path."""
    write_jsonl(tmp_path / "films.jsonl", draw_films(20, seed=3))

    def write(text=""):
        path = tmp_path / "pipeline.yaml"
        path.write_text(GIVEN_CONFIG if not text else text, encoding="utf-8")
        return path

    write.folder = tmp_path
    return write


GIVEN_CONFIG = "name: films\ndata: {path: films.jsonl}\nmodel: {preset: minilm_l6_uncased}\n"


@pytest.fixture
def config_with(workspace):
    """A function that writes a good config with one part replaced: `config_with("films.jsonl", "other.jsonl")`."""

    def write(old="", new="", more=""):
        assert old in GIVEN_CONFIG
        return workspace((GIVEN_CONFIG.replace(old, new) if old else GIVEN_CONFIG) + more)

    write.folder = workspace.folder
    return write


@pytest.fixture
def refusal():
    """A function that calls another, expects `BadInput` and gives its sentence."""
    from bert_keras.errors import BadInput

    def call(function, *args):
        with pytest.raises(BadInput) as caught:
            function(*args)
        sentence = str(caught.value)
        assert not re.search(r"\n|Traceback", sentence)
        return sentence

    return call


@pytest.fixture(scope="session")
def word_preset(tmp_path_factory):
    """Directory of a random encoder with the vocabulary of `small_tasks`, which learns within a few dozen steps."""
    import keras

    from bert_keras import BertBackbone, BertPreprocessor, TextClassifier, WordPieceTokenizer
    from tests.pipelines.small_tasks import PIECES

    keras.utils.set_random_seed(1)
    size = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64, "max_sequence_length": 32}
    size |= {"initializer_range": 0.15, "dropout": 0.0, "attention_dropout": 0.0}
    encoder = BertBackbone(vocabulary_size=len(PIECES), **size)
    preprocessor = BertPreprocessor(WordPieceTokenizer(list(PIECES)), max_length=32)
    path = tmp_path_factory.mktemp("presets") / "words"
    TextClassifier(encoder, preprocessor, labels=["a", "b"]).save_to_preset(str(path))
    return path


@pytest.fixture(scope="session")
def write_task_config(word_preset):
    """A function that writes the config of a task into a folder and returns its path.

    `data`, `task` and `evaluate` are the insides of those sections, in YAML's short form.
    """

    def write(folder, task, data, evaluate="", options=""):
        path = folder / "pipeline.yaml"
        path.write_text(
            f"name: small\ndata: {{{data}}}\ntask: {{name: {task}, options: {{{options}}}}}\n"
            f"model: {{preset: {word_preset}, max_length: 24}}\n"
            "train: {epochs: 6, batch_size: 8, learning_rate: 3.0e-3, strategy: none}\n"
            f"evaluate: {{{evaluate}}}\n"
            # Half a minute for each run; test_run.py does it.
            "infra_validation: {enabled: false}\n"
        )
        return path

    return write
