"""The processes that train one model together, as one of them sees it."""

import numpy as np
import tensorflow as tf

from bert_keras.errors import BadInput
from bert_keras.training.multi_worker import cluster_of


class Workers:
    """What a training loop does differently where several processes train together; one process is all of them.

    Whatever sums over the workers must be called by each of them, in the same order.

    Args:
        strategy: `tf.distribute.Strategy`.

    Attributes:
        cluster: `Cluster`.
    """

    def __init__(self, strategy):
        self.strategy, self.cluster = strategy, cluster_of(strategy)

    @property
    def are_several(self):
        return self.cluster.count > 1

    def batches(self, rows, batch_size, start):
        """An iterator over this worker's share of each batch; all shares together are the batch of one process.

        Args:
            rows: see `Phase`.
            batch_size: int. Rows of all workers.
            start: where the stream begins.
        """
        if not self.are_several:
            dataset = rows.dataset(batch_size=batch_size, start=start, drop_remainder=True)
            return iter(self.strategy.experimental_distribute_dataset(dataset))

        def share(context):
            dataset = rows.dataset(
                batch_size=context.get_per_replica_batch_size(batch_size),
                start=start,
                drop_remainder=True,
                num_shards=self.cluster.count,
                index=self.cluster.number,
            )
            # Where there may be an end, the workers ask each other before every step whether all have a batch.
            return dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

        return iter(self.strategy.distribute_datasets_from_function(share))

    def step_function(self, model):
        """A function that trains one step.

        It takes an iterator of `batches` and whether this worker was told to stop, and gives the running loss and the
        numbers of the workers that were told to stop.

        Raises:
            BadInput: the model is compiled with options that do not go with several workers.
        """
        if not self.are_several:
            # The rows of another phase have another length: one graph for each is faster than one for any length.
            model.make_train_function(force=True)
            return lambda iterator, told: (float(model.train_function(iterator)["loss"]), [])
        if model.jit_compile or model.run_eagerly or model.steps_per_execution > 1:
            raise BadInput(
                "The model is compiled with jit_compile, run_eagerly or steps_per_execution, which several workers "
                "cannot train with; leave them out."
            )
        return self._common_step(model)

    def test_function(self, model):
        """A function that takes an iterator of `batches` and adds one of them to the model's metrics."""
        if not self.are_several:
            model.make_test_function(force=True)
            return model.test_function

        @tf.function(autograph=False)
        def step(iterator):
            self.strategy.run(model.test_step, args=(next(iterator),))

        return step

    def sums(self, numbers):
        """The sums over the workers, of an array that has the same shape and dtype for all of them."""
        if not self.are_several:
            return np.asarray(numbers)
        return self.strategy.reduce("SUM", tf.constant(numbers), axis=None).numpy()

    def table(self, numbers):
        """What each worker has given: int64 `[workers, n]` for n numbers."""
        rows = np.zeros((self.cluster.count, len(numbers)), "int64")
        rows[self.cluster.number] = numbers
        return self.sums(rows)

    def wait_for_all(self):
        """Returns when all workers have come to this call."""
        self.table([0])

    def _common_step(self, model):
        strategy, replicas = self.strategy, self.strategy.num_replicas_in_sync

        # Keras' own train function takes a mean along the first axis of each figure, and its figures have none.
        @tf.function(autograph=False)
        def step(iterator, told):
            losses = strategy.run(model.train_step, args=(next(iterator),))["loss"]
            loss = tf.add_n(strategy.experimental_local_results(losses)) / replicas
            return strategy.reduce("SUM", tf.concat([[loss], told], axis=0), axis=None)

        def run(iterator, told):
            flags = np.zeros(self.cluster.count, "float32")
            flags[self.cluster.number] = told
            loss, *flags = step(iterator, tf.constant(flags)).numpy()
            return float(loss), [number for number, flag in enumerate(flags) if flag]

        return run
