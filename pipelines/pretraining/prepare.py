"""What can be said about a pretraining run before TFX is loaded: everything that the user may have got wrong.

The corpus may be large: here its files are found and its first document is read. What the whole of it looks like the
components count.
"""

import dataclasses
import os
from typing import Any

from bert_keras import __version__
from bert_keras.data.corpus import corpus_files
from bert_keras.data.pretraining_corpus import read_texts
from bert_keras.data.row_files import shards_for
from bert_keras.data.segmenters import load_segmenter, words_sha256
from bert_keras.errors import BadInput, where
from bert_keras.training.pretraining_recipe import PretrainingRecipe
from pipelines.checks import at, check_thresholds, check_writable, fingerprint_of
from pipelines.pretraining.config import PretrainingConfig, PretrainingPipelineConfig

MAIN_METRIC = "mlm_loss"
_OF_WORDS = (MAIN_METRIC, "perplexity", "mlm_accuracy")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A run whose inputs are fine: plain values, for the components' parameters.

    Attributes:
        files: data key (files, train, eval) -> paths.
        source: what ExampleGen reads, and how. The size and time of each file are in it: as for TFX's own ExampleGen
            they decide whether the former examples are taken from the cache.
        masking: how rows are made of the examples.
        training: how the model is made and trained.
    """

    files: dict[str, list[str]]
    source: dict[str, Any]
    masking: dict[str, Any]
    training: dict[str, Any]


def metrics_of(objective: str) -> tuple[str, ...]:
    """The metrics of an objective, as `PretrainingModel` names them."""
    return (*_OF_WORDS, f"{objective}_loss", f"{objective}_accuracy") if objective in ("nsp", "sop") else _OF_WORDS


def prepare(config: PretrainingPipelineConfig, source: str) -> Prepared:
    """Looks at corpus, settings, model and folders.

    Args:
        config: the config.
        source: its file, for messages.

    Raises:
        BadInput: something does not fit; the message names the file, and the row or the key of the config.
    """
    pretraining = config.pretraining
    check_writable(config.root, where(source, field="root"))
    check_writable(config.push_directory, where(source, field="pretraining.push.directory"))
    known = metrics_of(pretraining.rows.objective)
    check_thresholds(pretraining.evaluate.thresholds, where(source, field="pretraining.evaluate.thresholds"), known)
    settings = [at(source, "pretraining.rows", _settings_of, pretraining, phase) for phase in pretraining.phases]
    model = pretraining.model
    start = {
        "preset": model.preset,
        "vocabulary": None if model.vocabulary is None else str(model.vocabulary),
        "fingerprint": at(source, "pretraining.model", fingerprint_of, model),
        "version": __version__,
    }
    positions = at(source, "pretraining.model", _check_encoder, pretraining)
    files = _files(pretraining, source)
    train = pretraining.train.model_dump(mode="json")
    recipe = {field.name: train[field.name] for field in dataclasses.fields(PretrainingRecipe)}
    at(source, "pretraining.train", lambda: PretrainingRecipe(**recipe))
    corpus = dataclasses.asdict(pretraining.corpus_settings)
    return Prepared(
        files=files,
        source={
            "files": {key: [[path, *_stamp(path)] for path in paths] for key, paths in files.items()},
            "eval_fraction": pretraining.corpus.eval_fraction,
            "corpus": corpus,
            "start": start,
        },
        masking={
            "corpus": corpus,
            # Other words are other masks: former rows must not come from the cache then.
            "words": words_sha256(pretraining.corpus.segmenter),
            "phases": settings,
            "duplicates": pretraining.rows.duplicates,
            "shards": _shards(pretraining, files),
            "seed": pretraining.train.seed,
            "positions": positions,
            "start": start,
        },
        training={
            "start": {**start, "load_weights": not model.random_start, "head": model.head},
            "phases": [phase.model_dump(mode="json") for phase in pretraining.phases],
            "learning_rates": pretraining.learning_rates,
            "recipe": recipe,
            "train": train,
            # Beside the artifacts, which are removed when a component fails.
            "unfinished": str(config.artifacts / "unfinished"),
        },
    )


def _settings_of(pretraining: PretrainingConfig, phase) -> dict[str, Any]:
    rows, masks = pretraining.row_settings(phase), pretraining.mask_settings(phase)
    plain = {**dataclasses.asdict(rows), "languages": list(rows.languages)}
    return {"rows": plain, "masks": dataclasses.asdict(masks)}


def _files(pretraining: PretrainingConfig, source: str) -> dict[str, list[str]]:
    corpus, settings = pretraining.corpus, pretraining.corpus_settings
    if corpus.segmenter:
        at(source, "pretraining.corpus.segmenter", load_segmenter, corpus.segmenter)
    found = {}
    for key, patterns in corpus.patterns.items():
        found[key] = at(source, f"pretraining.corpus.{key}", corpus_files, patterns, settings.parallel)
        if not any(True for path in found[key] for _ in read_texts(path, settings)):
            raise BadInput(
                f"{where(source, field=f'pretraining.corpus.{key}')}: {', '.join(found[key][:3])}: the corpus is "
                "empty; expected at least one line of text"
            )
    both = set(found.get("train", ())) & set(found.get("eval", ()))
    if both:
        raise BadInput(
            f"{where(source, field='pretraining.corpus.eval')}: {min(both)} is among the files of "
            "`pretraining.corpus.train`; expected other text"
        )
    return found


def _check_encoder(pretraining: PretrainingConfig) -> int:
    """How many positions the encoder has. Raises `BadInput` where rows do not fit it, or it lacks a head to load."""
    from bert_keras.presets import load_backbone
    from bert_keras.tasks.pretraining_model import PretrainingModel

    if pretraining.model.head == "loaded":
        PretrainingModel.from_preset(pretraining.model.preset, fresh_head=False)
    encoder = load_backbone(pretraining.model.preset, load_weights=False).config
    longest = max(phase.max_length for phase in pretraining.phases)
    if longest > encoder.max_sequence_length:
        raise BadInput(
            f"the encoder has {encoder.max_sequence_length} positions, and `phases` have rows of {longest} tokens; "
            "expected at most as many: lower `max_length`"
        )
    if pretraining.rows.objective == "tlm" and max(pretraining.rows.languages) >= encoder.num_segments:
        raise BadInput(
            f"the encoder's highest segment number is {encoder.num_segments - 1}, and `rows.languages` goes up to "
            f"{max(pretraining.rows.languages)}"
        )
    return encoder.max_sequence_length


def _stamp(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _shards(pretraining: PretrainingConfig, files: dict[str, list[str]]) -> dict[str, int]:
    """How many files of rows each split has. The random texts of pairs come from the same one."""
    every = shards_for(files.get("files") or files["train"])
    held_out = shards_for(files["eval"]) if "eval" in files else max(1, round(every * pretraining.corpus.eval_fraction))
    return {"train": pretraining.rows.shards or every, "eval": held_out}
