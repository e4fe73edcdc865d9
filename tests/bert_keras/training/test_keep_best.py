"""`KeepBest` ends training with the weights of the best measurement."""

import numpy as np
import pytest

from bert_keras.errors import BadInput


class Counted:
    """A model whose only weight counts its steps, so that the weights say when they were taken."""

    def __new__(cls):
        import keras

        @keras.saving.register_keras_serializable("tests")
        class Steps(keras.Model):
            def __init__(self):
                super().__init__()
                self.steps = self.add_weight(name="steps", shape=(), initializer="zeros")

            def call(self, x):
                return x * 1.0

            def train_step(self, data):
                self.steps.assign_add(1.0)
                return {"loss": self.steps * 1.0}

        model = Steps()
        model.compile(optimizer="sgd", loss="mse")
        return model


def trained(figures, epochs=2, steps=6, **arguments):
    """A model after training, and its callback, which measured the figures one after the other."""
    from bert_keras import KeepBest

    model, figures, said = Counted(), iter(figures), []
    best = KeepBest(lambda: {"score": next(figures)}, "score", say=said.append, **arguments)
    x = np.zeros((steps, 1), "float32")
    model.fit(x, x, batch_size=1, epochs=epochs, callbacks=[best], verbose=0)
    return model, best, said


def test_training_ends_with_the_weights_of_the_best_epoch():
    model, best, _ = trained([0.1, 0.9, 0.5], epochs=3)
    assert (float(model.steps), best.best) == (12.0, {"epoch": 2.0, "score": 0.9})


def test_the_best_may_lie_within_an_epoch():
    model, best, _ = trained([0.1, 0.9, 0.5, 0.2, 0.3, 0.4], evaluations_per_epoch=3)
    assert (float(model.steps), best.best["epoch"]) == (4.0, pytest.approx(4 / 6))
    assert [entry["epoch"] for entry in best.history] == pytest.approx([2 / 6, 4 / 6, 1, 8 / 6, 10 / 6, 2])


def test_of_equal_measurements_the_first_is_kept():
    model, _, _ = trained([0.5, 0.5])
    assert float(model.steps) == 6.0


def test_an_error_is_best_where_it_is_lowest():
    model, _, _ = trained([0.5, 0.1, 0.3], epochs=3, lower_is_better=True)
    assert float(model.steps) == 12.0


def test_nan_is_never_the_best():
    model, best, _ = trained([float("nan"), 0.1, float("nan")], epochs=3)
    assert (float(model.steps), best.best["score"]) == (12.0, 0.1)


def test_without_any_number_the_last_weights_stay():
    model, best, _ = trained([float("nan"), float("nan")])
    assert (float(model.steps), best.best) == (12.0, None)


def test_more_evaluations_than_steps_measure_after_every_step():
    _, best, _ = trained(range(4), steps=2, evaluations_per_epoch=50)
    assert [entry["epoch"] for entry in best.history] == [0.5, 1.0, 1.5, 2.0]


def test_without_a_function_of_ones_own_keras_figures_decide():
    import keras

    from bert_keras import KeepBest

    model, x = Counted(), np.zeros((6, 1), "float32")
    said = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(val_loss=(0.5, 0.1, 0.3)[epoch]))
    best = KeepBest(None, "val_loss", lower_is_better=True)
    model.fit(x, x, batch_size=1, epochs=3, callbacks=[said, best], verbose=0)
    assert float(model.steps) == 12.0 and [entry["val_loss"] for entry in best.history] == [0.5, 0.1, 0.3]
    assert (best.best["epoch"], best.best["val_loss"]) == (2.0, 0.1)
    with pytest.raises(BadInput, match="at the end of an epoch alone"):
        KeepBest(None, "loss", evaluations_per_epoch=2)


def test_every_measurement_is_said():
    _, _, said = trained([0.5, 0.25])
    assert said == ["epoch 1.00: score 0.5000, the best so far", "epoch 2.00: score 0.2500"]


def test_a_metric_that_is_not_measured_is_named():
    from bert_keras import KeepBest

    model, x = Counted(), np.zeros((1, 1), "float32")
    with pytest.raises(BadInput, match="no metric 'f2'; expected one of accuracy, f1"):
        model.fit(x, x, callbacks=[KeepBest(lambda: {"f1": 1.0, "accuracy": 1.0}, "f2")], verbose=0)


def test_no_evaluations_are_refused():
    from bert_keras import KeepBest

    with pytest.raises(BadInput, match="evaluations_per_epoch is 0"):
        KeepBest(dict, "score", evaluations_per_epoch=0)
