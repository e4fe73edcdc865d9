"""Metrics of classification; scikit-learn counts."""

import warnings

import numpy as np

from bert_keras.metrics.checks import check_finite, check_same_length


def single_label_metrics(class_ids: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Metrics of one label per example.

    Args:
        class_ids: int [n], the true classes.
        scores: float [n, num_classes]; the highest is the prediction, the first of equals wins.

    Returns:
        accuracy, macro_f1 (over the classes that occur in truth or prediction), matthews (0 where truth or prediction
        is constant); with two classes also f1, precision and recall of class 1 (0 where undefined) and roc_auc (only
        where both classes occur).

    Raises:
        ValueError: nothing to count, or lengths differ.
        WorkFailed: a score is NaN or infinite.
    """
    from sklearn import metrics

    class_ids, scores = np.asarray(class_ids), np.asarray(scores)
    check_same_length(class_ids, scores)
    check_finite(scores)
    predicted = scores.argmax(-1)
    out = {
        "accuracy": metrics.accuracy_score(class_ids, predicted),
        "macro_f1": metrics.f1_score(class_ids, predicted, average="macro", zero_division=0),
        "matthews": _matthews(class_ids, predicted),
    }
    if scores.shape[-1] == 2:
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            class_ids, predicted, labels=[1], average="binary", pos_label=1, zero_division=0
        )
        out |= {"f1": f1, "precision": precision, "recall": recall}
        if len(np.unique(class_ids)) == 2:
            out["roc_auc"] = metrics.roc_auc_score(class_ids, scores[:, 1] - scores[:, 0])
    return {name: float(value) for name, value in out.items()}


def multilabel_metrics(many_hot: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> dict[str, float]:
    """Metrics of any number of labels per example.

    Args:
        many_hot: 0 or 1 [n, num_labels], the true labels.
        scores: float [n, num_labels], probabilities; a label is predicted where its score is above `threshold`.

    Returns:
        micro_f1, macro_f1 (over labels that occur in truth or prediction), samples_f1 (an example without labels counts
        1 where none is predicted), subset_accuracy (all labels of an example right), hamming_error (share of wrong
        label decisions; lower is better).

    Raises:
        ValueError: nothing to count, or lengths differ.
        WorkFailed: a score is NaN or infinite.
    """
    from sklearn import metrics

    true, scores = np.asarray(many_hot) > 0.5, np.asarray(scores)
    check_same_length(true, scores)
    check_finite(scores)
    predicted = scores > threshold
    seen = true.any(0) | predicted.any(0)
    macro = metrics.f1_score(true[:, seen], predicted[:, seen], average="macro", zero_division=0) if seen.any() else 1.0
    out = {
        "micro_f1": metrics.f1_score(true, predicted, average="micro", zero_division=1),
        "macro_f1": macro,
        "samples_f1": _samples_f1(true, predicted),
        "subset_accuracy": (true == predicted).all(1).mean(),
        "hamming_error": (true != predicted).mean(),
    }
    return {name: float(value) for name, value in out.items()}


def _matthews(class_ids, predicted) -> float:
    from sklearn import metrics

    with warnings.catch_warnings():
        # One class in truth and prediction alike is fine here: the coefficient is 0.
        warnings.filterwarnings("ignore", message=".*[sS]ingle label.*")
        return metrics.matthews_corrcoef(class_ids, predicted)


def _samples_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    both = (true & predicted).sum(1)
    either = true.sum(1) + predicted.sum(1)
    return np.where(either == 0, 1.0, 2 * both / np.maximum(either, 1)).mean()
