"""What a task tells about itself in plain data."""

import dataclasses
from typing import Any


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
