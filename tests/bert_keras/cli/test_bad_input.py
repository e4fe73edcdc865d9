"""Every way in which input can be wrong: code 2, one line that names file, row and field, nothing written."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bert_keras.cli.tiny import fine_tune, run

NUL, LATIN1 = b"text,label\na,pos\nb\0,neg\n", "text,label\na,pos\ncaf\u00e9,neg\n".encode("latin1")
# name of the file -> its content, more arguments, what the line says
TRAIN = {
    "missing file": (None, (), "FILE: there is no such file"),
    "missing column": ("body,label\na,x\n", (), "FILE: no column for 'text'"),
    "mistyped column": ("text,label\na,x\n", ("--column", "label=lable"), "(did you mean 'label'?)"),
    "unknown role": ("text,label\na,x\n", ("--column", "txet=text"), "no column role 'txet' (did you mean 'text'?)"),
    "column without a name": ("text,label\na,x\n", ("--column", "text"), "--column text: expected ROLE=NAME"),
    "role given twice": ("text,label\n", ("--column", "text=1", "--column", "text=2"), "is given twice"),
    "empty text": ("text,label\na,x\n  ,y\n", (), "FILE, row 3, field 'text': the text is empty"),
    "one class": ("text,label\na,x\nb,x\n", (), "FILE, field 'label': all 2 rows have the same label (x)"),
    "NaN label": ("text,label\na,x\nb,nan\n", (), "FILE, row 3, field 'label': the label is 'nan'"),
    "empty label": ("text,label\na,x\nb,\n", (), "FILE, row 3, field 'label': the label is empty"),
    "infinite value": ("text,label\na,1.5\nb,inf\n", (), "FILE, row 3, field 'label': 'inf'; expected a finite"),
    "not UTF-8": (LATIN1, (), "FILE, row 3: not UTF-8 (byte 0xe9 at byte 20)"),
    "NUL byte": (NUL, (), "FILE, row 3: a NUL byte at byte 18"),
    "no rows": ("text,label\n", (), "FILE: the file holds a header and no rows"),
    "empty file": ("", (), "FILE: the file is empty"),
    "ragged row": ("text,label\na,x\nb,y,z\n", (), "FILE, row 3: 3 fields; expected 2"),
    "too many classes": ("text,label\na,x\nb,y\nc,z\n", ("--problem", "binary"), "3 different labels (x, y, z)"),
    "numbers that are none": ("text,label\na,1\nb,x\n", ("--problem", "regression"), "row 3, field 'label': 'x'"),
}
OPTIONS = {
    "an unknown task option": (("--problem", "ternary"), "'ternary' is not one of 'binary'"),
    "no epochs": (("--epochs", "0"), "'--epochs': 0 is not in the range"),
    "a negative learning rate": (("--learning-rate", "-1"), "is not in the range x>0"),
    "an unknown strategy": (("--strategy", "many"), "'many' is not one of"),
    "an unknown precision": (("--precision", "float16"), "'float16' is not one of"),
    "more tokens than positions": (("--max-length", "500"), "max_length is 500"),
    "the best without an eval": (
        ("--keep-best",),
        "--keep-best has nothing to measure on",
    ),
    "evaluations of nothing": (("--evaluations-per-epoch", "2"), "says how often --keep-best measures; give both"),
    "two vocabularies": (("--vocabulary", "FILES/vocab.txt"), "has a vocabulary of its own"),
}


def refused(outcome, *said, code=2):
    assert outcome.code == code, outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
    assert len(lines) == 1 and "Traceback" not in outcome.stderr
    for part in said:
        assert part in lines[0], lines[0]


@pytest.mark.parametrize("case", TRAIN)
def test_a_table_that_cannot_be_learnt_from(preset, tmp_path, case):
    content, args, said = TRAIN[case]
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(fine_tune(preset, path, tmp_path / "out", *args), said.replace("FILE", str(path)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_does_not_fit(files, preset, tmp_path, case):
    args, said = OPTIONS[case]
    args = [arg.replace("FILES", str(files)) for arg in args]
    refused(fine_tune(preset, files / "train.csv", tmp_path / "out", *args), said)
    assert not (tmp_path / "out").exists()


def test_an_unknown_label_in_eval_stops_before_the_training(files, preset, tmp_path):
    (tmp_path / "e.csv").write_text("text,label\nfine,pos\ndull,negg\n")
    outcome = fine_tune(preset, files / "train.csv", tmp_path / "out", "--eval", tmp_path / "e.csv")
    refused(outcome, "e.csv, row 3, field 'label': the label 'negg'", "did you mean 'neg'?")
    assert "epoch 1" not in outcome.stderr and not (tmp_path / "out").exists()


def test_an_unknown_label_in_evaluate(trained, tmp_path):
    (tmp_path / "e.csv").write_text("text,label\nfine,good\n")
    refused(run("evaluate", trained, "--data", tmp_path / "e.csv"), "row 2, field 'label': the label 'good'")


def test_an_unknown_task_gets_the_nearest():
    refused(run("fine-tune", "clasification"), "no task 'clasification'", "did you mean 'classification'?")


class TestOut:
    def test_a_file_as_the_parent(self, files, preset):
        refused(fine_tune(preset, files / "train.csv", files / "train.csv" / "out"), "Cannot write", "train.csv/out")

    def test_a_file_of_that_name(self, files, preset):
        refused(fine_tune(preset, files / "train.csv", files / "train.csv"), "train.csv: this is a file")

    def test_a_directory_with_other_files(self, files, preset):
        refused(fine_tune(preset, files / "train.csv", files), "is no earlier output of this command")
        assert (files / "train.csv").exists()

    def test_it_is_said_before_the_table_is_read(self, files, preset):
        refused(fine_tune(preset, files / "none.csv", files / "train.csv"), "train.csv: this is a file")

    def test_a_file_for_predictions(self, files, trained):
        refused(run("predict", trained, "fine", "--out", files), "this is a directory")

    def test_an_export_under_a_file(self, files, trained):
        refused(run("export", trained, "--out", files / "train.csv"), "Cannot write", "train.csv/1")


class TestPresets:
    def start(self, preset, files, tmp_path):
        return fine_tune(preset, files / "train.csv", tmp_path / "out")

    def test_an_unknown_name_gets_the_nearest(self, files, tmp_path):
        refused(self.start("minilm_l6_uncase", files, tmp_path), "no preset", "did you mean 'minilm_l6_uncased'?")

    def test_a_directory_without_a_config(self, files, tmp_path):
        (tmp_path / "p").mkdir()
        refused(self.start(tmp_path / "p", files, tmp_path), "config.json")

    def test_a_config_that_is_no_json(self, files, tmp_path):
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "config.json").write_text("{")
        refused(self.start(tmp_path / "p", files, tmp_path), "config.json")

    @pytest.mark.parametrize("kept", [0, 7, 500, -10])
    def test_safetensors_that_are_cut_off(self, files, preset, tmp_path, kept):
        self.copy_with(preset, tmp_path, (preset / "model.safetensors").read_bytes()[:kept])
        refused(self.start(tmp_path / "p", files, tmp_path), "model.safetensors cannot be read", "truncated or broken")

    def test_pickled_weights_are_never_opened(self, files, preset, tmp_path):
        self.copy_with(preset, tmp_path, None)
        (tmp_path / "p" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/x'\ntR.")
        refused(self.start(tmp_path / "p", files, tmp_path), "only pickled weights")

    def test_weights_with_another_hash(self, files, preset, tmp_path, monkeypatch):
        from bert_keras import presets

        package = tmp_path / "fake_wheel"
        (package / "model").mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "model" / "model.safetensors").write_bytes((preset / "model.safetensors").read_bytes())
        monkeypatch.syspath_prepend(str(tmp_path))
        fake = dataclasses.replace(presets.BUNDLED["minilm_l6_uncased"], package="fake_wheel")
        monkeypatch.setitem(presets.BUNDLED, "minilm_l6_uncased", fake)
        refused(self.start("minilm_l6_uncased", files, tmp_path), "SHA-256", fake.sha256)

    def test_a_named_size_without_a_vocabulary(self, files, tmp_path):
        refused(self.start("tiny_uncased", files, tmp_path), "without weights", "vocabulary")

    def test_a_vocabulary_that_is_not_there(self, files, tmp_path):
        args = ("--vocabulary", tmp_path / "none.txt")
        refused(fine_tune("tiny_uncased", files / "train.csv", tmp_path / "out", *args), "none.txt")

    @pytest.mark.parametrize("command", [("predict", "fine"), ("evaluate", "--data"), ("export", "--out")])
    def test_a_directory_that_holds_no_trained_model(self, files, preset, tmp_path, command):
        name, *args = command
        values = {"--data": [files / "dev.csv"], "--out": [tmp_path / "base"]}.get(args[0], [])
        refused(run(name, preset, *args, *values), str(preset))
        refused(run(name, tmp_path / "nothing", *args, *values), "nothing")

    def test_trained_weights_that_are_cut_off(self, files, trained, tmp_path):
        import shutil

        shutil.copytree(trained, tmp_path / "cut")
        weights = tmp_path / "cut" / "task.weights.h5"
        weights.write_bytes(weights.read_bytes()[:1000])
        refused(run("predict", tmp_path / "cut", "fine"), "cannot be loaded")

    @staticmethod
    def copy_with(preset, tmp_path, weights: bytes | None):
        (tmp_path / "p").mkdir()
        for name in ("config.json", "vocab.txt"):
            (tmp_path / "p" / name).write_bytes((preset / name).read_bytes())
        if weights is not None:
            (tmp_path / "p" / "model.safetensors").write_bytes(weights)


class TestPredict:
    @pytest.mark.parametrize("args, said", [
        ([], "nothing to predict"),
        (["reviews.csv"], "reviews.csv: there is no such file"),
        ([" "], "text 1: the text is empty"),
        (["a", ""], "text 2: the text is empty"),
        (["a", "--pair", "b"], "the model takes single texts"),
        (["a", "b", "--pair", "c"], "2 texts and 1 --pair"),
        (["a", "--data", "b.txt"], "both texts and a file are given"),
        (["--data", "b.xml"], "the file ending names no known format"),
    ])  # fmt: skip
    def test_what_cannot_be_answered(self, trained, args, said):
        outcome = run("predict", trained, *args)
        refused(outcome, said)
        assert outcome.stdout == ""

    def test_an_empty_text_in_a_file(self, trained, tmp_path):
        (tmp_path / "t.txt").write_text("fine\n\ndull\n")
        refused(run("predict", trained, tmp_path / "t.txt"), "t.txt, row 2: the line is blank")


class TestServing:
    def test_a_base_without_versions(self, tmp_path):
        refused(run("serve", tmp_path), "holds no model version")

    def test_a_target_without_a_port(self):
        refused(run("query", "localhost", "m", "text"), "target 'localhost': expected HOST:PORT")

    def test_a_server_that_is_not_there_is_a_failure(self):
        refused(run("query", "localhost:1", "m", "text", "--timeout", "2"), "localhost:1", code=1)


def test_work_that_fails_is_code_1_in_one_line(files, preset, tmp_path, monkeypatch):
    import tensorflow as tf

    from bert_keras.tasks.text_classifier import TextClassifier

    def fail(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\n  at layer x")

    monkeypatch.setattr(TextClassifier, "fit", fail)
    outcome = fine_tune(preset, files / "train.csv", tmp_path / "out")
    refused(outcome, "failed: ResourceExhaustedError: OOM when allocating tensor (--debug shows where)", code=1)
    assert os.listdir(tmp_path) == []


class TestAsAProcess:
    def bert_keras(self, *args, prelude=""):
        code = f"{prelude}\nfrom bert_keras.cli import main\nmain()"
        command = [sys.executable, "-c", code, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[3])

    def test_a_real_run_says_nothing_but_its_one_line(self, trained, tmp_path):
        done = self.bert_keras("evaluate", trained, "--data", tmp_path / "none.csv")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"bert-keras: {tmp_path / 'none.csv'}: there is no such file; expected a data file: check the path\n"
        )

    @pytest.mark.slow
    def test_a_real_prediction_has_nothing_else_on_stdout_and_stderr(self, trained):
        done = self.bert_keras("predict", trained, "fine film")
        assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
        assert done.stdout.startswith('{"text": "fine film", "label": "pos"')

    def test_help_and_query_import_no_tensorflow_and_help_is_quick(self):
        watch = "import sys, atexit\natexit.register(lambda: print('tensorflow' in sys.modules, file=sys.stderr))"
        start = time.monotonic()
        done = self.bert_keras("--help", prelude=watch)
        assert (done.returncode, done.stderr) == (0, "False\n") and time.monotonic() - start < 5
        done = self.bert_keras("query", "localhost:1", "m", "x", "--timeout", "1", prelude=watch)
        assert done.returncode == 1 and done.stderr.endswith("False\n")
