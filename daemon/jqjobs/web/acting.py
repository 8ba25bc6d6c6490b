"""All that can be done by the dashboard, once for its forms and its JSON API: the right, the act, the note.

Each answers as the command of `jqctl` does with ``--json``. Raises: NotAllowed, and what the act itself raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jqjobs.errors import InvalidOption, NotFound
from jqjobs.jobs.options import Options, check_integer
from jqjobs.jobs.records import check_name, new_id
from jqjobs.jobs.schedule_entry import check_added_name
from jqjobs.operations.acts import cancel_one, delete_one, promote_one, resolve_one, retry_one
from jqjobs.operations.adding_schedules import Spoken, WantedSchedule
from jqjobs.operations.adding_schedules import add as add_to
from jqjobs.operations.arguments import check_known, check_said, payload_of, result_of
from jqjobs.operations.batches import cancel_batch, close_batch, retry_batch, wanted_batch
from jqjobs.operations.batches import open_batch as open_new_batch
from jqjobs.operations.enqueueing import Stored, enqueue_job, wanted
from jqjobs.operations.queues import due_of, require_queue
from jqjobs.operations.remote import find_daemons, give_order
from jqjobs.operations.schedules import drop_schedule, run_schedule, switch_schedule
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.cancels import CancelAnswer
from jqjobs.store.calls.orders import Order, Verb, is_argument
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.store import Store
from jqjobs.store.whole_queues import at_each_place, count_queue
from jqjobs.web.access import Right
from jqjobs.web.visit import Visit

#: What a call to enqueue may say, beside the job and its arguments.
_OPTIONS_OF_MANY = ("priority", "max_attempts", "max_crashes", "timeout", "expires", "keep", "tags", "group")
_OPTIONS = ("id", "key", "delay", "due", "coalesce", "replace", *_OPTIONS_OF_MANY)
_TOLD = ("name", "queue", "args", "kwargs", "then", "batch", "unchecked", *_OPTIONS)
#: What a call to open a batch may say; what follows a death, and for how long it is known, have defaults.
_CHOSEN_OF_BATCHES = ("on_dead", "keep")
_OPENED = ("batch", "then", "always", "unchecked", *_CHOSEN_OF_BATCHES)
#: What a schedule may say: when it comes, texts among all that, options of its jobs.
_WHEN = ("cron", "every", "tz", "until", "missed", "catch_up")
_WORDS_OF_SCHEDULES = ("name", "job", "queue", "cron", "tz", "until", "missed")
_SCHEDULED = (
    "name", "job", "queue", "args", "kwargs", *_WHEN, "overlap", *_OPTIONS_OF_MANY, "replace", "unchecked",
)  # fmt: skip
_REGISTERED = "the name that the job is registered under"
_KINDS = {str: "text", bool: "true or false", list: "list"}
#: Daemons answer at once, or not at all.
_PATIENCE_S = 3.0
DAEMON_ACTS = tuple(verb.value for verb in Verb if verb is not Verb.PING)


def _retry(store: Store, ref: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return _listed("retried", retry_one(store, ref))


def _cancel(store: Store, ref: str, _: Mapping[str, Any]) -> dict[str, Any]:
    job, came_of = cancel_one(store, ref)
    return {
        "cancelled": [job] if came_of is CancelAnswer.CANCELLED else [],
        "cancelling": [job] if came_of is CancelAnswer.CANCELLING else [], "refused": [],
    }  # fmt: skip


def _promote(store: Store, ref: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return _listed("promoted", promote_one(store, ref))


def _delete(store: Store, ref: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return _listed("deleted", delete_one(store, ref))


def _resolve(store: Store, ref: str, given: Mapping[str, Any]) -> dict[str, Any]:
    error, token = given.get("error"), given.get("token") or ""
    if error is not None and "result" in given:
        raise InvalidOption("it has a result and an error", hint="give one of them")
    if not isinstance(token, str) or not isinstance(error, (str, type(None))):
        raise InvalidOption("token and error are texts")
    job, answer = resolve_one(store, ref, token, result_of(json.dumps(given.get("result"))), error)
    return {"job": job, "answer": answer}


def _listed(word: str, job: str) -> dict[str, Any]:
    return {word: [job], f"{word}_count": 1, "refused": []}


#: What can be done to one job: the right that it takes, and the act.
JOB_ACTS: Mapping[str, tuple[Right, Callable[[Store, str, Mapping[str, Any]], dict[str, Any]]]] = {
    "retry": (Right.RETRY, _retry),
    "cancel": (Right.CANCEL, _cancel),
    "promote": (Right.ENQUEUE, _promote),
    "delete": (Right.DELETE, _delete),
    "resolve": (Right.RESOLVE, _resolve),
}


def act_on_job(visit: Visit, act: str, queue: str, job_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Retry, cancel, promote, delete or resolve a job. ``given``: of resolve, ``token`` and ``result`` or ``error``."""
    right, do = JOB_ACTS[_known(act, JOB_ACTS)]
    visit.act(right, f"{queue}/{job_id}", act=act)
    check_name(queue, "queue")
    check_name(job_id, "job id")
    return do(visit.store, f"{queue}/{job_id}", given)


QUEUE_ACTS = ("pause", "resume")


def act_on_queue(visit: Visit, act: str, queue: str, *, reason: str = "", until: str = "") -> dict[str, Any]:
    """Pause or resume a queue. ``until``: when it resumes by itself, in words such as ``in 2h``."""
    visit.act(Right.PAUSE, queue, act=_known(act, QUEUE_ACTS), reason=reason or None, until=until or None)
    check_name(queue, "queue")
    require_queue(visit.store, queue)
    if act == "resume":
        return {"queue": queue, "paused": False, "changed": any(visit.run(at_each_place(queue, upkeep.resume)))}
    moment, user = due_of(until), visit.access.user
    changed = any(visit.run(at_each_place(queue, lambda place: upkeep.pause(place, moment, user, reason))))
    now = visit.run(count_queue(queue))
    told = {"until_ms": now.paused_until_ms, "by": now.paused_by, "reason": now.paused_reason}
    return {"queue": queue, "paused": True, "changed": changed, **told}


SCHEDULE_ACTS = ("pause", "resume", "run", "remove")


def act_on_schedule(visit: Visit, act: str, queue: str, name: str) -> dict[str, Any]:
    """Pause, resume, run or remove a schedule."""
    visit.act(Right.SCHEDULE, f"{queue}/{name}", act=_known(act, SCHEDULE_ACTS))
    reference = f"{queue}/{name}"
    if act == "remove":
        return drop_schedule(visit.store, reference)
    if act != "run":
        return switch_schedule(visit.store, reference, resume=act == "resume")
    return run_schedule(visit.store, reference)


def add_schedule(visit: Visit, given: Mapping[str, Any]) -> dict[str, Any]:
    """Add a schedule, or change one. ``given``: name, job, queue, args, kwargs; when, as `Spoken` has it; options.

    It enqueues, again and again, so that it takes the right to enqueue too.
    """
    visit.access.require(Right.ENQUEUE)
    visit.act(Right.SCHEDULE, f"{given.get('queue') or '-'}/{given.get('name')}", act="add", job=given.get("job"))
    check_known(given, _SCHEDULED)
    check_said(given, "name", "what the schedule is called, such as digest:42")
    check_said(given, "job", _REGISTERED)
    kinds = [(str, _WORDS_OF_SCHEDULES), (bool, ("overlap", "replace", "unchecked"))]
    said = {word: _typed(given, word, kind) for kind, words in kinds for word in words}
    spoken = Spoken(**{word: given[word] for word in _WHEN if given.get(word) not in (None, "")})
    options = _options_of(given, _OPTIONS_OF_MANY)
    payload = payload_of(json.dumps(given.get("args", [])), json.dumps(given.get("kwargs", {})), said["job"])
    asked = WantedSchedule(
        check_added_name(said["name"] or ""), said["job"] or "", payload, spoken.times(), spoken.policy(), options,
        said["queue"] or None, said["overlap"] is not False, spoken.end_ms(),
    )  # fmt: skip
    return add_to(visit.store, asked, visit.seen, replace=said["replace"] is True, unchecked=said["unchecked"] is True)


def _typed(given: Mapping[str, Any], word: str, kind: type) -> Any:
    value = given.get(word)
    if value is not None and not isinstance(value, kind):
        raise InvalidOption(f"{word} {value!r} is no {_KINDS[kind]}")
    return value


#: What can be done to a batch that is there, and the right that it takes.
BATCH_ACTS = {"cancel": Right.CANCEL, "retry": Right.RETRY, "close": Right.ENQUEUE}


def act_on_batch(visit: Visit, act: str, queue: str, batch_id: str, count: int | None = None) -> dict[str, Any]:
    """Cancel a batch and its members, retry those that are dead, or close it. ``count``: as of `close_batch`."""
    ref = f"{queue}/{batch_id}"
    visit.act(BATCH_ACTS[_known(act, BATCH_ACTS)], ref, act=f"{act} batch")
    if act == "close":
        check_integer(count, "count", range(2**53))
        return close_batch(visit.store, ref, count)
    return (retry_batch if act == "retry" else cancel_batch)(visit.store, ref)


def open_batch(visit: Visit, given: Mapping[str, Any]) -> dict[str, Any]:
    """Open a batch. ``given``: batch, "queue/id"; then and always, lists of steps; on_dead, keep."""
    ref = _typed(given, "batch", str) or ""
    visit.act(Right.ENQUEUE, ref or "-", act="open batch")
    check_known(given, _OPENED)
    check_said(given, "batch", "queue/id: the queue that it is kept in, and what it is called there")
    chosen = {word: given[word] for word in _CHOSEN_OF_BATCHES if given.get(word) is not None}
    then, always = (_typed(given, word, list) or () for word in ("then", "always"))
    asked = wanted_batch(ref, then, always, **chosen)
    return open_new_batch(visit.store, asked, visit.seen, unchecked=given.get("unchecked") is True)


def act_on_daemon(visit: Visit, act: str, daemon: str, argument: str = "") -> dict[str, Any]:
    """Tell a daemon, by name or id, to do something. ``argument``: of scale, how many workers."""
    visit.act(Right.DAEMON, daemon, act=_known(act, DAEMON_ACTS), argument=argument or None)
    verb = Verb(act)
    if not is_argument(verb, argument):
        hint = "1 to 256, +1 or -1, or a range such as 1..8" if verb is Verb.SCALE else "it takes none"
        raise InvalidOption(f"{argument!r} is nothing that {act} takes", hint=hint)
    daemons = find_daemons(read_registry(visit.store), [daemon])
    replies = give_order(visit.store, daemons, Order(verb, argument, new_id()), _PATIENCE_S)
    return {"daemons": [reply.as_json() for reply in replies]}


def enqueue(visit: Visit, given: Mapping[str, Any]) -> Stored:
    """Enqueue a job by its name. ``given``: name, queue, args, kwargs, options as of `Job.options`; then, batch."""
    visit.act(Right.ENQUEUE, f"{given.get('queue') or '-'}/{given.get('name')}")
    check_known(given, _TOLD)
    check_said(given, "name", _REGISTERED)
    name, options = _typed(given, "name", str), _options_of(given, _OPTIONS)
    payload = payload_of(json.dumps(given.get("args", [])), json.dumps(given.get("kwargs", {})), name)
    asked = wanted(
        name, payload, options, given.get("queue") or None, unchecked=given.get("unchecked") is True,
        then=_typed(given, "then", list) or (), batch=_typed(given, "batch", str),
    )  # fmt: skip
    return enqueue_job(visit.store, asked, visit.seen)


def _options_of(given: Mapping[str, Any], words: Iterable[str]) -> Options:
    try:
        return Options(**{word: given[word] for word in words if given.get(word) is not None})
    except TypeError as error:  # a number where text is meant, and the like
        raise InvalidOption(f"an option has the wrong type: {error}") from None


def _known(act: str, known: Any) -> str:
    if act not in known:
        raise NotFound(f"nobody can {act} that", hint=f"there are {', '.join(known)}")
    return act
