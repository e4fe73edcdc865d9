"""Training and prediction on raw text: what Keras' `fit`, `evaluate` and `predict` do for every task."""

import contextlib
import dataclasses

import keras
import numpy as np
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.tasks.inputs import collect, features_alone
from bert_keras.tasks.one_batch import OneBatch
from bert_keras.training.accumulation import check_parts
from bert_keras.training.batching import (
    TokenizedRows,
    bucketed_batches,
    number_of_batches,
    padded_batches,
    tokenize_rows,
)
from bert_keras.training.dropout import seed_dropout
from bert_keras.training.keep_best import KeepBest
from bert_keras.training.keras_warnings import inputs_in_any_order, pooler_may_rest
from bert_keras.training.multi_worker import require_one_machine
from bert_keras.training.recipe import Recipe, steps_per_execution

DEFAULT_BATCH_SIZE = 32


class TrainableTask(OneBatch):
    """A KerasHub task that tokenizes once, cuts batches of like length and knows its recipe.

    A subclass gives `serving_inputs`, `targets_to_array`, `example_losses` and `default_metrics`.
    """

    _batch_spec = None
    _inference = None

    def compile(self, optimizer=None, loss=None, metrics=None, recipe=None, jit_compile=False, accumulate=1, **kwargs):
        """Chooses how to train. Without arguments: the fine-tuning recipe.

        Args:
            optimizer: a Keras optimizer instead of the recipe's.
            loss: a Keras loss instead of the task's.
            metrics: list of Keras metrics instead of the task's.
            recipe: a `Recipe` with other numbers, or a dict of its fields.
            jit_compile: bool. XLA; every new batch shape compiles once, so lengths are rounded up to multiples of 32.
            accumulate: int. In how many parts each replica works through its share of a batch, one after the other: as
                many times less memory, the same gradient and the same number of steps.
            **kwargs: of `keras.Model.compile`. `steps_per_execution` is chosen by the size of the model when left out.

        Raises:
            BadInput: `accumulate` is no whole number above 0, or does not go with `loss` or `jit_compile`.
        """
        check_parts(accumulate)
        if accumulate > 1 and loss is not None:
            # What a loss divides by is its own affair: parts of it need not add up to it.
            raise BadInput("accumulate goes with the task's own loss alone; leave out loss, or accumulate.")
        if accumulate > 1 and jit_compile:
            raise BadInput("accumulate does not go with jit_compile; leave one of them out.")
        self._recipe = Recipe(**recipe) if isinstance(recipe, dict) else (recipe or Recipe())
        self._compile_arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "metrics": metrics,
            "jit_compile": jit_compile,
            "accumulate": accumulate,
            **kwargs,
        }
        self._compile_for(total_steps=1, tokens_per_batch=None)

    def _compile_for(self, total_steps, tokens_per_batch, steps_between_looks=None):
        arguments = dict(self._compile_arguments)
        self._own_loss, self._parts = arguments["loss"] is None, arguments.pop("accumulate")
        require_one_machine(self.distribute_strategy, "Fine-tuning runs", "another strategy, such as 'mirrored'")
        if self.distribute_strategy.num_replicas_in_sync > 1:
            # The loop that Keras writes around several steps cannot hold a reduction over replicas.
            if arguments.setdefault("steps_per_execution", 1) > 1:
                raise ValueError("steps_per_execution above 1 does not work on several replicas; leave it out.")
        elif tokens_per_batch is not None:
            chosen = steps_per_execution(self.backbone.config, tokens_per_batch)
            # A callback that looks at the model within an epoch sees it between two executions.
            arguments.setdefault("steps_per_execution", min(chosen, steps_between_looks or chosen))
        # Optimizer and metrics hold variables, which must be made under the strategy that trains them.
        with self.distribute_strategy.scope():
            if arguments["optimizer"] is None:
                arguments["optimizer"] = self._recipe.optimizer(total_steps)
            if arguments["metrics"] is None:
                arguments["metrics"] = self.default_metrics()
            super().compile(**arguments)

    def get_compile_config(self):
        # The recipe's optimizer is made for one run: what comes back from a file is the recipe, ready for another.
        config = {name: value for name, value in self._compile_arguments.items() if value is not None}
        return keras.saving.serialize_keras_object({"recipe": dataclasses.asdict(self._recipe), **config})

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        # What the file holds of the optimizer's state finds its place; one's own optimizer goes on from there.
        self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=3,
        sample_weight=None,
        class_weight=None,
        validation_data=None,
        validation_split=0.0,
        seed=0,
        shuffle=True,
        **kwargs,
    ):
        """Trains on raw text, which is tokenized once, in batches of texts of like length.

        Args:
            x: list, array or column of strings, for pairs a dict with `text` and `text_pair` (or a tuple of both); or a
                finite `tf.data.Dataset` of `(x, y)` or `(x, y, sample_weight)`, batched or not; or `TokenizedRows`.
            y: targets, one per text: label names or ids, lists of names for multi-label, numbers for regression.
            batch_size: int. Rows a step over all replicas; default 32, or a batched dataset's own.
            epochs: int.
            sample_weight: floats, one per text.
            class_weight: dict of label (name or id) to weight, or `"balanced"`: inverse to how often a label occurs.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, a dataset or `TokenizedRows`: measured after each epoch.
            validation_split: float. Share of the rows, taken from the end, to use as validation data.
            seed: int. Fixes the order of rows and the dropout.
            shuffle: bool.
            **kwargs: `callbacks`, `verbose`, `initial_epoch`, as in `keras.Model.fit`.

        Returns:
            The Keras `History`.
        """
        for name in ("steps_per_epoch", "validation_steps", "validation_batch_size"):
            if kwargs.get(name) is not None:
                raise ValueError(f"{name} is not supported: every epoch goes over all rows; leave it out.")
        rows, found_batch_size = self.learnable_rows(x, y, sample_weight, class_weight, to_learn=True)
        batch_size = batch_size_of(batch_size, found_batch_size)
        validation = None
        if validation_split and validation_data is None:
            rows, validation = rows.split(validation_split)
        elif validation_data is not None:
            validation, _ = self.learnable_rows(*unpack(validation_data))
        steps = number_of_batches(rows, batch_size)
        looks = [best.evaluations_per_epoch for best in _of_kind(KeepBest, kwargs.get("callbacks"))]
        steps_between_looks = max(steps // max(looks), 1) if looks else None
        steps *= max(epochs - (kwargs.get("initial_epoch") or 0), 1)
        self._compile_for(steps, batch_size * float(np.mean(rows.lengths)), steps_between_looks)
        if not self.optimizer.built:
            # Keras makes the optimizer's variables within the first step's trace, which then has to be made twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        seed_dropout(self, seed)
        with pooler_may_rest():
            return super().fit(
                self._batches(rows, batch_size, seed, shuffle),
                epochs=epochs,
                shuffle=False,  # The batches are shuffled; Keras warns where it finds a dataset and True.
                validation_data=None if validation is None else self._batches(validation, batch_size, shuffle=False),
                **kwargs,
            )

    def evaluate(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Loss and Keras metrics on raw text; inputs as in `fit`."""
        if kwargs.get("steps") is not None:
            raise ValueError("steps is not supported: all rows are measured; leave it out, and pass fewer rows.")
        if isinstance(x, tf.data.Dataset) and _is_tokenized(x):
            return super().evaluate(x, **kwargs)
        rows, found_batch_size = self.learnable_rows(x, y, sample_weight)
        return super().evaluate(
            self._batches(rows, batch_size_of(batch_size, found_batch_size), shuffle=False), **kwargs
        )

    def predict(self, x=None, batch_size=None, **kwargs):
        """The model's raw outputs (logits) for raw text, as numpy, in the order of the texts.

        Inputs as in `fit`; targets in a dataset are left aside.
        """
        if kwargs.get("steps") is not None:
            raise ValueError("steps is not supported: every text gets an answer; leave it out, and pass fewer texts.")
        rows, found_batch_size = self._rows(features_alone(x))
        batch_size = batch_size_of(batch_size, found_batch_size)
        dataset = self._batches(dataclasses.replace(rows, targets=None, weights=None), batch_size, shuffle=False)
        with self._steps_one_by_one():
            outputs = super().predict(dataset, **kwargs)
        order = np.argsort(np.argsort(-rows.lengths, kind="stable"), kind="stable")
        return keras.tree.map_structure(lambda output: output[order], outputs)

    @contextlib.contextmanager
    def _steps_one_by_one(self):
        # To predict, Keras writes the steps of an execution into one graph, one model after the other: 32 of them, and
        # others for every other number of batches.
        chosen, self.steps_per_execution = self.steps_per_execution, 1
        try:
            yield
        finally:
            self.steps_per_execution = chosen

    def make_predict_function(self, force=False):
        if self.predict_function is None or force:
            super().make_predict_function(force)
            if self.distribute_strategy.num_replicas_in_sync == 1 and not self.run_eagerly:
                # One graph for batches of any shape, where Keras would make one of the first shape and then others.
                with inputs_in_any_order():
                    self.predict_function.get_concrete_function([self._batch_spec])

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Tokenizes one batch of raw text; lets through what is tokenized already."""
        if isinstance(x, dict) and "token_ids" in x:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return super().preprocess_samples(x, y, sample_weight)

    @contextlib.contextmanager
    def turns(self, rows, batch_size, seed, optimizer, loss_weight=1.0, accumulate=1):
        """Training in turns with other tasks over the same encoder.

        Args:
            rows: `TokenizedRows` with targets. When all have been seen, the next turn begins a new pass.
            batch_size, seed: as in `fit`, which sees the same batches in the same order.
            optimizer: a Keras optimizer, built on the variables of all the tasks.
            loss_weight: float. Scales the gradient; the loss that is shown stays.
            accumulate: int. As in `compile`.

        Yields:
            A function that makes one step and returns loss and metrics since `reset_metrics`, a dict of tensors.
        """
        arguments = self._compile_arguments
        chosen = {"optimizer": optimizer, "steps_per_execution": 1, "accumulate": accumulate}
        self._compile_arguments = {**arguments, **chosen}
        self.loss_weight = loss_weight
        try:
            self._compile_for(total_steps=1, tokens_per_batch=None)
            seed_dropout(self, seed)
            batches = self._batches(rows, batch_size, seed).repeat()
            self._maybe_symbolic_build(iterator=batches)
            self.make_train_function()
            iterator = iter(self.distribute_strategy.experimental_distribute_dataset(batches))
            yield lambda: self.train_function(iterator)
        finally:
            self._compile_arguments, self.loss_weight = arguments, 1.0
            self._compile_for(total_steps=1, tokens_per_batch=None)

    def learnable_rows(self, x, y=None, sample_weight=None, class_weight=None, to_learn=False):
        """What `fit` takes as `TokenizedRows` with targets, and the batch size of a dataset that has one, else None.

        `to_learn` says that they are for training and not to compare with, see `tokenize_to_learn`.

        Raises:
            BadInput, ValueError: the data do not fit the task, or there are no targets.
        """
        rows, batch_size = self._rows(x, y, sample_weight, class_weight, to_learn)
        if rows.targets is None:
            raise BadInput("There are no targets to learn from or to compare with; pass y, or a dataset of (x, y).")
        return rows, batch_size

    def _rows(self, x, y=None, sample_weight=None, class_weight=None, to_learn=False):
        """Anything that `fit` takes as `TokenizedRows`, and the batch size of a dataset that has one."""
        tokenize = self.tokenize_to_learn if to_learn else self.tokenize
        rows, batch_size = (x, None) if isinstance(x, TokenizedRows) else tokenize(x, y, sample_weight)
        longest, positions = int(rows.lengths.max()), self.backbone.config.max_sequence_length
        if longest > positions:
            raise BadInput(
                f"There is a row of {longest} tokens; this encoder has {positions} positions: set the preprocessor's "
                "max_length to at most that."
            )
        if class_weight is not None:
            if rows.targets is None:
                raise BadInput("class_weight needs targets; pass y.")
            of_class = self.class_weights(rows.targets, class_weight)
            rows = dataclasses.replace(rows, weights=of_class if rows.weights is None else rows.weights * of_class)
        return rows, batch_size

    def tokenize(self, x, y=None, sample_weight=None):
        """Raw input of `fit` as `TokenizedRows`, and the batch size of a dataset that has one, else None."""
        return self.tokenized_by(self.preprocessor, x, y, sample_weight)

    def tokenize_to_learn(self, x, y=None, sample_weight=None):
        """As `tokenize`, for what the model is trained on."""
        return self.tokenize(x, y, sample_weight)

    def tokenized_by(self, preprocessor, x, y=None, sample_weight=None):
        """As `tokenize`, with another `BertPreprocessor` than the task's own."""
        given = collect(x, y, sample_weight, self.serving_inputs)
        targets = None if given.targets is None else self.targets_to_array(given.targets)
        return tokenize_rows(preprocessor, given.features, targets, given.weights), given.batch_size

    def outputs_of(self, rows, batch_size):
        """The model's outputs for `TokenizedRows`, in their order, where outputs are as long as their rows.

        Returns:
            What the model returns, as float32 numpy arrays; an output for every token is `[rows, longest, …]`, with
            zeros behind the end of a row.
        """
        batches = padded_batches(rows, batch_size, self.preprocessor.tokenizer.pad_token_id, **self._length_multiple)
        parts = [keras.tree.map_structure(lambda t: t.numpy(), self._infer(batch)) for batch in batches]
        order = np.argsort(np.argsort(-rows.lengths, kind="stable"), kind="stable")

        def joined(symbol, *arrays):
            if _is_per_token(symbol):
                longest, rest = max(array.shape[1] for array in arrays), [(0, 0)] * (arrays[0].ndim - 2)
                arrays = [np.pad(array, [(0, 0), (0, longest - array.shape[1]), *rest]) for array in arrays]
            return np.concatenate(arrays)[order]

        return keras.tree.map_structure(joined, self.output, *parts)

    def _infer(self, batch):
        if self._inference is None:
            # One graph for batches of any shape.
            spec = {name: tf.TensorSpec([None, None], ids.dtype) for name, ids in batch.items()}
            inference = tf.function(lambda tokens: self(tokens, training=False), input_signature=[spec])
            with inputs_in_any_order():
                inference.get_concrete_function()
            self._inference = inference
        return self._inference(batch)

    def class_weights(self, targets, class_weight):
        """Float32 `[n]`: each example's weight by its class. Tasks without classes raise ValueError."""
        raise ValueError(f"{type(self).__name__} has no classes that class_weight could weigh.")

    def _batches(self, rows, batch_size, seed=0, shuffle=True):
        pad_token_id, multiple = self.preprocessor.tokenizer.pad_token_id, self._length_multiple
        dataset = bucketed_batches(rows, batch_size, pad_token_id, seed, shuffle, shares=self._own_loss, **multiple)
        self._batch_spec = dataset.element_spec
        return dataset

    @property
    def _length_multiple(self):
        return {"length_multiple": 32} if self.jit_compile else {}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Under a strategy Keras builds metrics and optimizer from the mean of the replicas' first batches. That takes
        # an epoch from the data, and fails where the replicas' shares differ in size. An empty batch of the same kind
        # will do as well.
        if iterator is not None and data_batch is None and self._batch_spec is not None:
            data_batch = keras.tree.map_structure(
                lambda spec: tf.zeros([size or 2 for size in spec.shape], spec.dtype), self._batch_spec
            )
        with inputs_in_any_order():
            super()._maybe_symbolic_build(iterator=None if data_batch is not None else iterator, data_batch=data_batch)


def _is_per_token(symbol):
    """Whether an output of the functional model has an entry for every token: `[batch, length, …]`."""
    return len(symbol.shape) > 1 and symbol.shape[1] is None


def unpack(data):
    """Data of one kind with its targets as the arguments of `fit`: a tuple stays, all else stands alone.

    Raises:
        BadInput: neither data that have their targets, nor a tuple of two or three.
    """
    if isinstance(data, (tf.data.Dataset, TokenizedRows)):
        return (data,)
    if not isinstance(data, (tuple, list)) or not 1 <= len(data) <= 3:
        raise BadInput(
            f"{type(data).__name__} stands where data do; expected (x, y), (x, y, sample_weight) or a dataset."
        )
    return data


def batch_size_of(wanted, found=None):
    """The batch size that was asked for, else a dataset's own, else the default. Raises `BadInput`."""
    if wanted is None:
        return found or DEFAULT_BATCH_SIZE
    if isinstance(wanted, bool) or not isinstance(wanted, (int, np.integer)) or wanted < 1:
        raise BadInput(f"batch_size is {wanted!r}; expected a whole number of at least 1.")
    return int(wanted)


def _of_kind(kind, callbacks):
    return [callback for callback in keras.tree.flatten(callbacks or []) if isinstance(callback, kind)]


def _is_tokenized(dataset):
    spec = dataset.element_spec
    features = spec[0] if isinstance(spec, tuple) else spec
    return isinstance(features, dict) and "token_ids" in features
