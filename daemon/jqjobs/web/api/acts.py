"""POST /api/v1/…: acts, each answered as `jqctl --json` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jqjobs.errors import InvalidOption
from jqjobs.operations.arguments import check_known
from jqjobs.web import acting
from jqjobs.web.access import Right
from jqjobs.web.bulk import act_in_bulk, read_bulk
from jqjobs.web.http import Response, json_response
from jqjobs.web.visit import Visit


def enqueue(visit: Visit) -> Response:
    """Enqueue a job by its name."""
    stored = acting.enqueue(visit, visit.request.json())
    return json_response(201 if stored.made.created else 200, stored.as_json())


def on_job(visit: Visit) -> Response:
    """Retry, cancel, promote, delete or resolve a job."""
    params = visit.params
    given = visit.request.json()
    return json_response(200, acting.act_on_job(visit, params["act"], params["queue"], params["id"], given))


def on_queue(visit: Visit) -> Response:
    """Pause or resume a queue."""
    given = _given(visit, Right.PAUSE, "reason", "until")
    said = {word: _text(given, word) for word in ("reason", "until")}
    return json_response(200, acting.act_on_queue(visit, visit.params["act"], visit.params["queue"], **said))


def on_schedule(visit: Visit) -> Response:
    """Pause, resume or run a schedule, or remove one that was added at run time."""
    params = visit.params
    return json_response(200, acting.act_on_schedule(visit, params["act"], params["queue"], params["schedule"]))


def add_schedule(visit: Visit) -> Response:
    """Add a schedule, or change one with replace."""
    told = acting.add_schedule(visit, visit.request.json())
    return json_response(201 if told["added"] else 200, told)


def on_batch(visit: Visit) -> Response:
    """Cancel a batch and its members, retry those that are dead, or close it."""
    params, act = visit.params, visit.params["act"]
    count = _given(visit, acting.BATCH_ACTS.get(act, Right.READ), "count").get("count")
    return json_response(200, acting.act_on_batch(visit, act, params["queue"], params["id"], count))


def open_batch(visit: Visit) -> Response:
    """Open a batch; the same again changes nothing."""
    told = acting.open_batch(visit, visit.request.json())
    return json_response(201 if told["opened"] else 200, told)


def on_daemon(visit: Visit) -> Response:
    """Tell a daemon, by its name or id, what to do."""
    params, argument = visit.params, _text(_given(visit, Right.DAEMON, "argument"), "argument")
    return json_response(200, acting.act_on_daemon(visit, params["act"], params["daemon"], argument))


def in_bulk(visit: Visit) -> Response:
    """Act on all jobs that match, or count them with dry_run; the answer says where to go on."""
    bulk = read_bulk(visit.request.json())
    answer, until_ms = act_in_bulk(visit, bulk)
    told = {"queue": bulk.queue, "act": bulk.act.value, "until_ms": until_ms, "dry_run": bulk.dry_run}
    return json_response(200, told | answer.as_json())


def _given(visit: Visit, right: Right, *words: str) -> Mapping[str, Any]:
    """Return what the body says, to who has the right to the act.

    Raises: NotAllowed; InvalidOption for other words: misspelt, they would be passed over.
    """
    visit.access.require(right)
    given = visit.request.json()
    check_known(given, words)
    return given


def _text(given: Mapping[str, Any], word: str) -> str:
    value = given.get(word) or ""
    if not isinstance(value, str):
        raise InvalidOption(f"{word} {value!r} is no text")
    return value
