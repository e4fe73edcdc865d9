"""What every task is: one object that a notebook, the command line, the pipeline and the server share."""

import keras
import tensorflow as tf

from bert_keras.data.cutting import PART_SIZE
from bert_keras.data.readers import read_columns, table_parts
from bert_keras.data.records import Records
from bert_keras.errors import BadInput
from bert_keras.tasks.pipelined import PipelinedTask
from bert_keras.tokenizers import BertPreprocessor


class BertTask(PipelinedTask):
    """A model over `BertBackbone` that takes text and gives named answers. Subclasses are the tasks.

    A subclass sets `task_name`, `columns`, `options`, `reading` (how its files may be read), builds its functional
    model in `__init__`, and fills in the methods under "What a task says" below and those of `PipelinedTask`.
    """

    preprocessor_cls = BertPreprocessor
    task_name = None
    columns = ()
    options = ()
    reading = ("columns", "header", "quoted")

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

    def served_answers(self, features, model):
        """Named answers to raw texts, in the graph.

        Args:
            features: dict of the serving inputs' names to string tensors `[n]`.
            model: function of `token_ids`, `segment_ids`, `padding_mask` that gives the model's outputs.
        """
        return self.serving_outputs(model(**self.preprocessor(features)))

    def token_answers(self, outputs):
        """Named answers to rows of token ids, of which nothing else is known: for the signature `tokens`."""
        return self.serving_outputs(outputs)

    def answers_of(self, served):
        """The served arrays (`serving_outputs` as numpy) as one JSON-able dict per input."""
        raise NotImplementedError(f"{type(self).__name__}.answers_of")

    # === Records ===

    @classmethod
    def read_file(cls, path, require_target=True, **reading):
        """`read_records`, after a look whether the task's files can be read that way.

        Args:
            path: the file, or a part of it from `record_parts`.
            require_target: bool. Whether the targets must be there.
            **reading: what the user has chosen of `columns`, `header`, `quoted` and `skip_bad_rows`.

        Raises:
            BadInput: something is chosen that this task's files do not know; or see `read_records`.
        """
        for name in reading:
            if name not in cls.reading:
                raise BadInput(
                    f"{path}: {name} has no meaning for the files of {cls.task_name}, which know "
                    f"{', '.join(cls.reading)}; leave it out."
                )
        return cls.read_records(path, require_target=require_target, **reading)

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

    @classmethod
    def record_parts(cls, path, size=PART_SIZE, **reading):
        """Yields the parts of a file of about `size` bytes, which `read_file` takes in its place, one by one.

        Together they have the file's records, with its row numbers. See `bert_keras.data.parts`.

        Args:
            path: the file.
            size: int.
            **reading: as for `read_file`.
        """
        return table_parts(path, reading.get("quoted"), size)

    @classmethod
    def training_records(cls, records):
        """The records that can be learnt from; what is left out is told in `skipped`."""
        return records

    def validation_records(self, records):
        """The records on which the loss can be watched while training; what is left out is told in `skipped`."""
        return self.training_records(records)

    def tune(self, records, batch_size=64):
        """Chooses, after training, what is chosen on held-out records; most tasks have nothing of the kind."""

    def encode_records(self, records):
        """`(x, y, sample_weight)` for `fit`: a dict of text lists, an array or None, None. Raises `BadInput`."""
        missing = [name for name in self.serving_inputs if name not in records.features]
        if missing:
            raise BadInput(
                f"{records.source} has no column for {missing[0]!r}, which this model reads; choose it with "
                f"columns={{{missing[0]!r}: NAME}} (on the command line --column {missing[0]}=NAME)."
            )
        x = {name: records.features[name] for name in self.serving_inputs}
        return x, None if records.targets is None else self.encode_targets(records), None

    def evaluate_records(self, records, batch_size=64):
        """The task's metrics on `Records` with targets: dict of name to float. Raises `BadInput`."""
        x, y, _ = self.encode_records(records)
        if y is None:
            raise BadInput(f"{records.source} has no targets; expected some to compare the answers with.")
        return self.metrics_of(y, self.predict(x, batch_size=batch_size, verbose=0))

    def export(self, filepath, **kwargs):
        """Writes a SavedModel for TensorFlow Serving; see `bert_keras.export.export_saved_model`."""
        from bert_keras.export import export_saved_model

        return export_saved_model(self, filepath, **kwargs)

    # === Answers ===

    def answers(self, x, batch_size=64):
        """Named answers to raw texts: a list of JSON-able dicts, the objects that a served model gives."""
        outputs = self.predict(x, batch_size=batch_size, verbose=0)
        served = self.serving_outputs(keras.tree.map_structure(tf.constant, outputs))
        return self.answers_of({name: tensor.numpy() for name, tensor in served.items()})

    @property
    def serving_inputs(self):
        """Names of the text inputs, in order."""
        return self.preprocessor.text_inputs
