"""Ending with the weights that did best on held-out data, and not with the last ones."""

import math

import keras

from bert_keras.errors import BadInput


class KeepBest(keras.callbacks.Callback):
    """Measures the model several times an epoch, and gives it the best weights back when training ends.

    Small encoders and small data sets go past their best: from the second epoch on the training rows are learnt by
    heart. The best of many measurements flatters: it is partly the luck of the held-out rows, so compare models that
    were chosen alike, and keep a test set that nothing was chosen on.

        best = KeepBest(lambda: task.evaluate_records(dev), "accuracy", evaluations_per_epoch=4)
        task.fit(x, y, callbacks=[best])

    Keras' `EarlyStopping` and `ModelCheckpoint` look at the figures of `validation_data` at the end of an epoch; the
    tasks' own metrics (entity F1, exact match) and places within an epoch are what this adds.

    Args:
        measure: function without arguments that gives the model's figures as it is now, dict of name to float. None:
            what Keras says at the end of an epoch, such as `val_loss`.
        metric: str. The figure that decides. One that is NaN is never the best; of equal ones the first is kept.
        lower_is_better: bool.
        evaluations_per_epoch: int. At equal distances; the last one is at the epoch's end.
        say: function of a str, called with the figure of every measurement; None: nothing is said.

    Attributes:
        history: list of dicts, what was measured: `epoch` (float: 1.5 is the middle of the second) and the figures.
        best: the entry of `history` whose weights the model has after training; None where there is none.
    """

    def __init__(self, measure, metric, lower_is_better=False, evaluations_per_epoch=1, say=None):
        super().__init__()
        if evaluations_per_epoch < 1:
            raise BadInput(f"evaluations_per_epoch is {evaluations_per_epoch}; expected at least 1.")
        if measure is None and evaluations_per_epoch > 1:
            raise BadInput(
                "Keras measures at the end of an epoch alone; pass measure for several evaluations_per_epoch."
            )
        self._measure = measure
        self.metric = metric
        self.lower_is_better = lower_is_better
        self.evaluations_per_epoch = evaluations_per_epoch
        self._say = say

    def on_train_begin(self, logs=None):
        self.history, self.best, self._weights = [], None, None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._passed = epoch, 0

    def on_train_batch_end(self, batch, logs=None):
        steps = self.params.get("steps")
        if not steps or batch + 1 >= steps:  # The end is looked at by `on_epoch_end`.
            return
        # Several steps may run at once: what counts is which marks have been passed.
        passed = (batch + 1) * self.evaluations_per_epoch // steps
        if passed > self._passed:
            self._passed = passed
            self._look(self._epoch + (batch + 1) / steps)

    def on_epoch_end(self, epoch, logs=None):
        self._look(float(epoch + 1), logs)

    def on_train_end(self, logs=None):
        if self._weights is not None:
            self.model.set_weights(self._weights)
            self._weights = None

    def _look(self, epoch, logs=None):
        figures = self._measure() if self._measure else dict(logs or {})
        if self.metric not in figures:
            raise BadInput(f"There is no metric {self.metric!r}; expected one of {', '.join(sorted(figures))}.")
        entry = {"epoch": epoch, **figures}
        self.history.append(entry)
        value, is_best = figures[self.metric], self._is_best(figures[self.metric])
        if is_best:
            self.best, self._weights = entry, self.model.get_weights()
        if self._say:
            self._say(f"epoch {epoch:.2f}: {self.metric} {value:.4f}{', the best so far' if is_best else ''}")

    def _is_best(self, value):
        if math.isnan(value) or self.best is None:
            return not math.isnan(value)
        return value < self.best[self.metric] if self.lower_is_better else value > self.best[self.metric]
