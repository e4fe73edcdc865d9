"""Keras' `fit`, shown through `Progress` and kept for TensorBoard."""

from pathlib import Path

import keras

from bert_keras.cli.progress import Progress


def tensorboard(directory: Path) -> keras.callbacks.Callback:
    """Loss and metrics, by step and by epoch, under a directory that `tensorboard --logdir` reads."""
    return keras.callbacks.TensorBoard(str(directory), write_graph=False, update_freq="epoch")


class TrainingProgress(keras.callbacks.Callback):
    """One bar over all epochs with the running loss, and a line with the figures of each epoch.

    Used as a context manager around `fit`: Keras does not say when it ends by an error, and a terminal must be left in
    order then too.
    """

    def __init__(self):
        super().__init__()
        self._progress = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._progress:
            self._progress.__exit__()

    def say(self, line):
        """Prints a line that stays, above the bar."""
        self._progress.say(line)

    def on_train_begin(self, logs=None):
        self._steps, self._epochs, self._epoch = self.params.get("steps"), self.params.get("epochs", 1), 0
        total = self._steps * self._epochs if self._steps else None
        self._progress = Progress("training", total, unit="steps").__enter__()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # Several steps run at once, and Keras counts them in full even where the epoch ends within.
        done = min(batch + 1, self._steps or batch + 1) + self._epoch * (self._steps or 0)
        loss = (logs or {}).get("loss")
        note = f"epoch {self._epoch + 1}/{self._epochs}"
        self._progress.update(done, note if loss is None else f"{note}, loss {float(loss):.4f}")

    def on_epoch_end(self, epoch, logs=None):
        figures = ", ".join(f"{name} {float(value):.4f}" for name, value in (logs or {}).items())
        self.say(f"epoch {epoch + 1}/{self._epochs}: {figures}")
