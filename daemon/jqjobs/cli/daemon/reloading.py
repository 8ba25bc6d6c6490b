"""Waits until daemons have reloaded, or one says why it does not. Called by `jqctl daemon reload --wait`.

What a daemon registers tells how far its reload has come. One that is replaced by a new image (jqjobs itself or its
settings have changed) leaves the registry, and its successor, of the same process, enters it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.base.words import plural
from jqjobs.operations.remote import Reply
from jqjobs.store.reads.registry import DaemonInfo, Registry, read_registry
from jqjobs.store.reply_values import integer
from jqjobs.store.store import Store

_LOOK_S = 0.25
#: A daemon whose successor has not registered after this long has ended.
_ABSENT_S = 30.0
_AT_WORK = ("running", "quiet")


class Reloaded(NamedTuple):
    """How a reload has ended. ``daemon``: as it is now. Not ``answered``: nobody said so, it is what is known."""

    daemon: DaemonInfo
    ok: bool
    message: str
    answered: bool = True


def wait_for_reloads(store: Store, replies: Sequence[Reply], within_s: float) -> list[Reply]:
    """Return the replies with how each reload has ended, those that were refused at once as they are."""
    until_s = time.monotonic() + within_s
    ended: dict[str, Reloaded] = {}
    last_seen_s: dict[str, float] = {}
    awaited = [reply for reply in replies if reply.ok]
    while awaited:
        now_s, registry = time.monotonic(), read_registry(store)
        for reply in awaited:
            daemon = present(reply.daemon, registry)
            if daemon:
                last_seen_s[reply.daemon.id] = now_s
            absent_s = now_s - last_seen_s.setdefault(reply.daemon.id, now_s)
            if verdict := judge(reply, daemon, absent_s) or (_too_late(reply, within_s) if now_s > until_s else None):
                ended[reply.daemon.id] = verdict
        awaited = [reply for reply in awaited if reply.daemon.id not in ended]
        time.sleep(_LOOK_S if awaited else 0)
    return [_told(reply, ended.get(reply.daemon.id)) for reply in replies]


def present(daemon: DaemonInfo, registry: Registry) -> DaemonInfo | None:
    """Return a daemon as it is now, or its successor in the same process; None when neither is there."""
    same = [one for one in registry.daemons if one.id == daemon.id]
    heirs = [one for one in registry.daemons if (one.host, one.pid) == (daemon.host, daemon.pid) and one.pid]
    return next(iter(same or sorted(heirs, key=lambda one: one.age_s or 0.0)), None)


def judge(reply: Reply, daemon: DaemonInfo | None, absent_s: float) -> Reloaded | None:
    """Return how the reload of a daemon has ended, None while it goes on."""
    if daemon is None:
        gone = Reloaded(reply.daemon, False, "it has ended, and no successor is there", answered=False)
        return gone if absent_s > _ABSENT_S else None
    at_work = daemon.state in _AT_WORK and daemon.ready_workers > 0
    if daemon.id != reply.daemon.id:
        is_whole = at_work and daemon.ready_workers >= (daemon.slots or 1)
        return Reloaded(daemon, True, f"reloaded, the daemon too: {_workers(daemon)}") if is_whole else None
    if daemon.reload.number < (integer(reply.facts.get("reload")) or 0) or daemon.reload.state == "going":
        return None
    if daemon.reload.state == "refused":
        return Reloaded(daemon, False, f"{daemon.reload.why} (the old workers go on)")
    return Reloaded(daemon, True, f"reloaded: {_workers(daemon)}") if at_work else None


def _workers(daemon: DaemonInfo) -> str:
    releases = sorted({worker.release for worker in daemon.workers if worker.release and worker.state != "stopping"})
    return plural(daemon.ready_workers, "worker") + (f" of release {', '.join(releases)}" if releases else "")


def _too_late(reply: Reply, within_s: float) -> Reloaded:
    return Reloaded(reply.daemon, False, f"not reloaded within {within_s:g} s (jqctl status shows it)", answered=False)


def _told(reply: Reply, ended: Reloaded | None) -> Reply:
    if ended is None:
        return reply
    return reply._replace(**ended._asdict())
