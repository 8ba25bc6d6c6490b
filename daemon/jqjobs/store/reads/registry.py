"""Reads who is running: daemons and their workers, as they last said themselves (lua/register.lua).

Entries expire by themselves; a daemon whose entry is gone is not shown. Called by jqctl. Everything here was
written by other processes, maybe of other versions: fields may be absent or nonsense; then they are None
or "".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.jobs.partitions import queue_of
from jqjobs.link.queue_choice import is_like
from jqjobs.store import keys
from jqjobs.store.reads.hosts import HostInfo, host_info
from jqjobs.store.reads.notes import attempt_of, progress_of
from jqjobs.store.reads.queues import time_ms
from jqjobs.store.reads.relays import RelayInfo, relay_info
from jqjobs.store.reads.server_info import why_no_writes
from jqjobs.store.reply_values import count, fields, integer, json_or_none, seconds_since, string, text
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: Those heard of last come first; so many are read at a time, until one was not heard of for so long that its entry has
#: expired.
_PAGE, _EXPIRED_MS = 1000, 60_000
#: More workers than this no daemon has.
_MOST_WORKERS = 1000


class RunningJob(NamedTuple):
    """A job that a worker executes. ``running_s``: for how long by now. ``progress``: what it said of itself."""

    id: str
    name: str
    queue: str
    attempt: int
    running_s: float
    progress: Any = None


class WorkerInfo(NamedTuple):
    """A worker process. ``id`` is host:pid:random. ``age_s``: since its start. ``release``: of its code."""

    id: str
    pid: int | None
    state: str
    jobs: tuple[RunningJob, ...]
    rss_bytes: int | None
    age_s: float | None
    release: str = ""


class ReloadInfo(NamedTuple):
    """The last reload of a daemon. ``state``: going, done, refused; "": not known. ``why``: it is refused."""

    number: int = 0
    state: str = ""
    why: str = ""


class DaemonInfo(NamedTuple):
    """A daemon. ``slots``: workers it wants. ``note``: why it waits. ``seen_s``: since it last registered.

    ``processes``: how many workers it may want: a number, or a range such as 1..8, from which the jobs decide.
    ``patterns``: the queues whose names are like these have turns. ``weights``: of its queues and then of these, one
    each, or none. ``deaths``: of its workers, unasked, in the last hour.
    ``unwatched``: why inotify does not help it to watch files.
    ``outbox``: the relay of its app's outbox, if that has one.
    """

    id: str
    name: str
    host: str
    pid: int | None
    state: str
    version: str
    queues: tuple[str, ...]
    workers: tuple[WorkerInfo, ...]
    slots: int | None
    note: str
    age_s: float | None
    seen_s: float
    reload: ReloadInfo = ReloadInfo()
    app: str = ""
    lease_ms: int | None = None
    deaths: int = 0
    unwatched: str = ""
    host_facts: HostInfo | None = None
    processes: str = ""
    weights: tuple[int, ...] = ()
    outbox: RelayInfo | None = None
    patterns: tuple[str, ...] = ()

    @property
    def weighed_queues(self) -> list[str]:
        """The queues that it serves, by name or pattern, each with its weight where they have any: as --queues says."""
        words = [*self.queues, *self.patterns]
        if len(self.weights) != len(words):
            return words
        return [f"{word}:{weight}" for word, weight in zip(words, self.weights, strict=True)]

    def serves(self, place: str) -> bool:
        """Whether it serves a queue, or a partition of one, by name or by a pattern."""
        return queue_of(place) in self.queues or is_like(place, self.patterns)

    @property
    def follows_load(self) -> bool:
        """Whether the jobs decide how many workers it wants."""
        return ".." in self.processes

    @property
    def ready_workers(self) -> int:
        """How many workers take jobs, those that are busy with one among them."""
        return sum(worker.state in ("ready", "busy") for worker in self.workers)


class Registry(NamedTuple):
    """All daemons that are there, by name. ``now_ms`` is the clock of Redis.

    ``why_mute``: why none of the daemons that run can say so, where none is heard of.
    """

    now_ms: int
    daemons: tuple[DaemonInfo, ...]
    why_mute: str = ""

    @property
    def served(self) -> set[str]:
        """The queues that daemons serve by name."""
        return {queue for daemon in self.daemons for queue in daemon.queues}

    def serves(self, place: str) -> bool:
        """Whether any daemon serves a queue, or a partition of one."""
        return any(daemon.serves(place) for daemon in self.daemons)


def read_registry(store: Store) -> Registry:
    """Read all daemons and their workers, in three round trips; where there is none, ask whether any could say so."""
    now_ms, seen_ms = _heard_of(store)
    entries = _hashes(store, [store.address.key(keys.daemon(daemon)) for daemon in seen_ms])
    present = {daemon: entry for daemon, entry in zip(seen_ms, entries, strict=True) if entry}
    workers = _read_workers(store, present, seen_ms, now_ms)
    daemons = [_daemon(daemon, present[daemon], seen_ms[daemon], now_ms, workers) for daemon in present]
    by_name = sorted(daemons, key=lambda daemon: (daemon.name, daemon.host, daemon.id))
    return Registry(now_ms, tuple(by_name), "" if daemons else why_no_writes(store))


def _heard_of(store: Store) -> tuple[int, dict[str, int]]:
    """Return the time of Redis and when each daemon was heard of, in one round trip for a thousand of them."""
    seen_ms: dict[str, int] = {}
    for start in itertools.count(step=_PAGE):
        page = ("ZRANGE", store.address.key(keys.DAEMONS), start, start + _PAGE - 1, "REV", "WITHSCORES")
        time, found = raise_first(store.wire.pipeline([("TIME",), page]))
        now_ms = time_ms(time)
        seen_ms |= {text(found[i]): integer(found[i + 1]) or 0 for i in range(0, len(found), 2)}
        if len(found) < 2 * _PAGE or (integer(found[-1]) or now_ms) < now_ms - _EXPIRED_MS:
            break
    return now_ms, seen_ms


def with_progress(store: Store, registry: Registry) -> Registry:
    """Return the registry with what running jobs said of their progress, read in one more round trip."""
    running = [job for daemon in registry.daemons for worker in daemon.workers for job in worker.jobs]
    progress = progress_of(store, {(job.queue, job.id) for job in running})

    def told(job: RunningJob) -> RunningJob:
        noted = progress.get((job.queue, job.id))
        return job._replace(progress=noted) if attempt_of(noted) == job.attempt else job

    def informed(daemon: DaemonInfo) -> DaemonInfo:
        workers = (worker._replace(jobs=tuple(map(told, worker.jobs))) for worker in daemon.workers)
        return daemon._replace(workers=tuple(workers))

    return registry._replace(daemons=tuple(map(informed, registry.daemons))) if progress else registry


def _hashes(store: Store, names: Sequence[str]) -> list[dict[str, Any]]:
    # An error reply (a key of another type) counts as absent.
    return [fields(reply) for reply in store.wire.pipeline([("HGETALL", name) for name in names])]


def _worker_ids(entry: dict[str, Any]) -> list[str]:
    return (string(entry.get("workers")) or "").split()[:_MOST_WORKERS]


def _read_workers(
    store: Store, present: dict[str, dict[str, Any]], seen_ms: dict[str, int], now_ms: int
) -> dict[str, WorkerInfo]:
    owners = {worker: daemon for daemon, entry in present.items() for worker in _worker_ids(entry)}
    entries = _hashes(store, [store.address.key(keys.worker(worker)) for worker in owners])
    return {
        worker: _worker(worker, entry, seen_ms[daemon], now_ms)
        for (worker, daemon), entry in zip(owners.items(), entries, strict=True)
        if entry
    }


def _daemon(
    daemon: str, entry: dict[str, Any], seen_ms: int, now_ms: int, workers: dict[str, WorkerInfo]
) -> DaemonInfo:
    own = tuple(workers[worker] for worker in _worker_ids(entry) if worker in workers)
    return DaemonInfo(
        id=daemon, name=_word(entry, "name"), host=_word(entry, "host"), pid=integer(entry.get("pid")),
        state=_word(entry, "state"), version=_word(entry, "version"),
        queues=tuple(_word(entry, "queues").split()), workers=own, slots=integer(entry.get("slots")),
        note=_word(entry, "note"),
        age_s=seconds_since(entry.get("started_ms"), now_ms), seen_s=max(0, now_ms - seen_ms) / 1000,
        reload=_reload(_word(entry, "reload")), processes=_word(entry, "processes"),
        weights=tuple(map(count, _word(entry, "weights").split())), patterns=tuple(_word(entry, "patterns").split()),
        app=_word(entry, "app"), lease_ms=integer(entry.get("lease_ms")),
        deaths=count(entry.get("deaths")), unwatched=_word(entry, "unwatched"),
        host_facts=host_info(entry.get("host_facts")), outbox=relay_info(entry.get("outbox")),
    )  # fmt: skip


def _reload(said: str) -> ReloadInfo:
    number, _, rest = said.partition(" ")
    state, _, why = rest.partition(" ")
    return ReloadInfo(count(number), state, why)


def _worker(worker: str, entry: dict[str, Any], seen_ms: int, now_ms: int) -> WorkerInfo:
    listed = json_or_none(entry.get("jobs"))
    jobs = [job for job in listed if isinstance(job, dict)] if isinstance(listed, list) else []
    silence_ms = max(0, now_ms - seen_ms)
    return WorkerInfo(
        id=worker, pid=integer(entry.get("pid")), state=_word(entry, "state"),
        jobs=tuple(_running(job, silence_ms) for job in jobs), rss_bytes=integer(entry.get("rss_bytes")),
        age_s=seconds_since(entry.get("started_ms"), now_ms), release=_word(entry, "release"),
    )  # fmt: skip


def _running(job: dict[str, Any], silence_ms: int) -> RunningJob:
    # What was running when it last registered has gone on since.
    return RunningJob(
        id=_word(job, "id"), name=_word(job, "name"), queue=_word(job, "queue"),
        attempt=count(job.get("attempt")), running_s=(count(job.get("running_ms")) + silence_ms) / 1000,
    )  # fmt: skip


def _word(entry: dict[str, Any], name: str) -> str:
    return string(entry.get(name)) or ""
