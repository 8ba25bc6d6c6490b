"""What is wrong, in words, as far as the shared snapshot tells: the doctor's own checks of queues and daemons.

What the doctor asks beyond that (names of parked jobs, limits, hosts) is left to `jqctl doctor`: this is looked at each
two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jqjobs.base.clock import format_age
from jqjobs.operations.doctor import daemon_checks, queue_checks
from jqjobs.operations.doctor.checks import examine
from jqjobs.operations.doctor.cluster_checks import CLUSTER
from jqjobs.operations.doctor.facts import Facts, QueueFacts, ServerFacts
from jqjobs.operations.doctor.findings import Finding, Level, error, warning
from jqjobs.operations.status import StatusReport
from jqjobs.store.reads.diagnosis import died_since
from jqjobs.web.pages.links import path_of
from jqjobs.web.visit import Visit

_HOUR_MS, _HOUR_S, _DAY_S = 3_600_000, 3600.0, 86_400.0
_UNTOLD = dict.fromkeys(("limits", "schedules", "leases"), "not asked here")
_ALL = (CLUSTER, *queue_checks.CHECKS, *daemon_checks.CHECKS)
_CHECKS = [check for check in _ALL if not _UNTOLD.keys() & set(check.needs)]
#: The state whose list shows what a check of a queue complains of.
_LISTS = {"queues.parked": "parked", "queues.rejected": "rejected"}
_QUEUE = "queue "
#: What to do about it where there are buttons; elsewhere the doctor's words are as good.
_HINTS = {
    "queues.paused": "its page has Resume",
    "queues.dead": "see of what, mend that, retry them all",
    "queues.rejected": "mend their producer; the list shows them",
    "queues.oldest": "start more workers: Scale, on the page Daemons, or jqd --processes",
}


class Trouble(NamedTuple):
    """``level``: error or warning. ``url``: where to look, and mostly to act. ``queue``: that it is of, or ""."""

    level: str
    subject: str
    message: str
    hint: str
    url: str
    queue: str


def read_troubles(visit: Visit) -> list[Trouble]:
    """Return what is wrong now, the worst first."""
    status = visit.snapshot().status
    found = [(check.id, finding) for check, finding in examine(_CHECKS, _facts(visit, status))]
    found += [("server.memory", finding) for finding in _memory(status)]
    told = [
        _trouble(visit, check, finding) for check, finding in found if finding.level in (Level.ERROR, Level.WARNING)
    ]
    return sorted(told, key=lambda trouble: trouble.level != "error")


def _trouble(visit: Visit, check: str, finding: Finding) -> Trouble:
    queue = finding.subject.removeprefix(_QUEUE) if finding.subject.startswith(_QUEUE) else ""
    hint = _HINTS.get(check, finding.hint)
    return Trouble(finding.level.value, finding.subject, finding.message, hint, _url(visit, check, queue), queue)


def _facts(visit: Visit, status: StatusReport) -> Facts:
    with_dead = [queue.name for queue in status.queues if queue.dead]
    died = died_since(visit.store, dict.fromkeys(with_dead, status.registry.now_ms - _HOUR_MS))
    died_of = dict(zip(with_dead, died, strict=True))
    queues = [QueueFacts(queue, died_in_last_hour=died_of.get(queue.name, 0)) for queue in status.queues]
    server = ServerFacts(status.address, {}, status.memory, 0.0, 0.0, cluster=status.cluster)
    return Facts(server, status.registry, queues, status.broken, _UNTOLD)


def _memory(status: StatusReport) -> Iterator[Finding]:
    full_in_s = status.memory.full_in_s if status.memory else None
    if full_in_s is not None and full_in_s < _DAY_S:
        kind = error if full_in_s < _HOUR_S else warning
        what = f"full in {format_age(full_in_s)} at the growth of the last hour; then new jobs are refused"
        yield kind("Redis", what, "raise maxmemory, or let less stay: jqd --max-dead, keep= of jobs")


def _url(visit: Visit, check: str, queue: str) -> str:
    if not queue:
        return visit.url("/daemons" if check.startswith("daemons.") else "/")
    if check == "queues.dead":
        return visit.url("/errors", queue=queue)
    if check in _LISTS:
        return visit.url("/jobs", queue=queue, state=_LISTS[check])
    return visit.url(path_of("queues", queue))
