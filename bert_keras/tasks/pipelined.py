"""What the pipeline asks of a task: records as `tf.Example`s, these as rows for the model, and the answers' counts."""

import tensorflow as tf

from bert_keras.tasks.description import INPUT, SLICE
from bert_keras.tasks.trainable import TrainableTask

TOKEN_IDS, SEGMENT_IDS = "token_ids", "segment_ids"


class PipelinedTask(TrainableTask):
    """A task that a pipeline can train: raw examples carry what a user would hand to `fit`, as plain features.

    A subclass gives the methods below; those that end in `NotImplementedError` have no default.
    """

    # The feature whose examples belong together, in training or in evaluation: None = each example by itself.
    split_by = None
    # Whether long texts are read through several windows; if not, what is too long is cut off.
    has_windows = False
    # Whether its data may be a folder of files that belong together.
    reads_folders = False

    @classmethod
    def in_pipeline(cls):
        """Whether the task has what the pipeline asks for."""
        return cls.eval_spec.__func__ is not PipelinedTask.eval_spec.__func__

    # === Outside the graph ===

    @classmethod
    def example_layout(cls, **described):
        """The features of an example: dict of name to `ExampleFeature`; arguments as `describe_targets` gave them."""
        raise NotImplementedError(f"{cls.__name__}.example_layout")

    @classmethod
    def example_features(cls, records, **described):
        """The values of these features: dict of name to a list with, for each record, a value or a list of values.

        Args:
            records: `Records` with targets.
            **described: what `describe_targets` gave.

        Raises:
            BadInput: a target is missing, or one that no model of this kind could be measured on.
        """
        raise NotImplementedError(f"{cls.__name__}.example_features")

    @classmethod
    def anomalies(cls, records, **described):
        """What is odd about records and no schema can say, though they can be read: a sentence each, with counts and
        the place of the first.
        """
        return []

    @classmethod
    def eval_spec(cls, **described):
        """The `EvalSpec` of a model with these targets; arguments as `describe_targets` gave them."""
        raise NotImplementedError(f"{cls.__name__}.eval_spec")

    def training_rows(self, features):
        """Rows for `fit` of all examples that Transform wrote.

        Args:
            features: what `training_features` gave, of all examples: int64 or float32 tensors and RaggedTensors.

        Returns:
            `TokenizedRows`, those that `fit` makes of the same records.
        """
        raise NotImplementedError(f"{type(self).__name__}.training_rows")

    def tuning_records(self, features):
        """The `Records` that `tune` takes, of held-out examples.

        Args:
            features: dict of each name of `tuning_features` to a list with a value, or a list of values, per example.
        """
        raise NotImplementedError(f"{type(self).__name__}.tuning_records")

    def count_windows(self, records):
        """int `[n]`: how many windows the model reads each of the records, a thousand or so, through."""
        raise NotImplementedError(f"{type(self).__name__}.count_windows")

    # === In the graph ===

    @property
    def described(self):
        """What of `describe_targets` the layout of examples depends on; of no matter to most tasks."""
        return {}

    @property
    def tuning_features(self):
        """The features of raw examples that `tuning_records` needs: names of `example_spec`.

        Transform hands them on as they are. None for a task that chooses nothing on held-out examples.
        """
        return ()

    @property
    def example_spec(self):
        """How to parse the inputs and targets of a raw `tf.Example`: dict of feature name to `tf.io` feature."""
        layout = self.example_layout(**self.described)
        return {name: _parser(feature) for name, feature in layout.items() if feature.role != SLICE}

    @property
    def example_inputs(self):
        """The part of `example_spec` that is input: what a `tf.Example` that is served may have."""
        layout = self.example_layout(**self.described)
        return {name: _parser(feature) for name, feature in layout.items() if feature.role == INPUT}

    def inputs_of_examples(self, parsed):
        """What `tf.io.parse_example` gave for `example_inputs`, or more, as the features of `served_answers`."""
        return {name: parsed[name] for name in self.serving_inputs}

    def target_features(self, parsed):
        """The targets of a batch of raw examples as dense tensors `[n, …]` for the metrics of `eval_spec`.

        Args:
            parsed: what `tf.io.parse_example` gave for those of `example_spec` that are not `serving_inputs`, or more.
        """
        raise NotImplementedError(f"{type(self).__name__}.target_features")

    def training_features(self, parsed):
        """What Transform writes for a batch of raw examples, whatever their number of rows: int or float tensors and
        RaggedTensors `[n, …]` of at most two axes.

        Args:
            parsed: what `tf.io.parse_example` gave for `example_spec`.
        """
        raise NotImplementedError(f"{type(self).__name__}.training_features")


def _parser(feature):
    dtype = tf.as_dtype(feature.dtype)
    return tf.io.VarLenFeature(dtype) if feature.is_list else tf.io.FixedLenFeature([], dtype)


def numbers_of(names, known):
    """The place of each name among those that are known: int32 `[m]`, -1 for another one."""
    matches = names[:, None] == tf.constant(known, tf.string)
    return tf.where(tf.reduce_any(matches, axis=-1), tf.argmax(matches, axis=-1, output_type=tf.int32), -1)


def all_known(names, known):
    """Bool `[n]`: whether each row of a string SparseTensor `[n, names]` holds only names that are known."""
    names = tf.RaggedTensor.from_sparse(names)
    return tf.reduce_all(names.with_flat_values(numbers_of(names.flat_values, known) >= 0), axis=1)


def dense(sparse, fill):
    """A SparseTensor `[n, values]` as a dense tensor with one column at least, filled up with `fill`."""
    ragged = tf.RaggedTensor.from_sparse(sparse)
    return ragged.to_tensor(fill, shape=tf.stack([ragged.nrows(), tf.maximum(ragged.bounding_shape()[1], 1)]))
