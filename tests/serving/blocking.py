"""The asyncio client behind the interface of the waiting one: every test of the one is a test of the other."""

import asyncio
import inspect

from serving.client import AsyncClient


class BlockingAsyncClient:
    """Runs a loop of its own for each call."""

    def __init__(self, *args, **options):
        self._client = AsyncClient(*args, **options)
        self._loop = asyncio.new_event_loop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._loop.run_until_complete(self._client.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def __getattr__(self, name):
        value = getattr(self._client, name)
        if not callable(value):
            return value
        return lambda *args, **options: self._wait(value(*args, **options))

    def _wait(self, answer):
        return self._each(answer) if inspect.isasyncgen(answer) else self._loop.run_until_complete(answer)

    def _each(self, answers):
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(anext(answers))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(answers.aclose())
