"""From a run's recipe, plain values in a component's config, to the task."""

from typing import Any

from bert_keras.tasks import get_task


def make_task(recipe: dict[str, Any], load_weights: bool = True, **kwargs):
    """The task that a recipe describes, with a fresh head.

    Args:
        recipe: see `pipelines.prepare.Prepared`.
        load_weights: False leaves the preset's weights out, where only the texts' and targets' handling is of interest.
        **kwargs: of `from_preset`: dtype, strategy, seed.
    """
    return get_task(recipe["task"]).from_preset(
        recipe["preset"],
        load_weights=load_weights and recipe["load_weights"],
        vocabulary=recipe["vocabulary"],
        max_length=recipe["max_length"],
        **recipe["targets"],
        **kwargs,
    )
