"""A tiny random preset, tables to learn from, and one model trained through the command line."""

import json
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from tests.bert_keras.cli.tiny import NOUNS, WORDS, Outcome, fine_tune, random_weights, review, table


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A directory with a vocabulary and tables."""
    directory = tmp_path_factory.mktemp("files")
    content = {
        "vocab.txt": "\n".join(WORDS) + "\n",
        "train.csv": table(f"{review(i)},{'pos' if i % 2 else 'neg'}" for i in range(40)),
        "dev.csv": table(f"{review(i)},{'pos' if i % 2 else 'neg'}" for i in range(7)),
        "pairs.tsv": "s1\ts2\tsame\n" + "".join(f"{review(i)}\t{review(i + i % 3)}\t{i % 3 / 2}\n" for i in range(24)),
        "topics.jsonl": "".join(
            json.dumps({"text": review(i), "label": [NOUNS[i % 5]] + ["good"] * (i % 2)}) + "\n" for i in range(24)
        ),
        "topics.csv": table(f"{review(i)},{NOUNS[i % 5]}{'|good' * (i % 2)}" for i in range(24)),
        "texts.txt": "fine film\ndull plot\n",
    }
    for name, text in content.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def preset(files) -> Path:
    """A Hugging Face directory with an encoder of 2 layers x 16 and random weights."""
    path = files / "preset"
    path.mkdir()
    config = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": len(WORDS), "hidden_act": "gelu"}
    config |= {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config |= {"max_position_embeddings": 32, "type_vocab_size": 2, "layer_norm_eps": 1e-12}
    (path / "config.json").write_text(json.dumps(config))
    (path / "vocab.txt").write_text("\n".join(WORDS))
    save_file(random_weights(), path / "model.safetensors")
    return path


@pytest.fixture(scope="session")
def training(files, preset) -> Outcome:
    """A `fine-tune` on the reviews, as the terminal showed it."""
    args = ("--eval", files / "dev.csv", "--learning-rate", 5e-3, "--batch-size", 4)
    outcome = fine_tune(preset, files / "train.csv", files / "trained", *args, epochs=8)
    assert outcome.code == 0, outcome.stderr
    return outcome


@pytest.fixture(scope="session")
def trained(files, training) -> Path:
    """What that run wrote."""
    return files / "trained"
