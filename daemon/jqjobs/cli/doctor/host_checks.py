"""What the doctor asks of hosts: those of daemons are told by them, that of Redis is looked at from beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from jqjobs.base.sizes import format_size
from jqjobs.base.words import plural
from jqjobs.operations.daemons import title
from jqjobs.operations.doctor.checks import Check
from jqjobs.operations.doctor.facts import Facts
from jqjobs.operations.doctor.findings import Finding, error, fine, unknown, warning
from jqjobs.store.reads.hosts import HostInfo
from jqjobs.store.reads.registry import DaemonInfo

_ALL = "hosts"
#: Below this no further worker can be started: a board is some 100 KiB, and others write there too.
_LEAST_FREE_BYTES = 16 << 20
_NOT_BESIDE = "known only where jqctl runs beside Redis"


def _told(facts: Facts) -> Iterator[tuple[DaemonInfo, HostInfo]]:
    return ((daemon, daemon.host_facts) for daemon in facts.registry.daemons if daemon.host_facts)


def _stop(facts: Facts) -> Iterator[Finding]:
    for daemon, host in _told(facts):
        if host.stop:
            said, _, hint = host.stop.rpartition(": ")
            yield warning(f"daemon {title(daemon)}", said or host.stop, hint)


def _memory(facts: Facts) -> Iterator[Finding]:
    """Daemons below one limit share it: together their workers must fit, each as large as the largest is by now."""
    daemons: dict[tuple[str, str], list[DaemonInfo]] = defaultdict(list)
    limits: dict[tuple[str, str], int] = {}
    for daemon, host in _told(facts):
        place = (daemon.host, host.memory_of)
        daemons[place].append(daemon)
        limits[place] = host.memory_bytes
    for (host_name, who), sharing in daemons.items():
        limit = limits[host_name, who]
        wanted = sum(daemon.slots or len(daemon.workers) for daemon in sharing)
        largest = max((worker.rss_bytes or 0 for daemon in sharing for worker in daemon.workers), default=0)
        if limit and wanted * largest > limit:
            yield warning(
                f"host {host_name}",
                f"{plural(wanted, 'worker')} of up to {format_size(largest)} may need {format_size(wanted * largest)},"
                f" and {who} has {format_size(limit)}",
                "fewer --processes, --max-rss, or more memory; until then workers wait when it runs out",
            )  # fmt: skip


def _inotify(facts: Facts) -> Iterator[Finding]:
    for daemon in facts.registry.daemons:
        if daemon.unwatched:
            yield warning(
                f"daemon {title(daemon)}", f"inotify failed, so it looks at source files by itself: {daemon.unwatched}",
                "sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288, or --watch poll",
            )  # fmt: skip


def _boards(facts: Facts) -> Iterator[Finding]:
    for daemon, host in _told(facts):
        subject = f"daemon {title(daemon)}"
        if host.boards_free_bytes is not None and host.boards_free_bytes < _LEAST_FREE_BYTES:
            yield error(
                subject, f"{format_size(host.boards_free_bytes)} left for the boards of its workers: {host.boards}",
                "make room there, or mount a larger one (docker run --shm-size); without it no worker starts",
            )  # fmt: skip
        elif host.boards_in_memory is False:
            yield warning(
                subject, f"the boards of its workers lie on a disk: {host.boards}",
                "put them on a tmpfs (/dev/shm, --runtime-dir): a board is written for every job",
            )  # fmt: skip


def _overcommit(facts: Facts) -> Iterator[Finding]:
    overcommit = facts.server.overcommit
    if overcommit is None:
        yield unknown("Redis", _NOT_BESIDE)
    elif overcommit != 1:
        yield warning(
            "Redis", f"vm.overcommit_memory is {overcommit} on its host: short of memory it cannot fork to save",
            "sysctl vm.overcommit_memory=1",
        )  # fmt: skip


def _huge_pages(facts: Facts) -> Iterator[Finding]:
    huge_pages = facts.server.huge_pages
    if huge_pages is None:
        yield unknown("Redis", _NOT_BESIDE)
    elif huge_pages:
        yield warning(
            "Redis", "it uses transparent huge pages: each fork copies far more than changes, and commands wait for it",
            "disable-thp yes in redis.conf, or echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        )  # fmt: skip
    else:
        yield fine("Redis", "no transparent huge pages")


_REGISTRY = ("registry",)
CHECKS = (
    Check("host.stop", _ALL, "whoever supervises a daemon waits for its drain, as far as is known", _stop, _REGISTRY),
    Check("host.memory", _ALL, "workers fit the memory that they may use", _memory, _REGISTRY),
    Check("host.inotify", _ALL, "changes of source files are told by inotify", _inotify, _REGISTRY),
    Check("host.boards", _ALL, "there is room for the boards of workers", _boards, _REGISTRY),
    Check("host.overcommit", "Redis", "vm.overcommit_memory is 1 on its host", _overcommit),
    Check("host.thp", "Redis", "", _huge_pages),
)
