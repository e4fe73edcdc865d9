"""Models as files that other programs run: the SavedModel for TensorFlow Serving."""

from bert_keras.export.saved_model import export_multi_task, export_saved_model

__all__ = ["export_multi_task", "export_saved_model"]
