"""What a model in training makes of rows that it is never trained on."""

from bert_keras.errors import BadInput
from bert_keras.training.pretraining_metrics import TOKENS


class HeldOut:
    """Some rows with fixed masks: the same question at every step, so that the answers can be compared.

    Args:
        rows: where they come from, see `Phase`, with a method `num_rows()` besides: the first ones of its first epoch
            are taken.
        count: int. How many at most; in whole batches.
        batch_size: int. Rows at a time, of all replicas; where there are fewer, all of them at once.
    """

    def __init__(self, rows, count, batch_size):
        self._rows, available = rows, min(count, rows.num_rows())
        self._size = min(batch_size, available)
        self._batches = available // self._size
        self.num_rows = self._batches * self._size

    def measure(self, model, workers, test_step):
        """The model's figures on these rows, a dict of `val_…` to float; what its metrics held before is lost.

        Args:
            model: `PretrainingModel`.
            workers: `Workers`.
            test_step: what their `test_function` gave.

        Raises:
            BadInput: there are fewer rows than a batch has, and several workers cannot share them.
        """
        if workers.are_several and self._size % workers.strategy.num_replicas_in_sync:
            raise BadInput(
                f"The workers do not divide the {self._size} held-out rows; expected at least as many as a batch has."
            )
        model.reset_metrics()
        try:
            iterator = workers.batches(self._rows, self._size, start=(0, 0))
            for _ in range(self._batches):
                test_step(iterator)
            result = model.get_metrics_result()
            return {f"val_{name}": float(value) for name, value in result.items() if name != TOKENS}
        finally:
            # Whatever stops it here: a checkpoint is saved then, whose metrics are to be of training.
            model.reset_metrics()
