"""MultiWorkerMirroredStrategy: one process on each machine, which notices soon when another one is gone."""

import contextlib
import re
import socket

import tensorflow as tf

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.training.cluster import Cluster
from bert_keras.training.meeting import WAIT_SECONDS, meet

# Each worker asks all others every so often. A process that was killed refuses at once; one that hangs, or a machine
# that is off, says nothing, and is asked a second time.
_CHECK_EVERY_SECONDS, _CHECK_SECONDS, _CHECKS = 5, 10, 2
# The workers have met before, so that all that is left is TensorFlow's own start.
_START_SECONDS = 60
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)
_TASK = re.compile(r"/job:(chief|worker)(?:/replica:0)?/task:(\d+)")
_made = None


def multi_worker_strategy(settings=None, wait_seconds=WAIT_SECONDS, on_wait=None):
    """The strategy of the cluster that `TF_CONFIG` describes, once all its workers are there; the same one ever after.

    It must be made before TensorFlow computes anything, in each of the processes. CPUs talk in a ring over gRPC, GPUs
    by NCCL where TensorFlow has it.

    Args:
        settings, wait_seconds, on_wait: see `meet`.

    Raises:
        BadInput: `TF_CONFIG` is wrong, workers were started differently, or TensorFlow runs already.
        WorkFailed: a worker has not come in time.
    """
    global _made
    if _made is None:
        cluster = Cluster.from_environment()
        _prepare_tensorflow()
        meet(cluster, settings, wait_seconds, on_wait)
        try:
            with naming_lost_workers(cluster, lambda: "start it again on every machine."):
                _made = tf.distribute.MultiWorkerMirroredStrategy()
        except WorkFailed:
            raise
        except RuntimeError as error:
            raise WorkFailed(
                f"TensorFlow could not connect {cluster.names(range(cluster.count))} within {_START_SECONDS} seconds "
                f"({error}); start all of them again."
            ) from error
    return _made


def cluster_of(strategy):
    """The `Cluster` that a strategy trains on: one process, except for a `MultiWorkerMirroredStrategy`."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return Cluster()
    return Cluster.of(resolver.cluster_spec().as_dict(), resolver.task_type, resolver.task_id)


def require_one_machine(strategy, what, expected):
    """Raises `BadInput` where what cannot train on several machines is to be trained on them."""
    if cluster_of(strategy).count > 1:
        raise BadInput(f"{what} on one machine, and the strategy is for several; expected {expected}.")


@contextlib.contextmanager
def naming_lost_workers(cluster, way_back):
    """Turns TensorFlow's errors about workers that are gone into one sentence.

    Args:
        cluster: `Cluster`.
        way_back: function that gives the sentence's end, which says how to go on.

    Raises:
        WorkFailed: another worker is gone.
    """
    try:
        yield
    except _GONE as error:
        if cluster.count == 1:
            raise
        lost = _refusing(cluster) or _named(cluster, str(error))
        who = f"{cluster.names(lost)} {'are' if len(lost) > 1 else 'is'}" if lost else "another worker is"
        raise WorkFailed(f"Training has stopped: {who} gone (killed, failed or out of reach); {way_back()}") from error


def _prepare_tensorflow():
    from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended
    from tensorflow.python.eager import context

    if context.context()._initialized:
        raise BadInput(
            "TensorFlow has computed something in this process already; expected the strategy 'multi_worker' to be "
            "made before: call bert_keras.training.multi_worker.multi_worker_strategy() first."
        )
    # TensorFlow's coordination service waits an hour for a worker that is gone, without heeding Ctrl-C, and takes
    # SIGTERM away from Python. The check that it replaces does neither.
    context.context().configure_coordination_service(service_type="")
    CollectiveAllReduceExtended._check_health_interval = _CHECK_EVERY_SECONDS
    CollectiveAllReduceExtended._check_health_timeout = _CHECK_SECONDS
    CollectiveAllReduceExtended._check_health_retry_limit = _CHECKS
    CollectiveAllReduceExtended._check_health_initial_timeout = _START_SECONDS


def _refusing(cluster):
    """The others whose address takes no connection."""
    found = []
    for number in range(cluster.count):
        if number == cluster.number:
            continue
        try:
            socket.create_connection(cluster.host_and_port(number), timeout=_CHECK_EVERY_SECONDS).close()
        except OSError:
            found.append(number)
    return found


def _named(cluster, message):
    """The others that TensorFlow's message speaks of."""
    found = {(job, int(index)) for job, index in _TASK.findall(message)}
    return [number for number, task in enumerate(cluster.tasks) if task in found and number != cluster.number]
