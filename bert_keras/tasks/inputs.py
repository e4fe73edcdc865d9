"""The many forms in which people hand over texts, as one."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Given:
    """Raw texts with their targets and weights; `batch_size` is that of a batched dataset, else None."""

    features: dict
    targets: Any
    weights: np.ndarray | None
    batch_size: int | None = None


def collect(x, y, sample_weight, names):
    """Brings what `fit`, `evaluate` and `predict` take into one form.

    Args:
        x: list, array, pandas column or tensor of n strings; a dict of them (or a data frame) with the given names; a
            tuple of them, in the order of the names; or a finite `tf.data.Dataset` of one of these, `(x, y)` or
            `(x, y, sample_weight)`, batched or not.
        y: n targets or None.
        sample_weight: n floats or None.
        names: the model's text inputs.

    Raises:
        ValueError: another form, other names, texts and targets that differ in number, no rows, or something that is no
            string; the message says what was expected.
    """
    if isinstance(x, tf.data.Dataset):
        if y is not None or sample_weight is not None:
            raise ValueError("y and sample_weight must be in the dataset when x is a tf.data.Dataset.")
        given = _collect_dataset(x, names)
    else:
        given = _collect_rows(x, y, sample_weight, names)
    if given.weights is not None and not given.weights.any():
        raise ValueError("sample_weight is 0 throughout; expected a row that counts.")
    return given


def features_alone(x):
    """What there is to predict of: a dataset without its targets, which may be stand-ins such as -1."""
    if isinstance(x, tf.data.Dataset) and isinstance(x.element_spec, tuple):
        # In a tuple of one, since texts and their pairs may be a tuple themselves.
        return x.map(lambda features, *_: (features,))
    return x


def rows_of(values):
    """The rows of a list, an array, a tensor, a pandas column, or a data frame of one column, as a list.

    Raises:
        ValueError: a data frame has several columns: which of them is meant, or their order, is not known.
    """
    if is_frame(values):
        if len(values.columns) != 1:
            raise ValueError(
                f"A data frame with the columns {list(values.columns)!r:.80} stands where one column belongs; pass "
                "that column, or an array (frame[names].to_numpy())."
            )
        values = values[values.columns[0]]
    if hasattr(values, "numpy"):
        values = values.numpy()
    return values.tolist() if hasattr(values, "tolist") else list(values)


def is_frame(values):
    """Whether it is a data frame: a list of it would be the names of its columns."""
    return hasattr(values, "columns") and hasattr(values, "to_numpy")


def _collect_rows(x, y, sample_weight, names):
    features = {name: _strings(values, name) for name, values in _by_name(x, names).items()}
    count = len(features[names[0]])
    weights = None if sample_weight is None else np.asarray(sample_weight, "float32")
    targets = rows_of(y) if y is not None else None
    for what, values in (*features.items(), ("y", targets), ("sample_weight", weights)):
        if values is not None and len(values) != count:
            raise ValueError(f"{what} has {len(values)} rows, {names[0]} has {count}; expected as many.")
    if not count:
        raise ValueError(f"{names[0]} has no rows; expected at least one text.")
    if weights is not None and weights.ndim != 1:
        raise ValueError(f"sample_weight has the shape {weights.shape}; expected one number for each text.")
    if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("sample_weight has a value that is negative, NaN or infinite.")
    return Given(features, targets, weights)


def _by_name(x, names):
    if is_frame(x):
        x = {name: x[name] for name in x.columns}
    if isinstance(x, dict):
        if sorted(x) != sorted(names):
            raise ValueError(f"The inputs are {sorted(x)}; this model reads {list(names)}.")
        return {name: x[name] for name in names}
    if len(names) == 1:
        return {names[0]: x}
    if isinstance(x, tuple) and len(x) == len(names):
        return dict(zip(names, x))
    raise ValueError(f"This model reads {list(names)}; give a dict with these names, or a tuple in this order.")


def _strings(values, name):
    if getattr(values, "shape", None) == ():
        # An array or a tensor without an axis.
        values = values.item() if hasattr(values, "item") else values.numpy()
    if isinstance(values, (str, bytes)):
        raise ValueError(f"{name} is a single string; put it in a list.")
    values = rows_of(values)
    for row, value in enumerate(values):
        if not isinstance(value, (str, bytes)):
            raise ValueError(f"{name} has {value!r} ({type(value).__name__}) in row {row}; expected a string.")
    return values


def _collect_dataset(dataset, names):
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("The dataset never ends; leave out repeat(): fit() goes over it once an epoch by itself.")
    spec = dataset.element_spec
    first = tf.nest.flatten(spec[0] if isinstance(spec, tuple) else spec)[0]
    batched = first.shape.rank != 0
    parts, batch_size = [], None
    # Targets of many labels may differ in length from row to row.
    for element in dataset if batched else dataset.ragged_batch(1024):
        x, y, weight = (*element, None, None)[:3] if isinstance(element, tuple) else (element, None, None)
        # Not `collect`: a batch may be one of rows that do not count.
        parts.append(_collect_rows(tf.nest.map_structure(lambda t: t.numpy(), x), _numpy(y), _numpy(weight), names))
        batch_size = batch_size or (len(parts[0].features[names[0]]) if batched else None)
    if not parts:
        raise ValueError("The dataset is empty; expected at least one text.")
    joined = {name: [text for part in parts for text in part.features[name]] for name in names}
    targets = None if parts[0].targets is None else [target for part in parts for target in part.targets]
    weights = None if parts[0].weights is None else np.concatenate([part.weights for part in parts])
    return Given(joined, targets, weights, batch_size)


def _numpy(tensor):
    return None if tensor is None else tensor.numpy()
