"""What a pretraining run begins with: a model that fits its rows."""

from bert_keras import presets
from bert_keras.errors import BadInput
from bert_keras.tasks.pretraining_model import OBJECTIVES, PretrainingModel

HEADS = ("auto", "loaded", "fresh")


def model_for_rows(settings, preset, load_weights=True, vocabulary=None, head="auto", seed=0, **kwargs):
    """The model that is trained on rows.

    Args:
        settings: list of `RowSettings`, of the rows of each phase.
        preset: see `bert_keras.presets.find`.
        load_weights: bool. False starts from random weights.
        vocabulary: path, for a named size, which starts at random.
        head: whether the head for masked words (and that for sentences) is the preset's. `"auto"`: where it has one;
            `"loaded"`: it must have one; `"fresh"`: a random one, whatever the preset has.
        seed: int, for random weights.
        **kwargs: of `PretrainingModel.from_preset`: `dtype`, `strategy`, `sentence_loss_weight`.

    Returns:
        A `PretrainingModel`.

    Raises:
        BadInput: the rows are of different objectives, the encoder is too small for them, or there is no head to load.
    """
    objective = one_objective(settings)
    model = PretrainingModel.from_preset(
        preset,
        load_weights=load_weights and head != "fresh",
        fresh_head=head != "loaded",
        vocabulary=vocabulary,
        max_length=max(one.max_length for one in settings),
        seed=seed,
        sentence_objective=objective if objective in OBJECTIVES else None,
        **kwargs,
    )
    if load_weights and head == "fresh":
        model.backbone.set_weights(presets.load_backbone(preset).get_weights())
    segments = model.backbone.config.num_segments
    if objective == "tlm" and max(max(one.languages) for one in settings) >= segments:
        raise BadInput(f"The rows have segment numbers of languages above {segments - 1}, the encoder's highest.")
    return model


def one_objective(settings):
    """The sentence objective of all of these `RowSettings`. Raises `BadInput` where they differ."""
    objectives = sorted({one.objective for one in settings})
    if len(objectives) > 1:
        raise BadInput(f"The phases have rows of different objectives ({', '.join(objectives)}); expected one.")
    return objectives[0]
