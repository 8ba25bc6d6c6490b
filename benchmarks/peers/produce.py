"""The producer's side of a peer: obeys `producer.py` through stdin and answers through stdout, one JSON object a line.

python -m peers.produce NAME        # the module peers.NAME: its `one`, perhaps `many` and `start`

{"do": "one", "job": J, "count": N}       enqueue one by one; answers the seconds
{"do": "many", "job": J, "count": N}      enqueue by what the library has for many jobs; answers the seconds
{"do": "idle", "count": N, "most_s": S}   enqueue into an idle system, one at a time; answers ns until each ran

Runs in the peer's environment: nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from inspect import isawaitable
from typing import Any

import ledger

#: Enqueue the job of that name with that index.
SendOne = Callable[[str, int], Awaitable[Any] | Any]
#: Enqueue it with each of the indexes.
SendMany = Callable[[str, Iterable[int]], Awaitable[Any] | Any]
#: The pause before each job of "idle": long enough to be idle, and in step with nothing.
_PAUSE_S = (0.015, 0.040)
_LOST_S = 15.0


def serve(one: SendOne, many: SendMany | None, start: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    """Obey until stdin ends. ``start``: awaited first."""
    with asyncio.Runner() as runner:
        if start is not None:
            runner.run(start())
        for line in sys.stdin:
            order = json.loads(line)
            print(json.dumps(runner.run(_obey(order, one, many))), flush=True)


async def _obey(order: dict[str, Any], one: SendOne, many: SendMany | None) -> Any:
    if order["do"] == "idle":
        return await _idle(one, order["count"], order["most_s"])
    indexes = range(order["count"])
    started = time.perf_counter()
    if order["do"] == "many" and many is not None:
        await _settled(many(order["job"], indexes))
    else:
        for index in indexes:
            if (sent := one(order["job"], index)) is not None and isawaitable(sent):
                await sent
    return time.perf_counter() - started


async def _settled(sent: Any) -> None:
    if isawaitable(sent):
        await sent


async def _idle(one: SendOne, count: int, most_s: float) -> list[int]:
    cells = ledger.attach()
    until = time.monotonic() + most_s
    took: list[int] = []
    for index in range(count):
        await asyncio.sleep(random.uniform(*_PAUSE_S))
        before = time.monotonic_ns()
        await _settled(one("noop", index))
        deadline = time.monotonic() + _LOST_S
        while not cells[index]:
            await asyncio.sleep(0.005)
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {index} never ran")
        took.append(cells[index] - before)
        if time.monotonic() > until:
            break
    return took


async def in_chunks(send: Callable[[int], Awaitable[Any]], indexes: Iterable[int], size: int = 100) -> None:
    """Await so many sends at a time: what an asyncio producer does where its library has no call for many jobs."""
    chunk: list[Awaitable[Any]] = []
    for index in indexes:
        chunk.append(send(index))
        if len(chunk) == size:
            await asyncio.gather(*chunk)
            chunk.clear()
    await asyncio.gather(*chunk)


if __name__ == "__main__":
    peer = importlib.import_module(f"peers.{sys.argv[1]}")
    serve(peer.one, getattr(peer, "many", None), getattr(peer, "start", None))
