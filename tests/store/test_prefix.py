"""What two prefixes on one Redis have in common: nothing, whatever is done under one of them."""

from __future__ import annotations

import asyncio
from contextlib import closing

from jqjobs.store import keys
from jqjobs.store.aio import AsyncStore
from jqjobs.store.calls.endings import subscribe
from store.lua.script_calls import CALLS
from store.queue_system import QueueSystem


def _do_everything(system: QueueSystem) -> None:
    """Run every script, on equal names and at one moment: the same comes of it in each world."""
    system.add("first", "second", key="k")
    system.push({"job": "n", "id": "raw"}, "no")
    system.join("w")
    for name in sorted(CALLS):
        system.run(CALLS[name])


def test_worlds_with_equal_names_are_equal_and_apart(system: QueueSystem) -> None:
    _do_everything(system)
    ours = system.everything()

    other = QueueSystem(f"{system.url}?prefix=a:b", clock=system.clock)
    with closing(other.store):
        _do_everything(other)

    theirs = {b"a:b:" + key.removeprefix(b"jq:"): content for key, content in ours.items()}
    assert system.everything() == {**ours, **theirs}


def test_threads_and_coroutines_listen_to_channels_of_their_prefix(real_system: QueueSystem) -> None:
    other = QueueSystem(f"{real_system.url}?prefix=a:b")
    address, channel = other.store.address, keys.over("q", "id")

    async def listeners() -> int:
        store = AsyncStore(address)
        with subscribe(address, channel):
            async with store.subscribe(channel):
                [_, count] = real_system.redis("PUBSUB", "NUMSUB", "a:b:{q}:over:id")
        await store.close()
        return int(count)

    with closing(other.store):
        assert asyncio.run(listeners()) == 2
