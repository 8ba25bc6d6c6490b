"""Daemons and their workers: what each is at, what is wrong with it; and orders to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import new_id
from jqjobs.store.calls.orders import Order, Verb, is_argument
from jqjobs.operations.daemons import short_release, silence_of, title, why_unable
from jqjobs.operations.remote import Reply, find_daemons, give_order
from jqjobs.store.reads.notes import progress_text
from jqjobs.store.reads.registry import DaemonInfo, RunningJob, WorkerInfo
from jqjobs.web.access import Right
from jqjobs.web.http import Response
from jqjobs.web.pages.links import back_or, first, job_url, path_of
from jqjobs.web.visit import Visit

_TIMEOUT_S = 5.0
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
    """A daemon. ``unable``: why it takes no jobs; ``notes``: what else somebody should know."""

    daemon: DaemonInfo
    title: str
    unable: str
    notes: Sequence[str]
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
    cards = [_card(visit, daemon) for daemon in report.status.registry.daemons]
    return visit.page("daemons.html", cards=cards, may=visit.access.may(Right.DAEMON), now_ms=report.now_ms)


def _card(visit: Visit, daemon: DaemonInfo) -> DaemonCard:
    busiest = sorted(daemon.workers, key=lambda worker: -max((job.running_s for job in worker.jobs), default=0.0))
    shown = [_worker(visit, worker) for worker in busiest[:_MOST_WORKERS]]
    return DaemonCard(
        daemon, title(daemon), why_unable(daemon), _notes(daemon), shown, max(0, len(busiest) - _MOST_WORKERS),
        sum(worker.rss_bytes or 0 for worker in daemon.workers), path_of("daemons", daemon.id),
    )  # fmt: skip


def _notes(daemon: DaemonInfo) -> list[str]:
    refused = f"its last reload was refused: {daemon.reload.why}" if daemon.reload.state == "refused" else ""
    missing = (daemon.slots or 0) - len(daemon.workers)
    few = f"{len(daemon.workers)} of {daemon.slots} workers are there" if missing > 0 else ""
    died = f"{daemon.deaths} workers died in the last hour, unasked" if daemon.deaths else ""
    return list(filter(None, (refused, few, died, silence_of(daemon))))


def _worker(visit: Visit, worker: WorkerInfo) -> WorkerRow:
    runs = [Job(job, job_url(visit, job.queue, job.id), progress_text(job.progress)) for job in worker.jobs]
    return WorkerRow(worker, short_release(worker.release), runs)


def order(visit: Visit) -> Response:
    """Give an order to one daemon, and tell what it says."""
    verb, argument = _verb(visit.params["act"]), first(visit.request.form(), "workers").strip()
    if not is_argument(verb, argument if verb is Verb.SCALE else ""):
        raise InvalidOption(f"{argument!r} is no number of workers", hint="1 to 256, +1 or -1, or a range such as 1..8")
    reply = _told(visit, verb, argument if verb is Verb.SCALE else "")
    said = reply.message if reply.ok else f"refused: {reply.message}" if reply.answered else reply.message
    return visit.done("/daemons", f"{title(reply.daemon)}: {said}")


def dump(visit: Visit) -> Response:
    """Show what all threads of a daemon's workers are doing right now; of one worker alone if the form names it."""
    reply, wanted = _told(visit, Verb.DUMP), first(visit.request.form(), "worker")
    stacks = [stack for stack in _stacks(reply.facts.get("stacks")) if wanted in ("", stack.worker)]
    return visit.page(
        "stacks.html", title=title(reply.daemon), message=reply.message, stacks=stacks,
        back=visit.url(back_or(visit, "/daemons")),
    )  # fmt: skip


def _told(visit: Visit, verb: Verb, argument: str = "") -> Reply:
    registry = visit.snapshot().status.registry
    [daemon] = find_daemons(registry, [visit.params["id"]])[:1]
    visit.act(Right.DAEMON, daemon.name or daemon.id, act=verb.value, workers=argument or None)
    return give_order(visit.store, [daemon], Order(verb, argument, new_id()), _TIMEOUT_S)[0]


def _verb(word: str) -> Verb:
    if word not in list(Verb) or word == Verb.PING:
        raise InvalidOption(f"there is no order {word!r}", hint=f"orders are {', '.join(Verb)}")
    return Verb(word)


def _stacks(said: Any) -> list[StackText]:
    found = [stack for stack in said if isinstance(stack, dict)] if isinstance(said, list) else []
    return [StackText(str(stack.get("worker")), _words(stack.get("jobs")), str(stack.get("text") or "").split("\n"))
            for stack in found]  # fmt: skip


def _words(said: Any) -> list[str]:
    return [str(word) for word in said] if isinstance(said, list) else []
