"""BERT for Keras 3 on TensorFlow: encoder, tasks, training, export.

Names load on first use: `import bert_keras` alone imports neither Keras nor TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_WHERE = {
    "BadInput": "bert_keras.errors",
    "WorkFailed": "bert_keras.errors",
    "BertConfig": "bert_keras.config",
    "NAMED_CONFIGS": "bert_keras.config",
    "BertBackbone": "bert_keras.backbone",
    "BertPreprocessor": "bert_keras.tokenizers",
    "WordPieceTokenizer": "bert_keras.tokenizers",
    "TextClassifier": "bert_keras.tasks.text_classifier",
    "get_task": "bert_keras.tasks",
    "load_task": "bert_keras.tasks",
    "export_saved_model": "bert_keras.export",
}

__all__ = sorted(_WHERE)


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module 'bert_keras' has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
