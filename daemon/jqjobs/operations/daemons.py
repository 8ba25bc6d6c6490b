"""Daemons: what each is called, as JSON, and why it cannot take jobs."""

from __future__ import annotations

from string import hexdigits
from typing import Any

from jqjobs.base.clock import format_age
from jqjobs.base.words import number, plural
from jqjobs.store.reads.registry import DaemonInfo, Registry
from jqjobs.store.reads.relays import RelayInfo

START_ONE = "start one: jqd --app yourpackage.jobs:app"
#: A daemon says something every few seconds; silence beyond this is worth a word.
_SILENT_S = 5.0
#: So much of a commit tells it from others.
_COMMIT_CHARS = 9
#: A daemon that was not heard of for longer may be gone.
_FRESH_S = 10.0
#: Rows of an outbox are brought within seconds.
_LATE_S = 60.0
#: States in which a daemon takes no jobs, whatever its workers are.
_UNABLE = {
    "quiet": "it is quiet (jqctl daemon resume)",
    "draining": "it is draining and ends",
    "stopping": "it is stopping",
    "waiting_redis": "it waits for Redis",
    "waiting_memory": "it waits for memory",
}


def nobody(registry: Registry, named: str = "") -> tuple[str, str]:
    """Return what to say where no daemon is heard of, and what to do. ``named``: words that tell which is meant."""
    if registry.why_mute:
        return f"no daemon{named} is heard of: {registry.why_mute}", f"if none is running, {START_ONE}"
    return f"no daemon{named} is running", START_ONE


def title(daemon: DaemonInfo) -> str:
    """Return how a daemon is called to a person: names need not be unique, host and pid nearly are."""
    return f"{daemon.name or daemon.id} on {daemon.host or '?'} (pid {number(daemon.pid)})"


def daemon_json(daemon: DaemonInfo) -> dict[str, Any]:
    """Return a daemon and its workers as a JSON value."""
    workers = [worker._asdict() | {"jobs": [job._asdict() for job in worker.jobs]} for worker in daemon.workers]
    told = {"reload": daemon.reload, "host_facts": daemon.host_facts, "outbox": daemon.outbox}
    return daemon._asdict() | {"workers": workers} | {name: value and value._asdict() for name, value in told.items()}


def short_release(release: str) -> str:
    """Return the release of a worker as people call it: of a git commit its first digits."""
    is_commit = len(release) in (40, 64) and all(digit in hexdigits for digit in release)
    return release[:_COMMIT_CHARS] if is_commit else release


def silence_of(daemon: DaemonInfo) -> str:
    """Return for how long nothing was heard of a daemon, "" when it was heard of just now."""
    return f"SILENT for {format_age(daemon.seen_s)}" if daemon.seen_s > _SILENT_S else ""


def relay_in_words(relay: RelayInfo) -> str:
    """Return how the relay of an outbox is: ``relay running, pid 7, up 3h05m, 2 rows waiting, the oldest for 3s``."""
    waiting = "not counted yet" if relay.rows is None else f"{plural(relay.rows, 'row')} waiting"
    oldest = f", the oldest for {format_age(relay.oldest_s)}" if relay.rows else ""
    return f"relay {relay.state}, pid {number(relay.pid)}, up {format_age(relay.age_s)}, {waiting}{oldest}"


def outbox_trouble(relay: RelayInfo) -> tuple[str, str]:
    """Return what is wrong with the relay of an outbox, and what to do; "" for nothing."""
    if relay.state == "dead":
        return f"the relay of the outbox is not running{_why(relay)}", "the log of the daemon says more (outbox.died)"
    if relay.state == "waiting_database":
        return f"the relay of the outbox waits for the database{_why(relay)}", "mend that; it tries again by itself"
    if relay.old:
        what = f"{plural(relay.old, 'row')} of the outbox {'is' if relay.old == 1 else 'are'} older than a week"
        return what, "they may have been brought: look, then jqctl outbox run --force"
    if relay.oldest_s > _LATE_S:
        what = f"{plural(relay.rows or 0, 'row')} of the outbox wait, the oldest for {format_age(relay.oldest_s)}"
        return what, "the log says why (outbox.blocked, outbox.bad_row); a queue may be full, or Redis"
    return "", ""


def _why(relay: RelayInfo) -> str:
    return relay.error and f": {relay.error}"


def why_unable(daemon: DaemonInfo) -> str:
    """Return why a daemon cannot take jobs, "" when it can."""
    if daemon.seen_s > _FRESH_S:
        return f"it was last heard of {format_age(daemon.seen_s)} ago"
    if why := _UNABLE.get(daemon.state):
        return f"{why}: {daemon.note}" if daemon.note else why
    if not daemon.ready_workers:
        wanted = "no worker" if daemon.slots is None else f"none of its {plural(daemon.slots, 'worker')}"
        return f"{wanted} is ready" + (f": {daemon.note}" if daemon.note else "")
    return ""
