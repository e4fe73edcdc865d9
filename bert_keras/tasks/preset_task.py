"""Tasks in preset directories: loading whole, with a fresh head, and saving."""

import inspect
import math

import keras
import keras_nlp

from bert_keras import presets
from bert_keras.backbone import BertBackbone
from bert_keras.errors import BadInput, nearest
from bert_keras.files import replaced_directory, reserve
from bert_keras.training.distribution import STRATEGIES, get_strategy

# What a functional model of Keras takes, and a task of KerasHub besides.
_KERAS_ARGUMENTS = ("inputs", "outputs", "name", "trainable", "dtype", "compile")


class PresetTask(keras_nlp.models.Task):
    """A KerasHub task over `BertBackbone` that comes from presets and goes into them.

    A subclass sets `preprocessor_cls`, and takes backbone and preprocessor first in its `__init__`.
    """

    backbone_cls = BertBackbone
    default_max_length = 128
    # The names that `from_preset` takes for a strategy.
    strategies = STRATEGIES

    def __init__(self, *args, **kwargs):
        # Keras takes any keyword for a functional model, and says nothing of those that mean nothing.
        for name in kwargs:
            if name not in _KERAS_ARGUMENTS:
                known = sorted(_arguments(type(self), "__init__"))
                hint = nearest(name, [*known, *_arguments(type(self), "from_preset")])
                raise BadInput(
                    f"{type(self).__name__} has no argument {name!r}{hint}; expected among {', '.join(known)}."
                )
        super().__init__(*args, **kwargs)

    @classmethod
    def from_preset(
        cls, preset, load_weights=True, vocabulary=None, max_length=None, dtype=None, strategy=None, seed=0, **kwargs
    ):
        """A task from a preset: a trained one, or a fresh head over a preset's encoder.

        Args:
            preset: see `bert_keras.presets.find`.
            load_weights: bool. False starts from random weights.
            vocabulary: path or list, for a named config.
            max_length: int or None. Longest row in tokens; None = what was saved, else the task's
                `default_max_length`, or fewer where the encoder has fewer positions.
            dtype: dtype policy, for example `"mixed_bfloat16"`; None = what was saved, else Keras' default.
            strategy: None, `"mirrored"` or a `tf.distribute.Strategy` to train under; see `get_strategy`.
            seed: int. Fixes the random weights.
            **kwargs: the task's own arguments (label names …). Without them a saved task comes back whole; with them
                its encoder gets a new head.

        Raises:
            BadInput: see `bert_keras.presets.find`.
        """
        found = presets.find(preset)
        with get_strategy(strategy, cls.strategies).scope():
            if presets.saved_task_name(found) == cls.__name__ and not kwargs and load_weights:
                with presets.broken(found):
                    dtype = dtype or presets.saved_mixed_policy(found)
                    task = super().from_preset(found.path, **({} if dtype is None else {"dtype": dtype}))
                if max_length is not None:
                    cls._check_fit(task.backbone, task.preprocessor.tokenizer, max_length)
                    task.preprocessor.max_length = max_length
                return task
            return cls._with_new_head(preset, load_weights, vocabulary, max_length, dtype, seed, kwargs)

    @classmethod
    def _with_new_head(cls, preset, load_weights, vocabulary, max_length, dtype, seed, kwargs):
        keras.utils.set_random_seed(seed)
        backbone = cls._load_backbone(preset, load_weights, vocabulary, dtype)
        return cls.with_new_head(backbone, presets.load_tokenizer(preset, vocabulary), max_length, **kwargs)

    @classmethod
    def _load_backbone(cls, preset, load_weights, vocabulary, dtype):
        return presets.load_backbone(preset, load_weights, dtype=dtype)

    @classmethod
    def with_new_head(cls, backbone, tokenizer, max_length=None, **kwargs):
        """A task with a fresh head over an encoder that is there already.

        Args:
            backbone: a `BertBackbone`; it is shared, not copied.
            tokenizer: the `WordPieceTokenizer` that belongs to it.
            max_length, **kwargs: as for `from_preset`.

        Raises:
            BadInput: the vocabulary or `max_length` is too large for the encoder.
        """
        if max_length is None:
            max_length = min(cls.default_max_length, backbone.config.max_sequence_length)
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
            reserve(new, size_on_disk(self.weights))
            super().save_to_preset(new, max_shard_size=max_shard_size)

    def save_task_weights(self, filepath):
        """Writes the weights that are not the encoder's to a `.weights.h5` file."""
        optimizer = self.optimizer
        # Keras would write the optimizer's state beside the head: twice the encoder's size, and of no use to anyone who
        # loads the preset.
        self.optimizer = None
        try:
            # KerasHub hands Keras the layers' ids where it expects the layers: nothing would be left out.
            keras.saving.save_weights(self, filepath, objects_to_skip=self.backbone._flatten_layers())
        finally:
            self.optimizer = optimizer

    def load_task_weights(self, filepath):
        """Reads what `save_task_weights` wrote."""
        keras.saving.load_weights(self, filepath, objects_to_skip=self.backbone._flatten_layers())


def size_on_disk(weights):
    """About how many bytes variables take in HDF5 files, rather too many: it adds some thousands to each."""
    return sum(4 * math.prod(weight.shape) + 8192 for weight in weights)


def _arguments(task_class, method):
    """The names that a method takes, in the classes of this package that a task is made of."""
    own = [cls for cls in task_class.__mro__ if method in vars(cls) and cls.__module__.startswith(__package__)]
    parameters = [each for cls in own for each in inspect.signature(getattr(cls, method)).parameters.values()]
    return {each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"}
