"""`jqctl schedule show`: all that is known of one schedule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from jqjobs.base.words import moment
from jqjobs.cli.names import schedule_argument
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.operations.schedules import (
    Listed,
    Tick,
    find_schedule,
    list_one,
    next_ticks,
    options_in_words,
    schedule_json,
)  # fmt: skip
from jqjobs.store.reads.jobs import arguments_of
from jqjobs.store.reads.queues import server_now_ms

#: So many ticks to come are shown.
_TICKS = 3


@click.command("show")
@schedule_argument
@speaks_to_redis
@click.pass_obj
def show(session: Session, name: str) -> None:
    """Show one schedule: its job and arguments, when it comes, what came of it last.

    \b
    Example:
      jqctl schedule show reports/digest:42
    """
    with session.store() as store:
        queue, planned = find_schedule(store, name)
        now_ms = server_now_ms(store)
        listed = list_one(store, queue, planned, now_ms)
    ticks = next_ticks(planned, now_ms, _TICKS) if listed.next_ms is not None else []
    entry = planned.entry or {}
    args, kwargs, _ = arguments_of(entry.get("payload"))
    told = {
        **schedule_json(listed), "args": args, "kwargs": kwargs, "priority": entry.get("priority") or 0,
        "options": options_in_words(entry),
    }  # fmt: skip
    session.show({"schedule": told}, _lines(listed, told, ticks), [listed.ref])


def _lines(listed: Listed, told: dict[str, Any], ticks: list[Tick]) -> Iterator[str]:
    yield f"{listed.ref}  {told['job']}  {'PAUSED' if told['paused'] else listed.times or 'BROKEN'}"
    facts = {
        "broken": told["broken"], "args": told["args"] and json.dumps(told["args"], ensure_ascii=False),
        "kwargs": told["kwargs"] and json.dumps(told["kwargs"], ensure_ascii=False),
        "priority": told["priority"], **{name.replace("_", " "): word for name, word in told["options"].items()},
        "overlap": None if told["overlap"] else "no run while an earlier one goes on",
        "missed": told["missed"], "until": told["until_ms"] and moment(told["until_ms"]),
        "of": "added at run time" if told["added"] else f"the code of {', '.join(told['apps']) or 'no live worker'}",
        "last tick": told["last_tick_ms"] and moment(told["last_tick_ms"]), "last job": told["last_job"],
        "last run": told["last_run"],
    }  # fmt: skip
    for label, value in facts.items():
        if value:
            yield f"  {label:<14}{value}"
    for n, tick in enumerate(ticks):
        yield f"  {'' if n else 'next':<14}{tick}"
