"""Evaluator: how well masked words are told on held-out text, and whether that is good enough.

Not TFMA's, which measures a SavedModel by one prediction a row: what is pushed here is a preset, and the figures are
means over the masked positions of all rows, as `PretrainingModel.evaluate` gives them. The verdict is left in the form
that TFX's own components read: `LatestBlessedModelStrategy` and Pusher do not know the difference.
"""

import json
import logging
import math
import os

import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from tfx.utils import io_utils, path_utils
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter, component

from bert_keras import presets
from bert_keras.data.row_files import RowFiles, vocabulary_sha256
from bert_keras.tasks.pretraining_model import OBJECTIVES, PretrainingModel
from pipelines.config import Threshold
from pipelines.pretraining.masking import phase_folders
from pipelines.pretraining.prepare import MAIN_METRIC, metrics_of
from pipelines.verdict import changed_too_little, out_of_bounds

log = logging.getLogger(__name__)

FIGURES_FILE = "figures.json"
# A change of exactly the allowed size must pass although floats are not exact.
_SLACK = 1e-9


@component
def HeldOutEvaluator(  # noqa: N802 - a component is called like a class
    model: InputArtifact[Model],
    rows: InputArtifact[Examples],
    evaluation: OutputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    settings: Parameter[str],
    baseline_model: InputArtifact[Model] = None,
):
    """Measures the model, and the last blessed one, on the held-out rows.

    `settings` is JSON of `thresholds` (metric to the fields of `Threshold`) and `batch_size`.
    """
    how = json.loads(settings)
    (folder,) = phase_folders(artifact_utils.get_split_uri([rows], "eval"))
    figures = held_out_figures(path_utils.serving_model_path(model.uri), folder, how["batch_size"])
    before = {}
    if baseline_model is not None:
        before = _figures_of_baseline(path_utils.serving_model_path(baseline_model.uri), folder, how["batch_size"])
    thresholds = {name: Threshold(**fields) for name, fields in how["thresholds"].items()}
    why_not = shortfalls(figures, before, thresholds)
    found = {"candidate": figures, "baseline": before, "why_not": why_not}
    io_utils.write_string_file(os.path.join(evaluation.uri, FIGURES_FILE), json.dumps(found, indent=2) + "\n")
    _bless(blessing, not why_not, model, baseline_model)


def held_out_figures(preset: str, folder: str, batch_size: int) -> dict[str, float]:
    """The metrics of a preset on rows, and how many rows there are.

    Args:
        preset: directory of a `PretrainingModel`. One that was trained for another objective than that of the rows is
            measured on masked words alone.
        folder: the rows.
        batch_size: int.

    Raises:
        BadInput: the rows are of another vocabulary.
    """
    rows = RowFiles(folder, tokenizer=presets.load_tokenizer(preset))
    model = PretrainingModel.from_preset(preset)
    objective = rows.settings.objective if rows.settings.objective in OBJECTIVES else None
    if model.sentence_objective != objective:
        model = PretrainingModel.from_preset(preset, sentence_objective=None)
    model.compile()
    # Fewer batches than these would be an error.
    batches = tf.data.experimental.assert_cardinality(math.ceil(rows.num_rows() / batch_size))
    values = model.evaluate(rows.dataset(batch_size, epochs=1).apply(batches), verbose=0, return_dict=True)
    # The mean of the batches' losses, `loss`, depends on how rows fall into batches, and is left out.
    figures = {name: float(values[name]) for name in metrics_of(model.sentence_objective)}
    return {**figures, "example_count": float(rows.num_rows())}


def shortfalls(
    figures: dict[str, float], before: dict[str, float], thresholds: dict[str, Threshold] | None = None
) -> list[str]:
    """What a model fell short of, a sentence each; none for one that is good enough.

    Args:
        figures: the model's metrics.
        before: those of the last blessed one, where there is one to compare with.
        thresholds: metric to what it must reach. Without any, the main metric must not fall behind `before`.
    """
    found = []
    for name, threshold in (thresholds or {MAIN_METRIC: Threshold(change=0.0)}).items():
        value, lower, upper = figures[name], threshold.lower_bound, threshold.upper_bound
        if not math.isfinite(value):
            found.append(f"{name} is {value}; expected a number")
            continue
        if (lower is not None and value < lower) or (upper is not None and value > upper):
            found.append(out_of_bounds(name, value, lower, upper))
        if threshold.change is not None and name in before:
            lower_is_better, change = not name.endswith("accuracy"), value - before[name]
            if (change > threshold.change + _SLACK) if lower_is_better else (change < threshold.change - _SLACK):
                found.append(changed_too_little(name, change, threshold.change, lower_is_better))
    return found


def _figures_of_baseline(preset: str, folder: str, batch_size: int) -> dict[str, float]:
    rows = RowFiles(folder)
    config = presets.load_backbone(preset, load_weights=False).config
    problem = None
    if vocabulary_sha256(presets.load_tokenizer(preset).get_vocabulary()) != rows.manifest["vocabulary"]["sha256"]:
        problem = "it has another vocabulary"
    elif config.max_sequence_length < rows.settings.max_length:
        problem = f"it has {config.max_sequence_length} positions, and the rows have {rows.settings.max_length} tokens"
    if problem:
        log.info("the last blessed model cannot be measured on these rows: %s", problem)
        return {}
    return held_out_figures(preset, folder, batch_size)


def _bless(blessing, is_blessed: bool, model, baseline_model):
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline_model is not None:
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline_model.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline_model.id)
    value = constants.BLESSED_VALUE if is_blessed else constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    name = constants.BLESSED_FILE_NAME if is_blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
