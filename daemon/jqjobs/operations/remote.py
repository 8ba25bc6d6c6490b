"""Orders to running daemons, the sending end: who is meant, the order to each, their answers within a time.

Owns nothing of what an order means (`daemon.orders`). Called by the commands of `jqctl daemon`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.base.words import known_words, listed, plural
from jqjobs.errors import Conflict, NotFound, StoreError, StoreRefused, StoreUnavailable
from jqjobs.operations.daemons import nobody
from jqjobs.store import keys
from jqjobs.store.calls.daemons import post_order
from jqjobs.store.calls.orders import Order, OrderAnswer, parse_answer
from jqjobs.store.reads.registry import DaemonInfo, Registry, read_registry
from jqjobs.store.store import Store

#: Redis holds back an answer no longer than this at a time: less than any time-out of a socket.
_BLOCK_S = 1.0


class Reply(NamedTuple):
    """What came of an order to one daemon. ``ok``: it does it. Not ``answered``: ``message`` says what is known."""

    daemon: DaemonInfo
    answered: bool
    ok: bool
    message: str
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that ``jqctl daemon … --json`` shows."""
        daemon = self.daemon
        return {
            "id": daemon.id, "name": daemon.name, "host": daemon.host, "pid": daemon.pid, "state": daemon.state,
            "seen_s": daemon.seen_s, "ok": self.ok, "answered": self.answered, "message": self.message,
            "facts": dict(self.facts),
        }  # fmt: skip


def find_daemons(registry: Registry, words: Sequence[str]) -> list[DaemonInfo]:
    """Return the daemons that are meant, each once; no word means all.

    A word is a name (it may belong to several: all are meant), an id, or how just one id begins.
    Raises: NotFound; Conflict when several ids begin so.
    """
    if not registry.daemons:
        raise NotFound(*nobody(registry))
    found = [daemon for word in words for daemon in _meant_by(registry, word)] if words else list(registry.daemons)
    return list(dict.fromkeys(found))


def _meant_by(registry: Registry, word: str) -> list[DaemonInfo]:
    daemons = registry.daemons
    if exact := [daemon for daemon in daemons if word and word in (daemon.name, daemon.id)]:
        return exact
    begun = [daemon for daemon in daemons if word and daemon.id.startswith(word)]
    if len(begun) > 1:
        raise Conflict(f"{plural(len(begun), 'daemon id')} begin with {word!r}", hint=listed([one.id for one in begun]))
    if not begun:
        names = sorted({daemon.name for daemon in daemons})
        raise NotFound(f"there is no daemon {word!r}", hint=known_words(word, names, "daemons"))
    return begun


def give_order(store: Store, daemons: Sequence[DaemonInfo], order: Order, timeout_s: float) -> list[Reply]:
    """Post an order to all, then wait at most ``timeout_s`` for all their answers; a reply for each daemon."""
    until_s = time.monotonic() + timeout_s
    replies = _post(store, daemons, order)
    awaited = {daemon.id: daemon for daemon in daemons if daemon.id not in replies}
    for answer in _wait_for_answers(store, order.nonce, set(awaited), until_s):
        replies[answer.daemon] = Reply(awaited.pop(answer.daemon), True, answer.ok, answer.message, answer.facts)
    now = {daemon.id: daemon for daemon in read_registry(store).daemons} if awaited else {}
    silent = {daemon.id: _silent(daemon, now.get(daemon.id), timeout_s) for daemon in awaited.values()}
    return [(replies | silent)[daemon.id] for daemon in daemons]


def _post(store: Store, daemons: Sequence[DaemonInfo], order: Order) -> dict[str, Reply]:
    """Post an order to all; return what is known already of those to whom it could not be posted."""
    failed: dict[str, Reply] = {}
    posted = store.run_many([post_order(daemon.id, order.to_json()) for daemon in daemons])
    for daemon, error in zip(daemons, posted, strict=True):
        if isinstance(error, (StoreUnavailable, StoreRefused)):
            raise error
        if isinstance(error, StoreError):
            failed[daemon.id] = Reply(daemon, False, False, f"the order cannot be posted: {error.message}", {})
    return failed


def _wait_for_answers(store: Store, nonce: str, awaited: set[str], until_s: float) -> Iterator[OrderAnswer]:
    """Yield the first answer of each daemon that is awaited, until all have come or it is too late."""
    while awaited and (left_s := until_s - time.monotonic()) > 0:
        key = store.address.key(keys.answer(nonce))
        reply = store.wire.call("BLPOP", key, max(0.01, min(_BLOCK_S, left_s)))  # 0 is for ever
        answer = parse_answer(reply[1]) if reply else None
        if answer is not None and answer.daemon in awaited:
            awaited.discard(answer.daemon)
            yield answer


def _silent(daemon: DaemonInfo, now: DaemonInfo | None, timeout_s: float) -> Reply:
    last = f"last heard of {now.seen_s:.1f} s ago; state {now.state or 'unknown'}" if now else "it is gone by now"
    return Reply(now or daemon, False, False, f"no answer within {timeout_s:g} s ({last})", {})
