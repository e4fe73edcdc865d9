"""The client for asyncio."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, TypeVar

import grpc
import grpc.aio
import numpy as np

from serving.client.answers import Answer, VersionStatus
from serving.client.base import BaseClient
from serving.client.calls import Pause, Rpc, Steps
from serving.client.errors import from_rpc
from serving.client.models import ServedModel
from serving.client.rows import async_batches, check_batching
from serving.client.signatures import Signatures
from serving.client.which import Which

T = TypeVar("T")


class AsyncClient(BaseClient):
    """`Client` for asyncio: the same calls, to be awaited. Belongs to the loop in which it is first used.

    Example:
        async with AsyncClient("localhost:8500", model="reviews") as client:
            (await client.predict(["a fine film"]))["label"]
    """

    def _open(self) -> None:
        # gRPC binds a channel to the loop that runs: it is made at the first call.
        self._channel: Any = None
        self._methods: dict[str, Any] = {}

    async def close(self) -> None:
        """Ends the connection, and the calls that are under way."""
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def predict(
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
        """As `Client.predict`."""
        return await self._run(self._calls.predict(inputs, outputs, Which(model, version, label, signature), timeout))

    def predict_many(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        outputs: Iterable[str] | None = None,
        *,
        batch_size: int = 32,
        concurrency: int = 4,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Answer]:
        """As `Client.predict_many`, for `async for`; the items may come from an asynchronous iterable too."""
        check_batching(items, batch_size, concurrency)
        which = Which(model, version, label, signature)
        names = None if outputs is None else tuple(outputs)
        return self._many(items, names, batch_size, concurrency, which, timeout)

    async def classify(
        self,
        examples: Iterable[Any],
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> list[list[tuple[str, float]]]:
        """As `Client.classify`."""
        return await self._run(self._calls.classify(examples, Which(model, version, label, signature), timeout))

    async def regress(
        self,
        examples: Iterable[Any],
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float | None = None,
    ) -> np.ndarray:
        """As `Client.regress`."""
        return await self._run(self._calls.regress(examples, Which(model, version, label, signature), timeout))

    async def multi_inference(
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
        """As `Client.multi_inference`."""
        which = Which(model, version, label)
        return await self._run(self._calls.multi_inference(examples, tuple(classify), tuple(regress), which, timeout))

    async def metadata(
        self,
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Signatures:
        """As `Client.metadata`."""
        return await self._run(self._calls.metadata(Which(model, version, label), timeout))

    async def status(
        self, *, model: str | None = None, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """As `Client.status`."""
        return await self._run(self._calls.status(Which(model, version), timeout))

    async def wait_until_ready(
        self,
        deadline: float = 60.0,
        *,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
    ) -> None:
        """As `Client.wait_until_ready`."""
        await self._run(self._calls.wait_until_ready(deadline, Which(model, version, label)))

    async def reload(self, models: Iterable[ServedModel] | Any, *, timeout: float | None = None) -> None:
        """As `Client.reload`."""
        await self._run(self._calls.reload(models, timeout))

    async def _many(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        outputs: tuple[str, ...] | None,
        batch_size: int,
        concurrency: int,
        which: Which,
        timeout: float | None,
    ) -> AsyncIterator[Answer]:
        asked, running = deque[asyncio.Task[list[Answer]]](), asyncio.Semaphore(concurrency)

        async def ask(start: int, batch: list[Any]) -> list[Answer]:
            async with running:
                return await self._run(self._calls.predict_rows(batch, start, outputs, which, timeout))

        try:
            async for start, batch in async_batches(items, batch_size):
                asked.append(asyncio.create_task(ask(start, batch)))
                if len(asked) == 2 * concurrency:
                    for answer in await asked.popleft():
                        yield answer
            while asked:
                for answer in await asked.popleft():
                    yield answer
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    done = await self._do(step)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as stop:
            return stop.value

    async def _do(self, step: Rpc | Pause) -> bytes | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        method = self._methods.get(step.method)
        if method is None:
            method = self._methods[step.method] = self._opened().unary_unary(step.method)
        try:
            return await method(
                step.request, timeout=step.timeout, metadata=self._metadata, wait_for_ready=self.wait_for_ready
            )
        except grpc.RpcError as error:
            raise from_rpc(error, step.where) from None

    def _opened(self) -> Any:
        if self._channel is None:
            options = self._connection.channel_options()
            if self._channel_credentials is None:
                self._channel = grpc.aio.insecure_channel(self.target, options)
            else:
                self._channel = grpc.aio.secure_channel(self.target, self._channel_credentials, options)
        return self._channel
