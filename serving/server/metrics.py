"""What the server counts, under TensorFlow Serving's names, and its Prometheus text.

The text is written here and not by a library: prometheus_client appends `_total` to counters and has no `:` at the
head of a name, and dashboards for TensorFlow Serving ask for its names as they are.
"""

import math
import re
import threading
from bisect import bisect_right
from collections.abc import Sequence

_NOTE = "# bert-keras embedded server, not TensorFlow Serving"


class Counter:
    """A number that grows, for each combination of label values.

    Args:
        name: "/tensorflow/serving/request_count".
        labels: names of the labels.
    """

    def __init__(self, name: str, *labels: str):
        self.name = name
        self._labels = labels
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, ...], int] = {} if labels else {(): 0}

    def add(self, *values: str, by: int = 1) -> None:
        with self._lock:
            self._cells[values] = self._cells.get(values, 0) + by

    def first_value(self) -> int:
        """The number of the first combination of labels, in alphabetical order; 0 where there is none."""
        with self._lock:
            return self._cells[min(self._cells)] if self._cells else 0

    def cells(self) -> list[tuple[tuple[str, ...], int]]:
        """(values of the labels, number) of each combination, in alphabetical order."""
        with self._lock:
            return sorted(self._cells.items())

    def lines(self) -> list[str]:
        cells = self.cells()
        name = _prometheus_name(self.name)
        return [f"# TYPE {name} counter"] + [f"{name}{{{_pairs(self._labels, key)}}} {value}" for key, value in cells]


class Distribution:
    """How often values fell between limits, for each combination of label values.

    Args:
        name, labels: as of a Counter.
        limits: ascending; a value that equals a limit belongs to the range above it, as TensorFlow counts.
    """

    def __init__(self, name: str, *labels: str, limits: Sequence[float]):
        self.name = name
        self.limits = tuple(limits)
        self._labels = labels
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, ...], list] = {}

    def observe(self, value: float, *labels: str) -> None:
        at = bisect_right(self.limits, value)
        with self._lock:
            cell = self._cells.get(labels)
            if cell is None:
                cell = self._cells[labels] = [[0] * (len(self.limits) + 1), 0.0]
            cell[0][at] += 1
            cell[1] += value

    def first_value(self) -> int:
        """TensorFlow Serving gives 0 for a distribution where it asks for a number."""
        return 0

    def count(self, *labels: str) -> int:
        with self._lock:
            return sum(self._cells[labels][0]) if labels in self._cells else 0

    def total(self, *labels: str) -> float:
        with self._lock:
            return self._cells[labels][1] if labels in self._cells else 0.0

    def cells(self) -> list[tuple[tuple[str, ...], list[int], float]]:
        """(values of the labels, count below each limit and above the last, sum) of each combination."""
        with self._lock:
            return sorted((key, list(counts), total) for key, (counts, total) in self._cells.items())

    def lines(self) -> list[str]:
        cells = self.cells()
        name = _prometheus_name(self.name)
        lines = [f"# TYPE {name} histogram"]
        for key, counts, total in cells:
            labels = _pairs(self._labels, key)
            below = 0
            for limit, count in zip((*self.limits, math.inf), counts):
                below += count
                edge = "+Inf" if limit == math.inf else f"{limit:g}"
                lines.append(f'{name}_bucket{{{labels}{"," if labels else ""}le="{edge}"}} {below}')
            lines += [f"{name}_sum{{{labels}}} {total:g}", f"{name}_count{{{labels}}} {below}"]
        return lines


def exponential(scale: float, growth: float, count: int) -> list[float]:
    return [scale * growth**power for power in range(count)]


# About 20 minutes, and about one second, in microseconds.
_LATENCY = exponential(10, 1.8, 33)
_QUEUING = exponential(100, 1.2, 52)
_SIZES = exponential(1, 2, 14)


class Metrics:
    """Everything that one server counts. Times are in microseconds."""

    def __init__(self):
        at = "/tensorflow/serving/"
        self.request_count = Counter(at + "request_count", "model_name", "status")
        self.request_latency = Distribution(at + "request_latency", "model_name", "API", "entrypoint", limits=_LATENCY)
        self.runtime_latency = Distribution(at + "runtime_latency", "model_name", "API", "runtime", limits=_LATENCY)
        self.request_example_counts = Distribution(at + "request_example_counts", "model", limits=exponential(1, 2, 15))
        self.request_example_count_total = Counter(at + "request_example_count_total", "model")
        self.model_warmup_latency = Distribution(at + "model_warmup_latency", "model_path", "status", limits=_LATENCY)
        self.queuing_latency = Distribution(
            at + "batching_session/queuing_latency", "thread_pool_name", limits=_QUEUING
        )
        self.wrapped_run_count = Counter(at + "batching_session/wrapped_run_count")
        self.input_batch_size = Distribution(at + "batching_session/input_batch_size", limits=_SIZES)
        self.processed_batch_size = Distribution(at + "batching_session/processed_batch_size", limits=_SIZES)
        self.padding_size = Distribution(at + "batching_session/padding_size", "execution_batch_size", limits=_SIZES)
        self._all = {metric.name: metric for metric in vars(self).values()}

    def count_examples(self, model: str, count: int) -> None:
        self.request_example_counts.observe(count, model)
        self.request_example_count_total.add(model, by=count)

    def value(self, name: str) -> int:
        """The number behind a name such as "/tensorflow/serving/request_count"; 0 where there is none."""
        return self._all[name].first_value() if name in self._all else 0

    def text(self) -> str:
        """All of it in Prometheus' text format, by name."""
        lines = [line for _, metric in sorted(self._all.items()) for line in metric.lines()]
        return "\n".join([_NOTE, *lines]) + "\n"


def _prometheus_name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", ":", name)


def _pairs(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
