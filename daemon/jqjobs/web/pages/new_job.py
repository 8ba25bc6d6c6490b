"""A new job, from a form that is made of what its function takes, as workers have published it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jqjobs.errors import Conflict, InvalidArguments, InvalidName, InvalidOption, NotFound, PayloadTooLarge
from jqjobs.operations.offers import call_words
from jqjobs.store.reads.catalog import Offer, offers_of, read_offers
from jqjobs.store.reply_values import integer, string
from jqjobs.web.access import Right
from jqjobs.web.acting import enqueue as enqueue_job
from jqjobs.web.http import Response
from jqjobs.web.outcomes import cut
from jqjobs.web.pages.links import path_of
from jqjobs.web.pages.typed_fields import arguments_of, fields_of, number_typed
from jqjobs.web.visit import Visit

#: What a form may be told that is refused: it is shown again, with that.
REFUSED = (Conflict, InvalidArguments, InvalidName, InvalidOption, NotFound, PayloadTooLarge)


class OfferRow(NamedTuple):
    """A job that can be chosen. ``url``: of its form."""

    offer: Offer
    url: str
    doc: str
    call: str


def choose(visit: Visit) -> Response:
    """Show all jobs that workers offer, to enqueue one, or to have one run by itself."""
    for_schedule = visit.request.asked("for") == "schedule"
    rows = [_row(visit, visit.seen(offer), "schedule" if for_schedule else "") for offer in read_offers(visit.store)]
    return visit.page("choose.html", rows=rows, for_schedule=for_schedule)


def _row(visit: Visit, offer: Offer, form: str) -> OfferRow:
    url, doc = visit.url(path_of("new", offer.queue, offer.name, *filter(None, [form]))), doc_of(offer)
    return OfferRow(offer, url, doc, call_words(offer.name, offer.parameters))


def doc_of(offer: Offer) -> str:
    """Return what a job says of itself."""
    return string(offer.entry.get("doc")) or ""


def form(visit: Visit) -> Response:
    """Show the form of one job."""
    return _form(visit, offered(visit), {})


def enqueue(visit: Visit) -> Response:
    """Enqueue it, or show the form again with what is wrong."""
    offer, typed = offered(visit), typed_into(visit)
    try:
        stored = enqueue_job(visit, {"name": offer.name, **arguments_of(offer, typed), **_options(offer, typed)})
    except REFUSED as error:
        visit.end_acts(error.code)
        return _form(visit, offer, typed, cut(error.in_one_line()))
    said = "enqueued" if stored.made.created else "there already: nothing is added"
    warning = f"; but {stored.warning}" if stored.warning else ""
    return visit.done(path_of("jobs", stored.queue, stored.made.id), f"{offer.name} is {said}{warning}")


def typed_into(visit: Visit) -> dict[str, str]:
    """Return what was typed into the fields of a form."""
    return {name: values[-1] for name, values in visit.form().items()}


def offered(visit: Visit) -> Offer:
    """Return the job that the path names, as who looks may see it. Raises: NotFound."""
    queue, name = visit.params["queue"], visit.params["name"]
    found = [offer for offer in offers_of(visit.store, name) if offer.queue == queue]
    if not found:
        raise NotFound(f"no worker has offered {name} for queue {queue}", hint="the page New job lists what there is")
    return visit.seen(found[0])


def _form(visit: Visit, offer: Offer, typed: Mapping[str, str], wrong: str = "") -> Response:
    return visit.page(
        "new_job.html", status=400 if wrong else 200, offer=offer, fields=fields_of(offer.parameters), typed=typed,
        wrong=wrong, doc=doc_of(offer), path=path_of("new", offer.queue, offer.name),
        priority=integer(offer.entry.get("priority")) or 0, may=visit.access.may(Right.ENQUEUE),
        call=call_words(offer.name, offer.parameters), may_schedule=may_schedule(visit),
    )  # fmt: skip


def may_schedule(visit: Visit) -> bool:
    """Whether who looks may have a job run by itself: that enqueues, again and again."""
    return visit.access.may(Right.SCHEDULE) and visit.access.may(Right.ENQUEUE)


def _options(offer: Offer, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed of when and how. Raises: InvalidOption."""
    words = ("delay", "key", "group", "batch")
    said: dict[str, Any] = {name: text for name in words if (text := typed.get(name, "").strip())}
    said["then"] = [step for line in typed.get("then", "").splitlines() if (step := line.strip())]
    said["queue"] = typed.get("queue", "").strip() or offer.queue
    said["priority"] = number_typed(typed, "priority", "priority")
    return said
