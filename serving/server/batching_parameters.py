"""BatchingParameters: how requests are put together, read from text files and checked as TensorFlow Serving does."""

import os
from dataclasses import dataclass
from pathlib import Path

from serving.server import text_files
from serving.server.messages import BatchingParameters
from serving.server.status import ServingError, invalid

PER_MODEL_FILE = "batching_params.pbtxt"
_CPUS = os.cpu_count() or 1


@dataclass(frozen=True)
class PoolOptions:
    """The threads that work on batches: one pool for all models."""

    num_batch_threads: int = _CPUS


@dataclass(frozen=True)
class QueueOptions:
    """What holds for the batches of a model.

    Args:
        max_batch_size: rows that one request may have; without splitting also the rows of a batch.
        batch_timeout_micros: how long the first request of a batch waits for others.
        max_enqueued_batches: batches that may wait, the open one counted; a request beyond that is refused.
        allowed_batch_sizes: a batch is filled up to the next of these; empty: any size.
        pad_variable_length_inputs: requests of different shapes are filled up to one shape.
        enable_large_batch_splitting: a request may be spread over several batches.
        max_execution_batch_size: rows of a batch, with splitting; None: max_batch_size.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    @property
    def batch_limit(self) -> int:
        """The rows that a batch may have."""
        split = self.enable_large_batch_splitting and self.max_execution_batch_size is not None
        return self.max_execution_batch_size if split else self.max_batch_size

    def padded_size(self, size: int) -> int:
        """The rows of a batch of `size` rows after filling it up."""
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)


def read(path: str) -> tuple[PoolOptions, QueueOptions]:
    """Of --batching_parameters_file. Raises ServingError, or text_files.NotParsed."""
    parameters = text_files.read(path, BatchingParameters())
    threads = parameters.num_batch_threads.value if parameters.HasField("num_batch_threads") else _CPUS
    if threads < 1:
        raise invalid(f"num_batch_threads must be positive; was {threads}")
    return PoolOptions(threads), queue_options(parameters)


def of_model(export_dir: str) -> QueueOptions | None:
    """What the version's own file says; None where it has none: its requests are not batched. Raises ServingError."""
    path = Path(export_dir, PER_MODEL_FILE)
    if not path.exists():
        return None
    try:
        return queue_options(text_files.read(str(path), BatchingParameters()))
    except text_files.NotParsed:
        raise text_files.unusable(str(path)) from None


def queue_options(parameters) -> QueueOptions:
    """Raises ServingError INVALID_ARGUMENT where the numbers do not fit together."""
    given = {
        name: getattr(parameters, name).value
        for name in ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "max_execution_batch_size")
        if parameters.HasField(name)
    }
    splitting = parameters.enable_large_batch_splitting.value
    options = QueueOptions(
        **{
            **given,
            # Without splitting the genuine scheduler takes 0 for 1, for the sake of models that rely on it.
            "max_enqueued_batches": given.get("max_enqueued_batches", QueueOptions.max_enqueued_batches)
            or (0 if splitting else 1),
        },
        allowed_batch_sizes=tuple(parameters.allowed_batch_sizes),
        pad_variable_length_inputs=parameters.pad_variable_length_inputs,
        enable_large_batch_splitting=splitting,
    )
    _check(options)
    return options


def _check(options: QueueOptions) -> None:
    allowed, limit = options.allowed_batch_sizes, options.max_batch_size
    if allowed and allowed[-1] != limit:
        raise invalid(
            f"Last entry in allowed_batch_sizes must match max_batch_size; last entry was {allowed[-1]}; "
            f"expected {limit}"
        )
    if any(size <= before for before, size in zip(allowed, allowed[1:])):
        raise invalid("allowed_batch_sizes entries must be monotonically increasing")
    if limit < 1:
        raise _not_positive("input_batch_size_limit", limit)
    if options.batch_timeout_micros < 0:
        raise invalid(f"batch_timeout_micros must be non-negative; was {options.batch_timeout_micros}")
    if options.max_enqueued_batches < 1:
        raise _not_positive("max_enqueued_batches", options.max_enqueued_batches)
    if options.batch_limit < 1:
        raise _not_positive("max_execution_batch_size", options.batch_limit)
    if options.batch_limit > limit:
        raise invalid(
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
            "max_execution_batch_size."
        )


def _not_positive(name: str, value: int) -> ServingError:
    return invalid(f"{name} must be positive; was {value}")
