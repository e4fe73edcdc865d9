"""The pretraining loop: steps through phases, checkpoints on the way, and goes on where a run was stopped."""

import contextlib
import dataclasses
import math
import os
import zlib
from typing import Any

import keras
import numpy as np

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.files import failing_as_work
from bert_keras.training.checkpoint import CheckpointStore, restore
from bert_keras.training.dropout import seed_dropout, seed_generators
from bert_keras.training.held_out import HeldOut
from bert_keras.training.held_signals import HeldSignals
from bert_keras.training.multi_worker import naming_lost_workers
from bert_keras.training.run_log import WAY_BACK, RunLog, UnwrittenLog
from bert_keras.training.workers import Workers

CHECKPOINTS, PRESET, METRICS, LOGS = "checkpoints", "preset", "metrics.jsonl", "logs"


@dataclasses.dataclass(frozen=True)
class Phase:
    """Some steps on rows of one kind.

    Args:
        rows: where rows come from, with the methods
            `dataset(batch_size, start, drop_remainder)`: an endless `tf.data.Dataset` of batches, the same for the same
            start in every process; and `advance(start, rows)`: the start after so many rows more. A stream begins at
            `(0, 0)`, epoch and row: `RowFiles` and `PretrainingRows` are such. For several workers `dataset` also takes
            `num_shards` and `index`: every `num_shards`-th row from the one numbered `index` on.
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

    Under a `MultiWorkerMirroredStrategy` each worker makes the same run over the same directory and trains on its share
    of every batch. Worker 0 alone writes; the others read checkpoints. A worker that is told to stop (SIGTERM, Ctrl-C)
    stops all of them after a step that is saved.

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
        self.workers, self._signals = Workers(model.distribute_strategy), HeldSignals()
        if self.workers.are_several:
            for phase in self.phases:
                self.workers.cluster.check_batch_size(phase.batch_size, model.distribute_strategy.num_replicas_in_sync)

    def run(self):
        """Trains to the end.

        Returns:
            The last figures, a dict, or None where nothing was left to do.

        Raises:
            WorkFailed: the loss became NaN or infinite, or a checkpoint could not be written; or another worker is gone
                or was told to stop.
            BadInput: the checkpoints are all broken, or of another model; or the workers do not find the same ones.
        """
        # One process stops at once where it stands; several stop together, after a step that all have done.
        holding = self._signals if self.workers.are_several else contextlib.nullcontext()
        with naming_lost_workers(self.workers.cluster, self._way_back), holding:
            return self._run()

    def resume(self):
        """Goes to the newest checkpoint that is whole; its step, 0 where there is none."""
        self._prepare()
        if self._writes:
            self.store.clear_leftovers()
        checkpoint = self.store.latest()
        self._check_agreement(
            "The step to go on from",
            0 if checkpoint is None else checkpoint.step,
            f"one run directory that all machines share: mount {self.directory} on each.",
        )
        if checkpoint is not None:
            restore(checkpoint, self._state())
            self.step = checkpoint.step
        self._check_agreement(
            "The checksum of the weights",
            self._fingerprint() if self.workers.are_several else 0,
            "the same model, and on every machine the same checkpoints.",
        )
        return self.step

    @property
    def _writes(self):
        return self.workers.cluster.is_chief

    def _run(self):
        if self._writes:
            os.makedirs(self.directory, exist_ok=True)
        self.resume()
        if self.step == self.total_steps and self._writes:
            # The run may have been stopped after its last checkpoint and before its preset.
            self._save_preset()
        self._log = RunLog(self.directory, METRICS, LOGS, self.step) if self._writes else UnwrittenLog()
        figures = None
        try:
            for number in range(len(self.phases)):
                figures = self._run_phase(number) or figures
            # What worker 0 still writes would be cut off if the others were gone.
            self.workers.wait_for_all()
        except BaseException as stop:
            # Ctrl-C, SIGTERM and the like: no step done so far is to be lost. An error leaves nothing worth keeping.
            # Several workers have saved already, together.
            if not isinstance(stop, Exception) and not self.workers.are_several:
                self._save_where_it_stands()
            raise
        finally:
            self._log.close()
        return figures

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
        iterator = self.workers.batches(phase.rows, phase.batch_size, start)
        train_step = self.workers.step_function(self.model)
        test_step = self.workers.test_function(self.model) if phase.held_out else None
        self._log.start_clock()
        while self.step < end:
            loss, told = train_step(iterator, self._signals.told)
            self.step += 1
            self._check(loss)
            to_eval = phase.held_out and (self.step % self.eval_every == 0 or self.step == end)
            # Measuring empties the metrics: what they hold of training is written before.
            if to_eval or self.step % self.log_every == 0 or self.step == end:
                figures = self._write_figures(number)
            if to_eval:
                figures = {**figures, **self._write_held_out(number, test_step)}
            is_due = self.step % self.checkpoint_every == 0 or self.step == end
            if is_due:
                self._save()
            if self.on_step:
                self.on_step(self.step, loss)
            if told:
                self._stop_together(told, is_saved=is_due)
        return figures

    def _stop_together(self, told, is_saved):
        if not is_saved:
            self._save_checkpoint()
        self.workers.wait_for_all()
        # Where it was this worker that was told, this ends it the way it was to end.
        self._signals.release()
        names = self.workers.cluster.names(told)
        raise WorkFailed(f"Training has stopped at step {self.step}, by a signal to {names}; {self._way_back()}")

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

    def _write_held_out(self, number, test_step):
        figures = self.phases[number].held_out.measure(self.model, self.workers, test_step)
        figures = self._log.write_untimed(self.step, {"phase": number + 1, **figures})
        return self._told(figures)

    def _told(self, figures):
        if self.on_figures:
            self.on_figures(figures)
        return figures

    def _save(self):
        self._save_checkpoint()
        if self._writes:
            self._save_preset()

    def _save_preset(self):
        path = os.path.join(self.directory, PRESET)
        with failing_as_work(path, WAY_BACK):
            self.model.save_to_preset(path)

    def _save_checkpoint(self):
        state = self._state()
        if self._writes:
            self.store.save(self.step, state)
            return
        for variable in state["metrics"]:
            # Reading one sums it over the workers, so that worker 0 cannot read it alone.
            variable.numpy()

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

    def _check_agreement(self, what, number, expected):
        """Raises `BadInput` where a worker has another number than worker 0."""
        of_chief, *others = self.workers.table([number])[:, 0]
        for worker, found in enumerate(others, start=1):
            if found != of_chief:
                name = self.workers.cluster.name(worker)
                raise BadInput(f"{what} is {found} for {name} and {of_chief} for worker 0; expected {expected}")

    def _fingerprint(self):
        state, value = self._state(), 0
        for variable in (*state["weights"], *state["optimizer"], *state["random"]):
            value = zlib.crc32(np.ascontiguousarray(variable.numpy()), value)
        return value

    def _way_back(self):
        steps = self.store.steps()
        if not steps:
            return "there is no checkpoint yet to go on from: start the run again on every machine."
        return f"start it again on every machine, with --resume: it goes on from step {steps[-1]}."
