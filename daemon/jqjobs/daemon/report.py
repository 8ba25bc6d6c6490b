"""What a daemon says of itself and its workers in the registry: `jqctl status` shows it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.lease_messages import Report
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.jobs.partitions import queue_of
from jqjobs.store.wire import Argument
from jqjobs.version import __version__

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def make_report(settings: DaemonSettings, workers: WorkerProcesses, shown: Mapping[str, Argument]) -> Report:
    """Return the registry fields of the daemon, with those that are ``shown`` of its state, and of each worker.

    ``started_ms`` of each is by `monotonic_ms` here.
    """
    daemon = workers.identity
    served = settings.queues.names or tuple(dict.fromkeys(queue_of(q) for worker in workers for q in worker.queues))
    about: dict[str, Argument] = {
        "name": settings.name, "host": daemon.host, "pid": daemon.pid, "boot_id": daemon.boot_id,
        "pid_namespace": daemon.pid_namespace, "started": daemon.started, "version": __version__, "app": settings.app,
        "queues": " ".join(served), "weights": " ".join(map(str, settings.queues.weights)),
        "patterns": " ".join(settings.queues.patterns), "lease_ms": settings.lease_ms, "started_ms": workers.started_ms,
        "workers": " ".join(worker.id for worker in workers), **shown,
    }  # fmt: skip
    described = {worker.id: _about(worker) for worker in workers}
    return Report(about, described, is_busy=any(fields["jobs"] != "[]" for fields in described.values()))


def _about(worker: WorkerProcess) -> dict[str, Argument]:
    now_ms = monotonic_ms()
    jobs = [
        {
            "id": e.id,
            "name": e.name,
            "queue": e.queue,
            "attempt": e.attempt,
            "running_ms": now_ms - e.since_ms,
        }
        for e in worker.board.running()
    ]
    state = "busy" if jobs and worker.state == "ready" else worker.state
    return {
        "pid": worker.pid, "state": state, "rss_bytes": rss_bytes(worker.pid), "started_ms": worker.started_ms,
        "jobs": json.dumps(jobs), "release": worker.release,
    }  # fmt: skip


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process, 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return _rss_by_psutil(pid)


def _rss_by_psutil(pid: int) -> int:
    import psutil  # only where /proc is missing: it costs 60 ms

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
