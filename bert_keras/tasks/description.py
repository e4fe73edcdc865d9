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
        if option.choices and value is not None and value not in option.choices:
            hint = nearest(str(value), option.choices)
            choices = ", ".join(map(str, option.choices))
            raise BadInput(f"{place(name)}: it is {value!r}{hint}; expected one of {choices}")
        types = {float: (int, float)}.get(option.type, option.type)
        wrong = not isinstance(value, types) or (isinstance(value, bool) and option.type is not bool)
        if value is not None and wrong:
            raise BadInput(f"{place(name)}: it is {value!r}; expected {option.type.__name__}")


# What a feature of an example is there for.
INPUT, TARGET, SLICE = "input", "target", "slice"


@dataclasses.dataclass(frozen=True)
class ExampleFeature:
    """A feature of the `tf.Example`s that the pipeline makes of a task's records.

    Attributes:
        dtype: "string", "int64" or "float32".
        role: INPUT (the model reads it), TARGET (it is learnt and measured) or SLICE (metrics are reported for each of
            its values; nothing else reads it).
        is_list: whether an example has any number of values, none included, and not exactly one.
        domain: for strings, the values that are no anomaly: () any; None those that the training examples have.
    """

    dtype: str = "string"
    role: str = INPUT
    is_list: bool = False
    domain: tuple | None = ()


@dataclasses.dataclass(frozen=True)
class EvalSpec:
    """How the pipeline's Evaluator measures this task.

    Metrics are computed in one of two ways. With `count`, each example is counted and the counts are added up, on any
    number of machines, before `function` divides; without, `function` gets the arrays of all examples, as metrics of
    ranks (ROC AUC, Spearman) need it.

    Attributes:
        function: `module:name` of a function that gives a dict of metric name to float: of summed counts, or of
            `(labels, predictions)`.
        metrics: the names to report. One that the function leaves out for some examples is NaN there.
        main_metric: the one that decides whether a model is better than another.
        lower_is_better: the names of those that should fall.
        count: `module:name` of a function `(labels, predictions, **arguments)` of one example, two dicts of arrays
            (what `target_features` gave, and the outputs of the signature `examples`), that gives counts: a dict of
            name to array, to be added name by name.
        arguments: further arguments of `count`, JSON-able.
        label_key: without `count`, the feature of `target_features` that holds the labels.
        prediction_key: without `count`, the output of the signature `examples` that holds the predictions.
        label_keys: with `count`, the features of `target_features` that it reads.
        details: those of `metrics` that are not shown for each slice.
        slices: features of the examples by whose values the metrics are reported where the user names none.
    """

    function: str
    metrics: tuple
    main_metric: str
    lower_is_better: tuple = ()
    count: str = ""
    arguments: dict = dataclasses.field(default_factory=dict)
    label_key: str = ""
    prediction_key: str = ""
    label_keys: tuple = ()
    details: tuple = ()
    slices: tuple = ()
