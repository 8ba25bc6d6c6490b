"""Daemons and their workers: what each is at, what is wrong with it; and orders to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jqjobs.base.words import plural
from jqjobs.operations.daemons import outbox_trouble, relay_in_words, short_release, silence_of, title, why_unable
from jqjobs.store.calls.orders import Verb
from jqjobs.store.reads.notes import progress_text
from jqjobs.store.reads.registry import DaemonInfo, RunningJob, WorkerInfo
from jqjobs.web.access import Right
from jqjobs.web.acting import act_on_daemon
from jqjobs.web.http import Response
from jqjobs.web.pages.links import back_or, first, job_url, path_of
from jqjobs.web.visit import Visit

_MOST_WORKERS = 60


class Job(NamedTuple):
    """What a worker runs."""

    job: RunningJob
    url: str
    progress: str


class WorkerRow(NamedTuple):
    """A worker with what it runs."""

    worker: WorkerInfo
    release: str
    jobs: Sequence[Job]


class DaemonCard(NamedTuple):
    """A daemon. ``unable``: why it takes no jobs; ``refused``: why it runs old code; ``notes``: what else is odd.

    ``relay``: how that of its app's outbox is, ``stuck``: what is wrong with that, and what to do; "" for nothing.
    """

    daemon: DaemonInfo
    title: str
    unable: str
    refused: str
    notes: Sequence[str]
    relay: str
    stuck: str
    workers: Sequence[WorkerRow]
    left_out: int
    rss_bytes: int
    path: str


class StackText(NamedTuple):
    """What all threads of one worker were doing."""

    worker: str
    jobs: Sequence[str]
    lines: Sequence[str]


def daemons(visit: Visit) -> Response:
    """Show all daemons."""
    report = visit.snapshot()
    registry = report.status.registry
    return visit.page(
        "daemons.html", cards=[_card(visit, daemon) for daemon in registry.daemons], now_ms=report.now_ms,
        why_mute=registry.why_mute, may=visit.access.may(Right.DAEMON),
    )  # fmt: skip


def _card(visit: Visit, daemon: DaemonInfo) -> DaemonCard:
    busiest = sorted(daemon.workers, key=lambda worker: -max((job.running_s for job in worker.jobs), default=0.0))
    shown = [_worker(visit, worker) for worker in busiest[:_MOST_WORKERS]]
    relay = daemon.outbox
    return DaemonCard(
        daemon, title(daemon), why_unable(daemon), _refused(daemon), _notes(daemon),
        relay_in_words(relay) if relay else "", ": ".join(filter(None, outbox_trouble(relay))) if relay else "", shown,
        max(0, len(busiest) - _MOST_WORKERS), sum(worker.rss_bytes or 0 for worker in daemon.workers),
        path_of("daemons", daemon.id),
    )  # fmt: skip


def _refused(daemon: DaemonInfo) -> str:
    return f"its last reload was refused: {daemon.reload.why}" if daemon.reload.state == "refused" else ""


def _notes(daemon: DaemonInfo) -> list[str]:
    missing = (daemon.slots or 0) - len(daemon.workers)
    few = f"{len(daemon.workers)} of {daemon.slots} workers are there" if missing > 0 else ""
    died = f"{plural(daemon.deaths, 'worker')} died in the last hour, unasked" if daemon.deaths else ""
    return list(filter(None, (few, died, silence_of(daemon))))


def _worker(visit: Visit, worker: WorkerInfo) -> WorkerRow:
    runs = [Job(job, job_url(visit, job.queue, job.id), progress_text(job.progress)) for job in worker.jobs]
    return WorkerRow(worker, short_release(worker.release), runs)


def act(visit: Visit) -> Response:
    """Give an order to one daemon, and tell what it says; of stacks, a page of its own."""
    word, argument = visit.params["act"], first(visit.form(), "workers").strip()
    [reply, *_] = act_on_daemon(visit, word, visit.params["id"], argument)["daemons"]
    called = f"{reply['name'] or reply['id']} on {reply['host'] or '?'}"
    if word == Verb.DUMP and reply["ok"]:
        return _stack_page(visit, called, reply)
    refused = "refused: " if reply["answered"] and not reply["ok"] else ""
    return visit.done(back_or(visit, "/daemons"), f"{called}: {refused}{reply['message']}")


def _stack_page(visit: Visit, called: str, reply: Mapping[str, Any]) -> Response:
    """Show what all threads of its workers are doing right now; of one worker alone if the form names it."""
    wanted = first(visit.form(), "worker")
    stacks = [stack for stack in _stacks(reply["facts"].get("stacks")) if wanted in ("", stack.worker)]
    return visit.page(
        "stacks.html", title=called, message=reply["message"], stacks=stacks, back=visit.url(back_or(visit, "/daemons"))
    )


def _stacks(said: Any) -> list[StackText]:
    found = [stack for stack in said if isinstance(stack, dict)] if isinstance(said, list) else []
    return [StackText(str(stack.get("worker")), _words(stack.get("jobs")), str(stack.get("text") or "").split("\n"))
            for stack in found]  # fmt: skip


def _words(said: Any) -> list[str]:
    return [str(word) for word in said] if isinstance(said, list) else []
