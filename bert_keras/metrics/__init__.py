"""Metrics as plain functions: arrays in, a dict of named floats out. Higher is better unless the name says error."""

from bert_keras.metrics.classification import multilabel_metrics, single_label_metrics
from bert_keras.metrics.entities import entity_counts, entity_metrics, metrics_of_counts, span_counts, sum_counts
from bert_keras.metrics.intents import intent_slot_counts, intent_slot_metrics, intent_slot_metrics_of_counts
from bert_keras.metrics.question_answering import (
    answer_metrics_of_counts,
    best_null_threshold,
    clear_threshold,
    cmrc_counts,
    cmrc_metrics,
    cmrc_metrics_of_counts,
    squad_counts,
    squad_metrics,
)
from bert_keras.metrics.regression import regression_metrics
from bert_keras.metrics.roles import role_counts, role_metrics

__all__ = [
    "answer_metrics_of_counts",
    "best_null_threshold",
    "clear_threshold",
    "cmrc_counts",
    "cmrc_metrics",
    "cmrc_metrics_of_counts",
    "entity_counts",
    "entity_metrics",
    "intent_slot_counts",
    "intent_slot_metrics",
    "intent_slot_metrics_of_counts",
    "metrics_of_counts",
    "multilabel_metrics",
    "regression_metrics",
    "role_counts",
    "role_metrics",
    "single_label_metrics",
    "span_counts",
    "squad_counts",
    "squad_metrics",
    "sum_counts",
]
