"""The pretraining loop: steps through phases, checkpoints on the way, and goes on where a run was stopped."""

import dataclasses
import math
import os
from typing import Any

import keras
import numpy as np

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.training.checkpoint import CheckpointStore, restore
from bert_keras.training.dropout_seeds import seed_dropout, seed_generators
from bert_keras.training.held_out import HeldOut
from bert_keras.training.run_log import RunLog

CHECKPOINTS, PRESET, METRICS, LOGS = "checkpoints", "preset", "metrics.jsonl", "logs"


@dataclasses.dataclass(frozen=True)
class Phase:
    """Some steps on rows of one kind.

    Args:
        rows: where rows come from, with the methods
            `dataset(batch_size, start, drop_remainder)`: an endless `tf.data.Dataset` of batches, the same for the same
            start in every process; and `advance(start, rows)`: the start after so many rows more. A stream begins at
            `(0, 0)`, epoch and row: `RowFiles` and `PretrainingRows` are such.
        steps: int. Optimizer steps.
        batch_size: int. Rows a step, over all replicas and all parts of an accumulated batch.
        held_out: `HeldOut`, or None: what is measured on the way.
    """

    rows: Any
    steps: int
    batch_size: int
    held_out: HeldOut | None = None

    def __post_init__(self):
        for name in ("steps", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise BadInput(f"{name} is {value!r}; expected a whole number of at least 1.")


class PretrainingRun:
    """A run in a directory: `checkpoints/`, `preset/` for `from_preset`, `metrics.jsonl`, `logs/` for TensorBoard.

    A run that was stopped in whatever way goes on from the newest checkpoint that is whole. On CPU it ends in the very
    weights of a run that was never stopped: weights, optimizer, metrics and the states of the random generators are in
    the checkpoint, and the place in the data and the learning rate follow from the step.

    Args:
        model: a compiled `PretrainingModel`, made in the same way each time.
        phases: list of `Phase`.
        directory: the run's.
        seed: int. Fixes dropout.
        checkpoint_every: int. Steps between two checkpoints; there is one at the end of each phase too.
        keep, keep_every: see `CheckpointStore`.
        log_every: int. Steps between two lines of `metrics.jsonl`, each with the figures since the last one and the
            learning rate of the step to come.
        eval_every: int. Steps between two measurements of the phase's held-out rows, each a line of `metrics.jsonl` of
            its own with `val_…`; there is one at the end of each phase too.
        on_step: function of the steps done and the running loss, or None.
        on_figures: function of the dict that is written to `metrics.jsonl`, or None.
    """

    def __init__(
        self,
        model,
        phases,
        directory,
        seed=0,
        checkpoint_every=1000,
        keep=3,
        keep_every=None,
        log_every=100,
        eval_every=1000,
        on_step=None,
        on_figures=None,
    ):
        self.model, self.phases, self.directory, self.seed = model, list(phases), os.fspath(directory), seed
        self.checkpoint_every, self.log_every, self.eval_every = checkpoint_every, log_every, eval_every
        self.store = CheckpointStore(os.path.join(self.directory, CHECKPOINTS), keep, keep_every)
        self.on_step, self.on_figures = on_step, on_figures
        self.step = 0
        self.total_steps = sum(phase.steps for phase in self.phases)

    def run(self):
        """Trains to the end.

        Returns:
            The last figures, a dict, or None where nothing was left to do.

        Raises:
            WorkFailed: the loss became NaN or infinite, or a checkpoint could not be written.
            BadInput: the checkpoints are all broken, or of another model.
        """
        os.makedirs(self.directory, exist_ok=True)
        self.resume()
        self._log = RunLog(self.directory, METRICS, LOGS, self.step)
        figures = None
        try:
            for number in range(len(self.phases)):
                figures = self._run_phase(number) or figures
        except BaseException as stop:
            # Ctrl-C, SIGTERM and the like: no step done so far is to be lost. An error leaves nothing worth keeping.
            if not isinstance(stop, Exception):
                self._save_where_it_stands()
            raise
        finally:
            self._log.close()
        return figures

    def resume(self):
        """Goes to the newest checkpoint that is whole; its step, 0 where there is none."""
        self._prepare()
        self.store.clear_leftovers()
        checkpoint = self.store.latest()
        if checkpoint is not None:
            restore(checkpoint, self._state())
            self.step = checkpoint.step
        return self.step

    def _prepare(self):
        # tf.data mixes this seed into its own.
        keras.utils.set_random_seed(self.seed)
        with self.model.distribute_strategy.scope():
            self.model.build_optimizer()
        seed_dropout(self.model, self.seed)
        self.model.reset_metrics()

    def _run_phase(self, number):
        phase, begin = self.phases[number], sum(phase.steps for phase in self.phases[:number])
        end, figures = begin + phase.steps, None
        if self.step >= end:
            return None
        start = phase.rows.advance((0, 0), (self.step - begin) * phase.batch_size)
        dataset = phase.rows.dataset(batch_size=phase.batch_size, start=start, drop_remainder=True)
        iterator = iter(self.model.distribute_strategy.experimental_distribute_dataset(dataset))
        # The rows of another phase have another length: one graph for each is faster than one for any length.
        self.model.make_train_function(force=True)
        self.model.make_test_function(force=True)
        self._log.start_clock()
        while self.step < end:
            loss = float(self.model.train_function(iterator)["loss"])
            self.step += 1
            self._check(loss)
            to_eval = phase.held_out and (self.step % self.eval_every == 0 or self.step == end)
            # Measuring empties the metrics: what they hold of training is written before.
            if to_eval or self.step % self.log_every == 0 or self.step == end:
                figures = self._write_figures(number)
            if to_eval:
                figures = {**figures, **self._write_held_out(number)}
            if self.step % self.checkpoint_every == 0 or self.step == end:
                self._save()
            if self.on_step:
                self.on_step(self.step, loss)
        return figures

    def _check(self, loss):
        if math.isfinite(loss):
            return
        steps = self.store.steps()
        kept = f"step {steps[-1]} in {self.store.directory} is the last good one" if steps else "there is none yet"
        raise WorkFailed(
            f"The loss is {loss} at step {self.step}; training has stopped and wrote no checkpoint of it ({kept}): "
            "lower the learning rate or lengthen the warm-up."
        )

    def _write_figures(self, number):
        figures = {name: float(value) for name, value in self.model.get_metrics_result().items()}
        rate = float(self.model.optimizer.learning_rate)
        figures = self._log.write(self.step, {"phase": number + 1, "learning_rate": rate, **figures})
        self.model.reset_metrics()
        return self._told(figures)

    def _write_held_out(self, number):
        figures = self.phases[number].held_out.measure(self.model)
        figures = self._log.write_untimed(self.step, {"phase": number + 1, **figures})
        return self._told(figures)

    def _told(self, figures):
        if self.on_figures:
            self.on_figures(figures)
        return figures

    def _save(self):
        self.store.save(self.step, self._state())
        try:
            self.model.save_to_preset(os.path.join(self.directory, PRESET))
        except OSError as error:
            raise WorkFailed(f"Cannot write {os.path.join(self.directory, PRESET)} ({error}).") from error

    def _save_where_it_stands(self):
        # Interrupted between the update and our count of it, the optimizer knows better.
        self.step = int(np.asarray(self.model.optimizer.iterations))
        if self.step and self.step not in self.store.steps():
            self.store.save(self.step, self._state())

    def _state(self):
        return {
            "weights": self.model.weights,
            "optimizer": self.model.optimizer.variables,
            "metrics": [variable for metric in self.model.metrics for variable in metric.variables],
            "random": [generator.state for generator in seed_generators(self.model)],
        }
