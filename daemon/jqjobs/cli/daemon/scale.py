"""`jqctl scale`: how many workers there should be; once, or again and again with a command for each change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from jqjobs.base.clock import duration_ms, format_age
from jqjobs.base.config import Environment
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.jobs.scaling import Decision, Hold, Load, Policy, Rules, decide
from jqjobs.operations.queues import queues_meant
from jqjobs.operations.scaling import checked_rules, scale_json
from jqjobs.store.reads.loads import read_loads

_LEAST_EVERY_S = 0.1


def _seconds(_: click.Context, option: click.Parameter, value: str | None) -> float | None:
    return None if value is None else duration_ms(value, option.opts[0]) / 1000


def _queues(_: click.Context, __: click.Parameter, value: str | None) -> list[str]:
    names = [name.strip() for name in (value or "").split(",") if name.strip()]
    return [check_name(name, "queue") for name in dict.fromkeys(names)]


@click.command("scale")
@click.option("--queues", callback=_queues, metavar="A,B", help="Whose jobs count. Default: those of all queues.")
@click.option(
    "--policy", type=click.Choice([policy.value for policy in Policy]), default="latency", show_default=True,
    help="latency: what does all jobs within the target; linear: one for each job; half: one for two.",
)  # fmt: skip
@click.option(
    "--target", "target_s", default="30s", show_default=True, callback=_seconds, metavar="TIME",
    help="Within this time all that wait and run are to be done.",
)  # fmt: skip
@click.option("--min", "least", type=click.IntRange(0), default=0, show_default=True, help="No fewer than that.")
@click.option("--max", "most", type=click.IntRange(1), default=20, show_default=True, help="No more than that.")
@click.option(
    "--lead", "lead_s", default="60s", show_default=True, callback=_seconds, metavar="TIME",
    help="What comes within this time is worth one worker.",
)  # fmt: skip
@click.option(
    "--hold", "hold_s", default="60s", show_default=True, callback=_seconds, metavar="TIME",
    help="With --every: down only when fewer sufficed for so long.",
)  # fmt: skip
@click.option(
    "--concurrency", "at_once", type=click.IntRange(1), metavar="N",
    help="How many jobs each of them runs at once. Default: JQ_CONCURRENCY, or 1.",
)  # fmt: skip
@click.option("--every", "every_s", callback=_seconds, metavar="TIME", help="Look again and again, until INT or TERM.")
@click.option(
    "--exec", "line", metavar="COMMAND", help="Run it in a shell, {wanted} replaced, when the number changes."
)
@speaks_to_redis
@click.pass_obj
def scale(
    session: Session, /, queues: list[str], lead_s: float, hold_s: float, every_s: float | None, line: str | None,
    at_once: int | None, **rules: Any,
) -> int:  # fmt: skip
    """Say how many workers the jobs there are call for.

    As many as do all that wait and run within --target, by what jobs of those names took lately (1 s is assumed where
    none has ended yet); never fewer than are busy, and one if anything can run or comes within --lead.

    Without --every it looks once, has no --hold, and exits with 4 when Redis cannot be reached: keep the number you
    have then. With --every it does so itself; a command that fails, or takes longer than a minute, is run again the
    next time.

    \b
    Examples:
      jqctl scale --queues emails --json
      jqctl scale --every 15s --exec 'heroku ps:scale worker={wanted}'
      jqctl scale --every 15s --exec 'kubectl scale deployment/worker --replicas={wanted}'
      jqctl scale --every 15s --exec 'aws autoscaling set-desired-capacity … --desired-capacity {wanted}'
    """
    chosen = _rules(at_once, **rules)

    def look() -> tuple[Load, Decision]:
        with session.store() as store:
            load = read_loads(store, queues_meant(store, queues), lead_s).total
        return load, decide(load, chosen)

    return _act(session, look, Hold(hold_s), every_s, line)


def _rules(at_once: int | None, *, policy: str, target_s: float, least: int, most: int) -> Rules:
    return checked_rules(policy, target_s, least, most, at_once or _usual_concurrency())


def _usual_concurrency() -> int:
    said = Environment().get("concurrency") or "1"
    if not (said.isascii() and said.isdigit() and int(said)):
        raise InvalidOption(f"JQ_CONCURRENCY is {said!r}", hint="it is a number of jobs; --concurrency goes first")
    return int(said)


def _act(
    session: Session, look: Callable[[], tuple[Load, Decision]], hold: Hold, every_s: float | None, line: str | None
) -> int:
    from jqjobs.cli.daemon.scaling_loop import PLACE, ScalingCommand, ScalingLoop  # subprocess: 10 ms

    if line is not None and PLACE not in line:
        raise InvalidOption(f"--exec does not say {PLACE}", hint=f"such as 'heroku ps:scale worker={PLACE}'")
    if every_s is not None and every_s < _LEAST_EVERY_S:
        raise InvalidOption("--every is too short", hint=f"use {_LEAST_EVERY_S} seconds or more")
    command = ScalingCommand(line) if line is not None else None
    if every_s is not None:
        ScalingLoop(look, hold, command, partial(_show_news, session)).run(every_s)
        return Exit.OK
    load, found = look()
    _show(session, load, found)
    return Exit.OK if command is None or command.run(found.wanted) else Exit.ERROR


def _show_news(session: Session, load: Load, found: Decision, *, is_other: bool) -> None:
    """Show each answer to programs; to people those that are another number than before."""
    if is_other or session.as_json:
        _show(session, load, found)


def _show(session: Session, load: Load, found: Decision) -> None:
    oldest = f", the oldest for {format_age(load.oldest_s)}" if load.ready else ""
    session.show(
        scale_json(load, found),
        [f"{found.wanted} wanted: {found.why}",
         f"  {load.busy} busy, {load.ready} ready{oldest}, {load.due_soon} due soon"],
        [str(found.wanted)],
    )  # fmt: skip
