"""The commands do what they say, on a tiny model."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest

from tests.bert_keras.cli.tiny import GOOD, NOUNS, fine_tune, review, run, table


def metrics_of(directory):
    return json.loads((directory / "metrics.json").read_text(encoding="utf-8"))


def weights_of(directory):
    found = {}
    with h5py.File(directory / "task.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


class TestFineTune:
    def test_the_model_has_learnt_the_reviews(self, trained):
        assert metrics_of(trained)["eval"]["accuracy"] == 1.0

    def test_the_directory_holds_the_preset_and_what_made_it(self, trained):
        there = {"task.json", "config.json", "task.weights.h5", "tokenizer.json", "assets", "logs"}
        assert there | {"metrics.json", "train_args.json"} <= set(os.listdir(trained))
        arguments = json.loads((trained / "train_args.json").read_text())["arguments"]
        assert (arguments["task"], arguments["epochs"], arguments["seed"]) == ("classification", 8, 0)

    def test_the_metrics_file_counts_rows_and_holds_each_epoch(self, trained):
        metrics = metrics_of(trained)
        assert (metrics["train_rows"], metrics["eval_rows"], len(metrics["epochs"]["loss"])) == (40, 7, 8)

    def test_tensorboard_reads_the_loss_of_each_epoch(self, trained):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(trained / "logs" / "train"))
        events.Reload()
        assert [event.step for event in events.Tensors("epoch_loss")] == list(range(8))

    def test_progress_is_on_stderr_and_the_table_on_stdout(self, training):
        assert "40 rows of text, label; problem: binary, labels: ['neg', 'pos']" in training.stderr
        assert "epoch 1/8: " in training.stderr and "epoch 8/8: " in training.stderr
        assert "accuracy" in training.stdout and "macro_f1" in training.stdout

    def test_the_best_weights_are_written_and_not_the_last(self, files, preset, tmp_path):
        # What is learnt is wrong for these rows: the model does best on them before it has learnt it.
        contrary = tmp_path / "contrary.csv"
        contrary.write_text(table(f"{review(i)},{'neg' if i % 2 else 'pos'}" for i in range(40)))
        keep = ("--eval", contrary, "--keep-best", "--evaluations-per-epoch", 2)
        settings = ("--learning-rate", 5e-3, "--batch-size", 4)
        outcome = fine_tune(preset, files / "train.csv", tmp_path / "out", *keep, *settings, epochs=6)
        assert outcome.code == 0, outcome.stderr
        metrics = metrics_of(tmp_path / "out")
        measured = [entry["accuracy"] for entry in metrics["keep_best"]["measured"]]
        assert len(measured) == 12 and measured[-1] == 0.0 < max(measured)
        assert metrics["eval"]["accuracy"] == metrics["keep_best"]["kept"]["accuracy"] == max(measured)
        assert "epoch 0.50: accuracy" in outcome.stderr and "the best so far" in outcome.stderr
        assert f"{max(measured):.4f}" in run("evaluate", tmp_path / "out", "--data", contrary).stdout

    @pytest.mark.slow
    def test_the_same_seed_gives_the_same_weights_and_another_seed_others(self, files, preset, tmp_path):
        made = []
        for name, seed in (("a", 3), ("b", 3), ("c", 4)):
            outcome = fine_tune(preset, files / "dev.csv", tmp_path / name, "--seed", seed)
            # Without --eval there is no table.
            assert (outcome.code, outcome.stdout) == (0, f"written: {tmp_path / name}\n")
            made.append(weights_of(tmp_path / name))
        assert made[0].keys() == made[1].keys()
        assert all(np.array_equal(made[0][name], made[1][name]) for name in made[0])
        assert not all(np.array_equal(made[0][name], made[2][name]) for name in made[0])

    def test_another_run_replaces_the_directory_and_a_failed_one_does_not(self, files, trained, preset, tmp_path):
        out = tmp_path / "out"
        shutil.copytree(trained, out)
        assert fine_tune(preset, files / "none.csv", out).code == 2
        assert metrics_of(out) == metrics_of(trained) and os.listdir(tmp_path) == ["out"]
        assert fine_tune(preset, files / "dev.csv", out).code == 0
        assert metrics_of(out)["train_rows"] == 7 and os.listdir(tmp_path) == ["out"]

    @pytest.mark.slow
    def test_a_trained_model_is_a_start_for_another(self, files, trained, tmp_path):
        outcome = fine_tune(trained, files / "topics.jsonl", tmp_path / "out")
        assert outcome.code == 0, outcome.stderr
        assert set(run("predict", tmp_path / "out", "fine film").rows[0]["scores"]) == {*NOUNS, "good"}

    @pytest.mark.slow
    def test_a_named_size_starts_from_random_weights_and_says_so_loudly(self, files, tmp_path):
        outcome = fine_tune("tiny_uncased", files / "train.csv", tmp_path / "out", "--vocabulary", files / "vocab.txt")
        assert outcome.code == 0 and "RANDOM START: tiny_uncased" in outcome.stderr

    @pytest.mark.slow
    def test_pairs_with_numbers_become_regression(self, files, preset, tmp_path):
        columns = ("--column", "text=s1", "--column", "text_pair=s2", "--column", "label=same")
        outcome = fine_tune(preset, files / "pairs.tsv", tmp_path / "out", *columns, "--eval", files / "pairs.tsv")
        assert outcome.code == 0 and {"pearson", "spearman"} <= set(metrics_of(tmp_path / "out")["eval"])
        answer = run("predict", tmp_path / "out", "fine film", "--pair", "dull plot").rows[0]
        assert (answer["text"], answer["text_pair"]) == ("fine film", "dull plot") and isinstance(
            answer["value"], float
        )

    @pytest.mark.slow
    @pytest.mark.parametrize("name, options", [("topics.jsonl", ()), ("topics.csv", ("--label-separator", "|"))])
    def test_several_labels_a_row_become_multilabel(self, files, preset, tmp_path, name, options):
        outcome = fine_tune(preset, files / name, tmp_path / "out", *options, "--eval", files / name)
        assert outcome.code == 0, outcome.stderr
        assert "micro_f1" in metrics_of(tmp_path / "out")["eval"]
        (answer,) = run("predict", tmp_path / "out", "fine film").rows
        assert set(answer["scores"]) == {*NOUNS, "good"}
        assert run("evaluate", tmp_path / "out", "--data", files / name).code == 0

    @pytest.mark.slow
    def test_mixed_precision_and_two_devices_train(self, files, preset, tmp_path):
        args = ("--strategy", "mirrored", "--precision", "mixed_bfloat16", "--eval", files / "dev.csv")
        outcome = fine_tune(preset, files / "train.csv", tmp_path / "out", *args)
        assert outcome.code == 0 and "accuracy" in metrics_of(tmp_path / "out")["eval"]


class TestEvaluate:
    def test_it_gives_the_figures_of_the_training_run(self, files, trained, tmp_path):
        outcome = run("evaluate", trained, "--data", files / "dev.csv", "--out", tmp_path / "m.json")
        written = json.loads((tmp_path / "m.json").read_text())
        assert outcome.code == 0 and written["metrics"] == pytest.approx(metrics_of(trained)["eval"])
        assert (written["data"], written["rows"]) == (str(files / "dev.csv"), 7)
        assert "7 rows" in outcome.stdout and "1.0000" in outcome.stdout

    def test_a_table_without_a_header_is_read_by_numbers(self, files, trained, tmp_path):
        lines = (files / "dev.csv").read_text().splitlines()[1:]
        (tmp_path / "d.tsv").write_text("".join(line.replace(",", "\t") + "\n" for line in lines))
        args = ("--no-header", "--column", "text=1", "--column", "label=2")
        assert run("evaluate", trained, "--data", tmp_path / "d.tsv", *args).code == 0


class TestPredict:
    def test_texts_give_one_json_line_each_in_order(self, trained):
        rows = run("predict", trained, "fine film", "dull plot").rows
        assert [(row["text"], row["label"]) for row in rows] == [("fine film", "pos"), ("dull plot", "neg")]
        assert rows[0]["score"] == rows[0]["scores"]["pos"] > 0.5

    @pytest.mark.parametrize("flag", [(), ("--data",)])
    def test_a_file_gives_the_same_answers_with_their_rows(self, files, trained, flag):
        rows = run("predict", trained, *flag, files / "texts.txt").rows
        assert [(row["row"], row["label"]) for row in rows] == [(1, "pos"), (2, "neg")]

    def test_columns_that_the_model_does_not_read_are_left_aside(self, trained, tmp_path):
        (tmp_path / "t.csv").write_text("text,text_pair,label\nfine film,x,unheard of\n")
        assert [row["label"] for row in run("predict", trained, tmp_path / "t.csv").rows] == ["pos"]

    def test_a_table_needs_no_labels(self, files, trained):
        outcome = run("predict", trained, files / "dev.csv")
        assert [row["row"] for row in outcome.rows] == list(range(2, 9))

    def test_answers_are_written_to_a_file(self, files, trained, tmp_path):
        outcome = run("predict", trained, files / "texts.txt", "--out", tmp_path / "a.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        assert outcome.stdout == "" and [row["label"] for row in rows] == ["pos", "neg"]

    def test_chunks_do_not_change_the_answers(self, files, trained, monkeypatch):
        whole = run("predict", trained, files / "dev.csv").rows
        monkeypatch.setattr("bert_keras.cli.predict.CHUNK", 3)
        parts = run("predict", trained, files / "dev.csv").rows
        assert [(p["row"], p["label"]) for p in parts] == [(w["row"], w["label"]) for w in whole]
        assert [p["score"] for p in parts] == pytest.approx([w["score"] for w in whole], abs=1e-5)

    def test_a_text_of_a_megabyte_is_cut_not_refused(self, files, trained, tmp_path):
        (tmp_path / "long.csv").write_text("text\n" + "fine film " * 100_000 + "\n")
        (answer,) = run("predict", trained, tmp_path / "long.csv").rows
        assert answer["label"] == "pos"


class TestExport:
    @pytest.mark.slow
    def test_versions_count_up_and_answer_like_the_model(self, trained, tmp_path):
        import tensorflow as tf

        base = tmp_path / "exported"
        assert run("export", trained, "--out", base).stdout == f"{base / '1'}\n"
        assert run("export", trained, "--out", base).stdout == f"{base / '2'}\n"
        served = tf.saved_model.load(str(base / "2")).signatures["serving_default"](text=tf.constant(["fine film"]))
        (answer,) = run("predict", trained, "fine film").rows
        assert served["label"].numpy()[0].decode() == answer["label"]
        assert served["score"].numpy()[0] == pytest.approx(answer["score"], abs=1e-5)
        assert sorted(os.listdir(base)) == ["1", "2"]

    def test_it_says_which_servers_load_the_model(self, trained, tmp_path):
        outcome = run("export", trained, "--out", tmp_path, "--tokenizer-ops", "core", "--require-serving", "2.12")
        assert (outcome.code, outcome.stdout) == (0, f"{tmp_path / '1'}\n")
        assert "loads in TensorFlow Serving 2.12-2.20: yes" in outcome.stderr

    def test_a_server_that_cannot_load_it_is_an_error_and_nothing_is_written(self, trained, tmp_path, monkeypatch):
        from bert_keras.export import serving_ops

        monkeypatch.setattr(serving_ops, "TEXT_OPS", serving_ops.TEXT_OPS - {"NormalizeUTF8"})
        outcome = run("export", trained, "--out", tmp_path / "b", "--require-serving", "2.12")
        assert outcome.code == 1 and not (tmp_path / "b" / "1").exists()
        (line,) = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
        assert "TensorFlow Serving 2.12 does not load this model: NormalizeUTF8 is not linked there; take " in line

    def test_a_release_of_which_nothing_is_known_is_bad_usage(self, trained, tmp_path):
        outcome = run("export", trained, "--out", tmp_path, "--require-serving", "1.15")
        assert outcome.code == 2 and "expected a release from 2.12 to 2.20" in outcome.stderr

    def test_a_version_that_is_there_is_never_overwritten(self, trained, tmp_path):
        (tmp_path / "5").mkdir()
        outcome = run("export", trained, "--out", tmp_path, "--version", 5)
        assert outcome.code == 2 and "expected a free number: --version 6" in outcome.stderr


def test_serving_a_trained_directory_exports_it_first(trained, tmp_path, monkeypatch):
    from serving.server import launcher

    shutil.copytree(trained, tmp_path / "model")
    served = []
    monkeypatch.setattr(launcher, "serve", lambda base, name, **options: served.append((base, name, options)))
    assert run("serve", tmp_path / "model", "--port", 9000).code == 0
    ((base, name, options),) = served
    assert (base / "1" / "saved_model.pb").exists() and name == "model"
    assert (options["port"], options["rest_api_port"]) == (9000, 8501)


def test_help_names_the_tasks_without_loading_them():
    outcome = run("fine-tune", "--help")
    assert outcome.code == 0 and "classification" in outcome.stdout


def test_a_task_brings_its_own_options():
    outcome = run("fine-tune", "classification", "--help")
    assert "--problem" in outcome.stdout and "--label-separator" in outcome.stdout


def test_words_of_the_vocabulary_are_known(trained):
    assert GOOD[0] in (trained / "assets" / "tokenizer" / "vocabulary.txt").read_text().split("\n")
