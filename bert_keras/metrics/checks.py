"""What every metric asks of its arguments."""

import numpy as np

from bert_keras.errors import WorkFailed


def check_same_length(truth: np.ndarray, predicted: np.ndarray) -> None:
    """Raises ValueError unless both have the same length, at least 1."""
    if len(truth) != len(predicted) or not len(truth):
        raise ValueError(
            f"Expected as many predictions as truths, at least one; got {len(predicted)} and {len(truth)}."
        )


def check_finite(predicted: np.ndarray) -> None:
    """Raises WorkFailed where a model's output is NaN or infinite: its weights are broken or its training diverged."""
    if not np.isfinite(predicted).all():
        raise WorkFailed(
            "the model's output holds NaN or infinite values; expected finite scores: lower the learning rate or "
            "check the weights it started from"
        )
