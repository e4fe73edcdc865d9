"""What cannot be pretrained on: `bert-keras pretrain` says it in one line, with code 2, before anything is written."""

import pytest

from tests.bert_keras.cli.tiny import BAD, GOOD, NOUNS, WORDS, run

TEXT = "\n\n".join(f"{good} {noun}.\n{bad} {noun}." for good, bad, noun in zip(GOOD, BAD, NOUNS)) + "\n"
CORPORA = {
    "a.txt": TEXT,
    "blank.txt": " \n\n",
    "single.txt": "\n\n".join(f"{word} {noun}." for word in GOOD for noun in NOUNS) + "\n",
    "foreign.txt": "ΩΩ ΩΩ ΩΩ\nΩΩ ΩΩ\n\nΩΩ ΩΩ\nΩΩ\n",
}
CASES = {
    "an empty corpus": ("blank.txt", (), "blank.txt: the corpus is empty; expected at least one line of text"),
    "an empty held-out corpus": ("a.txt", ("--eval", "blank.txt"), "blank.txt: the corpus is empty"),
    "documents of one sentence": ("single.txt", (), "documents of the corpus have one sentence; the objective nsp"),
    "rows longer than the encoder's": (
        "a.txt",
        ("--max-length", 64),
        "max_length is 64; this encoder has 32 positions",
    ),
    "a negative lambda": ("a.txt", ("--sentence-loss-weight", -0.5), "-0.5 is not in the range x>=0"),
    "a lambda that is no number": ("a.txt", ("--sentence-loss-weight", "nan"), "sentence_loss_weight is nan; expected"),
    "no masks": (
        "a.txt",
        ("--mask-probability", 0),
        "The masking probability is 0.0; expected a number between 0 and 1",
    ),
    "no predictions": ("a.txt", ("--max-predictions", 0), "max_predictions is 0; expected at least 1"),
    "nothing that can be masked": ("foreign.txt", (), "tokens of the corpus are [UNK], so that none can be masked"),
    "a number of sequences for rows of one": (
        "a.txt",
        ("--max-sequences", 4),
        "--max-sequences does nothing here; expected --pack beside it",
    ),
    "words for masks of single tokens": (
        "a.txt",
        ("--segmenter", "a.txt"),
        "--segmenter does nothing here; expected --masking whole-word or ngram beside it",
    ),
    "measuring nothing": ("a.txt", ("--eval-every", 5), "--eval-every does nothing here; expected --eval beside it"),
    "a lambda without pairs": (
        "a.txt",
        ("--objective", "none", "--sentence-loss-weight", 0.5),
        "--sentence-loss-weight does nothing for rows without pairs of sentences",
    ),
    "a negative seed": ("a.txt", ("--seed", -1), "-1 is not in the range 0<=x<=4294967295"),
    "several machines without TF_CONFIG": ("a.txt", ("--strategy", "multi_worker"), "TF_CONFIG is not set; expected"),
}


@pytest.fixture
def corpora(tmp_path):
    for name, text in CORPORA.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def said_of(outcome, out):
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("bert-keras: ")]
    assert (outcome.code, len(lines)) == (2, 1) and not out.exists(), outcome.stderr
    return lines[0]


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_line_and_code_2_and_writes_nothing(preset, corpora, monkeypatch, case):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    corpus, args, said = CASES[case]
    args = [corpora / arg if arg in CORPORA else arg for arg in args]
    fixed = ("--preset", preset, "--corpus", corpora / corpus, "--steps", 1, "--batch-size", 2, "--max-length", 16)
    fixed = fixed[:-2] if "--max-length" in args else fixed
    assert said in said_of(run("pretrain", *fixed, *args, "--out", corpora / "run"), corpora / "run")


def test_a_vocabulary_without_mask(corpora):
    (corpora / "vocab.txt").write_text("\n".join(word for word in WORDS if word != "[MASK]") + "\n")
    args = (
        "--preset",
        "tiny_uncased",
        "--vocabulary",
        corpora / "vocab.txt",
        "--corpus",
        corpora / "a.txt",
        "--steps",
        1,
    )
    assert "lacks [MASK]; a BERT vocabulary has" in said_of(
        run("pretrain", *args, "--out", corpora / "run"), corpora / "run"
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{worker", "is not JSON"),
        ('{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}', "'b'"),
    ],
)
def test_a_wrong_tf_config(preset, corpora, monkeypatch, config, said):
    monkeypatch.setenv("TF_CONFIG", config)
    args = ("--preset", preset, "--corpus", corpora / "a.txt", "--steps", 1, "--strategy", "multi_worker")
    found = said_of(run("pretrain", *args, "--out", corpora / "run"), corpora / "run")
    assert "TF_CONFIG" in found and said in found and "expected something like" in found
