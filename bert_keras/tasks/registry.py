"""Task names, and where each task lives. Importing this imports neither Keras nor TensorFlow."""

import importlib

from bert_keras.errors import BadInput, nearest

_TASKS = {
    "classification": "bert_keras.tasks.text_classifier:TextClassifier",
    "intent-slot": "bert_keras.tasks.intent_slot_classifier:IntentSlotClassifier",
    "question-answering": "bert_keras.tasks.question_answerer:QuestionAnswerer",
    "semantic-roles": "bert_keras.tasks.semantic_role_labeler:SemanticRoleLabeler",
    "token-classification": "bert_keras.tasks.token_classifier:TokenClassifier",
}


# The heads of Hugging Face's models that tasks take over.
_HUGGING_FACE = {
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
}

# Not a task by itself: several of the above over one encoder.
_SEVERAL = "bert_keras.tasks.multi_task:MultiTask"


def task_names():
    """The names of all tasks, in the order in which they were added."""
    return tuple(_TASKS)


def get_task(name):
    """The task class of a name. Raises `BadInput` with the nearest known name."""
    if name not in _TASKS:
        raise BadInput(f"There is no task {name!r}{nearest(name, _TASKS)}; expected one of {', '.join(_TASKS)}.")
    return _import(_TASKS[name])


def load_task(preset, **kwargs):
    """A trained task from its preset directory, of whatever task class was saved there; or a `MultiTask`.

    Args:
        preset: a directory that `save_to_preset` of a task wrote, or a Hugging Face directory of a BERT with a head for
            classification, tokens or questions.
        **kwargs: as for the task's `from_preset`, for example `strategy` or `dtype`.

    Raises:
        BadInput: there is no such directory, or it holds no task, or a broken one.
    """
    from bert_keras import presets

    found = presets.find(preset)
    registered = presets.saved_task_name(found)
    if registered is None:
        name = _HUGGING_FACE.get(presets.hugging_face_head(found))
        if name is None:
            raise BadInput(f"{preset} holds an encoder without a task; expected a directory that fine-tuning wrote.")
        return get_task(name).from_preset(preset, **kwargs)
    for place in (*_TASKS.values(), _SEVERAL):
        if place.split(":")[1] == registered:
            return _import(place).from_preset(preset, **kwargs)
    raise BadInput(f"{preset} holds a {registered}, which is none of the tasks known here: {', '.join(task_names())}.")


def _import(place):
    module, attribute = place.split(":")
    return getattr(importlib.import_module(module), attribute)
