"""Which node of a cluster serves which slot, as far as this process knows. One per process and cluster, for any thread.

It is looked up (`CLUSTER SLOTS`) at first, and anew whenever it turned out to be wrong: a node was not reached, or
named another one. Connections that wait at a node which has their queue no longer are cut then: whoever uses one finds
it broken, and asks here where to go.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

from jqjobs.errors import JqError, StoreBusy, StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.clusters import SLOTS, Cluster, slot_of
from jqjobs.store.sentinels import Place

#: So long one node has to answer; it does in less than a millisecond.
_PATIENCE_S = 0.5
_REDIRECT = re.compile(r"\b(MOVED|ASK) (\d+) (\S*):(\d+)$")
_ONE_SERVER = "write redis:// or rediss:// for one server, redis+sentinel:// for one that sentinels watch"


class Line(Protocol):
    """A connection to a node."""

    def call(self, *command: str) -> Any:
        """Send a command and return the reply. Raises: StoreError and its kinds."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


class Follower(Protocol):
    """A connection to the node that has one queue."""

    #: Where it leads, or is about to; None: nowhere.
    place: Place | None

    @property
    def tag(self) -> str:
        """That queue."""
        ...

    def cut(self) -> None:
        """Have whoever uses it find it broken, whoever makes it too: it leads nowhere. Called from another thread."""
        ...


#: Makes a line that has so many seconds to connect, and for each reply.
Connect = Callable[[Place, float], Line]


class Redirect(NamedTuple):
    """The answer of a node that has not got a slot. ``is_for_once``: the slot is on its way there."""

    slot: int
    place: Place
    is_for_once: bool


def redirect_of(reply: object, told_by: Place) -> Redirect | None:
    """Return where else to go, if that is the answer; a node that knows no name of another means its own."""
    if not (isinstance(reply, StoreRefused) and reply.reason in ("MOVED", "ASK")):
        return None
    found = _REDIRECT.search(reply.message)
    if found is None:
        return None
    word, slot, host, port = found.groups()
    return Redirect(int(slot), (host.strip("[]") if host not in ("", "?") else told_by[0], int(port)), word == "ASK")


class SlotMap:
    """See above. `owner` is for each command; `look` only when `is_doubted`."""

    def __init__(self, cluster: Cluster) -> None:
        self._seeds = cluster.seeds
        self._order: list[Place] = list(cluster.seeds)
        self._owners: list[Place | None] = [None] * SLOTS
        self._lock = threading.Lock()
        self._followers: WeakSet[Follower] = WeakSet()
        #: Whether to look before it is used.
        self.is_doubted = True
        #: How many servers there are, replicas too; by what they tell.
        self.primaries: frozenset[Place] = frozenset()

    def owner(self, slot: int) -> Place:
        """Return the node that serves a slot. Raises: StoreBusy when none does, as while another one takes over."""
        place = self._owners[slot]
        if place is None:
            self.is_doubted = True
            raise StoreBusy(f"no node of the cluster serves slot {slot}", reason="CLUSTERDOWN")
        return place

    def doubt(self, place: Place | None) -> None:
        """Look before it is used again, and ask this one last: it was not reached."""
        with self._lock:
            if place is not None:
                self._order = [*(other for other in self._order if other != place), place]
        self.is_doubted = True

    def note(self, redirect: Redirect) -> None:
        """A node says where a slot is; whoever has it is asked first what else is elsewhere."""
        if redirect.is_for_once:
            return
        with self._lock:
            self._owners[redirect.slot] = redirect.place
            self._order = [redirect.place, *(other for other in self._order if other != redirect.place)]
        self.is_doubted = True

    def lead(self, follower: Follower, connect: Connect, timeout_s: float) -> Place:
        """Return where its queue is, and have it cut when that changes. Raises: StoreUnavailable, StoreRefused."""
        if self.is_doubted:
            self.look(connect, timeout_s)
        place = follower.place = self.owner(slot_of(follower.tag))
        with self._lock:
            self._followers.add(follower)
        if self._owners[slot_of(follower.tag)] != place:
            raise moved()
        return place

    def look(self, connect: Connect, timeout_s: float) -> None:
        """Ask the nodes, one after the other until one tells.

        Raises: StoreRefused; StoreUnavailable when none does, and none ever did.
        """
        until_s, problem = time.monotonic() + timeout_s, None
        for place in list(self._order):
            left_s = min(_PATIENCE_S, until_s - time.monotonic())
            if left_s <= 0:
                break
            told = _ask(place, connect, left_s)
            if not isinstance(told, StoreError):
                return self._take(told, place)
            problem = problem or told
        if not self.primaries:
            raise problem or StoreUnavailable("no node of the cluster was asked in time")
        return None

    def _take(self, told: Sequence[Any], told_by: Place) -> None:
        """Note what a node has told: first and last slot, the primary of these, its replicas."""
        owners: list[Place | None] = [None] * SLOTS
        primaries, replicas = list[Place](), list[Place]()
        for first, last, *servers in told:
            primary, *others = [_place(server, told_by) for server in servers]
            owners[first : last + 1] = [primary] * (last + 1 - first)
            primaries.append(primary)
            replicas += others
        with self._lock:
            self._owners, self.primaries = owners, frozenset(primaries)
            self._order = list(dict.fromkeys([told_by, *primaries, *replicas, *self._seeds]))
            self.is_doubted = False
            strays = [one for one in self._followers if one.place not in (None, owners[slot_of(one.tag)])]
        for follower in strays:
            follower.cut()


def _ask(place: Place, connect: Connect, timeout_s: float) -> list[Any] | StoreError:
    line = connect(place, timeout_s)
    try:
        told: list[Any] = line.call("CLUSTER", "SLOTS")
    except StoreRefused:
        raise
    except StoreError as error:
        if "cluster support disabled" in error.message:
            raise StoreRefused("what the Redis URL names is no node of a cluster", _ONE_SERVER) from None
        return error
    finally:
        line.close()
    return told or StoreBusy("a node of the cluster knows of no slots yet", reason="CLUSTERDOWN")


def _place(server: Sequence[Any], told_by: Place) -> Place:
    host, port = server[:2]
    return (host.decode() if host not in (None, b"", b"?") else told_by[0], int(port))


def moved() -> StoreBusy:
    """Return what becomes of a connection to a node that has its queue no longer."""
    return StoreBusy("another node of the cluster has just taken this queue over", reason="MOVED")


@cache
def _slot_map_of(cluster: Cluster, pid: int) -> SlotMap:
    return SlotMap(cluster)


def slot_map_of(cluster: Cluster) -> SlotMap:
    """Return what this very process knows: locks do not outlive a fork."""
    return _slot_map_of(cluster, os.getpid())


def was_unreached(address: Address, place: Place | None) -> None:
    """Have a cluster looked at again: the node that is said to have a queue cannot be reached."""
    if address.cluster is not None:
        slot_map_of(address.cluster).doubt(place)


def sent_on(address: Address, refusal: JqError, place: Place | None) -> JqError:
    """Return what a node says to a connection that waits there for one queue, which it has no longer."""
    redirect = redirect_of(refusal, place or ("", 0))
    if redirect is None or address.cluster is None:
        return refusal
    slot_map_of(address.cluster).note(redirect)
    return moved()
