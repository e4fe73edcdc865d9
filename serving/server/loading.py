"""How a version is loaded: graph, variables and tables, batching around it, then its own warm-up requests."""

from serving.server import batching_parameters, session
from serving.server.batch_scheduler import BatchScheduler
from serving.server.batching import BatchingSession
from serving.server.configuration import Configuration
from serving.server.core import CallOptions
from serving.server.flags import Flags
from serving.server.metrics import Metrics
from serving.server.servable import Servable
from serving.server.warmup import warm_up


class Loader:
    """`load(name, version, path)` gives a Servable that answers, or raises ServingError.

    Args:
        scheduler: the threads for batches; None where requests are not put together.
    """

    def __init__(
        self,
        flags: Flags,
        configuration: Configuration,
        options: CallOptions,
        scheduler: BatchScheduler | None,
        metrics: Metrics,
    ):
        self._flags = flags
        self._configuration = configuration
        self._options = options
        self._scheduler = scheduler
        self._metrics = metrics
        self._tags = tuple(tag for tag in flags.saved_model_tags.split(",") if tag)

    def __call__(self, name: str, version: int, path: str) -> Servable:
        queue = self._queue_options(path)
        model = session.ModelSession.load(path, self._tags, self._configuration.session)
        if queue is not None:
            model = BatchingSession(model, self._scheduler, queue, self._metrics, self._configuration.budget)
        servable = Servable(name, version, model, self._metrics)
        if self._flags.enable_model_warmup:
            try:
                warm_up(servable, path, self._options, max(self._flags.num_request_iterations_for_warmup, 1))
            except Exception:
                servable.close()
                raise
        return servable

    def _queue_options(self, path: str) -> batching_parameters.QueueOptions | None:
        if self._scheduler is None:
            return None
        if self._flags.enable_per_model_batching_parameters:
            return batching_parameters.of_model(path)
        return self._configuration.batching
