"""`bert-keras pretrain` and `fill-mask` on a tiny encoder: a run, going on, what it is good for, what is refused."""

import json
import os

import numpy as np
import pytest

from bert_keras.cli.pretrain_rows import MadeRows, RowPhase
from tests.bert_keras.cli.tiny import BAD, GOOD, NOUNS, fine_tune, run
from tests.bert_keras.row_directory import write_rows

LENGTH = 16


@pytest.fixture(scope="module")
def make_rows(preset, tmp_path_factory):
    """`make_rows(length=16, objective="nsp", pieces=None)`: a directory of rows in two shards, with its manifest."""

    def make(length=LENGTH, objective="nsp", pieces=None):
        from bert_keras import WordPieceTokenizer

        tokenizer = WordPieceTokenizer(pieces or str(preset / "vocab.txt"))
        return write_rows(tmp_path_factory.mktemp("rows"), tokenizer, [*GOOD, *BAD, *NOUNS], length, objective)

    return make


@pytest.fixture(scope="module")
def rows(make_rows):
    return make_rows()


def pretrain(preset, out, *args):
    return run("pretrain", "--preset", preset, "--out", out, "--batch-size", 8, "--log-every", 2, *args)


@pytest.fixture(scope="module")
def pretrained(preset, rows, make_rows, tmp_path_factory):
    """A run of two phases, as the terminal showed it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    phases = ("--data", rows, "--steps", 4, "--data", make_rows(24), "--steps", 2)
    outcome = pretrain(preset, out, *phases, "--learning-rate", 1e-2, "--learning-rate", 1e-3, "--checkpoint-every", 2)
    assert outcome.code == 0, outcome.stderr
    return out, outcome


def test_the_directory_holds_the_run(pretrained):
    out, outcome = pretrained
    assert sorted(os.listdir(out)) == ["checkpoints", "logs", "metrics.jsonl", "preset", "train_args.json"]
    assert sorted(os.listdir(out / "checkpoints")) == ["step_00000002", "step_00000004", "step_00000006"]
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["phase"]) for line in lines] == [(2, 1), (4, 1), (6, 2)]
    assert {"loss", "mlm_accuracy", "perplexity", "nsp_accuracy", "tokens_per_second"} <= set(lines[0])
    assert "step 6 of 6: " in outcome.stderr and "tokens_per_second" in outcome.stderr
    assert "perplexity" in outcome.stdout and outcome.stdout.endswith(f"written: {out / 'preset'}\n")


def test_its_preset_is_a_start_for_fine_tuning_and_for_pretraining(pretrained, preset, files, rows, tmp_path):
    outcome = fine_tune(pretrained[0] / "preset", files / "train.csv", tmp_path / "tuned")
    assert outcome.code == 0, outcome.stderr
    outcome = pretrain(pretrained[0] / "preset", tmp_path / "on", "--data", rows, "--steps", 1)
    assert outcome.code == 0, outcome.stderr


def test_fill_mask_gives_a_line_for_each_text(pretrained):
    texts = ("the [MASK] was fine", "[MASK] [MASK]")
    outcome = run("fill-mask", pretrained[0] / "preset", *texts, "--top-k", 2)
    assert outcome.code == 0, outcome.stderr
    assert [row["text"] for row in outcome.rows] == list(texts)
    assert [[len(mask) for mask in row["masks"]] for row in outcome.rows] == [[2], [2, 2]]
    best = outcome.rows[0]["masks"][0][0]
    assert best["text"] == f"the {best['token']} was fine" and 0 < best["score"] <= 1


def test_fill_mask_refuses_an_encoder_without_the_head(preset):
    outcome = run("fill-mask", preset, "a [MASK]")
    assert outcome.code == 2 and "has no head for masked words" in outcome.stderr


def test_fill_mask_refuses_a_text_without_a_mask(pretrained):
    outcome = run("fill-mask", pretrained[0] / "preset", "nothing")
    assert outcome.code == 2 and "text 1 has no [MASK]" in outcome.stderr


@pytest.mark.slow
def test_a_run_goes_on_only_when_told_to_and_only_with_its_settings(preset, rows, tmp_path):
    out, phase = tmp_path / "run", ("--data", rows, "--steps", 3)
    assert pretrain(preset, out, *phase, "--checkpoint-every", 2).code == 0
    outcome = pretrain(preset, out, *phase)
    assert outcome.code == 2 and "add --resume to go on with it" in outcome.stderr
    outcome = pretrain(preset, out, *phase, "--resume", "--learning-rate", 5e-5)
    assert outcome.code == 2 and "started with learning_rate = [0.0001]" in outcome.stderr
    os.truncate(out / "checkpoints" / "step_00000003" / "state.safetensors", 10)
    outcome = pretrain(preset, out, *phase, "--resume", "--keep", 1)
    assert outcome.code == 0, outcome.stderr
    assert "step_00000003 is broken" in outcome.stderr and os.listdir(out / "checkpoints") == ["step_00000003"]


@pytest.mark.parametrize(
    "args, said",
    [
        (("--data", "none", "--steps", 1), "none/manifest.json: cannot be read"),
        (("--data", "none", "--steps", 1, "--steps", 1), "1 --data and 2 --steps"),
        (("--data", "none", "--steps", 1, "--batch-size", 4), "2 --batch-size for 1 phases"),
        (("--steps", 1), "no rows to learn from, or two kinds; expected one of --data and --corpus"),
        (("--data", "none", "--corpus", "none.txt", "--steps", 1), "or two kinds"),
        (("--data", "none", "--steps", 1, "--max-sequences", 8), "--max-sequences is for --corpus"),
        (("--corpus", "none.txt", "--steps", 1), "none.txt"),
        (("--corpus", "none.txt", "--steps", 1, "--max-length", 8, "--max-length", 16), "2 --max-length for 1 phases"),
    ],
)
def test_a_bad_command_is_one_line(preset, tmp_path, args, said):
    outcome = pretrain(preset, tmp_path / "run", *args)
    assert (outcome.code, len(outcome.stderr.strip().splitlines())) == (2, 1)
    assert said in outcome.stderr and not (tmp_path / "run").exists()


def test_a_run_knows_its_texts_and_its_list_of_words(tmp_path):
    values = {"corpus": (str(tmp_path / "a.txt"),), "eval": (), "vocabulary": None, "seed": 0, "field": "text"}
    values |= {"objective": "nsp", "short_seq_prob": None, "pack": False, "max_sequences": 8, "languages": (0, 1)}
    values |= {"masking": "whole-word", "max_ngram": 3, "mask_probability": 0.15, "max_predictions": None}
    values |= {"segmenter": str(tmp_path / "words"), "sentences": "split"}
    digests = []
    for text, words in (("a b", "ab"), ("a b", "ab"), ("a c", "ab"), ("a b", "ab\ncd")):
        (tmp_path / "a.txt").write_text(text + "\n")
        (tmp_path / "words").write_text(words + "\n")
        digests.append(MadeRows([RowPhase(None, 16, 1, 2, None)], values).digest)
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_rows_of_another_vocabulary_are_refused(make_rows, preset, tmp_path):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *NOUNS]
    outcome = pretrain(preset, tmp_path / "run", "--data", make_rows(pieces=pieces), "--steps", 1)
    assert outcome.code == 2 and "another vocabulary" in outcome.stderr


def test_rows_that_are_longer_than_the_encoder_are_refused(make_rows, preset, tmp_path):
    outcome = pretrain(preset, tmp_path / "run", "--data", make_rows(length=64), "--steps", 1)
    assert outcome.code == 2 and "max_length is 64; this encoder has 32 positions" in outcome.stderr


def test_phases_of_different_objectives_are_refused(make_rows, rows, preset, tmp_path):
    phases = ("--data", rows, "--steps", 1, "--data", make_rows(objective="none"), "--steps", 1)
    outcome = pretrain(preset, tmp_path / "run", *phases)
    assert outcome.code == 2 and "different objectives (none, nsp)" in outcome.stderr


def test_what_lies_in_the_directory_is_left_alone(preset, rows, files, trained, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    outcome = pretrain(preset, tmp_path, "--data", rows, "--steps", 1)
    assert outcome.code == 2 and "it holds other files and no run" in outcome.stderr
    outcome = pretrain(preset, trained, "--data", rows, "--steps", 1, "--resume")
    assert outcome.code == 2 and "another command's output" in outcome.stderr


def write_texts(path, seed=0, documents=30):
    random = np.random.default_rng(seed)
    words = [*GOOD, *BAD, *NOUNS]
    texts = ["\n".join(" ".join(random.choice(words, 4)) + "." for _ in range(6)) for _ in range(documents)]
    path.write_text("\n\n".join(texts) + "\n")
    return path


@pytest.fixture(scope="module")
def from_texts(preset, tmp_path_factory):
    """A run of two phases on texts, with held-out ones."""
    folder = tmp_path_factory.mktemp("texts")
    train, held_out = write_texts(folder / "train.txt"), write_texts(folder / "eval.txt", 1, documents=6)
    args = ("--corpus", train, "--eval", held_out, "--eval-every", 3, "--eval-rows", 12, "--objective", "sop")
    args += ("--steps", 4, "--steps", 2, "--max-length", 16, "--max-length", 24, "--masking", "whole-word")
    args += ("--dropout", 0, "--output-bias", "counts")
    outcome = pretrain(preset, folder / "run", *args, "--learning-rate", 1e-2)
    assert outcome.code == 0, outcome.stderr
    return folder, args, outcome


def test_rows_are_made_of_texts_while_it_trains(from_texts):
    folder, _, outcome = from_texts
    assert "reading texts: 30 documents, 180 sentences, 900 tokens, 0.00% of them [UNK]" in outcome.stderr
    lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], "loss" in line, "val_loss" in line) for line in lines] == [
        (2, True, False),
        (3, True, False),
        (3, False, True),
        (4, True, False),
        (4, False, True),
        (6, True, False),
        (6, False, True),
    ]
    assert lines[-1]["val_sop_accuracy"] <= 1 and "val_perplexity" in outcome.stdout


def test_the_held_out_figures_are_those_of_the_saved_model_on_the_same_rows(from_texts):
    from bert_keras import PretrainingModel
    from bert_keras.data.masking import MaskSettings
    from bert_keras.data.pretraining_corpus import load_corpus
    from bert_keras.data.pretraining_rows import PretrainingRows
    from bert_keras.data.row_plan import RowSettings

    folder = from_texts[0]
    model = PretrainingModel.from_preset(str(folder / "run" / "preset"))
    tokenizer = model.preprocessor.tokenizer
    corpus = load_corpus([folder / "eval.txt"], tokenizer)
    masks = MaskSettings(max_predictions=4, unit="whole_word")
    rows = PretrainingRows(corpus, tokenizer, RowSettings(24, "sop"), masks)
    model.compile()
    expected = model.evaluate(rows.dataset(batch_size=8, epochs=1).take(1), return_dict=True, verbose=0)
    last = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    for name in ("loss", "mlm_loss", "perplexity", "mlm_accuracy", "sop_accuracy"):
        np.testing.assert_allclose(last["val_" + name], expected[name], rtol=1e-5, err_msg=name)


def test_a_run_goes_on_with_the_same_texts_alone(from_texts, preset):
    folder, args, _ = from_texts
    before = (folder / "train.txt").read_text()
    try:
        write_texts(folder / "train.txt", seed=2)
        outcome = pretrain(preset, folder / "run", *args, "--learning-rate", 1e-2, "--resume")
    finally:
        (folder / "train.txt").write_text(before)
    assert outcome.code == 2 and "started with other rows or texts than these" in outcome.stderr
    outcome = pretrain(preset, folder / "run", *args, "--learning-rate", 1e-2, "--resume")
    assert outcome.code == 0, outcome.stderr
