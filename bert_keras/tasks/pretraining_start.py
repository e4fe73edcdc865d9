"""What a pretraining run on files of rows begins with: the rows, and a model that fits them."""

from bert_keras import presets
from bert_keras.data.row_files import RowFiles
from bert_keras.errors import BadInput
from bert_keras.tasks.pretraining_model import OBJECTIVES, PretrainingModel

HEADS = ("auto", "loaded", "fresh")


def start_on_rows(directories, preset, load_weights=True, vocabulary=None, head="auto", seed=0, **kwargs):
    """Opens the rows of each phase and makes the model that is trained on them.

    Args:
        directories: list of directories with a `manifest.json`, one for each phase.
        preset: see `bert_keras.presets.find`.
        load_weights: bool. False starts from random weights.
        vocabulary: path, for a named size, which starts at random.
        head: whether the head for masked words (and that for sentences) is the preset's. `"auto"`: where it has one;
            `"loaded"`: it must have one; `"fresh"`: a random one, whatever the preset has.
        seed: int, for the order of the rows and for random weights.
        **kwargs: of `PretrainingModel.from_preset`: `dtype`, `strategy`, `sentence_loss_weight`.

    Returns:
        (`PretrainingModel`, list of `RowFiles`).

    Raises:
        BadInput: the rows are of different objectives or of another vocabulary than the model's, the encoder is too
            small for them, or there is no head to load.
    """
    rows = [RowFiles(directory, seed=seed) for directory in directories]
    objectives = {one.settings.objective for one in rows}
    if len(objectives) > 1:
        raise BadInput(f"The phases have rows of different objectives ({', '.join(sorted(objectives))}); expected one.")
    (objective,) = objectives
    model = PretrainingModel.from_preset(
        preset,
        load_weights=load_weights and head != "fresh",
        fresh_head=head != "loaded",
        vocabulary=vocabulary,
        max_length=max(one.settings.max_length for one in rows),
        seed=seed,
        sentence_objective=objective if objective in OBJECTIVES else None,
        **kwargs,
    )
    if load_weights and head == "fresh":
        model.backbone.set_weights(presets.load_backbone(preset).get_weights())
    segments = model.backbone.config.num_segments
    if objective == "tlm" and max(max(one.settings.languages) for one in rows) >= segments:
        raise BadInput(f"The rows have segment numbers of languages above {segments - 1}, the encoder's highest.")
    # Once more with the vocabulary at hand: rows of another one are refused.
    tokenizer = model.preprocessor.tokenizer
    return model, [RowFiles(one.directory, seed=seed, tokenizer=tokenizer) for one in rows]
