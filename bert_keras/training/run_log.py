"""What a long run says of itself: a line of JSON each time, and the same for TensorBoard."""

import json
import os
import time

from bert_keras.files import failing_as_work

WAY_BACK = "make room there and go on with the run (--resume)"

# What a reader of figures knows already, or cannot compare.
_NOT_SHOWN = ("step", "phase", "seconds", "tokens")


def in_words(figures, total_steps):
    """A line for people of the figures that a log gave."""
    shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if name not in _NOT_SHOWN)
    return f"step {figures['step']} of {total_steps}: {shown}"


class UnwrittenLog:
    """Adds to figures the time that they took, and writes nothing."""

    def __init__(self):
        self.start_clock()

    def start_clock(self):
        """Forgets the time until here, in which no training was done."""
        self._start = time.monotonic()

    def write(self, step, figures):
        """The figures with `step`, `seconds` since the last ones, and `tokens_per_second`.

        Args:
            step: int.
            figures: dict of name to number; `tokens` is how many were seen since the last ones.
        """
        seconds = time.monotonic() - self._start
        per_second = round(figures["tokens"] / max(seconds, 1e-9), 1)
        self.start_clock()
        return {"step": step, **figures, "seconds": round(seconds, 3), "tokens_per_second": per_second}

    def write_untimed(self, step, figures):
        """The figures with `step`, of what was not training: the time it took is left out of the next ones."""
        self.start_clock()
        return {"step": step, **figures}

    def close(self):
        """Does what is left to do."""


class RunLog(UnwrittenLog):
    """Writes figures to `metrics.jsonl` and TensorBoard.

    A run that goes on from a step first drops the lines of later steps, which will come again.

    Args:
        directory: the run's.
        metrics, logs: the names of the file and of TensorBoard's folder in it.
        step: int, where the run goes on.
    """

    def __init__(self, directory, metrics, logs, step):
        import tensorflow as tf

        self._path, self._logs = os.path.join(directory, metrics), os.path.join(directory, logs)
        self._keep_until(step)
        self._writer = tf.summary.create_file_writer(self._logs)
        super().__init__()

    def write(self, step, figures):
        """Writes a line and gives the figures as written, see `UnwrittenLog`.

        Raises:
            WorkFailed: the file cannot be written.
        """
        return self._append(super().write(step, figures))

    def write_untimed(self, step, figures):
        """Writes a line of figures that training did not make, and leaves the time they took out; as `write`."""
        return self._append(super().write_untimed(step, figures))

    def _append(self, line):
        import tensorflow as tf

        with failing_as_work(self._path, WAY_BACK), open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        with failing_as_work(self._logs, WAY_BACK), self._writer.as_default():
            for name, value in line.items():
                if name not in ("step", "seconds"):
                    tf.summary.scalar(name, value, step=line["step"])
        self.start_clock()
        return line

    def close(self):
        """Writes out what TensorBoard's writer still holds. Raises `WorkFailed` where it cannot be written."""
        with failing_as_work(self._logs, WAY_BACK):
            self._writer.close()

    def _keep_until(self, step):
        if not os.path.exists(self._path):
            return
        with open(self._path, encoding="utf-8") as file:
            kept = [line for line in file if _step_of(line) is not None and _step_of(line) <= step]
        temporary = f"{self._path}.new"
        with failing_as_work(self._path, WAY_BACK):
            with open(temporary, "w", encoding="utf-8") as file:
                file.writelines(kept)
            os.replace(temporary, self._path)


def _step_of(line):
    """The step of a line; None for one that was cut off when the run was killed."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return None
