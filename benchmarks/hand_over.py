"""Our side of a benchmark of fine-tuning: a Keras callback that hands the turn over."""

import keras


class HandOver(keras.callbacks.Callback):
    """Tells the stop watch of every batch; Keras calls it once for `steps_per_execution` of them."""

    def __init__(self, watch):
        super().__init__()
        self.watch = watch
        self.steps_before = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.steps_before = self.watch.steps

    def on_train_batch_end(self, batch, logs=None):
        self.watch.step(self.steps_before + batch + 1 - self.watch.steps)
