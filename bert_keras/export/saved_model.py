"""SavedModels that TensorFlow Serving loads: text in, named answers out."""

import contextlib
import os
import warnings

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from bert_keras.errors import BadInput
from bert_keras.export.encoder import HeldWeights
from bert_keras.export.model import ServingModel
from bert_keras.export.signatures import DEFAULT, build_signatures, join_signatures
from bert_keras.export.warmup import write_warmup_requests
from bert_keras.files import replaced_directory

# While a session starts it needs about fifteen times the bytes of its constants. BERT-base has 0.44 GB of weights,
# multilingual 0.71 GB, BERT-large 1.3 GB.
LARGEST_FROZEN_BYTES = 500_000_000

TF_TEXT, CORE = "tf-text", "core"
TOKENIZER_OPS = (TF_TEXT, CORE)


def export_saved_model(task, path, freeze=True, warmup_texts=None, targets=False, tokenizer_ops=TF_TEXT):
    """Writes a task as a SavedModel directory, with the tokenizer inside.

    N is the number of rows, L their length in tokens, K the number of labels. An "example" is a serialized `tf.Example`
    with the task's texts as features; it needs no target.

    | signature | inputs | outputs |
    |---|---|---|
    | `serving_default` | the texts, by the names of the task's `serving_inputs`; string `[N]` | the answers |
    | `tokens` | `token_ids`, `segment_ids`, `padding_mask`; int32 `[N, L]` | the task's `token_answers` |
    | `examples` | `examples`: string `[N]` | the answers |
    | `classify`, if answers have `scores` | `inputs`: examples, `[N]` | `classes` string, `scores` float32 `[N, K]` |
    | `regress`, if answers have `value` | `inputs`: examples, `[N]` | `outputs` float32 `[N]` |

    The answers are what the task's `serving_outputs` gives; the README has those of every task in one table. Of
    `TextClassifier`:

    | problem | answers |
    |---|---|
    | binary, multiclass | `label` string, `score` float32 `[N]`; `classes` string, `scores` float32 `[N, K]` |
    | multilabel | `predicted` bool, `classes` string, `scores` float32 `[N, K]` |
    | regression | `value` float32 `[N]` |

    `classify` and `regress` answer TensorFlow Serving's Classify and Regress requests, the others its Predict. Dropout
    is off, the arithmetic float32. `assets.extra/tf_serving_warmup_requests` holds requests that a server runs before
    it serves. The first one decides in which layout oneDNN keeps the weights, so it should be as long as what is to
    come; a short one (up to 64 tokens) slows long requests less than a long one slows short requests.

    Args:
        task: a `BertTask` with its preprocessor.
        path: the directory to write, for a server `BASE/NUMBER`. It appears whole; a former one is replaced.
        freeze: bool. Weights as constants: faster, because oneDNN then keeps them in its own layout. A server needs
            more memory for it: about twice the weights for each signature in use, and fifteen times while it starts.
            Models over 0.5 GB (BERT-large, multilingual) are written with variables instead, with a warning.
        warmup_texts: list of texts (for pairs: of tuples) to warm the server with, a request each; None = texts made of
            the vocabulary; an empty list writes no file.
        targets: bool. Adds the signature `targets`, by which an evaluator reads labels as this model numbers them.
        tokenizer_ops: "tf-text", or "core" for a tokenizer of TensorFlow's own ops, which a server has that links no
            TensorFlow Text. The answers are the same.

    Returns:
        The path.

    Raises:
        BadInput: the directory cannot be written, or there are no such `tokenizer_ops`.
        ValueError: the task has no preprocessor.
    """
    if task.preprocessor is None:
        raise ValueError("This task has no preprocessor, so no text can reach the model; give it one, then export.")
    model = ServingModel(task, freeze=freeze and _can_freeze(task.count_params()))
    with _tokenizing_with(tokenizer_ops, [task]):
        signatures = build_signatures(task, model, targets)
    _write(path, model, signatures, {DEFAULT: task}, {DEFAULT: warmup_texts})
    return os.fspath(path)


def export_multi_task(tasks, path, freeze=True, warmup_texts=None, tokenizer_ops=TF_TEXT):
    """Writes several tasks over one encoder as one SavedModel, which holds the encoder once.

    | signature | what it is |
    |---|---|
    | `NAME` | `serving_default` of the task of that name, see `export_saved_model`: its texts in, its answers out |
    | `NAME_tokens`, `NAME_examples`, `NAME_classify`, `NAME_regress` | the task's further signatures |
    | `serving_default` | the first task's |

    Args:
        tasks: dict of name to `BertTask`, all over the same backbone.
        path: as for `export_saved_model`.
        freeze: bool. As for `export_saved_model`. On a server each signature in use has its own copy of frozen weights;
            with False all use the same.
        warmup_texts: dict of task name to the texts to warm its signature with; see `export_saved_model`.
        tokenizer_ops: as for `export_saved_model`.

    Returns:
        The path.

    Raises:
        BadInput: the directory cannot be written, or there are no such `tokenizer_ops`.
    """
    backbone = next(iter(tasks.values())).backbone
    freeze = freeze and _can_freeze(backbone.count_params())
    held = HeldWeights(freeze)
    module = tf.Module(name="multi_task")
    # By number: names of tasks need not be names of attributes.
    module.models = [ServingModel(task, freeze, held) for task in tasks.values()]
    with _tokenizing_with(tokenizer_ops, tasks.values()):
        made = {name: build_signatures(task, model) for (name, task), model in zip(tasks.items(), module.models)}
    warmed = {DEFAULT: next(iter(tasks.values())), **tasks}
    texts = {DEFAULT: (warmup_texts or {}).get(next(iter(tasks))), **(warmup_texts or {})}
    _write(path, module, join_signatures(made), warmed, texts)
    return os.fspath(path)


@contextlib.contextmanager
def _tokenizing_with(ops, tasks):
    """While it lasts, the tasks' tokenizers are made of these ops."""
    if ops not in TOKENIZER_OPS:
        raise BadInput(f"tokenizer_ops is {ops!r}; expected one of {', '.join(TOKENIZER_OPS)}.")
    with contextlib.ExitStack() as stack:
        if ops == CORE:
            for tokenizer in {id(task): task.preprocessor.tokenizer for task in tasks}.values():
                stack.enter_context(tokenizer.core_ops())
        yield


def _write(path, module, signatures, warmed, warmup_texts):
    with replaced_directory(path) as new:
        tf.saved_model.save(module, new, signatures={name: made.function for name, made in signatures.items()})
        _set_methods(new, {name: made.method for name, made in signatures.items() if made.method})
        write_warmup_requests(warmed, new, warmup_texts)


def _can_freeze(parameters):
    needed = 4 * parameters
    if needed <= LARGEST_FROZEN_BYTES:
        return True
    warnings.warn(
        f"The model has {needed / 1e9:.1f} GB of weights, too many for constants: they are exported as variables, "
        "which answer the same but more slowly than constants.",
        stacklevel=3,
    )
    return False


def _set_methods(directory, methods):
    """Writes TensorFlow Serving's method names into a SavedModel: `tf.saved_model.save` knows Predict's alone."""
    if not methods:
        return
    path = os.path.join(directory, "saved_model.pb")
    with open(path, "rb") as file:
        saved = saved_model_pb2.SavedModel.FromString(file.read())
    for meta_graph in saved.meta_graphs:
        for name, method in methods.items():
            meta_graph.signature_def[name].method_name = method
    with open(path, "wb") as file:
        file.write(saved.SerializeToString(deterministic=True))
    # The fingerprint, an optional file, was that of the former content.
    fingerprint = os.path.join(directory, "fingerprint.pb")
    if os.path.exists(fingerprint):
        os.remove(fingerprint)
