"""The YAML: defaults, paths, and every mistake in one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.config import PipelineConfig
from pipelines.load import load_config

EXPECTED_SECTIONS = "name, root, cache, pretraining, data, task, model, train, evaluate, infra_validation, push"


def test_everything_but_name_data_and_preset_has_a_default(config_with):
    config = load_config(config_with())
    assert config.task.name == "classification" and config.task.options == {}
    assert config.model.max_length is None  # the task's
    assert (config.train.epochs, config.train.batch_size, config.train.seed) == (3, 32, 0)
    assert config.train.strategy == "auto" and config.train.learning_rate is None
    assert config.data.eval_fraction == 0.2 and config.cache is True


def test_relative_paths_start_at_the_folder_of_the_file(config_with, monkeypatch):
    path = config_with(more="root: out\npush: {directory: ../models}\n")
    monkeypatch.chdir("/")
    config = load_config(path)
    folder = config_with.folder
    assert config.data.path == folder / "films.jsonl"
    assert config.metadata == folder / "out/metadata.sqlite"
    assert config.artifacts == folder / "out/films"
    assert config.push_directory == folder.parent / "models"


def test_the_push_directory_is_below_the_root_by_default(config_with):
    config = load_config(config_with())
    assert config.push_directory == config_with.folder / "runs/serving/films"


def test_a_preset_directory_is_found_beside_the_file(config_with):
    (config_with.folder / "mine").mkdir()
    (config_with.folder / "mine/config.json").write_text("{}")
    config = load_config(config_with("minilm_l6_uncased", "mine"))
    assert config.model.preset == str(config_with.folder / "mine")


def test_a_preset_name_stays_a_name_beside_a_folder_of_that_name(config_with):
    (config_with.folder / "minilm_l6_uncased").mkdir()
    assert load_config(config_with()).model.preset == "minilm_l6_uncased"


def test_numbers_in_scientific_notation_are_numbers(config_with):
    assert load_config(config_with(more="train: {learning_rate: 1e-5}\n")).train.learning_rate == 1e-5


def test_every_key_is_documented():
    undocumented = []

    def walk(section, prefix):
        for name, field in section.model_fields.items():
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                assert field.annotation.__doc__
                walk(field.annotation, f"{prefix}{name}.")
            elif not field.description:
                undocumented.append(prefix + name)

    walk(PipelineConfig, "")
    assert undocumented == []


MISTAKES = {
    "trian: {}": f"there is no key 'trian' (did you mean 'train'?); expected the keys to be among {EXPECTED_SECTIONS}",
    "train: {epoch: 3}": (
        "there is no key 'train.epoch' (did you mean 'epochs'?); expected the keys of `train` to be among "
        "epochs, batch_size, accumulate, learning_rate, precision, keep_best, strategy, seed"
    ),
    "evaluate: {thresholds: {accuracy: {lower: 1}}}": (
        "there is no key 'evaluate.thresholds.accuracy.lower' (did you mean 'lower_bound'?); expected the keys of "
        "`evaluate.thresholds.accuracy` to be among lower_bound, upper_bound, change"
    ),
    "evaluate: {thresholds: {accuracy: {}}}": (
        "field 'evaluate.thresholds.accuracy': the threshold is empty; expected `lower_bound`, `upper_bound` or"
    ),
    "evaluate: {thresholds: {accuracy: 0.8}}": (
        "field 'evaluate.thresholds.accuracy': it is a number; expected keys and values below it"
    ),
    "evaluate: {thresholds: {a: {lower_bound: 2, upper_bound: 1}}}": "`lower_bound` 2.0 lies above `upper_bound` 1.0",
    "train: {epochs: 0}": "field 'train.epochs': it is 0; expected greater than or equal to 1",
    "train: {epochs: 2.5}": "field 'train.epochs': it is 2.5; expected a whole number",
    "train: {strategy: mirored}": "field 'train.strategy': it is 'mirored'; expected 'auto', 'none' or 'mirrored'",
    "infra_validation: {example: 3}": (
        "there is no key 'infra_validation.example' (did you mean 'examples'?); expected the keys of "
        "`infra_validation` to be among enabled, examples, tries, timeout_seconds, binary, warmup"
    ),
    "infra_validation: {warmup: true, examples: 0}": (
        "field 'infra_validation': `warmup` needs requests; expected `enabled: true` and `examples` of 1 or more"
    ),
    "infra_validation: {tries: 0}": "field 'infra_validation.tries': it is 0; expected greater than or equal to 1",
    "train: 3": "field 'train': it is a number; expected keys and values below it",
    "train:": "field 'train': it is empty; expected keys and values below it",
    "name: again": "row 4: the key 'name' is given twice; expected it once",
    "task: {name: 3}": "field 'task.name': it is 3; expected text",
    "1: 2": "field '1': it is 1; expected keys that are text",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_is_named_with_file_key_and_what_was_expected(mistake, config_with, refusal):
    path = config_with(more=mistake + "\n")
    sentence = refusal(load_config, path)
    assert sentence.startswith(str(path))
    assert MISTAKES[mistake] in sentence


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "films.jsonl",
            "film.jsonl",
            "film.jsonl does not exist; expected a file (a relative path starts at the config",
        ),
        (
            "path: films.jsonl",
            "train: films.jsonl",
            "there are no examples; expected `path`, or both `train` and `eval`",
        ),
        ("path: films.jsonl", "train: films.jsonl, eval: films.jsonl", "it is the file of `data.train`"),
        ("path: films.jsonl", "path: films.jsonl, eval: films.jsonl", "`path` stands beside `train` or `eval`"),
        ("path: films.jsonl", "path: films.jsonl, eval_fraction: 0.001", "expected 0.01 to 0.99"),
        ("path: films.jsonl", "path: films.jsonl, eval_fraction: 1", "expected less than 1"),
        ("path: films.jsonl", "path: 3", "field 'data.path': it is 3; expected a path"),
        ("path: films.jsonl", "path: films.jsonl, columns: {text: [1]}", "field 'data.columns.text': it is [1]"),
        ("name: films", "name: fi/lms", "field 'name': it is 'fi/lms'; expected letters, digits"),
        ("name: films\n", "", "field 'name': the key is missing; expected The pipeline's name"),
        ("model: {preset: minilm_l6_uncased}\n", "", "field 'model': the key is missing; expected the section 'model'"),
        ("preset: minilm_l6_uncased", "max_length: 64", "field 'model.preset': the key is missing"),
    ],
)
def test_a_value_that_does_not_fit_is_named(old, new, expected, config_with, refusal):
    assert expected in refusal(load_config, config_with(old, new))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the config is empty; expected keys and values"),
        (b"[]", "the config is a list; expected keys and values"),
        (b"name: [", "row 1: "),
        (b"name: \xff", "it is not UTF-8 (byte 6); save it as UTF-8"),
        (b"name: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_what_is_no_config_is_refused(content, expected, tmp_path, refusal):
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)
    assert expected in refusal(load_config, path)


def test_a_config_that_is_not_there_is_refused(tmp_path, refusal):
    assert "cannot be read (No such file or directory)" in refusal(load_config, tmp_path / "no.yaml")


def test_a_wrong_config_is_refused_before_tensorflow_or_tfx_is_loaded(config_with):
    path = config_with(more="train: {epochs: 0}\n")
    program = (
        "import sys\nfrom bert_keras.errors import BadInput\nfrom pipelines.runner import run_config\n"
        f"try:\n    run_config({str(path)!r})\nexcept BadInput:\n"
        "    print(sorted({'tfx', 'tensorflow', 'keras', 'apache_beam'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_example_shows_every_key_with_its_default(tmp_path):
    (tmp_path / "reviews.csv").write_text("text,label\n")
    example = Path(__file__).resolve().parents[2] / "pipelines/example.yaml"
    path = tmp_path / "example.yaml"
    path.write_text(example.read_text())
    config = load_config(path)
    least = tmp_path / "least.yaml"
    least.write_text("name: reviews\ndata: {path: reviews.csv}\nmodel: {preset: minilm_l6_uncased}\n")
    assert config == load_config(least)
    for name, section in PipelineConfig.model_fields.items():
        keys = getattr(section.annotation, "model_fields", [])
        unsaid = [key for key in keys if f"{key}:" not in example.read_text()]
        assert (name, unsaid) == (name, [])


def test_the_command_exits_with_2_and_one_line_for_a_wrong_config(config_with):
    path = config_with(more="trian: {}\n")
    command = [sys.executable, "-c", "from bert_keras.cli import main; main()", "pipeline", "run", str(path)]
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"bert-keras: {path}: there is no key 'trian' (did you mean 'train'?)")
