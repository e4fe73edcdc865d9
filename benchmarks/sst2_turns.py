"""What both SST-2 workers share: the data as lists, and a stop watch that runs only while the worker has the turn."""

import csv
import time


def read_sst2(path, fraction=1.0):
    """`(sentences, labels)` of a GLUE-style TSV with a header; `fraction` keeps the first rows of the file."""
    with open(path, encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = rows[: max(1, round(len(rows) * fraction))]
    return [row["sentence"] for row in rows], [int(row["label"]) for row in rows]


class StopWatch:
    """Working time of one training run that hands the turn over after every `steps_per_turn` batches.

    The run calls `start` when it begins, `step` after every batch and `stop` at its end; the time between handing the
    turn over and getting it back is not counted. `seconds` is wall time, `cpu_seconds` the processor time of all
    threads, which other programs on a busy machine disturb less.
    """

    def __init__(self, channel, steps_per_turn):
        self._channel = channel
        self._steps_per_turn = steps_per_turn
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.steps = 0
        self._steps_at_turn = 0

    def start(self):
        self._started = time.perf_counter(), time.process_time()

    def stop(self):
        self.seconds += time.perf_counter() - self._started[0]
        self.cpu_seconds += time.process_time() - self._started[1]

    def report(self):
        """What a reply says about the run so far."""
        return {"steps": self.steps, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds}

    def step(self, count=1):
        """Note `count` batches done; block for the next turn when this one is used up."""
        self.steps += count
        if self.steps - self._steps_at_turn < self._steps_per_turn:
            return
        self.stop()
        self._steps_at_turn = self.steps
        self._channel.send(done=False, **self.report())
        self._channel.receive()
        self.start()
