"""Which processes train together, as `TF_CONFIG` tells each of them."""

import dataclasses
import json
import os

from bert_keras.errors import BadInput

TF_CONFIG = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
_TRAINING = ("chief", "worker")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of one training, in an order that all of them know.

    Args:
        addresses: tuple of `host:port`, that of worker 0, the chief, first.
        number: int. Which of them this process is.
        tasks: tuple of (type, index): what TensorFlow calls each of them.
    """

    addresses: tuple[str, ...] = ("localhost:0",)
    number: int = 0
    tasks: tuple[tuple[str, int], ...] = (("worker", 0),)

    @classmethod
    def from_environment(cls) -> "Cluster":
        """The cluster that the environment variable `TF_CONFIG` describes, in TensorFlow's own form.

        Tasks of the types `worker` and, at most one, `chief` train; the chief, or else the first worker, is number 0.

        Raises:
            BadInput: the variable is missing, is not JSON, or describes no such cluster.
        """
        text = os.environ.get(TF_CONFIG)
        if not text:
            raise BadInput(f"{TF_CONFIG} is not set; expected in it the addresses of all workers, such as {EXAMPLE}.")
        try:
            config = json.loads(text)
        except ValueError as error:
            raise _wrong(f"is not JSON ({error})") from error
        if not isinstance(config, dict):
            raise _wrong("is no JSON object")
        jobs = _jobs(config.get("cluster"))
        return cls.of(jobs, *_task(config, jobs))

    @classmethod
    def of(cls, jobs: dict[str, list[str]], job: str, index: int) -> "Cluster":
        """A cluster from a list of addresses for each type of task, and the task that this process is."""
        tasks = tuple((name, each) for name in _TRAINING for each in range(len(jobs.get(name, ()))))
        return cls(tuple(jobs[name][each] for name, each in tasks), tasks.index((job, index)), tasks)

    @property
    def count(self) -> int:
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        return self.number == 0

    def name(self, number: int) -> str:
        """A worker in words: `worker 1 (10.0.0.2:2222)`."""
        return f"worker {number} ({self.addresses[number]})"

    def names(self, numbers) -> str:
        """Several workers in words."""
        return ", ".join(self.name(number) for number in numbers)

    def host_and_port(self, number: int) -> tuple[str, int]:
        """A worker's address in its two parts."""
        host, _, port = self.addresses[number].rpartition(":")
        return host.strip("[]"), int(port)

    def check_batch_size(self, batch_size: int, replicas: int | None = None) -> None:
        """Raises `BadInput` where a batch cannot be dealt out evenly over the workers, or the replicas on them."""
        parts = replicas or self.count
        if batch_size % parts:
            raise BadInput(
                f"batch_size is {batch_size}, and {parts} {'replicas' if replicas else 'workers'} share each batch; "
                f"expected a multiple of {parts}, such as {max(round(batch_size / parts), 1) * parts}."
            )


def _jobs(cluster) -> dict[str, list[str]]:
    if not isinstance(cluster, dict) or not cluster:
        raise _wrong('has no "cluster"')
    for job, addresses in cluster.items():
        if job not in _TRAINING:
            raise _wrong(f'has tasks of the type {job!r} in "cluster", which do not train here (worker and chief do)')
        if not isinstance(addresses, list) or not addresses:
            raise _wrong(f'has no list of addresses for {job!r} in "cluster"')
        for address in addresses:
            _check_address(address)
    if len(cluster.get("chief", ())) > 1:
        raise _wrong("has several chiefs, where there can be one")
    everyone = [address for addresses in cluster.values() for address in addresses]
    for address in everyone:
        if everyone.count(address) > 1:
            raise _wrong(f"has the address {address!r} twice")
    return cluster


def _check_address(address) -> None:
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise _wrong(f"has {address!r} for an address, where host:port is due")


def _task(config: dict, jobs: dict[str, list[str]]) -> tuple[str, int]:
    task = config.get("task")
    if not isinstance(task, dict) or not {"type", "index"} <= set(task):
        raise _wrong('has no "task" with type and index, which say who this process is')
    kind, index = task["type"], task["index"]
    if kind not in jobs:
        raise _wrong(f'names a task of the type {kind!r}, of which "cluster" has none')
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(jobs[kind]):
        last = len(jobs[kind]) - 1
        raise _wrong(f"names the task {kind} {index!r}, where the index is {f'0 to {last}' if last else '0'}")
    return kind, index


def _wrong(what: str) -> BadInput:
    return BadInput(f"{TF_CONFIG} {what}; expected something like {EXAMPLE}.")
