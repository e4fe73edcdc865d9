"""The YAML of pretraining, alone and in front of a task's."""

from pathlib import Path

import pytest
import yaml

from pipelines.chain_config import ChainConfig
from pipelines.config import PipelineConfig
from pipelines.load import load_config, parse_config
from pipelines.pretraining.config import PretrainingPipelineConfig

LEAST = """
name: news
pretraining:
  corpus: {files: news.txt}
  model: {preset: minilm_l6_uncased}
  phases:
    - {steps: 1000}
"""
TASK = "data: {path: reviews.csv}\n"
EXAMPLES = Path(__file__).resolve().parents[3] / "pipelines"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "news.txt").write_text("A text.\n")
    (tmp_path / "reviews.csv").write_text("text,label\n")
    return tmp_path


@pytest.fixture
def load(folder):
    """A function that loads a config, the least one with a part replaced."""

    def call(old="", new="", more=""):
        assert old in LEAST
        path = folder / "pipeline.yaml"
        path.write_text((LEAST.replace(old, new) if old else LEAST) + more)
        return load_config(path)

    return call


def test_corpus_model_and_steps_are_all_that_is_needed(load):
    config = load()
    assert isinstance(config, PretrainingPipelineConfig)
    (phase,) = config.pretraining.phases
    assert (phase.steps, phase.max_length, phase.batch_size) == (1000, 128, 256)
    assert config.pretraining.learning_rates == [1e-4]
    assert config.pretraining.row_settings(phase).short_seq_prob == 0.1
    assert config.pretraining.mask_settings(phase).max_predictions == 20  # 15 % of 128, rounded up


def test_relative_paths_start_at_the_folder_of_the_file(load, folder, monkeypatch):
    more = "root: out\n"
    (folder / "words.txt").write_text("ab\n")
    (folder / "mine").mkdir()
    (folder / "mine/config.json").write_text("{}")
    monkeypatch.chdir("/")
    files = "files: [news.txt, 'more/*.txt'], segmenter: words.txt}\n  rows: {masking: whole-word"
    config = load("files: news.txt", files, more)
    assert config.pretraining.corpus.files == [folder / "news.txt", folder / "more/*.txt"]
    assert config.pretraining.corpus.segmenter == str(folder / "words.txt")
    assert config.push_directory == folder / "out/presets/news"
    assert load("minilm_l6_uncased", "mine").pretraining.model.preset == str(folder / "mine")


def test_the_keys_tell_which_pipeline_it_is(load, folder):
    assert isinstance(load(more=TASK), ChainConfig)
    (folder / "task.yaml").write_text("name: a\nmodel: {preset: minilm_l6_uncased}\n" + TASK)
    assert isinstance(load_config(folder / "task.yaml"), PipelineConfig)


def test_the_halves_of_a_chain_have_names_and_folders_of_their_own(load, folder):
    chain = load(more=TASK + "model: {max_length: 64}\n")
    assert (chain.first.name, chain.first.artifacts) == ("news-pretraining", folder / "runs/news-pretraining")
    assert chain.first.push_directory == folder / "runs/presets/news-pretraining"
    second = chain.second("pushed")
    assert (second.name, second.model.preset, second.model.max_length) == ("news", "pushed", 64)
    assert second.push_directory == folder / "runs/serving/news"


def test_the_second_half_of_a_chain_takes_files_for_each_split(load, folder):
    (folder / "dev.csv").write_text("text,label\n")
    chain = load("files: news.txt", "train: news.txt, eval: dev.txt", "data: {train: reviews.csv, eval: dev.csv}\n")
    assert chain.second("pushed").data.files == {"train": folder / "reviews.csv", "eval": folder / "dev.csv"}
    assert chain.first.pretraining.corpus.patterns == {"train": [folder / "news.txt"], "eval": [folder / "dev.txt"]}


def test_phases_have_rates_of_their_own_or_share_one(load):
    rates = "    - {steps: 1000, learning_rate: 1e-3}\n    - {steps: 10, learning_rate: 2e-3}\n"
    assert load("    - {steps: 1000}\n", rates).pretraining.learning_rates == [1e-3, 2e-3]


MISTAKES = {
    "steps: 1000, max_lenth: 64": (
        "there is no key 'pretraining.phases.0.max_lenth' (did you mean 'max_length'?); expected the keys of "
        "`pretraining.phases.0` to be among steps, max_length, batch_size, learning_rate"
    ),
    "steps: 0": "field 'pretraining.phases.0.steps': it is 0; expected greater than or equal to 1",
    "max_length: 64": "field 'pretraining.phases.0.steps': the key is missing; expected Optimizer steps",
    "steps: 5}\n    - {steps: 5, learning_rate: 1e-4": "some of the `phases` have a `learning_rate`; expected all",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_a_phase_is_named(mistake, load, refusal):
    assert MISTAKES[mistake] in refusal(load, "steps: 1000", mistake)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("files: news.txt", "file: news.txt", "there is no key 'pretraining.corpus.file' (did you mean 'files'?)"),
        ("files: news.txt", "train: news.txt", "there is no text; expected `files`, or both `train` and `eval`"),
        ("files: news.txt", "files: news.txt, eval: b.txt", "`files` stands beside `train` or `eval`"),
        ("files: news.txt", "files: 3", "field 'pretraining.corpus.files': it is 3; expected a list"),
        ("minilm_l6_uncased", "small_uncased, random_start: true, head: loaded", "`head: loaded` stands beside"),
        ("minilm_l6_uncased", "small_uncased, vocabulary: no.txt", "field 'pretraining.model.vocabulary': "),
        ("pretraining:", "pretrainin:", "there is no key 'pretrainin' (did you mean 'pretraining'?)"),
        (
            "files: news.txt",
            "files: news.txt, segmenter: news.txt",
            "segmenter does nothing here; expected masking whole-word or ngram beside it",
        ),
        (
            "    - {steps: 1000}",
            "    - {steps: 5, learning_rate: 1e-4}\n  train: {learning_rate: 1e-3}",
            "`train.learning_rate` does nothing where all `phases` have a `learning_rate`",
        ),
        ("    - {steps: 1000}", "    []", "field 'pretraining.phases': it is []; expected a list with something in it"),
    ],
)
def test_a_value_that_does_not_fit_is_named(old, new, expected, load, refusal):
    assert expected in refusal(load, old, new)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("trian: {}\n", "there is no key 'trian' (did you mean 'train'?); expected the keys to be among name, root, "),
        ("train: {epochs: 2}\n", "field 'data': the key is missing; expected the section 'data'"),
        (TASK + "model: {preset: a}\n", "field 'model.preset': the task starts from the preset that `pretraining`"),
        ("data: {path: no.csv}\n", "field 'data.path': "),
    ],
)
def test_a_mistake_beside_pretraining_is_named(more, expected, load, refusal):
    assert expected in refusal(load, "", "", more)


def test_every_key_is_documented():
    undocumented = []

    def walk(section, prefix):
        for name, field in section.model_fields.items():
            inner = [a for a in getattr(field.annotation, "__args__", ()) if hasattr(a, "model_fields")]
            for part in inner or [field.annotation]:
                if isinstance(part, type) and hasattr(part, "model_fields"):
                    assert part.__doc__
                    walk(part, f"{prefix}{name}.")
                elif not field.description:
                    undocumented.append(prefix + name)

    walk(ChainConfig, "")
    assert undocumented == []


def test_the_example_shows_every_key_with_its_default():
    text = (EXAMPLES / "example-pretraining.yaml").read_text()
    folder = Path("/nowhere")
    given, least = (parse_config(yaml.safe_load(one), "a", folder) for one in (text, LEAST))
    assert given == least
    shown = yaml.safe_load(text)["pretraining"]
    for name, section in type(given.pretraining).model_fields.items():
        keys = getattr(section.annotation, "model_fields", {})
        assert (name, [key for key in keys if f"{key}:" not in text]) == (name, [])
        assert name in shown


def test_the_example_of_a_chain_is_one():
    values = yaml.safe_load((EXAMPLES / "example-chain.yaml").read_text())
    assert isinstance(parse_config(values, "a", Path("/nowhere")), ChainConfig)
