"""What the doctor asks of queues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jqjobs.base.clock import format_age
from jqjobs.base.nearest import nearest
from jqjobs.cli.doctor.checks import Check
from jqjobs.cli.doctor.facts import Facts, QueueFacts
from jqjobs.cli.doctor.findings import Finding, error, warning
from jqjobs.cli.output import listed, plural
from jqjobs.cli.queue_report import pause_in_words, unserved
from jqjobs.store.calls.schedules import CLASH_HINT
from jqjobs.store.reads.queues import QueueStatus

#: A job that could run for so long and does not waits for a worker.
_LONG_S = 300.0
_DEFECT = "that is a defect: please report it"


def _named(queue: QueueFacts) -> str:
    return f"queue {queue.status.name}"


def _see(queue: QueueFacts, state: str) -> str:
    return f"jqctl job list --queue {queue.status.name} --state {state}"


def _counted(counts: Mapping[str, int]) -> str:
    return listed([f"{word} ({number})" for word, number in counts.items()])


def _countable(facts: Facts) -> Iterator[Finding]:
    for name, why in facts.broken.items():
        yield error(
            f"queue {name}", f"it cannot be counted: {why}", "something else wrote to its keys; see docs/protocol.md"
        )


def _waiting(status: QueueStatus) -> int:
    return status.inbox + status.ready + status.scheduled + status.held + status.suspects


def _served(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        count = _waiting(queue.status)
        if facts.registry.daemons and count and not facts.registry.serves(queue.status.name):
            why = unserved(queue.status.name, facts.registry)
            yield error(
                _named(queue),
                f"{plural(count, 'job')} in it, and {why}",
                f"start a daemon for it: jqd --queues {queue.status.name}",
            )


def _paused(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        since_ms, now_ms, name = queue.status.paused_ms, queue.status.now_ms, queue.status.name
        if since_ms is not None:
            age = format_age(max(0, now_ms - since_ms) / 1000)
            said = pause_in_words(queue.status)
            yield warning(
                _named(queue),
                f"paused for {age}{said and f', {said}'}: no job of it is taken",
                f"jqctl queue resume {name}",
            )


def _parked(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        if unknown := queue.status.parked - queue.status.misfits:
            names = f": {_counted(queue.parked)}" if queue.parked else ""
            yield error(
                _named(queue),
                f"{plural(unknown, 'job')} parked, whose names no live worker offers{names}",
                _meant(queue),
            )
        if misfits := queue.status.misfits:
            yield error(
                _named(queue), f"{plural(misfits, 'job')} parked, whose arguments fit no live worker's function",
                f"deploy the code that they were enqueued for, or cancel them: {_see(queue, 'parked')}",
            )  # fmt: skip


def _meant(queue: QueueFacts) -> str:
    """Return what to do about names that nobody offers: most are misspelt, or not deployed yet."""
    slips = {name: nearest(name, queue.offered) for name in queue.parked if name not in queue.offered}
    meant = [f"{name} may be meant to be {offered}" for name, offered in slips.items() if offered]
    return f"{listed(meant)}; " * bool(meant) + "deploy code that has them: jqctl jobs lists what is offered"


def _rejected(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        if count := queue.status.rejected:
            reasons = f": {_counted(queue.rejected)}" if queue.rejected else ""
            yield warning(
                _named(queue), f"{plural(count, 'envelope')} refused{reasons}",
                f"mend their producer; {_see(queue, 'rejected')} shows them",
            )  # fmt: skip


def _oldest(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        status = queue.status
        waits_s = status.oldest_ready_s or 0.0
        if waits_s > _LONG_S and status.paused_ms is None and facts.registry.serves(status.name):
            yield warning(
                _named(queue), f"its oldest ready job has waited for {format_age(waits_s)}",
                "start more workers: jqctl daemon scale, or jqd --processes; jqctl status shows what they are at",
            )  # fmt: skip


def _dead(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        if count := queue.died_in_last_hour:
            yield warning(
                _named(queue),
                f"{plural(count, 'job')} died in the last hour, {queue.status.dead} are dead{_most_of(queue)}",
                f"jqctl errors --queue {queue.status.name} says of what; mend that, then jqctl job retry",
            )  # fmt: skip


def _most_of(queue: QueueFacts) -> str:
    group = queue.top_error
    return f", {group.dead} of them of {group.in_words()}" if group else ""


def _passable(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        for limit in queue.limits:
            holds = f"the limit {limit.name} holds {plural(limit.held, 'job')} back"
            if limit.most == 0:
                yield error(_named(queue), f"{holds} and lets none through", "give it a number above 0, and retry them")
            elif not limit.is_timed:
                yield error(
                    _named(queue), f"{holds}, and nothing will look at it again",
                    f"enqueue one more job of that limit, which opens it; {_DEFECT}",
                )  # fmt: skip


def _places(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        for limit in queue.limits:
            if count := limit.left_behind:
                yield warning(
                    _named(queue), f"{plural(count, 'place')} of the limit {limit.name} taken by no running job",
                    f"a daemon that serves the queue frees them within a minute; if it does not, {_DEFECT}",
                )  # fmt: skip


def _schedules(facts: Facts) -> Iterator[Finding]:
    for queue in facts.queues:
        for planned in queue.schedules:
            yield from _schedule(f"schedule {queue.status.name}/{planned.name}", planned.apps, planned.offered)
            if planned.entry is None:
                ref = f"schedule {queue.status.name}/{planned.name}"
                yield error(ref, "its entry is damaged: it never comes", "restart a worker that has it")


def _schedule(ref: str, apps: Iterable[str], offered: bool) -> Iterator[Finding]:
    names = list(apps)
    if not offered:
        yield warning(
            ref, "no live worker has it in its code: it does not come",
            "start the daemon of its app; if it was taken out of the code, all is well",
        )  # fmt: skip
    if len(names) > 1:
        yield error(ref, f"it is of {len(names)} apps: {listed(names)}", CLASH_HINT)


_ALL = "queues"
CHECKS = (
    Check("queues.countable", _ALL, "each can be counted", _countable, ("registry",)),
    Check("queues.served", _ALL, "each that has jobs is served", _served, ("registry",)),
    Check("queues.paused", _ALL, "none is paused", _paused),
    Check("queues.parked", _ALL, "live workers offer every job", _parked, ("parked",)),
    Check("queues.rejected", _ALL, "no envelope was refused", _rejected, ("rejected",)),
    Check("queues.oldest", _ALL, "no ready job waits for long", _oldest, ("registry",)),
    Check("queues.dead", _ALL, "no job died in the last hour", _dead, ("dead",)),
    Check("queues.limits", _ALL, "each limit that holds jobs back will let them through", _passable, ("limits",)),
    Check("queues.places", _ALL, "each place of a limit is taken by a running job", _places, ("limits",)),
    Check("queues.schedules", _ALL, "each schedule is in the code of a live worker", _schedules, ("schedules",)),
)
