"""`--keep-best` of `fine-tune`: what is measured while a model trains, of one task and of several."""

from collections.abc import Callable

from bert_keras.cli.training import TrainingSettings
from bert_keras.errors import BadInput

# What several tasks are compared by: the mean of each one's main metric.
MEAN = "mean"


def check_keep_best(settings: TrainingSettings, without_rows: str | None) -> None:
    """Looks whether there is something to measure on.

    Args:
        settings: what the user asked for.
        without_rows: where held-out rows are to be named, as the user writes it; None where they are there.

    Raises:
        BadInput: there is not, or measurements are asked for that nobody makes.
    """
    if settings.keep_best and without_rows:
        raise BadInput(f"--keep-best has nothing to measure on; name held-out rows with {without_rows}.")
    if settings.evaluations_per_epoch > 1 and not settings.keep_best:
        raise BadInput("--evaluations-per-epoch says how often --keep-best measures; give both.")


def keeping_best(task, targets: dict, held_out, settings: TrainingSettings, say: Callable[[str], None]):
    """The `KeepBest` of a task, by its main metric.

    Args:
        task: the task.
        targets: what `describe_targets` gave.
        held_out: `Records`.
        settings: what the user asked for.
        say: is told what was measured.
    """
    from bert_keras.training.keep_best import KeepBest

    def measure():
        task.tune(held_out)
        return task.evaluate_records(held_out)

    spec = task.eval_spec(**targets)
    lower_is_better = spec.main_metric in spec.lower_is_better
    return KeepBest(measure, spec.main_metric, lower_is_better, settings.evaluations_per_epoch, say)


def keeping_best_of_tasks(model, targets: dict, held_out: dict, settings: TrainingSettings, say):
    """The `KeepBest` of a `MultiTask`, by the mean of the tasks' main metrics; arguments by task, as `keeping_best`."""
    from bert_keras.training.keep_best import KeepBest

    specs = {name: model[name].eval_spec(**of_task) for name, of_task in targets.items()}

    def gain(name, figures):
        main = specs[name].main_metric
        return -figures[main] if main in specs[name].lower_is_better else figures[main]

    def measure():
        model.tune(held_out)
        found = model.evaluate_records(held_out)
        mean = sum(gain(name, figures) for name, figures in found.items()) / len(found)
        return {MEAN: mean, **{f"{name}_{key}": value for name, some in found.items() for key, value in some.items()}}

    return KeepBest(measure, MEAN, evaluations_per_epoch=settings.evaluations_per_epoch, say=say)


def report_of(best) -> dict:
    """What metrics.json holds of a `KeepBest` after training."""
    return {"metric": best.metric, "kept": best.best, "measured": best.history}
