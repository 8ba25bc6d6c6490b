"""`jqctl jobs`: the jobs that workers have registered, by name, and what they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from jqjobs.base.clock import format_age
from jqjobs.base.words import listed
from jqjobs.cli.names import only_queues
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.operations.offers import call_words
from jqjobs.operations.queues import require_queue
from jqjobs.operations.registered import offer_json
from jqjobs.store.reads.catalog import Offer, read_offers
from jqjobs.store.reads.registry import Registry, read_registry

_COLUMNS = (
    Column("JOB", flexible=True), Column("QUEUE", flexible=True), Column("DOC", flexible=True, goes=1),
    Column("PRIORITY", right=True, wide=True), Column("ATTEMPTS", right=True, wide=True),
    Column("TIMEOUT", right=True, wide=True), Column("KEPT", right=True, wide=True), Column("OFFERED BY", wide=True),
)  # fmt: skip
_NONE = "No job is known. Workers publish theirs when they are ready: jqd --app yourpackage.jobs:app"


@click.command("jobs")
@only_queues
@speaks_to_redis
@click.pass_obj
def jobs(session: Session, queues: Sequence[str]) -> None:
    """List the jobs that workers have registered, with what each takes, and the first line of its doc.

    With --json "params" is a JSON Schema of the call, with its defaults; "x-positional" names those parameters that
    can be given by position, "x-rest" says what more of them may be.

    \b
    Examples:
      jqctl jobs
      jqctl jobs --queue emails -o wide
      jqctl jobs --json | jq '.jobs[] | {name, params}'
    """
    with session.store() as store:
        for queue in queues:
            require_queue(store, queue)
        offers = [offer for offer in read_offers(store) if not queues or offer.queue in queues]
        registry = read_registry(store)
    session.show({"jobs": [offer_json(offer, registry) for offer in offers]}, job_parts(offers, registry),
                 [offer.name for offer in offers])  # fmt: skip


def job_parts(offers: Sequence[Offer], registry: Registry) -> Iterator[Part]:
    """Return what ``jobs`` tells people."""
    if not offers:
        yield _NONE
        return
    notes = {
        number: (f"  ! NOT OFFERED: no live worker of queue {offer.queue} has it",)
        for number, offer in enumerate(offers) if not offer.is_live
    }  # fmt: skip
    yield Table(_COLUMNS, [_cells(offer, registry) for offer in offers], notes=notes)


def _cells(offer: Offer, registry: Registry) -> list[str]:
    told = offer_json(offer, registry)
    timeout, kept = ("-" if told[name] is None else format_age(told[name] / 1000) for name in ("timeout_ms", "keep_ms"))
    return [
        call_words(offer.name, offer.parameters), offer.queue, told["doc"] or "-", str(told["priority"] or 0),
        str(told["max_attempts"] or "-"), timeout, kept, listed(told["offered_by"]) or "-",
    ]  # fmt: skip
