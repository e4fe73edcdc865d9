"""Metrics as plain functions: arrays in, a dict of named floats out. Higher is better unless the name says error."""

from bert_keras.metrics.classification import multilabel_metrics, single_label_metrics
from bert_keras.metrics.regression import regression_metrics

__all__ = ["multilabel_metrics", "regression_metrics", "single_label_metrics"]
