"""The event loop that plain jobs find: one of use, and in each thread its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jqjobs.worker.life.current_loop import CurrentLoop


@pytest.fixture(autouse=True)
def policy() -> Iterator[asyncio.AbstractEventLoopPolicy]:
    """One of the test's own, in which nobody has had a loop yet."""
    before, own = asyncio.get_event_loop_policy(), asyncio.DefaultEventLoopPolicy()
    asyncio.set_event_loop_policy(own)
    yield own
    asyncio.set_event_loop_policy(before)


async def nothing() -> None: ...


def test_who_comes_after_asyncio_run_has_one(policy: asyncio.AbstractEventLoopPolicy) -> None:
    current = CurrentLoop()
    current.keep()
    asyncio.run(nothing())
    current.put_back()
    loop = asyncio.get_event_loop()
    assert not loop.is_closed()
    loop.close()
    assert asyncio.get_event_loop_policy() is policy, "with all that the app has set there"


def test_what_the_app_left_is_there_again(policy: asyncio.AbstractEventLoopPolicy) -> None:
    current, loop = CurrentLoop(), asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    current.keep()
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    current.put_back()
    assert asyncio.get_event_loop() is loop
    loop.close()


def test_a_loop_of_another_thread_stays_its_own() -> None:
    current = CurrentLoop()
    current.keep()
    with ThreadPoolExecutor(1) as thread:
        loop = asyncio.new_event_loop()
        thread.submit(asyncio.set_event_loop, loop).result()
        asyncio.run(nothing())
        current.put_back()
        assert thread.submit(asyncio.get_event_loop).result() is loop
        loop.close()
