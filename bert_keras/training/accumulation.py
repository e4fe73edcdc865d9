"""Large batches in parts that fit into memory."""

import keras
import tensorflow as tf

from bert_keras.errors import BadInput


def check_parts(accumulate):
    """Raises `BadInput` where `accumulate`, the number of parts of a batch, is no whole number of at least 1."""
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise BadInput(f"accumulate is {accumulate!r}; expected a whole number of at least 1.")


def summed_over_parts(function, batch, parts, start):
    """The sum of what a function gives for consecutive parts of a batch, one part in memory at a time.

    The parts are made inside the step that sees the whole batch, on each replica of its own share: whatever is divided
    by the batch's totals can be divided before, so that the sum is that of the whole batch, and the optimizer makes one
    plain update, under any strategy.

    Args:
        function: takes a part of the batch and gives a structure of tensors, the same shapes for every part.
        batch: structure of tensors `[rows, …]`. Where `parts` does not divide the rows, parts differ in size.
        parts: int, at least 1.
        start: what `function` gives for no rows: the structure with zeros.

    Returns:
        The structure of sums.
    """
    if parts == 1:
        return keras.tree.map_structure(tf.convert_to_tensor, function(batch))
    size = tf.shape(keras.tree.flatten(batch)[0])[0]

    def add_part(number, sums):
        begin, end = size * number // parts, size * (number + 1) // parts
        found = function(keras.tree.map_structure(lambda tensor: _rows(tensor, begin, end, parts), batch))
        return number + 1, keras.tree.map_structure(lambda total, value: total + value, sums, found)

    _, sums = tf.while_loop(
        lambda number, _: number < parts,
        add_part,
        (tf.constant(0), start),
        # One part at a time, or the memory that the parts save would be taken after all.
        parallel_iterations=1,
        maximum_iterations=parts,
    )
    return sums


def gradients_over_parts(function, batch, parts, variables):
    """The gradient of a batch, as the sum of those of its parts; see `summed_over_parts`.

    Args:
        function: takes a part of the batch and gives a list of gradients, None for a variable that the loss leaves
            alone.
        batch, parts: as for `summed_over_parts`.
        variables: list of Keras variables.

    Returns:
        List of tensors and, for the variables that the loss leaves alone, None.
    """
    reached = []

    def dense(part):
        gradients = function(part)
        reached[:] = [gradient is not None for gradient in gradients]
        return [
            tf.zeros(variable.shape, variable.dtype) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, variable in zip(gradients, variables)
        ]

    sums = summed_over_parts(dense, batch, parts, [tf.zeros(variable.shape, variable.dtype) for variable in variables])
    # A gradient of zeros would be something else: momentum and weight decay would move the variable.
    return [total if is_reached else None for total, is_reached in zip(sums, reached)]


def _rows(tensor, begin, end, parts):
    rows = tensor.shape[0]
    if rows is None or rows % parts:
        return tensor[begin:end]
    # XLA needs the size of a slice before it runs.
    return tf.slice(tensor, [begin] + [0] * (tensor.shape.rank - 1), [rows // parts] + [-1] * (tensor.shape.rank - 1))
