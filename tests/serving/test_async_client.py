"""What only the asyncio client can do; all else it has in common with the waiting one, and so have their tests."""

import asyncio
import threading

import pytest

from serving.client import AsyncClient, Client, Unavailable


def with_client(target, ask, **options):
    async def run():
        async with AsyncClient(target, "zoo", timeout=60, **options) as client:
            return await ask(client)

    return asyncio.run(run())


def test_many_calls_are_under_way_at_once_on_one_client(proxy):
    async def ask(client):
        await client.metadata()
        answers = await asyncio.gather(*(client.predict([float(n)]) for n in range(5)))
        return [answer["y"].tolist() for answer in answers]

    proxy.meet(5)
    assert with_client(proxy.target, ask) == [[2.0], [2.5], [3.0], [3.5], [4.0]]


def test_a_call_that_is_given_up_leaves_the_client_usable(proxy):
    async def ask(client):
        await client.metadata()
        call = asyncio.create_task(client.predict([1.0]))
        while "Predict" not in proxy.calls:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return (await client.predict([1.0]))["y"].tolist()

    proxy.first_waits()
    assert with_client(proxy.target, ask) == [2.5]


def test_items_may_come_from_an_asynchronous_iterable(proxy):
    async def items():
        for n in range(5):
            await asyncio.sleep(0)
            yield float(n)

    async def ask(client):
        return [float(answer["y"]) async for answer in client.predict_many(items(), batch_size=2)]

    assert with_client(proxy.target, ask) == [2.0, 2.5, 3.0, 3.5, 4.0]
    assert proxy.calls.count("Predict") == 3


def test_the_loop_goes_on_while_a_call_waits_for_its_next_try(proxy):
    async def ask(client):
        await client.metadata()
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.01)

        heart = asyncio.create_task(beat())
        with pytest.raises(Unavailable):
            await client.predict([1.0])
        heart.cancel()
        return beats

    proxy.refusals = [("UNAVAILABLE", "going away")] * 3
    assert with_client(proxy.target, ask, retries=2) >= 3


def test_threads_share_the_waiting_client(proxy):
    """Beside the asyncio client, the other way to have many calls under way."""
    answers = {}
    with Client(proxy.target, "zoo", timeout=60) as client:
        client.metadata()
        proxy.meet(4)
        asking = [
            threading.Thread(target=lambda n=n: answers.update({n: client.predict([float(n)])["y"].tolist()}))
            for n in range(4)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    assert answers == {0: [2.0], 1: [2.5], 2: [3.0], 3: [3.5]}
