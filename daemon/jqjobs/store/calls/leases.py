"""A worker from its lease to its end, and what it offers meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from hashlib import sha1
from types import MappingProxyType
from typing import Any, NamedTuple

from jqjobs.link.board import BoardEntry
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import truth
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument

#: So many jobs of a worker one call of `leave` ends (lua/rules/workers/dead_worker.lua).
MOST_ENDED = 30
#: Nothing is told of what jobs take.
NO_PARAMETERS: Mapping[str, Any] = MappingProxyType({})


class Roster(NamedTuple):
    """All that the workers of an app offer: job names, ``name signature`` of each, schedules (`schedules.offers`).

    ``digest``: what stands for it in Redis; the same for the same names.
    """

    digest: str
    names: tuple[str, ...]


class Renewed(NamedTuple):
    """What came of a renewal in a queue. ``leased``: for each worker whether it has its lease still, else it is fenced.

    ``unknown``: digests of the rosters that are to be offered by their names (`offer`).
    """

    leased: list[bool]
    unknown: set[str]


def roster(names: Iterable[str]) -> Roster:
    """Return the roster of these names."""
    offered = tuple(sorted(set(names)))
    return Roster(sha1("\n".join(offered).encode(), usedforsecurity=False).hexdigest()[:20], offered)


def join(queue: str, worker: str, lease_ms: int) -> Call[bool]:
    """Give a worker its lease; False when it was here before and is gone."""
    return Call(script("join"), (keys.meta(queue),), ("", worker, lease_ms), truth, repeatable=True)


class Joined(IntEnum):
    """What came of a worker's coming to a queue by its turn (lua/join.lua)."""

    REFUSED = 0
    JOINED = 1
    UNPUBLISHED = 2  #: joined, and what it offers is not known there


def join_by_turn(queue: str, worker: str, lease_ms: int, digest: str) -> Call[Joined]:
    """Give a worker a lease that it may let go of; it takes the wake token along. ``digest``: of what it offers."""
    return Call(script("join"), (keys.meta(queue),), ("", worker, lease_ms, digest), Joined, repeatable=True)


def step_out(queue: str, worker: str) -> Call[bool]:
    """End the lease of a worker that has nothing in hand there, so that it may join again; False: it has."""
    return Call(script("step_out"), (keys.meta(queue),), ("", worker), lambda reply: reply != 0, repeatable=True)


def renew(
    queues: Sequence[str], lease_ms: int, workers: Sequence[str], digests: Sequence[str] = ()
) -> Call[list[Renewed]]:
    """Renew leases that the same workers have in queues, and what is offered there, by the digests of rosters.

    An answer for each queue; an error is one of all, some of which may be done by then.
    """

    def parse(reply: Any) -> list[Renewed]:
        size = len(workers) + len(digests)
        return [renewed(reply[nth * size : (nth + 1) * size]) for nth in range(len(queues))]

    def renewed(answer: Sequence[Any]) -> Renewed:
        known = zip(digests, answer[len(workers) :], strict=True)
        return Renewed([each == 1 for each in answer[: len(workers)]], {digest for digest, each in known if each != 1})

    args: list[Argument] = ["", lease_ms, len(workers), *workers, *digests]
    return Call(script("renew"), [keys.meta(queue) for queue in queues], args, parse, repeatable=True)


def offer(queue: str, lease_ms: int, offered: Roster) -> Call[int]:
    """Offer a roster that Redis does not know yet; how many names it has."""
    args: list[Argument] = ["", lease_ms, offered.digest, *offered.names]
    return Call(script("offer"), (keys.meta(queue),), args, int, repeatable=True)


def publish(
    queue: str, lease_ms: int, entries: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, Any] = NO_PARAMETERS,
    digest: str = "",
) -> Call[int]:  # fmt: skip
    """Publish what a ready worker offers: job name → catalog entry, and of those at home here → their parameters.

    ``digest``: of all that, for who comes by its turn.
    """
    args: list[Argument] = ["", lease_ms, digest]
    for name, entry in entries.items():
        described = json.dumps(parameters[name]) if name in parameters else ""
        args += (name, json.dumps(entry), *(signature_offers({name: entry}) or ("",)), described)
    return Call(script("publish"), (keys.meta(queue),), args, int, repeatable=True)


def signature_offers(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what a worker offers beside the names of its jobs: which signature each has (`Signature.digest`)."""
    return [f"{name} {entry['signature']}" for name, entry in entries.items() if "signature" in entry]


def leave(
    queue: str, worker: str, cause: str = "", board: Sequence[BoardEntry] = (), stack: str = "", share: float = 1.0
) -> Call[int]:
    """End a worker: how many jobs it had in hand, -1 when it had no lease; `MOST_ENDED`: there may be more, call again.

    ``board``: what its daemon says of each job that is not just unstarted. ``share``: of the delay before such a job
    runs again, 0.5 to 1, so that not all of them come back at once.
    """
    args: list[Argument] = ["", worker, cause, stack, share]
    for entry in board:
        args += (entry.id, entry.attempt, entry.state)
    return Call(script("leave"), (keys.meta(queue),), args, int)


def drain(queue: str, workers: Sequence[str]) -> Call[int]:
    """Say that workers are about to end, so that nobody is charged for it; how many of them have a lease."""
    return Call(script("drain"), (keys.meta(queue),), ("", *workers), int, repeatable=True)
