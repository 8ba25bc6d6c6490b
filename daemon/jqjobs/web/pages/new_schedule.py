"""A schedule that somebody adds, or changes: when it comes, and what its job gets, typed as for a new job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jqjobs.base.clock import span_text
from jqjobs.base.words import moment
from jqjobs.errors import NotFound
from jqjobs.operations.offers import call_words
from jqjobs.operations.schedules import NO_SUCH, options_in_words
from jqjobs.store.calls.added import added_by_name
from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reads.jobs import arguments_of as stored_arguments
from jqjobs.store.reply_values import integer, json_or_none, string
from jqjobs.web.acting import add_schedule
from jqjobs.web.http import Response
from jqjobs.web.outcomes import cut
from jqjobs.web.pages.links import path_of
from jqjobs.web.pages.new_job import REFUSED, doc_of, may_schedule, offered, typed_into
from jqjobs.web.pages.typed_fields import arguments_of, fields_of, number_typed, typed_arguments
from jqjobs.web.visit import Visit

#: Fields whose text is given on as it was typed.
_TEXTS = ("cron", "every", "tz", "until", "missed", "catch_up", "timeout", "expires", "keep", "group")
#: Fields that hold a number → how errors call it.
_NUMBERS = {"priority": "priority", "max_attempts": "number of attempts", "max_crashes": "number of crashes"}


def form(visit: Visit) -> Response:
    """Show the form of one job: empty, or filled with a schedule that is to be changed."""
    offer, name = offered(visit), visit.request.asked("edit")
    return _form(visit, offer, _stored(visit, offer, name) if name else {})


def add(visit: Visit) -> Response:
    """Add the schedule, or show the form again with what is wrong."""
    offer, typed = offered(visit), typed_into(visit)
    try:
        told = add_schedule(visit, _given(offer, typed))
    except REFUSED as error:
        visit.end_acts(error.code)
        return _form(visit, offer, typed, cut(error.in_one_line()))
    said = "is added" if told["added"] else "is changed" if told["changed"] else "is there already, the same"
    warning = f"; but {told['warning']}" if told["warning"] else ""
    return visit.done("/schedules", f"{told['queue']}/{told['schedule']} {said}{warning}")


def _form(visit: Visit, offer: Offer, typed: Mapping[str, str], wrong: str = "") -> Response:
    return visit.page(
        "new_schedule.html", status=400 if wrong else 200, offer=offer, fields=fields_of(offer.parameters), typed=typed,
        wrong=wrong, doc=doc_of(offer), path=path_of("new", offer.queue, offer.name, "schedule"),
        priority=integer(offer.entry.get("priority")) or 0, may=may_schedule(visit),
        call=call_words(offer.name, offer.parameters), hidden=typed.get("hidden", ""), meta=typed.get("meta", ""),
    )  # fmt: skip


def _given(offer: Offer, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed, as the JSON API has it. Raises: InvalidArguments, InvalidOption."""
    said: dict[str, Any] = {name: text for name in _TEXTS if (text := typed.get(name, "").strip())}
    said |= {
        "name": typed.get("schedule", "").strip(), "job": offer.name, "overlap": "no_overlap" not in typed,
        "queue": typed.get("queue", "").strip() or offer.queue, "replace": "replace" in typed,
        **{name: number_typed(typed, name, label) for name, label in _NUMBERS.items()},
    }  # fmt: skip
    tags = typed.get("tags", "").split()
    return {**said, **arguments_of(offer, typed), **({"tags": tags} if tags else {})}


def _stored(visit: Visit, offer: Offer, name: str) -> dict[str, str]:
    """Return a schedule as it would be typed. Raises: NotFound."""
    found = visit.run(added_by_name(offer.queue, [name])).schedules
    entry = found[0].entry if found else None
    if entry is None or entry.get("job") != offer.name:
        raise NotFound(f"there is no schedule {offer.queue}/{name} of {offer.name}", hint=NO_SUCH)
    every_ms, catch_up_ms, until_ms = (integer(entry.get(word)) for word in ("every_ms", "catch_up_ms", "until_ms"))
    cron, priority = string(entry.get("cron")) or "", integer(entry.get("priority"))
    return {
        "schedule": name, "cron": cron, "tz": string(entry.get("tz")) or "" if cron else "",
        "every": span_text(every_ms) if every_ms else "", "missed": string(entry.get("missed")) or "",
        "catch_up": "" if catch_up_ms is None else span_text(catch_up_ms),
        "until": moment(until_ms) if until_ms else "", "replace": "yes",
        **({"no_overlap": "yes"} if entry.get("overlap") is False else {}),
        **({} if priority is None else {"priority": str(priority)}),
        **options_in_words(entry), **_arguments(visit, offer, entry),
    }  # fmt: skip


def _arguments(visit: Visit, offer: Offer, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return its arguments as they would be typed; ``hidden``, ``meta``: what of them no field of the form shows."""
    payload = string(entry.get("payload"))
    args, kwargs, _ = stored_arguments(payload)
    judge = visit.judge(offer.queue, offer.name)
    seen_args, seen_kwargs = judge.args(args or []), judge.value(kwargs or {})
    hidden = {"hidden": "yes"} if (seen_args, seen_kwargs) != (args or [], kwargs or {}) else {}
    whole = json_or_none(payload)
    meta = {"meta": "yes"} if isinstance(whole, dict) and whole.get("meta") else {}
    return typed_arguments(offer, seen_args, seen_kwargs) | hidden | meta
