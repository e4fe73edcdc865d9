"""A tiny world for the command line: words, reviews, weights, and a way to run commands in this process."""

import dataclasses
import json

import numpy as np
from click.testing import CliRunner

from bert_keras.cli.app import cli

GOOD, BAD = ["fine", "great", "lovely", "superb"], ["dull", "awful", "boring", "flat"]
NOUNS = ["film", "plot", "cast", "score", "scene"]
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *GOOD,
    *BAD,
    *NOUNS,
    *"abcdefghijklmnopqrstuvwxyz0123456789.,!'-",
]


@dataclasses.dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str

    @property
    def rows(self):
        return [json.loads(line) for line in self.stdout.splitlines()]


def run(*args) -> Outcome:
    """Runs the command line in this process."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    return Outcome(result.exit_code, result.stdout, result.stderr)


def fine_tune(preset, train, out, *args, epochs=1, task="classification") -> Outcome:
    fixed = ("--preset", preset, "--train", train, "--out", out, "--epochs", epochs, "--max-length", 16)
    return run("fine-tune", task, *fixed, *args)


def review(i):
    return f"{(GOOD if i % 2 else BAD)[i % 4]} {NOUNS[i % 5]}"


def table(rows, header="text,label"):
    return "\n".join([header, *rows]) + "\n"


def random_weights():
    shapes = {"embeddings.word_embeddings": (len(WORDS), 16), "embeddings.position_embeddings": (32, 16)}
    shapes |= {"embeddings.token_type_embeddings": (2, 16), "embeddings.LayerNorm": (16,), "pooler.dense": (16, 16)}
    for layer in ("encoder.layer.0.", "encoder.layer.1."):
        shapes |= {f"{layer}attention.self.{name}": (16, 16) for name in ("query", "key", "value")}
        shapes |= {f"{layer}attention.output.dense": (16, 16), f"{layer}attention.output.LayerNorm": (16,)}
        shapes |= {f"{layer}intermediate.dense": (32, 16), f"{layer}output.dense": (16, 32)}
        shapes |= {f"{layer}output.LayerNorm": (16,)}
    random = np.random.default_rng(0)
    weights = {}
    for name, shape in shapes.items():
        is_norm = name.endswith("LayerNorm")
        drawn = np.ones(shape) if is_norm else random.normal(0, 0.1, shape)
        weights[f"{name}.weight"] = drawn.astype("float32")
        if not name.endswith("embeddings"):
            weights[f"{name}.bias"] = np.zeros(shape[0], "float32")
    return weights
