"""Metrics of regression; scipy correlates."""

import numpy as np

from bert_keras.metrics.checks import check_finite, check_same_length


def regression_metrics(values: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Metrics of one number per example.

    Args:
        values: float [n], the truth.
        predicted: float [n].

    Returns:
        pearson and spearman (0 where truth or prediction is constant, or n is 1), mean_squared_error and
        mean_absolute_error (in the unit of the values; lower is better).

    Raises:
        ValueError: nothing to count, or lengths differ.
        WorkFailed: a prediction is NaN or infinite.
    """
    from scipy import stats

    values, predicted = np.asarray(values, "float64").ravel(), np.asarray(predicted, "float64").ravel()
    check_same_length(values, predicted)
    check_finite(predicted)
    constant = np.ptp(values) == 0 or np.ptp(predicted) == 0
    error = predicted - values
    return {
        "pearson": 0.0 if constant else float(stats.pearsonr(values, predicted)[0]),
        "spearman": 0.0 if constant else float(stats.spearmanr(values, predicted)[0]),
        "mean_squared_error": float(np.square(error).mean()),
        "mean_absolute_error": float(np.abs(error).mean()),
    }
