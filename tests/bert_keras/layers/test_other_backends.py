"""The layers and the encoder under Keras' JAX backend, in a process of its own: a process has one backend.

No lock of this project has JAX: BERT_KERAS_JAX_PYTHON names a Python that has it, with Keras and keras-nlp.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bert_keras.backbone import BertBackbone

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
import numpy as np
import keras
from bert_keras.backbone import BertBackbone
assert keras.backend.backend() == "jax"
given = np.load(sys.argv[1])
backbone = BertBackbone(vocabulary_size=20, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=16)
backbone.set_weights([given[f"weight_{index}"] for index in range(len(backbone.weights))])
inputs = {name: given[name] for name in ("token_ids", "segment_ids", "padding_mask")}
outputs = {name: np.asarray(value) for name, value in backbone(inputs).items()}
packed = backbone.packed()({"token_ids": given["token_ids"], "segment_ids": given["segment_ids"],
                            "sequence_ids": given["padding_mask"]})
np.savez(sys.argv[2], packed=np.asarray(packed["sequence_output"]), **outputs)
"""


def test_the_encoder_gives_the_same_under_jax(tmp_path):
    python = os.environ.get("BERT_KERAS_JAX_PYTHON")
    if python is None and importlib.util.find_spec("jax") is None:
        pytest.skip("needs jax, which no lock of this project has; BERT_KERAS_JAX_PYTHON names a Python with it")
    backbone = BertBackbone(vocabulary_size=20, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=16)
    ids = np.array([[1, 2, 3, 4], [5, 6, 0, 0]], "int32")
    inputs = {"token_ids": ids, "segment_ids": ids % 2, "padding_mask": np.array([[1] * 4, [1, 1, 0, 0]], "int32")}
    expected = backbone(inputs)
    weights = {f"weight_{index}": value for index, value in enumerate(backbone.get_weights())}
    np.savez(tmp_path / "in.npz", **inputs, **weights)
    done = subprocess.run(
        [python or sys.executable, "-c", PROGRAM, str(tmp_path / "in.npz"), str(tmp_path / "out.npz")],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "out.npz") as found:
        for name in ("sequence_output", "pooled_output"):
            np.testing.assert_allclose(found[name], np.asarray(expected[name]), atol=1e-5)
        real = inputs["padding_mask"] == 1
        np.testing.assert_allclose(found["packed"][real], np.asarray(expected["sequence_output"])[real], atol=1e-5)
