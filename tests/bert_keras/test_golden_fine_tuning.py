"""`fit` beside a PyTorch loop over transformers' BertForSequenceClassification: the same losses, the same weights.

The golden file is made by tests/golden/make_fine_tuning.py.
"""

from pathlib import Path

import keras
import numpy as np
import pytest

from bert_keras.tasks import get_task

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "fine_tuning.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def trained(golden):
    """The classifier after its steps, and the loss of each."""
    from bert_keras.backbone import BertBackbone

    backbone = BertBackbone.from_preset(str(GOLDEN / "hf_tiny_classifier"), dropout=0.0, attention_dropout=0.0)
    head = get_task("classification").from_preset(str(GOLDEN / "hf_tiny_classifier"), max_length=40)
    backbone.set_weights(head.backbone.get_weights())
    task = get_task("classification")(
        backbone=backbone, preprocessor=head.preprocessor, labels=list(head.labels), dropout=0.0
    )
    task.output_dense.set_weights(head.output_dense.get_weights())
    task.compile(
        recipe={
            "learning_rate": float(golden["peak"]),
            "warmup": float(golden["warmup"]),
            "weight_decay": float(golden["decay"]),
            "clip": float(golden["clip"]),
        },
        steps_per_execution=1,
    )
    losses = StepLosses()
    task.fit(
        golden["texts"].tolist(),
        golden["labels"],
        batch_size=int(golden["batch_size"]),
        epochs=int(golden["epochs"]),
        shuffle=False,
        callbacks=[losses],
        verbose=0,
    )
    return task, losses.of_steps


class StepLosses(keras.callbacks.Callback):
    """The loss of every step, out of the running means that Keras shows."""

    def __init__(self):
        super().__init__()
        self.of_steps = []

    def on_epoch_begin(self, epoch, logs=None):
        self._sum = 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)
        self.of_steps.append(total - self._sum)
        self._sum = total


def test_every_step_has_the_peers_loss(trained, golden):
    _, losses = trained
    np.testing.assert_allclose(losses, golden["losses"], atol=2e-5)


def test_the_clip_was_at_work(golden):
    assert (golden["norms"] > golden["clip"]).sum() > 6


@pytest.mark.parametrize("name", ["word_embeddings", "query", "layer_norm", "pooler", "classifier"])
def test_the_weights_end_as_the_peers(trained, golden, name):
    task, _ = trained
    backbone = task.backbone
    qkv = np.asarray(backbone.blocks[0].attention.qkv.kernel)
    ours = {
        "word_embeddings": lambda: backbone.embeddings.token_table,
        "query": lambda: qkv[:, : qkv.shape[1] // 3],
        "layer_norm": lambda: backbone.blocks[1].feedforward_norm.gamma,
        "pooler": lambda: backbone.pooler.dense.kernel,
        "classifier": lambda: task.output_dense.kernel,
    }
    np.testing.assert_allclose(np.asarray(ours[name]()), golden[name], atol=2e-5)
