"""`jqctl recent`: what ended last, and how; also what succeeded and is not kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from jqjobs.base.clock import format_age
from jqjobs.base.words import moment
from jqjobs.cli.colours import Colour
from jqjobs.cli.names import only_queues
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.jobs.statistics import MOST_RECENT, Ended
from jqjobs.operations.queues import queues_meant
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.recent import RecentEnd, recent_ends

#: All others are red.
_COLOURS: dict[str, Colour] = {
    Ended.DONE: Colour.GREEN, Ended.RETRIED: Colour.YELLOW, Ended.INTERRUPTED: Colour.YELLOW,
}  # fmt: skip


@click.command("recent")
@only_queues
@click.option("--name", metavar="NAME", help="Only jobs of this name.")
@speaks_to_redis
@click.pass_obj
def recent(session: Session, queues: Sequence[str], name: str | None) -> None:
    """List the last 100 attempts that have ended, the latest first, and how each ended.

    Each queue remembers 100 for a day, successes too, kept or not. Workers tell of theirs at most every 10 s.

    OUTCOME: done, retried (it raised, and is tried again), failed (for the last time), hung, crashed, cancelled,
    discarded, expired, interrupted.

    \b
    Examples:
      jqctl recent
      jqctl recent --queue emails --name send_welcome
      jqctl recent --json | jq '.jobs[] | select(.outcome != "done")'
    """
    with session.store() as store:
        ends = recent_ends(store, queues_meant(store, queues))
        found = [end for end in ends if name in (None, end.name)][:MOST_RECENT]
        now_ms = 0 if session.as_json else server_now_ms(store)
    session.show({"jobs": [end._asdict() for end in found]}, recent_parts(found, now_ms),
                 [f"{end.queue}/{end.id}" for end in found])  # fmt: skip


def recent_parts(ends: Sequence[RecentEnd], now_ms: int) -> Iterator[Part]:
    """Return what ``recent`` tells people."""
    if not ends:
        yield "nothing has ended in the last day that anybody remembers"
        return
    columns = (
        Column("ENDED", right=True), Column("OUTCOME", colour=_colour_of),
        Column("NAME", flexible=True), Column("ID", flexible=True), Column("QUEUE", flexible=True, goes=2),
        Column("RAN", right=True), Column("WAITED", right=True, goes=1), Column("AT", wide=True),
    )  # fmt: skip
    yield Table(columns, [_cells(end, now_ms) for end in ends])


def _cells(end: RecentEnd, now_ms: int) -> list[str]:
    ago = format_age(max(0, now_ms - end.ended_ms) / 1000)
    return [
        f"{ago} ago", end.outcome, end.name, end.id, end.queue, _span(end.run_ms), _span(end.wait_ms),
        moment(end.ended_ms),
    ]  # fmt: skip


def _span(ms: int | None) -> str:
    return "-" if ms is None else format_age(ms / 1000)


def _colour_of(outcome: str) -> Colour:
    return _COLOURS.get(outcome, Colour.RED)
