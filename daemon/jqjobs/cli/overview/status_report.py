"""What `jqctl status` tells: read from the store, as JSON, and as text for people; lists of queues and daemons use it.

Reading is in `read_status`; all below it are pure functions from values to text. What needs somebody's
attention is said in words, on a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jqjobs.base.clock import format_age
from jqjobs.base.words import plural
from jqjobs.cli.daemon.daemon_report import daemon_notes, daemon_parts, most_telling, workers_in_sum
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.output import write_error
from jqjobs.cli.overview.queue_report import queue_table
from jqjobs.cli.session import Session
from jqjobs.cli.tables import Part
from jqjobs.errors import StoreError
from jqjobs.operations.daemons import START_ONE
from jqjobs.operations.status import NEAR_S, StatusReport
from jqjobs.store.clusters import OF_NO_QUEUE
from jqjobs.store.reads.cluster_nodes import ClusterNodes
from jqjobs.store.reads.memory import RedisMemory
from jqjobs.store.reads.registry import DaemonInfo, Registry

#: So many queues, workers, and daemons are told one by one, the others in sum; `-o wide` tells all.
_MOST = 20


def as_text(report: StatusReport, *, wide: bool = False) -> Iterator[Part]:
    """Return what ``status`` tells people; ``wide``: each queue, daemon and worker, however many."""
    daemons = report.registry.daemons
    workers = sum(len(daemon.workers) for daemon in daemons)
    queues = len(report.queues) + len(report.broken)
    counted = ", ".join([plural(queues, "queue"), plural(len(daemons), "daemon"), plural(workers, "worker")])
    yield f"Redis at {report.address}: {counted}"
    if report.memory:
        yield from memory_notes(report.memory)
    yield from cluster_parts(report.cluster)
    if not daemons:
        yield no_daemon_note(report.registry)
    if not queues:
        yield "No queue is known yet. A first job: jqctl enqueue NAME --queue default --args '[42]'"
    else:
        yield ""
        yield from queue_parts(report, None if wide else _MOST)
    yield from _daemons(daemons, wide=wide)


def no_daemon_note(registry: Registry) -> str:
    """Return what to do where no daemon is heard of."""
    if registry.why_mute:
        return f"! NO DAEMON IS HEARD OF: {registry.why_mute}. If none is running, {START_ONE}"
    return f"! NO DAEMON IS RUNNING, so no job is executed; {START_ONE}"


def cluster_parts(cluster: ClusterNodes) -> Iterator[Part]:
    """Return the nodes of a cluster, and which queues stand still."""
    for queue in cluster.migrating:
        what = "WHAT DAEMONS SHARE" if queue == OF_NO_QUEUE else f"QUEUE {queue}"
        yield f"! {what} IS ON ITS WAY TO ANOTHER NODE, key by key, and stands still until it is there"
    for node in cluster.nodes:
        what = f"replica of {node.primary}" if node.primary else f"primary of {plural(node.slots, 'hash slot')}"
        yield f"  {node.place}: {what}{', NOT THERE' if node.is_down else ''}"


def memory_notes(memory: RedisMemory) -> Iterator[str]:
    """Return when Redis is full, if that is near."""
    full_in_s = memory.full_in_s
    if full_in_s is not None and full_in_s < NEAR_S:
        yield f"! REDIS IS FULL IN {format_age(full_in_s)} at the growth of the last hour (jqctl doctor)"


def _daemons(daemons: Sequence[DaemonInfo], *, wide: bool) -> Iterator[Part]:
    """Return the daemons with those of their workers that are told one by one."""
    ranked = sorted(daemons, key=lambda daemon: not any(daemon_notes(daemon)))
    ids = {daemon.id for daemon in (daemons if wide else ranked[:_MOST])}
    told = [daemon for daemon in daemons if daemon.id in ids]
    workers = most_telling(told, sum(len(daemon.workers) for daemon in daemons) if wide else _MOST)
    for daemon in told:
        yield ""
        yield from daemon_parts(daemon, workers, wide=wide)
    if others := [daemon for daemon in daemons if daemon.id not in ids]:
        yield ""
        sum_of_workers = workers_in_sum([worker for daemon in others for worker in daemon.workers], "with ")
        yield f"and {plural(len(others), 'daemon')} more, {sum_of_workers} (jqctl daemon list)"


def queue_parts(report: StatusReport, most: int | None = None) -> Iterator[Part]:
    """Return the table of queues, ``most`` of them one by one, and those that cannot be counted."""
    yield queue_table(report.queues, report.registry, most)
    for name, why in report.broken.items():
        yield name
        yield f"  ! CANNOT BE COUNTED: {why}"


def report_broken(session: Session, report: StatusReport) -> int:
    """Say on stderr which queues could not be counted, where no screen shows it; return the exit code."""
    for name, why in report.broken.items() if session.screen is None else ():
        write_error(StoreError(f"queue {name} cannot be counted: {why}"), as_json=session.as_json)
    return Exit.ERROR if report.broken else Exit.OK
