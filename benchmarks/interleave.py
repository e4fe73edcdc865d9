"""Runs two programs side by side, one at a time: what shared-machine noise cannot tilt.

A timing taken now and another ten minutes later compare the machine's mood as much as the programs. Here each
contestant is a worker process; the coordinator gives one of them the turn, waits for its answer, then gives the turn to
the next. Only one works at a time, each counts only its own working time, and both see the same weather.

The coordinator's side is `Worker` and `take_turns`, the worker's side is `Channel`, and `StopWatch` for a training run
that stops at every turn. Messages are JSON objects, one a line, over two pipes of their own, so that a worker may print
what it likes. Standard library only: a worker runs under whatever Python its libraries need.
"""

import json
import os
import subprocess
import time

CHANNEL_VARIABLE = "BENCHMARK_CHANNEL"


class Worker:
    """A contestant's process, started by `command` and answering one request at a time."""

    def __init__(self, name, command, environment=None):
        self.name = name
        requests_out, requests_in = os.pipe()
        replies_out, replies_in = os.pipe()
        variables = {**os.environ, **(environment or {}), CHANNEL_VARIABLE: f"{requests_out},{replies_in}"}
        self._process = subprocess.Popen(command, env=variables, pass_fds=(requests_out, replies_in))
        os.close(requests_out)
        os.close(replies_in)
        self._requests = os.fdopen(requests_in, "w")
        self._replies = os.fdopen(replies_out)

    def ask(self, **request):
        """Send `request` and wait for the reply (dict); RuntimeError when the worker has died."""
        try:
            print(json.dumps(request), file=self._requests, flush=True)
            line = self._replies.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.name} ended with code {self._process.wait()} before it answered")
        return json.loads(line)

    def close(self):
        """Close the channel, which a worker takes as the end, and wait for the process."""
        for end in (self._requests, self._replies):
            try:
                end.close()
            except BrokenPipeError:
                pass
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def take_turns(workers, **request):
    """Yield `(worker, reply)`: every worker in turn gets `request`, until each has replied with `"done": true`."""
    waiting = list(workers)
    while waiting:
        for worker in tuple(waiting):
            reply = worker.ask(**request)
            yield worker, reply
            if reply.get("done"):
                waiting.remove(worker)


class Channel:
    """The worker's end of the line. `receive` blocks until the worker has the turn."""

    def __init__(self):
        requests, replies = map(int, os.environ[CHANNEL_VARIABLE].split(","))
        self._requests = os.fdopen(requests)
        self._replies = os.fdopen(replies, "w")

    def receive(self):
        """The next request (dict), or None when the coordinator is finished."""
        line = self._requests.readline()
        return json.loads(line) if line else None

    def send(self, **reply):
        """Answer, which hands the turn back."""
        print(json.dumps(reply), file=self._replies, flush=True)


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

    def paused(self, work, *arguments):
        """`work(*arguments)`, whose time is not counted."""
        self.stop()
        result = work(*arguments)
        self.start()
        return result

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
