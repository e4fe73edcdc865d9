"""What a task tells about itself in plain data."""

import dataclasses
from typing import Any

from bert_keras.errors import BadInput, nearest


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


def check_options(described, values, place):
    """Looks whether a task has the options that are given by name, and whether the values fit.

    Args:
        described: the task's `TaskOption`s.
        values: dict of name to value.
        place: function of a name that says in words where it stands.

    Raises:
        BadInput: there is no such option, or the value is none of its choices, or of another type.
    """
    known = {option.name: option for option in described}
    for name, value in values.items():
        if name not in known:
            expected = ", ".join(known) or "none"
            raise BadInput(f"{place(name)}: there is no such option{nearest(name, known)}; expected {expected}")
        option = known[name]
        if option.choices and value not in option.choices:
            hint = nearest(str(value), option.choices)
            choices = ", ".join(map(str, option.choices))
            raise BadInput(f"{place(name)}: it is {value!r}{hint}; expected one of {choices}")
        types = {float: (int, float)}.get(option.type, option.type)
        if not isinstance(value, types) or (isinstance(value, bool) and option.type is not bool):
            raise BadInput(f"{place(name)}: it is {value!r}; expected {option.type.__name__}")


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
