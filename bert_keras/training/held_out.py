"""What a model in training makes of rows that it is never trained on."""

from bert_keras.training.pretraining_metrics import TOKENS


class HeldOut:
    """Some rows with fixed masks: the same question at every step, so that the answers can be compared.

    Args:
        rows: where they come from, see `Phase`: the first ones of its first epoch are taken.
        count: int. How many at most; in whole batches.
        batch_size: int. Rows at a time; where there are fewer, all of them at once.
    """

    def __init__(self, rows, count, batch_size):
        available = min(count, rows.num_rows())
        size = min(batch_size, available)
        self._batches = available // size
        self.num_rows = self._batches * size
        dataset = rows.dataset(batch_size=size, drop_remainder=True).take(self._batches)
        self._dataset = dataset.cache()

    def measure(self, model):
        """The model's figures on these rows, a dict of `val_…` to float; what its metrics held before is lost."""
        model.reset_metrics()
        iterator = iter(model.distribute_strategy.experimental_distribute_dataset(self._dataset))
        model.make_test_function()
        for _ in range(self._batches):
            model.test_function(iterator)
        # `tokens` counts what went by, which says nothing here.
        result = model.get_metrics_result()
        figures = {f"val_{name}": float(value) for name, value in result.items() if name != TOKENS}
        model.reset_metrics()
        return figures
