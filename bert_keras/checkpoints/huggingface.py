"""Hugging Face BERT directories: `config.json`, `model.safetensors`, a vocabulary."""

import dataclasses
import json
import os
import re

import numpy as np
import safetensors

from bert_keras.config import BertConfig
from bert_keras.errors import BadInput

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

# The heads that can be converted, as `architectures` in config.json ends.
SEQUENCE_CLASSIFICATION = "ForSequenceClassification"
TOKEN_CLASSIFICATION = "ForTokenClassification"
QUESTION_ANSWERING = "ForQuestionAnswering"
_HEADS = (SEQUENCE_CLASSIFICATION, TOKEN_CLASSIFICATION, QUESTION_ANSWERING)

_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "embeddings/token_embeddings",
    "embeddings.token_type_embeddings.weight": "embeddings/segment_embeddings",
    "embeddings.position_embeddings.weight": "embeddings/position_embeddings",
}
_LINEAR = {
    "attention.output.dense": "attention/output_dense",
    "intermediate.dense": "intermediate",
    "output.dense": "output_dense",
}
_NORMS = {"attention.output.LayerNorm": "attention_norm", "output.LayerNorm": "feedforward_norm"}


@dataclasses.dataclass(frozen=True)
class HuggingFaceCheckpoint:
    """What a Hugging Face directory says about a model, weights left aside.

    Attributes:
        path: the directory.
        config: the encoder's `BertConfig`.
        vocabulary: list of pieces.
        lowercase, strip_accents: as `WordPieceTokenizer` takes them.
        head: which of the heads that can be converted the directory holds, or None.
        labels: names of a classification head's classes, or None where the directory has no such head.
        problem: "multilabel" or "regression" where the head says so, else None.
    """

    path: str
    config: BertConfig
    vocabulary: list
    lowercase: bool
    strip_accents: bool | None
    head: str | None
    labels: list | None
    problem: str | None


def read_checkpoint(path):
    """Reads everything but the weights. Raises `BadInput` when a file is missing or unfit."""
    fields = _read_json(os.path.join(path, CONFIG_FILE))
    config = BertConfig.from_hf(fields, os.path.join(path, CONFIG_FILE))
    _check_tokenizer(fields, path)
    tokenizer = {**_normalizer(path), **_tokenizer_config(path)}
    problems = {"multi_label_classification": "multilabel", "regression": "regression"}
    return HuggingFaceCheckpoint(
        path=path,
        config=config,
        vocabulary=_read_vocabulary(path),
        lowercase=bool(tokenizer.get("do_lower_case", True)),
        strip_accents=tokenizer.get("strip_accents"),
        head=_head(fields),
        labels=_label_names(fields, path),
        problem=problems.get(fields.get("problem_type")),
    )


def read_tensors(path):
    """The directory's tensors, name -> float array, without the prefixes of the models that they were saved in.

    Raises:
        BadInput: there is no safetensors file, or one is truncated or broken. Pickles (`.bin`) are never opened.
    """
    tensors = {}
    for name in _weight_files(path):
        file = os.path.join(path, name)
        try:
            with safetensors.safe_open(file, framework="numpy") as opened:
                for key in opened.keys():
                    tensors[_plain(key)] = opened.get_tensor(key)
        except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise BadInput(
                f"{file} cannot be read as safetensors ({reason}); it is truncated or broken: copy it again."
            ) from error
    return tensors


def encoder_weights(tensors, config, source):
    """The tensors of the encoder in our names and layouts.

    Args:
        tensors: from `read_tensors`.
        config: the encoder's `BertConfig`.
        source: for messages.

    Returns:
        Dict of the weights' paths in `BertBackbone` to float32 arrays. The pooler is left out where the checkpoint has
        none (masked language models have none).

    Raises:
        BadInput: a tensor is missing.
    """
    weights = {ours: _get(tensors, theirs, source) for theirs, ours in _EMBEDDINGS.items()}
    _put_norm(weights, tensors, "embeddings.LayerNorm", "embeddings/layer_norm", source)
    for index in range(config.num_layers):
        theirs, ours = f"encoder.layer.{index}.", f"block_{index}/"
        kernels, biases = [], []
        for part in ("query", "key", "value"):
            kernels.append(_get(tensors, f"{theirs}attention.self.{part}.weight", source).T)
            biases.append(_get(tensors, f"{theirs}attention.self.{part}.bias", source))
        weights[f"{ours}attention/qkv/kernel"] = np.concatenate(kernels, axis=1)
        weights[f"{ours}attention/qkv/bias"] = np.concatenate(biases)
        for name, layer in _LINEAR.items():
            _put_linear(weights, tensors, theirs + name, ours + layer, source)
        for name, layer in _NORMS.items():
            _put_norm(weights, tensors, theirs + name, ours + layer, source)
    if "pooler.dense.weight" in tensors:
        _put_linear(weights, tensors, "pooler.dense", "pooler/dense", source)
    return weights


def pretraining_weights(tensors, source):
    """The heads of pretraining, as BertForPreTraining and BertForMaskedLM have them, in our names and layouts.

    Args:
        tensors: from `read_tensors`.
        source: for messages.

    Returns:
        Dict of the weights' paths in `PretrainingModel` to float32 arrays: the head for masked words, and the sentence
        head where there is one. Empty where there is none of them.

    Raises:
        BadInput: a part of a head is missing, or the output's table is not the token table, which it is in BERT.
    """
    weights = {}
    if any(name.startswith("cls.predictions.") for name in tensors):
        _put_linear(weights, tensors, "cls.predictions.transform.dense", "mlm_head/transform", source)
        _put_norm(weights, tensors, "cls.predictions.transform.LayerNorm", "mlm_head/layer_norm", source)
        # One bias under two names; files keep either or both.
        bias = "cls.predictions.bias" if "cls.predictions.bias" in tensors else "cls.predictions.decoder.bias"
        weights["mlm_head/bias"] = _get(tensors, bias, source)
        table, tokens = tensors.get("cls.predictions.decoder.weight"), "embeddings.word_embeddings.weight"
        if table is not None and not np.array_equal(table, _get(tensors, tokens, source)):
            raise BadInput(
                f"{source} has an output table cls.predictions.decoder.weight that differs from {tokens}; only models "
                "that share one table can be loaded (tie_word_embeddings)."
            )
    if "cls.seq_relationship.weight" in tensors:
        _put_linear(weights, tensors, "cls.seq_relationship", "sentence_head", source)
    return weights


def linear_weights(tensors, theirs, ours, source):
    """A linear layer's tensors in our names and layout, for a task's head. Raises `BadInput` where one is missing."""
    weights = {}
    _put_linear(weights, tensors, theirs, ours, source)
    return weights


def _put_linear(weights, tensors, theirs, ours, source):
    # torch keeps a linear layer's weight as [out, in].
    weights[f"{ours}/kernel"] = _get(tensors, f"{theirs}.weight", source).T
    weights[f"{ours}/bias"] = _get(tensors, f"{theirs}.bias", source)


def _put_norm(weights, tensors, theirs, ours, source):
    # Checkpoints converted from TensorFlow long ago call them gamma and beta.
    gamma = "gamma" if f"{theirs}.gamma" in tensors else "weight"
    weights[f"{ours}/gamma"] = _get(tensors, f"{theirs}.{gamma}", source)
    weights[f"{ours}/beta"] = _get(tensors, f"{theirs}.{'beta' if gamma == 'gamma' else 'bias'}", source)


def _get(tensors, name, source):
    if name not in tensors:
        raise BadInput(f"{source} has no tensor {name!r}; expected the weights of a BERT.")
    return np.asarray(tensors[name], "float32")


def _plain(name):
    # `bert.` of a model with a head; `model.` of a class of one's own, `module.` of torch's DataParallel around either.
    return re.sub(r"^((bert|model|module)\.)+", "", name)


def _weight_files(path):
    index = os.path.join(path, INDEX_FILE)
    if os.path.exists(index):
        return sorted(set(_read_json(index).get("weight_map", {}).values()))
    if os.path.exists(os.path.join(path, WEIGHTS_FILE)):
        return [WEIGHTS_FILE]
    if any(name.endswith((".bin", ".pt", ".pth")) for name in os.listdir(path)):
        raise BadInput(
            f"{path} has only pickled weights, which may run code when opened; write safetensors first: in "
            "an environment with transformers, AutoModel.from_pretrained(DIR).save_pretrained(DIR, "
            "safe_serialization=True)."
        )
    raise BadInput(f"{path} has no {WEIGHTS_FILE}; expected the weights beside {CONFIG_FILE}.")


def _head(fields):
    names = [str(name) for name in fields.get("architectures") or []]
    return next((head for head in _HEADS if any(name.endswith(head) for name in names)), None)


def _label_names(fields, path):
    if _head(fields) not in (SEQUENCE_CLASSIFICATION, TOKEN_CLASSIFICATION):
        return None
    names = fields.get("id2label")
    if names is None:
        # transformers writes no names where they are those of a head of two that nobody named.
        count = fields.get("num_labels")
        return [f"LABEL_{index}" for index in range(count if isinstance(count, int) else 2)]
    try:
        return [str(names[key]) for key in sorted(names, key=int)]
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"{os.path.join(path, CONFIG_FILE)} has id2label {names!r:.100}; expected an object of ids to label names."
        ) from error


def _check_tokenizer(config, path):
    """Raises `BadInput` where the vocabulary would be read, and texts cut into words in another way than BERT's."""
    file = os.path.join(path, "tokenizer_config.json")
    fields = _read_json(file) if os.path.exists(file) else {}
    name = str(fields.get("tokenizer_class") or config.get("tokenizer_class") or "")
    expected = {"word_tokenizer_type": "basic", "subword_tokenizer_type": "wordpiece", "do_basic_tokenize": True}
    odd = [f"{key} {fields[key]!r}" for key, value in expected.items() if fields.get(key, value) != value]
    if odd or "Japanese" in name:
        raise BadInput(
            f"{path} has a tokenizer that cuts words in its own way ({odd[0] if odd else name}); only BERT's own "
            "(BertTokenizer) can be loaded: its ids would be others than those that the model was trained on."
        )


def _tokenizer_config(path):
    file = os.path.join(path, "tokenizer_config.json")
    fields = _read_json(file) if os.path.exists(file) else {}
    return {key: fields[key] for key in ("do_lower_case", "strip_accents") if fields.get(key) is not None}


def _normalizer(path):
    file = os.path.join(path, "tokenizer.json")
    fields = (_read_json(file).get("normalizer") or {}) if os.path.exists(file) else {}
    return (
        {"do_lower_case": fields.get("lowercase", True), "strip_accents": fields.get("strip_accents")} if fields else {}
    )


def _read_vocabulary(path):
    from bert_keras.tokenizers.wordpiece import read_vocabulary

    plain = os.path.join(path, "vocab.txt")
    if os.path.exists(plain):
        return read_vocabulary(plain)
    file = os.path.join(path, "tokenizer.json")
    model = _read_json(file).get("model") if os.path.exists(file) else None
    ids = model.get("vocab") if isinstance(model, dict) else None
    # Other kinds of tokenizers have a list there, or are named.
    if not ids or not isinstance(ids, dict) or model.get("type", "WordPiece") != "WordPiece":
        raise BadInput(
            f"{path} has neither vocab.txt nor a tokenizer.json with a WordPiece vocabulary; copy one there."
        )
    pieces = sorted(ids, key=ids.get)
    if [ids[piece] for piece in pieces] != list(range(len(pieces))):
        raise BadInput(f"{file} has ids that are missing or given twice; expected one piece for each id from 0 on.")
    return pieces


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
    except (OSError, ValueError) as error:
        raise BadInput(f"Cannot read {path} as JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise BadInput(f"{path} holds a {type(fields).__name__}; expected a JSON object.")
    return fields
