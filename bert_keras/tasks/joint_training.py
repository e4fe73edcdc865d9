"""Training several tasks over one encoder: a batch of one task each step."""

import contextlib

import keras

from bert_keras.errors import BadInput, nearest
from bert_keras.tasks.trainable import batch_size_of, unpack
from bert_keras.training.accumulation import check_parts
from bert_keras.training.batching import number_of_batches
from bert_keras.training.keras_warnings import pooler_may_rest
from bert_keras.training.recipe import Recipe
from bert_keras.training.sampling import draw_turns, sampling_probabilities


class JointTraining(keras.Model):
    """What `compile`, `fit`, `evaluate` and `predict` do for several tasks. A subclass sets the attributes.

    Attributes:
        tasks: dict of name to `BertTask`, all over one `BertBackbone`.
        loss_weights: dict of name to float.
    """

    def compile(self, optimizer=None, recipe=None, accumulate=1):
        """Chooses how to train. Without arguments: the fine-tuning recipe, over the steps of all tasks.

        Args:
            optimizer: a Keras optimizer, or the name of one, instead of the recipe's. Keras' own correct Adam's first
                moments of a head by the number of all steps; the recipe's by the head's own.
            recipe: a `Recipe` with other numbers, or a dict of its fields.
            accumulate: int. In how many parts a batch is worked through, as for a task alone.
        """
        check_parts(accumulate)
        self._recipe = Recipe(**recipe) if isinstance(recipe, dict) else (recipe or Recipe())
        self._given_optimizer = None if optimizer is None else keras.optimizers.get(optimizer)
        self._accumulate = accumulate

    def fit(
        self,
        data,
        batch_size=None,
        epochs=3,
        alpha=1.0,
        validation_data=None,
        seed=0,
        initial_epoch=0,
        callbacks=None,
        verbose="auto",
    ):
        """Trains all tasks at once, each step on a batch of one of them.

        The task of a step is drawn with a probability proportional to its number of rows to the power of `alpha`. An
        epoch has as many steps as all tasks have batches together; with alpha 1 each task's rows are seen about once
        in it. A task goes on where it was when the epoch ended, and begins a new pass, in a new order, when it has seen
        all its rows. A step moves the encoder and the head of its task; the other heads stay as they are.

        Args:
            data: dict of task name to `(x, y)`, `(x, y, sample_weight)` or whatever else the `fit` of that task takes
                as its data. Every task must have some.
            batch_size: int. Rows a step over all replicas; default 32, or a batched dataset's own.
            epochs: int.
            alpha: float. 1 = by size, 0 = all tasks alike.
            validation_data: as `data`, of some tasks or all: measured after each epoch.
            seed: int. Fixes the order of tasks and rows, and the dropout.
            initial_epoch, callbacks, verbose: as in `keras.Model.fit`.

        Returns:
            The Keras `History`. It has `{task}_loss` and `{task}_{metric}` of each task, means over the task's steps of
            the epoch (an epoch without a step of the task has none), and `loss`, the mean over all steps with each
            task's loss weight. Those of validation data begin with `val_`; `val_loss` weighs the tasks as they are
            drawn.

        Raises:
            BadInput: a task has no data, there is no such task, or the data do not fit it.
        """
        rows, batch_sizes = self._learnable(data, batch_size, to_learn=True)
        missing = [name for name in self.tasks if name not in rows]
        if missing:
            raise BadInput(f"There are no data for the task {missing[0]!r}; pass {{name: (x, y)}} for every task.")
        held_out = self._learnable(validation_data or {}, batch_size)
        steps = sum(number_of_batches(rows[name], batch_sizes[name]) for name in rows)
        probabilities = sampling_probabilities([len(rows[name]) for name in self.tasks], alpha)
        shares = dict(zip(self.tasks, probabilities))
        self.optimizer = self._optimizer_for(steps * max(epochs - initial_epoch, 1))
        callbacks = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
            model=self,
        )
        with contextlib.ExitStack() as stack:
            stack.enter_context(pooler_may_rest())
            turns = {
                name: stack.enter_context(
                    task.turns(
                        rows[name],
                        batch_sizes[name],
                        seed,
                        self.optimizer,
                        loss_weight=self.loss_weights[name],
                        accumulate=self._accumulate,
                    )
                )
                for name, task in self.tasks.items()
            }
            self.stop_training = False
            logs = None
            callbacks.on_train_begin()
            for epoch in range(initial_epoch, epochs):
                callbacks.on_epoch_begin(epoch)
                names = [list(self.tasks)[number] for number in draw_turns(probabilities, steps, seed, epoch)]
                logs = self._run_epoch(turns, names, callbacks)
                logs |= {f"val_{name}": value for name, value in self._measure(*held_out, shares=shares).items()}
                callbacks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            callbacks.on_train_end(logs)
        return self.history

    def _run_epoch(self, turns, names, callbacks):
        """One step for each of `names`; the logs of the epoch as floats."""
        for task in self.tasks.values():
            task.reset_metrics()
        steps, found, logs = dict.fromkeys(turns, 0), {}, {}
        for step, name in enumerate(names):
            callbacks.on_train_batch_begin(step)
            found[name] = turns[name]()
            steps[name] += 1
            logs = self._joined(found, steps)
            callbacks.on_train_batch_end(step, logs)
            if self.stop_training:
                break
        # What a step gives is the mean of the replicas' own figures; the tasks' metrics know those of all rows.
        found = {name: self.tasks[name].get_metrics_result() for name in found}
        return {name: float(value) for name, value in self._joined(found, steps).items()}

    def _measure(self, rows, batch_sizes, shares):
        """Loss and metrics of tokenized rows; nothing where there are none."""
        found = {
            name: self.tasks[name].evaluate(some, batch_size=batch_sizes[name], verbose=0, return_dict=True)
            for name, some in rows.items()
        }
        return {name: float(value) for name, value in self._joined(found, shares).items()} if found else {}

    def _joined(self, found, shares):
        """Each task's figures under its name, and `loss`: the mean of the weighted losses, by the tasks' shares."""
        parts = [shares[name] * self.loss_weights[name] * figures["loss"] for name, figures in found.items()]
        loss = sum(parts) / sum(shares[name] for name in found)
        return {"loss": loss, **{f"{name}_{key}": value for name, some in found.items() for key, value in some.items()}}

    def _optimizer_for(self, total_steps):
        variables = {id(v): v for task in self.tasks.values() for v in task.trainable_variables}
        # Its variables must be made under the strategy that trains.
        with next(iter(self.tasks.values())).distribute_strategy.scope():
            optimizer = self._given_optimizer or self._recipe.optimizer(total_steps, shared=True)
            optimizer.build(list(variables.values()))
        return optimizer

    def _learnable(self, data, batch_size, to_learn=False):
        """Raw data by task as `TokenizedRows` with targets, and the tasks' batch sizes."""
        self._check_names(data)
        found = {
            name: task.learnable_rows(*unpack(data[name]), to_learn=to_learn)
            for name, task in self.tasks.items()
            if name in data
        }
        sizes = {name: batch_size_of(batch_size, own) for name, (_, own) in found.items()}
        return {name: rows for name, (rows, _) in found.items()}, sizes

    def _check_names(self, data):
        if not isinstance(data, dict):
            raise BadInput(f"The data are a {type(data).__name__}; expected a dict of task name to the task's data.")
        for name in data:
            if name not in self.tasks:
                known = ", ".join(self.tasks)
                raise BadInput(f"There is no task {name!r}{nearest(name, self.tasks)}; expected some of {known}.")

    def evaluate(self, data, batch_size=None):
        """Loss and Keras metrics on raw data by task, as in `fit`: dict of `{task}_{metric}` to float."""
        found = self._measure(*self._learnable(data, batch_size), shares=dict.fromkeys(self.tasks, 1.0))
        return {name: value for name, value in found.items() if name != "loss"}

    def predict(self, data, batch_size=None):
        """What `predict` of each task gives for the raw inputs of `{task: x}`, by task."""
        self._check_names(data)
        return {name: self.tasks[name].predict(x, batch_size=batch_size, verbose=0) for name, x in data.items()}

    def answers(self, data, batch_size=64):
        """Named answers to the raw inputs of `{task: x}`: dict of task to a list of JSON-able dicts."""
        self._check_names(data)
        return {name: self.tasks[name].answers(x, batch_size=batch_size) for name, x in data.items()}
