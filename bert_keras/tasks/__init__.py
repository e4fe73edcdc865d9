"""The tasks: one file each, found by name through the registry."""

from bert_keras.tasks.registry import get_task, load_task, task_names

__all__ = ["get_task", "load_task", "task_names"]
