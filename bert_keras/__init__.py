"""BERT for Keras 3 on TensorFlow: encoder, tasks, training, export.

Names load on first use: `import bert_keras` alone imports neither Keras nor TensorFlow.
"""

import importlib
import os

# TensorFlow uses oneDNN by itself on the newest x86 processors only. On others (AVX2) a training step of MiniLM takes a
# tenth to a fifth less time with it. TensorFlow reads this when it is imported; whoever has set it is left alone.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"

_WHERE = {
    "BadInput": "bert_keras.errors",
    "WorkFailed": "bert_keras.errors",
    "BertConfig": "bert_keras.config",
    "NAMED_CONFIGS": "bert_keras.config",
    "BertBackbone": "bert_keras.backbone",
    "BertPreprocessor": "bert_keras.tokenizers",
    "WordPieceTokenizer": "bert_keras.tokenizers",
    "MaskedTextPreprocessor": "bert_keras.tokenizers",
    "QuestionPreprocessor": "bert_keras.tokenizers",
    "WordPreprocessor": "bert_keras.tokenizers",
    "HeldOut": "bert_keras.training.held_out",
    "IntentSlotClassifier": "bert_keras.tasks.intent_slot_classifier",
    "MultiTask": "bert_keras.tasks.multi_task",
    "KeepBest": "bert_keras.training.keep_best",
    "LAMB": "bert_keras.training.lamb",
    "Phase": "bert_keras.training.pretraining",
    "PretrainingRecipe": "bert_keras.training.pretraining_recipe",
    "PretrainingRun": "bert_keras.training.pretraining",
    "PretrainingModel": "bert_keras.tasks.pretraining_model",
    "QuestionAnswerer": "bert_keras.tasks.question_answerer",
    "SemanticRoleLabeler": "bert_keras.tasks.semantic_role_labeler",
    "TextClassifier": "bert_keras.tasks.text_classifier",
    "TokenClassifier": "bert_keras.tasks.token_classifier",
    "get_task": "bert_keras.tasks",
    "load_task": "bert_keras.tasks",
    "train_vocabulary": "bert_keras.tokenizers.vocabulary",
    "Augmentation": "bert_keras.data.augmentation",
    "Predictions": "bert_keras.data.augmentation",
    "Synonyms": "bert_keras.data.augmentation",
    "augment_texts": "bert_keras.data.augmented_dataset",
    "mask_tokens": "bert_keras.data.augmented_dataset",
    "CorpusSettings": "bert_keras.data.pretraining_corpus",
    "load_corpus": "bert_keras.data.pretraining_corpus",
    "MaskSettings": "bert_keras.data.masking",
    "PretrainingRows": "bert_keras.data.pretraining_rows",
    "RowFiles": "bert_keras.data.row_files",
    "RowSettings": "bert_keras.data.row_plan",
    "export_multi_task": "bert_keras.export",
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
