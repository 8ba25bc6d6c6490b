"""`jqctl tail`: attempts that begin and end, as they do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing

import click

from jqjobs.base.clock import format_age
from jqjobs.base.words import moment, number, plural
from jqjobs.cli.colours import Colour
from jqjobs.cli.names import job_names, only_queues
from jqjobs.cli.output import complain, write_json, write_lines
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.tables import PaintedLine
from jqjobs.errors import StoreUnavailable
from jqjobs.jobs.statistics import Ended
from jqjobs.operations.queues import queues_meant
from jqjobs.store.calls.tail import TailEvent
from jqjobs.store.calls.tail_reader import TailReader

_WAIT_S = 0.5
#: So often is looked whether Redis is back.
_AGAIN_S = 1.0
_COLOURS: dict[str, Colour] = {
    Ended.DONE: Colour.GREEN, Ended.FAILED: Colour.RED, Ended.HUNG: Colour.RED, Ended.CRASHED: Colour.RED,
    Ended.RETRIED: Colour.YELLOW,
}  # fmt: skip
_EVENTS = ("started", "ended")


@click.command("tail")
@only_queues
@click.option(
    "--name", "names", multiple=True, metavar="NAME", shell_complete=job_names,
    help="Only jobs of this name (may be repeated).",
)  # fmt: skip
@click.option(
    "--state", "states", multiple=True, type=click.Choice([*_EVENTS, *(end.value for end in Ended)]), metavar="WORD",
    help="Only this event, or attempts that ended so (may be repeated).",
)  # fmt: skip
@speaks_to_redis
@click.pass_obj
def tail(session: Session, queues: tuple[str, ...], names: tuple[str, ...], states: tuple[str, ...]) -> None:
    """Show attempts as they begin and end, until Ctrl-C.

    Workers tell it as long as somebody listens, and nothing costs anything otherwise. They hear of a listener with
    their next trip to Redis. A worker tells of at most 10,000 events a second; those that are left out are counted, and
    so are those that come faster than they are read.

    \b
    WORD is started or ended, or how it ended:
      failed       raised for the last time
      retried      raised, is tried again
      crashed      with its worker
      expired      was not started in time
      waiting      for the answer of a third party
      done, hung, cancelled, discarded, interrupted

    \b
    Examples:
      jqctl tail
      jqctl tail --queue emails --state failed --state crashed
      jqctl tail --json | jq 'select(.run_ms > 1000)'
    """
    with session.store() as store:
        queues_meant(store, queues)  # a mistyped one is told at once
        with closing(TailReader(store, lambda: queues_meant(store, queues))) as reader:
            _follow(reader, session, lambda event: _is_wanted(event, names, states))


def _is_wanted(event: TailEvent, names: Sequence[str], states: Sequence[str]) -> bool:
    return (not names or event.name in names) and (not states or event.event in states or event.outcome in states)


def _follow(reader: TailReader, session: Session, is_wanted: Callable[[TailEvent], bool]) -> None:
    was_away, lost = False, 0
    while True:
        try:
            for told in reader.read(_WAIT_S):
                _show(session, list(filter(is_wanted, told.events)))
            was_away = False
        except StoreUnavailable as error:
            if not was_away:
                complain(f"jqctl: {error.in_one_line()}")
            was_away = True
            time.sleep(_AGAIN_S)
        if reader.lost > lost:
            complain(f"jqctl: {plural(reader.lost - lost, 'event')} dropped: more than could be told or read")
            lost = reader.lost


def _show(session: Session, events: Sequence[TailEvent]) -> None:
    if session.as_json:
        for event in events:
            write_json(event._asdict())
    elif session.form == "ids":
        write_lines(f"{event.queue}/{event.id}" for event in events)
    elif events:
        write_lines(map(line_of, events))


def line_of(event: TailEvent) -> str:
    """Return an event for people."""
    what = event.outcome or event.event
    took = "" if event.run_ms is None else f" after {format_age(event.run_ms / 1000)}"
    rest = f"{event.queue}/{event.id}  {event.name}  attempt {number(event.attempt)}{took}"
    return PaintedLine([(f"{moment(event.at_ms)}  ", None), (f"{what:<11}", _COLOURS.get(what)), (f"  {rest}", None)])
