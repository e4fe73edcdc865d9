"""What every task is: one object that a notebook, the command line, the pipeline and the server share."""

import dataclasses
from typing import Any

import keras
import keras_nlp
import numpy as np
import tensorflow as tf

from bert_keras import presets
from bert_keras.backbone import BertBackbone
from bert_keras.data.readers import read_columns
from bert_keras.data.records import Records
from bert_keras.files import replaced_directory
from bert_keras.tasks.inputs import collect
from bert_keras.tokenizers import BertPreprocessor
from bert_keras.training.batching import TokenizedRows, bucketed_batches, number_of_batches, tokenize_rows
from bert_keras.training.distribution import get_strategy
from bert_keras.training.recipe import Recipe, steps_per_execution


@dataclasses.dataclass(frozen=True)
class Column:
    """A column that a task reads: the role it plays, and the names it goes by in files."""

    role: str
    required: bool = True
    aliases: tuple = ()
    is_target: bool = False
    help: str = ""


@dataclasses.dataclass(frozen=True)
class TaskOption:
    """A setting that only this task has; the command line and the pipeline's YAML offer it under its name."""

    name: str
    type: type = str
    default: Any = None
    choices: tuple = ()
    help: str = ""


@dataclasses.dataclass(frozen=True)
class EvalSpec:
    """How the pipeline's Evaluator measures this task.

    Attributes:
        prediction_key: the output of the SavedModel's `examples` signature that holds the predictions.
        label_key: the feature of `target_features` that holds the labels.
        function: `module:name` of a function `(labels, predictions) -> dict of metric name to float`.
        metrics: the names that the function gives.
        main_metric: the one that decides whether a model is better than another.
        lower_is_better: the names of those that should fall.
    """

    prediction_key: str
    label_key: str
    function: str
    metrics: tuple
    main_metric: str
    lower_is_better: tuple = ()


class BertTask(keras_nlp.models.Task):
    """A model over `BertBackbone` that takes text and gives named answers. Subclasses are the tasks.

    A subclass sets `task_name`, `columns`, `options`, builds its functional model in `__init__`, and fills in the
    methods under "What a task says" below.
    """

    backbone_cls = BertBackbone
    preprocessor_cls = BertPreprocessor
    task_name = None
    columns = ()
    options = ()
    _batch_spec = None

    # === What a task says ===

    @classmethod
    def describe_targets(cls, records, **options):
        """Constructor arguments that the training records fix (label names …), a JSON-able dict. Raises `BadInput`."""
        raise NotImplementedError(f"{cls.__name__}.describe_targets")

    def encode_targets(self, records):
        """The targets of `Records` as an array `[n, …]`. Raises `BadInput` for one that the model does not know."""
        raise NotImplementedError(f"{type(self).__name__}.encode_targets")

    def targets_to_array(self, targets):
        """What a user passes as `y` (names, ids, arrays) as the array that `example_losses` takes."""
        raise NotImplementedError(f"{type(self).__name__}.targets_to_array")

    def example_losses(self, targets, outputs):
        """Float32 `[batch]`: the loss of each example."""
        raise NotImplementedError(f"{type(self).__name__}.example_losses")

    def default_metrics(self):
        """Keras metrics to show while training."""
        return []

    def metrics_of(self, targets, outputs):
        """Dict of metric name to float, from all targets and all outputs of an evaluation set."""
        raise NotImplementedError(f"{type(self).__name__}.metrics_of")

    def serving_outputs(self, outputs):
        """The model's outputs as named answers, in the graph: dict of name to tensor with first axis `[batch]`."""
        raise NotImplementedError(f"{type(self).__name__}.serving_outputs")

    def answers_of(self, served):
        """The served arrays (`serving_outputs` as numpy) as one JSON-able dict per input."""
        raise NotImplementedError(f"{type(self).__name__}.answers_of")

    # === What the pipeline asks ===

    @classmethod
    def example_targets(cls, records, **described):
        """Raw targets as a `tf.Example` holds them: for each record a list of strings, ints or floats.

        Args:
            records: `Records` with targets.
            **described: what `describe_targets` gave.

        Raises:
            BadInput: a target is missing, or unknown to what was described.
        """
        raise NotImplementedError(f"{cls.__name__}.example_targets")

    @property
    def example_spec(self):
        """How to parse a raw `tf.Example`: dict of feature name to `tf.io` feature."""
        raise NotImplementedError(f"{type(self).__name__}.example_spec")

    def target_features(self, target):
        """In the graph: the target feature of a batch of raw examples as a dict of what `fit` and the metrics take."""
        raise NotImplementedError(f"{type(self).__name__}.target_features")

    @classmethod
    def eval_spec(cls, **described):
        """The `EvalSpec` of a model with these targets; arguments as `describe_targets` gave them."""
        raise NotImplementedError(f"{cls.__name__}.eval_spec")

    # === Records ===

    @classmethod
    def read_records(cls, path, columns=None, header=True, quoted=None, require_target=True):
        """Reads a table.

        Args:
            path: a CSV, TSV, JSONL or text file.
            columns: dict of role to column name or number, for columns that are not found by name.
            header: bool. Whether the first row holds names.
            quoted: bool or None. Whether fields may stand in quotes; None = yes in CSV, no in TSV.
            require_target: bool. Whether the target column must be there.

        Returns:
            `bert_keras.data.records.Records`.

        Raises:
            BadInput: with the file, row and field.
        """
        table = read_columns(path, cls.columns, columns, header=header, quoted=quoted, require_target=require_target)
        target = next(column.role for column in cls.columns if column.is_target)
        features = {
            column.role: table.texts(column.role)
            for column in cls.columns
            if not column.is_target and column.role in table
        }
        targets = table.columns.get(target)
        return Records(features, targets, table.rows, table.source, table.fields)

    def encode_records(self, records):
        """`(x, y, sample_weight)` for `fit`: a dict of text lists, an array or None, None. Raises `BadInput`."""
        from bert_keras.errors import BadInput

        missing = [name for name in self.serving_inputs if name not in records.features]
        if missing:
            raise BadInput(
                f"{records.source} has no column for {missing[0]!r}, which this model reads; name it with "
                f"{missing[0]}=COLUMN."
            )
        x = {name: records.features[name] for name in self.serving_inputs}
        return x, None if records.targets is None else self.encode_targets(records), None

    def evaluate_records(self, records, batch_size=64):
        """The task's metrics on `Records` with targets: dict of name to float. Raises `BadInput`."""
        x, y, _ = self.encode_records(records)
        return self.metrics_of(y, self.predict(x, batch_size=batch_size, verbose=0))

    # === Presets ===

    @classmethod
    def from_preset(
        cls, preset, load_weights=True, vocabulary=None, max_length=None, dtype=None, strategy=None, seed=0, **kwargs
    ):
        """A task from a preset: a trained one, or a fresh head over a preset's encoder.

        Args:
            preset: see `bert_keras.presets.find`.
            load_weights: bool. False starts from random weights.
            vocabulary: path or list, for a named config.
            max_length: int or None. Longest row in tokens; None = what was saved, else 128, or fewer where the encoder
                has fewer positions.
            dtype: dtype policy, for example `"mixed_bfloat16"`.
            strategy: None, `"mirrored"` or a `tf.distribute.Strategy` to train under.
            seed: int. Fixes the random weights.
            **kwargs: the task's own arguments (label names …). Without them a saved task comes back whole; with them
                its encoder gets a new head.

        Raises:
            BadInput: see `bert_keras.presets.find`.
        """
        found = presets.find(preset)
        with get_strategy(strategy).scope():
            if presets.saved_task_name(found) == cls.__name__ and not kwargs and load_weights:
                with presets.broken(found):
                    task = super().from_preset(found.path, **({} if dtype is None else {"dtype": dtype}))
                if max_length is not None:
                    cls._check_fit(task.backbone, task.preprocessor.tokenizer, max_length)
                    task.preprocessor.max_length = max_length
                return task
            return cls._with_new_head(preset, load_weights, vocabulary, max_length, dtype, seed, kwargs)

    @classmethod
    def _with_new_head(cls, preset, load_weights, vocabulary, max_length, dtype, seed, kwargs):
        keras.utils.set_random_seed(seed)
        backbone = presets.load_backbone(preset, load_weights, dtype=dtype)
        tokenizer = presets.load_tokenizer(preset, vocabulary)
        if max_length is None:
            max_length = min(128, backbone.config.max_sequence_length)
        cls._check_fit(backbone, tokenizer, max_length)
        return cls(
            backbone,
            cls.preprocessor_cls(tokenizer, max_length=max_length, **cls.preprocessor_options(kwargs)),
            **kwargs,
        )

    @classmethod
    def preprocessor_options(cls, kwargs):
        """Takes the constructor arguments that are the preprocessor's out of `kwargs`."""
        return {"pair": kwargs.pop("pair", False)}

    @staticmethod
    def _check_fit(backbone, tokenizer, max_length):
        from bert_keras.errors import BadInput

        if tokenizer.vocabulary_size() > backbone.config.vocabulary_size:
            raise BadInput(
                f"The vocabulary has {tokenizer.vocabulary_size()} pieces, the encoder knows "
                f"{backbone.config.vocabulary_size}; take the vocabulary that belongs to it."
            )
        if max_length > backbone.config.max_sequence_length:
            raise BadInput(
                f"max_length is {max_length}; this encoder has {backbone.config.max_sequence_length} positions: choose "
                "at most that."
            )

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """Writes the task to a preset directory, which appears whole or, on failure, stays as it was."""
        with replaced_directory(preset_dir) as new:
            super().save_to_preset(new, max_shard_size=max_shard_size)

    def export(self, filepath, **kwargs):
        """Writes a SavedModel for TensorFlow Serving; see `bert_keras.export.export_saved_model`."""
        from bert_keras.export import export_saved_model

        return export_saved_model(self, filepath, **kwargs)

    # === Training ===

    def compile(self, optimizer=None, loss=None, metrics=None, recipe=None, jit_compile=False, **kwargs):
        """Chooses how to train. Without arguments: the fine-tuning recipe.

        Args:
            optimizer: a Keras optimizer instead of the recipe's.
            loss: a Keras loss instead of the task's.
            metrics: list of Keras metrics instead of the task's.
            recipe: a `Recipe` with other numbers, or a dict of its fields.
            jit_compile: bool. XLA; every new batch shape compiles once, so lengths are rounded up to multiples of 32.
            **kwargs: of `keras.Model.compile`. `steps_per_execution` is chosen by the size of the model when left out.
        """
        self._recipe = Recipe(**recipe) if isinstance(recipe, dict) else (recipe or Recipe())
        self._compile_arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "metrics": metrics,
            "jit_compile": jit_compile,
            **kwargs,
        }
        self._compile_for(total_steps=1, tokens_per_batch=None)

    def _compile_for(self, total_steps, tokens_per_batch):
        arguments = dict(self._compile_arguments)
        self._own_loss = arguments["loss"] is None
        if self.distribute_strategy.num_replicas_in_sync > 1:
            # The loop that Keras writes around several steps cannot hold a reduction over replicas.
            if arguments.setdefault("steps_per_execution", 1) > 1:
                raise ValueError("steps_per_execution above 1 does not work on several replicas; leave it out.")
        elif tokens_per_batch is not None:
            arguments.setdefault("steps_per_execution", steps_per_execution(self.backbone.config, tokens_per_batch))
        # Optimizer and metrics hold variables, which must be made under the strategy that trains them.
        with self.distribute_strategy.scope():
            if arguments["optimizer"] is None:
                arguments["optimizer"] = self._recipe.optimizer(total_steps)
            if arguments["metrics"] is None:
                arguments["metrics"] = self.default_metrics()
            super().compile(**arguments)

    def get_compile_config(self):
        # The optimizer of a finished run has no further use: what comes back is the recipe, ready for another fit.
        return {"recipe": dataclasses.asdict(self._recipe), "jit_compile": bool(self._compile_arguments["jit_compile"])}

    def compile_from_config(self, config):
        self.compile(**config)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The mean of the examples' losses, weighted by `sample_weight`, over all replicas.

        Keras divides by the number of examples of each replica, which is another mean when weights or the replicas'
        shares differ. The batches of `fit` carry weights `[batch, 1]` that sum to 1 over all replicas; plain weights
        `[batch]`, or none, mean the mean over the replica's own examples.
        """
        if not self._own_loss:
            return super().compute_loss(x, y, y_pred, sample_weight, training=training)
        losses = tf.cast(self.example_losses(y, y_pred), tf.float32)
        if sample_weight is not None and sample_weight.shape.rank == 2:
            return tf.reduce_sum(losses * sample_weight[:, 0])
        weights = tf.ones_like(losses) if sample_weight is None else tf.cast(sample_weight, tf.float32)
        mean = tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))
        return mean / self.distribute_strategy.num_replicas_in_sync

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
        rows, found_batch_size = self._rows(x, y, sample_weight, class_weight)
        batch_size = batch_size or found_batch_size or 32
        validation = None
        if validation_split and validation_data is None:
            rows, validation = rows.split(validation_split)
        elif validation_data is not None:
            validation, _ = self._rows(*_unpack(validation_data))
        steps = number_of_batches(rows, batch_size)
        self._compile_for(steps * epochs, batch_size * float(np.mean(rows.lengths)))
        self._seed_dropout(seed)
        return super().fit(
            self._batches(rows, batch_size, seed, shuffle),
            epochs=epochs,
            validation_data=None if validation is None else self._batches(validation, batch_size, shuffle=False),
            **kwargs,
        )

    def evaluate(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Loss and Keras metrics on raw text; inputs as in `fit`."""
        if isinstance(x, tf.data.Dataset) and _is_tokenized(x):
            return super().evaluate(x, **kwargs)
        rows, found_batch_size = self._rows(x, y, sample_weight)
        return super().evaluate(self._batches(rows, batch_size or found_batch_size or 32, shuffle=False), **kwargs)

    def predict(self, x=None, batch_size=None, **kwargs):
        """The model's raw outputs (logits) for raw text, as numpy, in the order of the texts; inputs as in `fit`."""
        rows, found_batch_size = self._rows(x)
        batch_size = batch_size or found_batch_size or 32
        dataset = self._batches(dataclasses.replace(rows, targets=None, weights=None), batch_size, shuffle=False)
        outputs = super().predict(dataset, **kwargs)
        order = np.argsort(np.argsort(-rows.lengths, kind="stable"), kind="stable")
        return keras.tree.map_structure(lambda output: output[order], outputs)

    def answers(self, x, batch_size=64):
        """Named answers to raw texts: a list of JSON-able dicts, the objects that a served model gives."""
        outputs = self.predict(x, batch_size=batch_size, verbose=0)
        served = self.serving_outputs(keras.tree.map_structure(tf.constant, outputs))
        return self.answers_of({name: tensor.numpy() for name, tensor in served.items()})

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Tokenizes one batch of raw text; lets through what is tokenized already."""
        if isinstance(x, dict) and "token_ids" in x:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return super().preprocess_samples(x, y, sample_weight)

    @property
    def serving_inputs(self):
        """Names of the text inputs, in order."""
        return self.preprocessor.text_inputs

    def _rows(self, x, y=None, sample_weight=None, class_weight=None):
        """Anything that `fit` takes as `TokenizedRows`, and the batch size of a dataset that has one."""
        if isinstance(x, TokenizedRows):
            rows, batch_size = x, None
            targets, weights = rows.targets, rows.weights
        else:
            given = collect(x, y, sample_weight, self.serving_inputs)
            targets = None if given.targets is None else self.targets_to_array(given.targets)
            weights, batch_size = given.weights, given.batch_size
            rows = tokenize_rows(self.preprocessor, given.features)
        if class_weight is not None:
            of_class = self.class_weights(targets, class_weight)
            weights = of_class if weights is None else weights * of_class
        return dataclasses.replace(rows, targets=targets, weights=weights), batch_size

    def class_weights(self, targets, class_weight):
        """Float32 `[n]`: each example's weight by its class. Tasks without classes raise ValueError."""
        raise ValueError(f"{type(self).__name__} has no classes that class_weight could weigh.")

    def _batches(self, rows, batch_size, seed=0, shuffle=True):
        multiple = {"length_multiple": 32} if self.jit_compile else {}
        pad_token_id = self.preprocessor.tokenizer.pad_token_id
        dataset = bucketed_batches(rows, batch_size, pad_token_id, seed, shuffle, shares=self._own_loss, **multiple)
        self._batch_spec = dataset.element_spec
        return dataset

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Under a strategy Keras builds metrics and optimizer from the mean of the replicas' first batches. That takes
        # an epoch from the data, and fails where the replicas' shares differ in size. An empty batch of the same kind
        # will do as well.
        if iterator is not None and data_batch is None and self._batch_spec is not None:
            data_batch = keras.tree.map_structure(
                lambda spec: tf.zeros([size or 1 for size in spec.shape], spec.dtype), self._batch_spec
            )
        super()._maybe_symbolic_build(iterator=None if data_batch is not None else iterator, data_batch=data_batch)

    def _seed_dropout(self, seed):
        generators = [g for layer in self._flatten_layers() for g in getattr(layer, "_seed_generators", [])]
        for number, generator in enumerate(generators):
            generator.state.assign(np.asarray([seed % 2**32, number], "uint32"))


def _unpack(data):
    if isinstance(data, (tf.data.Dataset, TokenizedRows)):
        return (data,)
    return data


def _is_tokenized(dataset):
    spec = dataset.element_spec
    features = spec[0] if isinstance(spec, tuple) else spec
    return isinstance(features, dict) and "token_ids" in features
