"""The client that waits for its answers."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
import numpy as np

from serving.client.answers import Answer, VersionStatus
from serving.client.base import BaseClient
from serving.client.calls import Pause, Rpc, Steps
from serving.client.errors import from_rpc
from serving.client.models import ServedModel
from serving.client.rows import batches, check_batching
from serving.client.signatures import Signatures
from serving.client.which import Which

T = TypeVar("T")


class Client(BaseClient):
    """Calls a model server and waits for the answer. Several threads may use one. Arguments: see `BaseClient`.

    Example:
        with Client("localhost:8500", model="reviews") as client:
            client.predict(["a fine film"])["label"]
    """

    def _open(self) -> None:
        options = self._connection.channel_options()
        if self._channel_credentials is None:
            self._channel = grpc.insecure_channel(self.target, options)
        else:
            self._channel = grpc.secure_channel(self.target, self._channel_credentials, options)
        self._methods: dict[str, Any] = {}

    def close(self) -> None:
        """Ends the connection, and the calls that are under way in other threads."""
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def predict(
        self,
        inputs: Any,
        outputs: Iterable[str] | None = None,
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Named arrays for the inputs.

        Args:
            inputs: for a signature with one input, its value (one text is a batch of one); else a dict of values by
                input name. A value is text, an array, or nested lists; it is fitted to the signature's dtype where
                nothing is lost.
            outputs: names of the outputs to compute; None for all.

        Returns arrays by output name; strings as str (object arrays), bytes where the name ends in `_bytes` or where
        they are no UTF-8.
        """
        return self._run(self._calls.predict(inputs, outputs, Which(model, version, label, signature), timeout))

    def predict_many(
        self,
        items: Iterable[Any],
        outputs: Iterable[str] | None = None,
        *,
        batch_size: int = 32,
        concurrency: int = 4,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> Iterator[Answer]:
        """Yields one answer per item, in their order, while later ones are asked for.

        Args:
            items: texts, rows, or dicts of one value per input; read as they are needed, so they may have no end.
            outputs: names of the outputs to compute; None for all.
            batch_size: items in one request.
            concurrency: requests under way at a time, at most.
            timeout: seconds for each request.

        Each answer holds one row of every output; an output whose first dimension is fixed in the signature is given
        whole. The first request that fails ends it, after the answers before it, with `items[from:to]` in the error.
        """
        check_batching(items, batch_size, concurrency)
        which = Which(model, version, label, signature)
        names = None if outputs is None else tuple(outputs)
        return self._many(items, names, batch_size, concurrency, which, timeout)

    def classify(
        self,
        examples: Iterable[Any],
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> list[list[tuple[str, float]]]:
        """For each example its list of (label, score).

        Args:
            examples: dicts from feature name to str, bytes, int, float or a list of these; or tf.train.Example.
        """
        return self._run(self._calls.classify(examples, Which(model, version, label, signature), timeout))

    def regress(
        self,
        examples: Iterable[Any],
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> np.ndarray:
        """float32 [N]: one value per example; `examples` as in `classify`."""
        return self._run(self._calls.regress(examples, Which(model, version, label, signature), timeout))

    def multi_inference(
        self,
        examples: Iterable[Any],
        *,
        classify: Iterable[str] = (),
        regress: Iterable[str] = (),
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Several classifications and regressions of the same examples in one run of the model.

        Args:
            examples: as in `classify`.
            classify, regress: names of signatures of either kind.

        Returns by signature name what `classify` or `regress` returns.
        """
        which = Which(model, version, label)
        return self._run(self._calls.multi_inference(examples, tuple(classify), tuple(regress), which, timeout))

    def metadata(
        self,
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Signatures:
        """The model's signatures by name, read anew."""
        return self._run(self._calls.metadata(Which(model, version, label), timeout))

    def status(
        self, *, model: str | None = None, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """All versions that the server has seen since it started, or the one asked for. Labels count for nothing."""
        return self._run(self._calls.status(Which(model, version), timeout))

    def wait_until_ready(
        self,
        deadline: float = 60.0,
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
    ) -> None:
        """Returns when the model answers; raises Timeout after `deadline` seconds, with what was seen last."""
        self._run(self._calls.wait_until_ready(deadline, Which(model, version, label)))

    def reload(self, models: Iterable[ServedModel] | Any, *, timeout: float | None = None) -> None:
        """Has the server serve these models and no others; returns when those that it had not are available.

        Args:
            models: `ServedModel`s, or a ModelServerConfig message (see `read_config`).
            timeout: seconds; loading takes its time. The server goes on with it after a Timeout.
        """
        self._run(self._calls.reload(models, timeout))

    def _many(
        self,
        items: Iterable[Any],
        outputs: tuple[str, ...] | None,
        batch_size: int,
        concurrency: int,
        which: Which,
        timeout: float | None,
    ) -> Iterator[Answer]:
        # Twice as many as run, so that a slow first one does not keep the others idle.
        pool, asked = ThreadPoolExecutor(concurrency, "predict_many"), deque[Future[list[Answer]]]()
        try:
            for start, batch in batches(items, batch_size):
                steps = self._calls.predict_rows(batch, start, outputs, which, timeout)
                asked.append(pool.submit(self._run, steps))
                if len(asked) == 2 * concurrency:
                    yield from asked.popleft().result()
            while asked:
                yield from asked.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    done = self._do(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as stop:
            return stop.value

    def _do(self, step: Rpc | Pause) -> bytes | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        method = self._methods.get(step.method)
        if method is None:
            method = self._methods[step.method] = self._channel.unary_unary(step.method)
        try:
            return method(
                step.request, timeout=step.timeout, metadata=self._metadata, wait_for_ready=self.wait_for_ready
            )
        except grpc.RpcError as error:
            raise from_rpc(error, step.where) from None
