"""What the doctor asks of queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from jqjobs.base.clock import format_age
from jqjobs.base.nearest import nearest
from jqjobs.base.words import listed, plural
from jqjobs.operations.doctor.checks import Check
from jqjobs.operations.doctor.facts import Facts, QueueFacts
from jqjobs.operations.doctor.findings import Finding, error, warning
from jqjobs.operations.queues import pause_in_words, unserved
from jqjobs.store.calls.schedules import CLASH_HINT
from jqjobs.store.reads.registry import Registry

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
        what = f"it cannot be counted: {why}"
        hint = "where its node is away, that must come back; else something wrote to its keys, see docs/protocol.md"
        yield error(f"queue {name}", what, hint)


def _served(queue: QueueFacts, registry: Registry) -> Iterator[Finding]:
    status = queue.status
    waiting = status.inbox + status.ready + status.scheduled + status.held + status.suspects + status.moving
    if waiting and registry.daemons and not registry.serves(status.name):
        waited = f" (the oldest for {format_age(status.oldest_ready_s)})" if status.oldest_ready_s else ""
        what = f"{plural(waiting, 'job')} in it{waited}, and {unserved(status.name, registry)}"
        yield error(_named(queue), what, f"start a daemon for it: jqd --queues {status.name}")


def _paused(queue: QueueFacts, _: Registry) -> Iterator[Finding]:
    status = queue.status
    if status.paused_ms is not None:
        age, said = format_age(max(0, status.now_ms - status.paused_ms) / 1000), pause_in_words(status)
        what = f"paused for {age}{said and f', {said}'}: no job of it is taken"
        yield warning(_named(queue), what, f"jqctl queue resume {status.name}")


def _parked(queue: QueueFacts, _: Registry) -> Iterator[Finding]:
    misfits = queue.status.misfits
    if unknown := queue.status.parked - misfits:
        names = f": {_counted(queue.parked)}" if queue.parked else ""
        what = f"{plural(unknown, 'job')} parked, whose names no live worker offers{names}"
        yield error(_named(queue), what, _meant(queue))
    if misfits:
        what = f"{plural(misfits, 'job')} parked, whose arguments fit no live worker's function"
        hint = f"deploy the code that they were enqueued for, or cancel them: {_see(queue, 'parked')}"
        yield error(_named(queue), what, hint)


def _meant(queue: QueueFacts) -> str:
    """Return what to do about names that nobody offers: most are misspelt, or not deployed yet."""
    slips = {name: nearest(name, queue.offered) for name in queue.parked if name not in queue.offered}
    meant = [f"{name} may be meant to be {offered}" for name, offered in slips.items() if offered]
    return f"{listed(meant)}; " * bool(meant) + "deploy code that has them: jqctl jobs lists what is offered"


def _rejected(queue: QueueFacts, _: Registry) -> Iterator[Finding]:
    if refused := queue.status.rejected:
        reasons = f": {_counted(queue.rejected)}" if queue.rejected else ""
        what = f"{plural(refused, 'envelope')} refused{reasons}"
        yield warning(_named(queue), what, f"mend their producer; {_see(queue, 'rejected')} shows them")


def _oldest(queue: QueueFacts, registry: Registry) -> Iterator[Finding]:
    status = queue.status
    waits_s = status.oldest_ready_s or 0.0
    if waits_s > _LONG_S and status.paused_ms is None and registry.serves(status.name):
        hint = "start more workers: jqctl daemon scale, or jqd --processes; jqctl status shows what they are at"
        yield warning(_named(queue), f"its oldest ready job has waited for {format_age(waits_s)}", hint)


def _dead(queue: QueueFacts, _: Registry) -> Iterator[Finding]:
    if died := queue.died_in_last_hour:
        group = queue.top_error
        most = f", {group.dead} of them of {group.in_words()}" if group else ""
        what = f"{plural(died, 'job')} died in the last hour, {queue.status.dead} are dead{most}"
        hint = f"jqctl errors --queue {queue.status.name} says of what; mend that, then jqctl job retry"
        yield warning(_named(queue), what, hint)


def _passable(queue: QueueFacts, _: Registry) -> Iterator[Finding]:
    for limit in queue.limits:
        holds = f"the limit {limit.name} holds {plural(limit.held, 'job')} back"
        if limit.most == 0:
            yield error(_named(queue), f"{holds} and lets none through", "give it a number above 0, and retry them")
        elif not limit.is_timed:
            hint = f"enqueue one more job of that limit, which opens it; {_DEFECT}"
            yield error(_named(queue), f"{holds}, and nothing will look at it again", hint)


def _places(queue: QueueFacts, _: Registry) -> Iterator[Finding]:
    for limit in queue.limits:
        if left := limit.left_behind:
            what = f"{plural(left, 'place')} of the limit {limit.name} taken by no running job"
            hint = f"a daemon that serves the queue frees them within a minute; if it does not, {_DEFECT}"
            yield warning(_named(queue), what, hint)


def _schedules(queue: QueueFacts, _: Registry) -> Iterator[Finding]:
    for planned in queue.schedules:
        ref = f"schedule {queue.status.name}/{planned.name}"
        if planned.entry is None:
            yield error(ref, "its entry is damaged: it never comes", "restart a worker that has it")
        if not planned.offered:
            hint = "start the daemon of its app; if it was taken out of the code, all is well"
            yield warning(ref, "no live worker has it in its code: it does not come", hint)
        if len(planned.apps) > 1:
            yield error(ref, f"it is of {len(planned.apps)} apps: {listed(planned.apps)}", CLASH_HINT)


def _each(word: str, fine: str, look: Callable[[QueueFacts, Registry], Iterator[Finding]], *needs: str) -> Check:
    """Return the check that looks at one queue after the other."""

    def look_at_all(facts: Facts) -> Iterator[Finding]:
        for queue in facts.queues:
            yield from look(queue, facts.registry)

    return Check(f"queues.{word}", _ALL, fine, look_at_all, ("registry", *needs))


_ALL = "queues"
CHECKS = (
    Check("queues.countable", _ALL, "each can be counted", _countable, ("registry",)),
    _each("served", "each that has jobs is served", _served),
    _each("paused", "none is paused", _paused),
    _each("parked", "live workers offer every job", _parked, "parked"),
    _each("rejected", "no envelope was refused", _rejected, "rejected"),
    _each("oldest", "no ready job waits for long", _oldest),
    _each("dead", "no job died in the last hour", _dead, "dead"),
    _each("limits", "each limit that holds jobs back will let them through", _passable, "limits"),
    _each("places", "each place of a limit is taken by a running job", _places, "limits"),
    _each("schedules", "each schedule is in the code of a live worker", _schedules, "schedules"),
)
