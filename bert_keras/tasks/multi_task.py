"""Several tasks over one encoder."""

import json
import os
import re

import keras

from bert_keras import presets
from bert_keras.errors import BadInput
from bert_keras.files import replaced_directory, reserve
from bert_keras.tasks.base import BertTask
from bert_keras.tasks.joint_training import JointTraining
from bert_keras.tasks.preset_task import size_on_disk
from bert_keras.tasks.registry import get_task
from bert_keras.training.distribution import get_strategy

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Of a task's configuration and its preprocessor's: what all tasks share, and what Keras makes by itself.
_SHARED = ("backbone", "preprocessor", "tokenizer", "name", "trainable", "dtype")


class MultiTask(JointTraining):
    """Several tasks that share one encoder and are trained at once (hard parameter sharing, Caruana 1997).

    Each task has its own head, preprocessor, labels and maximum length; two may be of one kind. `model["name"]` is the
    task itself, with everything that it can do alone.

    Args:
        tasks: dict of name to `BertTask`. All have one and the same `backbone`, and tokenizers with one vocabulary.
            Names are file names and signatures: letters, digits, `.`, `_`, `-`.
        loss_weights: dict of name to float above 0, how much the gradient of a task's loss counts; default 1 for each.

    `fit` takes `{name: (x, y)}`, `predict` and `answers` take `{name: x}` and give a dict by name.

    Example:
    ```python
    model = bert_keras.MultiTask.from_preset(
        "minilm_l6_uncased",
        tasks={
            "mood": {"task": "classification", "labels": ["negative", "positive"]},
            "names": {"task": "token-classification", "labels": ["PER", "LOC"]},
        },
    )
    model.fit(
        {
            "mood": (["dull", "a delight"], ["negative", "positive"]),
            "names": ([["Ada", "met", "Bob"]], [["B-PER", "O", "B-PER"]]),
        },
        epochs=1,
    )
    model["mood"].answers(["a delight"])  # [{"label": …, "score": …, "scores": {…}}]
    ```
    """

    def __init__(self, tasks, loss_weights=None, **kwargs):
        super().__init__(**kwargs)
        tasks, loss_weights = dict(tasks), dict(loss_weights or {})
        _check_tasks(tasks)
        for name, weight in loss_weights.items():
            if name not in tasks:
                raise BadInput(f"loss_weights has {name!r}; expected some of {', '.join(tasks)}.")
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
                raise BadInput(f"The loss weight of {name!r} is {weight!r}; expected a number above 0.")
        self.tasks = tasks
        self.loss_weights = {name: float(loss_weights.get(name, 1.0)) for name in tasks}
        self.built = True
        self.compile()

    def __getitem__(self, name):
        self._check_names({name: None})
        return self.tasks[name]

    @property
    def backbone(self):
        """The encoder that all tasks share."""
        return next(iter(self.tasks.values())).backbone

    def call(self, inputs, training=False):
        """The outputs of all heads for one batch of token ids: dict of task name to what the task's model gives."""
        return {name: task(inputs, training=training) for name, task in self.tasks.items()}

    def get_config(self):
        """Raises NotImplementedError: a `.keras` file would hold the encoder once for each task."""
        raise NotImplementedError("Several tasks over one encoder are saved by save_to_preset, not by save.")

    # === Records ===

    def evaluate_records(self, records, batch_size=64):
        """The tasks' metrics on `{task: Records}`: dict of task to dict of name to float. Raises `BadInput`."""
        self._check_names(records)
        return {name: self.tasks[name].evaluate_records(some, batch_size) for name, some in records.items()}

    def tune(self, records, batch_size=64):
        """Lets each task choose what it chooses on held-out records, `{task: Records}`; see `BertTask.tune`."""
        self._check_names(records)
        for name, some in records.items():
            self.tasks[name].tune(some, batch_size)

    # === Presets ===

    @classmethod
    def from_preset(
        cls, preset, tasks=None, load_weights=True, vocabulary=None, dtype=None, strategy=None, seed=0, **kwargs
    ):
        """Fresh heads over a preset's encoder, or tasks that were saved together.

        Args:
            preset: see `bert_keras.presets.find`.
            tasks: dict of name to a dict of `task` (a registered name; default the dict's own name), `loss_weight`, and
                the arguments of that task's `from_preset`: `max_length`, `labels` …. None gives back what
                `save_to_preset` wrote.
            load_weights, vocabulary, dtype, strategy, seed: as for `BertTask.from_preset`.
            **kwargs: of the constructor.

        Raises:
            BadInput: see `bert_keras.presets.find`; there is no such task; or `tasks` is missing and was not saved.
        """
        found = presets.find(preset)
        with get_strategy(strategy).scope():
            if tasks is None:
                return cls._saved(found, dtype, **kwargs)
            keras.utils.set_random_seed(seed)
            backbone = presets.load_backbone(preset, load_weights, dtype=dtype)
            tokenizer = presets.load_tokenizer(preset, vocabulary)
            made, loss_weights = {}, {}
            for name, settings in tasks.items():
                settings = dict(settings)
                task_class = get_task(settings.pop("task", name))
                loss_weights[name] = settings.pop("loss_weight", 1.0)
                made[name] = task_class.with_new_head(backbone, tokenizer, **settings)
            return cls(made, loss_weights, **kwargs)

    @classmethod
    def _saved(cls, found, dtype, **kwargs):
        if presets.saved_task_name(found) != cls.__name__:
            raise BadInput(f"{found.name} holds no {cls.__name__}; name the tasks: tasks={{name: {{'task': …}}}}.")
        with presets.broken(found):
            saved = presets.read_json(found.path, presets.TASK_FILE)["config"]["tasks"]
            backbone = presets.load_backbone(found.path, dtype=dtype)
            tokenizer = presets.load_tokenizer(found.path)
            tasks = {}
            for name, described in keras.saving.deserialize_keras_object(saved).items():
                task_class = get_task(described["task"])
                preprocessor = task_class.preprocessor_cls(tokenizer, **described["preprocessor"])
                tasks[name] = task_class(backbone, preprocessor, **described["config"])
                tasks[name].load_task_weights(_head_file(found.path, name))
            return cls(tasks, {name: described["loss_weight"] for name, described in saved.items()}, **kwargs)

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """Writes encoder and vocabulary once, and a head for each task, to a directory that appears whole or not.

        `from_preset` of this class and `load_task` give all tasks back; `from_preset` of a task with its own arguments
        takes the encoder.
        """
        described = {
            name: {
                "task": task.task_name,
                "loss_weight": self.loss_weights[name],
                "config": _own(task.get_config()),
                "preprocessor": _own(task.preprocessor.get_config()),
            }
            for name, task in self.tasks.items()
        }
        content = {
            "registered_name": f"bert_keras>{type(self).__name__}",
            "config": {"tasks": keras.saving.serialize_keras_object(described)},
        }
        weights = {id(weight): weight for task in self.tasks.values() for weight in task.weights}
        with replaced_directory(preset_dir) as new:
            reserve(new, size_on_disk(weights.values()))
            self.backbone.save_to_preset(new, max_shard_size=max_shard_size)
            next(iter(self.tasks.values())).preprocessor.tokenizer.save_to_preset(new)
            os.mkdir(os.path.join(new, presets.HEADS_FOLDER))
            for name, task in self.tasks.items():
                task.save_task_weights(_head_file(new, name))
            with open(os.path.join(new, presets.TASK_FILE), "w", encoding="utf-8") as file:
                json.dump(content, file, indent=4)

    def export(self, filepath, **kwargs):
        """Writes a SavedModel with a signature for each task; see `bert_keras.export.export_multi_task`."""
        from bert_keras.export import export_multi_task

        return export_multi_task(self.tasks, filepath, **kwargs)


def _own(config):
    return {key: value for key, value in config.items() if key not in _SHARED}


def _head_file(directory, name):
    return os.path.join(directory, presets.HEADS_FOLDER, f"{name}.weights.h5")


def _check_tasks(tasks):
    if not tasks:
        raise BadInput("There are no tasks; expected a dict of name to task.")
    for name, task in tasks.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadInput(f"{name!r} is no name of a task; expected letters, digits, '.', '_' and '-'.")
        if name in ("val", "serving_default") or name.startswith("val_"):
            raise BadInput(f"A task cannot be called {name!r}, which means something else; choose another name.")
        if not isinstance(task, BertTask) or task.preprocessor is None:
            raise BadInput(f"The task {name!r} is a {type(task).__name__}; expected a task with its preprocessor.")
    # A task's further signatures are its name, an underscore and what they take.
    taken = {f"{name}_{kind}" for name in tasks for kind in ("tokens", "examples", "classify", "regress")}
    for name in taken & set(tasks):
        raise BadInput(f"The name {name!r} is that of another task's signature; choose another one.")
    first, *others = tasks.values()
    for task in others:
        if task.backbone is not first.backbone:
            raise BadInput("The tasks have encoders of their own; make them over one and the same backbone.")
        if _vocabulary(task) != _vocabulary(first):
            raise BadInput("The tasks' tokenizers differ; give all preprocessors the same tokenizer.")


def _vocabulary(task):
    tokenizer = task.preprocessor.tokenizer
    return tokenizer.get_vocabulary(), _own(tokenizer.get_config())
