"""`jqctl daemon …`: list the daemons, and tell running ones what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from jqjobs.base.clock import duration_ms, format_age
from jqjobs.base.words import number, plural
from jqjobs.cli.daemon.reloading import wait_for_reloads
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.names import daemon_names
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.cli.tables import Column, Part, Table, mood
from jqjobs.cli.watching import watchable
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import new_id
from jqjobs.operations.daemons import daemon_json, nobody, silence_of, title
from jqjobs.operations.remote import Reply, find_daemons, give_order
from jqjobs.store.calls.orders import Order, Verb, is_argument
from jqjobs.store.reads.registry import DaemonInfo, Registry, read_registry

Command = Callable[..., Any]

_SHORTEST_MS, _LONGEST_MS = 100, 60_000
_COLUMNS = (
    Column("NAME", flexible=True), Column("HOST:PID", flexible=True), Column("STATE", colour=mood),
    Column("WORKERS", right=True), Column("QUEUES", flexible=True, goes=1), Column("VERSION", goes=2),
    Column("AGE", right=True, goes=3), Column("NOTE", flexible=True), Column("ID", wide=True),
)  # fmt: skip


@click.group("daemon")
def daemon() -> None:
    """List the daemons, and tell running ones what to do.

    A daemon is named by its name (JQ_NAME; all daemons of that name are meant), by its id (see --json), or by how
    its id begins. Orders go through Redis, so it does not matter on which host a daemon runs.

    Exit code 0: all did it; 1: one refused or did not answer (if it is only slow it may still obey, within 5 s);
    5: there is no such daemon, and nobody was told anything.
    """


@daemon.command("list")
@speaks_to_redis
@click.pass_obj
@watchable
def list_daemons(session: Session) -> None:
    """List the daemons that are running; WORKERS are those that are ready, of those that are wanted."""
    with session.store() as store:
        registry = read_registry(store)
    daemons = registry.daemons
    session.show({"daemons": [daemon_json(one) for one in daemons]}, _parts(registry), [one.id for one in daemons])


def _parts(registry: Registry) -> list[Part]:
    if not registry.daemons:
        return ["! {}; {}".format(*nobody(registry))]
    return [Table(_COLUMNS, [_cells(one) for one in registry.daemons])]


def _cells(one: DaemonInfo) -> list[str]:
    return [
        one.name or one.id, f"{one.host or '?'}:{number(one.pid)}", one.state or "?",
        f"{one.ready_workers}/{number(one.slots)}" + (f" of {one.processes}" if one.follows_load else ""),
        " ".join([*one.queues, *one.patterns]) or "-",
        one.version or "?", "-" if one.age_s is None else format_age(one.age_s),
        "; ".join(filter(None, (silence_of(one), one.note))) or "-", one.id,
    ]  # fmt: skip


def _timeout_s(_: click.Context, __: click.Parameter, value: str) -> float:
    ms = duration_ms(value, "--timeout")
    if not _SHORTEST_MS <= ms <= _LONGEST_MS:
        raise InvalidOption(f"--timeout is {value}", hint="use 0.1 to 60 seconds")
    return ms / 1000


def _within_s(_: click.Context, __: click.Parameter, value: str) -> float:
    ms = duration_ms(value, "--within")
    if ms < _SHORTEST_MS:
        raise InvalidOption(f"--within is {value}", hint="use 0.1 seconds or more")
    return ms / 1000


def _to_daemons(function: Command) -> Command:
    """Give a command what all orders have: the daemons that are meant, and how long to wait for their answers."""
    names = click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=daemon_names)
    everyone = click.option("--all", "everyone", is_flag=True, help="All daemons that are running.")
    patience = click.option(
        "--timeout", "timeout_s", default="2s", show_default=True, metavar="TIME", callback=_timeout_s,
        help="How long to wait for all answers.",
    )  # fmt: skip
    return names(everyone(patience(speaks_to_redis(click.pass_obj(function)))))


@daemon.command("quiet")
@_to_daemons
def quiet(session: Session, **target: Any) -> int:
    """Let daemons take no new jobs until `jqctl daemon resume`; what runs goes on.

    A worker that was just asking for jobs runs what that brings.

    \b
    Example:
      jqctl daemon quiet web-1
    """
    return _order(session, Verb.QUIET, **target)


@daemon.command("resume")
@_to_daemons
def resume(session: Session, **target: Any) -> int:
    """Let quiet daemons take jobs again.

    \b
    Example:
      jqctl daemon resume --all
    """
    return _order(session, Verb.RESUME, **target)


@daemon.command("reload")
@click.option("--wait", is_flag=True, help="Wait until all have reloaded, or one refuses.")
@click.option(
    "--within", "within_s", default="10m", show_default=True, metavar="TIME", callback=_within_s,
    help="With --wait: how long at most.",
)  # fmt: skip
@_to_daemons
def reload(session: Session, wait: bool, within_s: float, **target: Any) -> int:
    """Have workers replaced by new ones with the code of now, one by one; no job is interrupted.

    The answer says that it begins. `jqctl status` shows how it goes: if the new code does not load, the old workers
    go on, and why is said there. With --wait it is said here: exit code 0 when all have reloaded, 1 when one refused,
    ended, or took too long. Old workers may still finish their last job then.

    \b
    Examples:
      jqctl daemon reload --all
      jqctl daemon reload --all --wait --within 5m
    """
    return _order(session, Verb.RELOAD, wait_s=within_s if wait else 0.0, **target)


@daemon.command("scale")
@click.option("--workers", required=True, metavar="N", help="How many workers: 1 to 256, +1, -1, or 1..8.")
@_to_daemons
def scale(session: Session, workers: str, **target: Any) -> int:
    """Change how many workers a daemon has, until it is started anew.

    Those that are too many finish their job first. Of a range it has as many as the jobs call for; any other number
    ends that.

    \b
    Examples:
      jqctl daemon scale web-1 --workers 8
      jqctl daemon scale --all --workers +1
      jqctl daemon scale web-1 --workers 1..8
    """
    if not is_argument(Verb.SCALE, workers):
        raise InvalidOption(f"--workers is {workers!r}", hint="use 1 to 256, +1 or -1, or a range such as 1..8")
    return _order(session, Verb.SCALE, workers, **target)


@daemon.command("drain")
@_to_daemons
def drain(session: Session, **target: Any) -> int:
    """End daemons in an orderly way: running jobs get the grace period (--grace of jqd).

    The daemon then exits with 0. A supervisor STARTS IT ANEW at once, as after any exit; to have it stay away, stop
    it there: supervisorctl stop NAME, or systemctl stop UNIT. They drain it too.

    \b
    Example:
      jqctl daemon drain web-1
    """
    return _order(session, Verb.DRAIN, **target)


@daemon.command("stop")
@_to_daemons
def stop(session: Session, **target: Any) -> int:
    """End daemons now: running jobs are interrupted, and killed after --kill-after of jqd. They go back and run again.

    A supervisor STARTS THE DAEMON ANEW at once, as after any exit; to have it stay away, stop it there:
    supervisorctl stop NAME, or systemctl stop UNIT (both give running jobs the grace period).

    \b
    Example:
      jqctl daemon stop web-1
    """
    return _order(session, Verb.STOP, **target)


@daemon.command("dump")
@_to_daemons
def dump(session: Session, **target: Any) -> int:
    """Show what all workers of a daemon are doing right now: the stacks of all their threads.

    No job is disturbed.

    \b
    Example:
      jqctl daemon dump web-1
    """
    return _order(session, Verb.DUMP, **target)


def _order(
    session: Session, verb: Verb, argument: str = "", *,
    names: tuple[str, ...], everyone: bool, timeout_s: float, wait_s: float = 0.0,
) -> int:  # fmt: skip
    if everyone == bool(names):
        raise click.UsageError("give either names of daemons or --all")
    with session.store() if verb is Verb.DUMP else session.acting() as store:
        daemons = find_daemons(read_registry(store), names)
        replies = give_order(store, daemons, Order(verb, argument, new_id()), timeout_s)
        if wait_s:
            replies = wait_for_reloads(store, replies, wait_s)
    obeyed = [reply.daemon.id for reply in replies if reply.ok]
    session.show({"daemons": [reply.as_json() for reply in replies]}, _told(names, replies), obeyed)
    return Exit.OK if all(reply.ok for reply in replies) else Exit.ERROR


def _told(names: Sequence[str], replies: Sequence[Reply]) -> Iterator[str]:
    """Return what people read: who else was meant, then a line for each daemon, "!" before what went wrong."""
    for name in dict.fromkeys(names):
        bearers = sum(reply.daemon.name == name for reply in replies)
        if bearers > 1:
            yield f"{plural(bearers, 'daemon')} have the name {name}"
    for reply in replies:
        said = f"refused: {reply.message}" if reply.answered and not reply.ok else reply.message
        yield f"{'' if reply.ok else '! '}{title(reply.daemon)}: {said}"
        yield from _stacks(reply.facts.get("stacks"))


def _stacks(stacks: object) -> Iterator[str]:
    for found in stacks if isinstance(stacks, list) else []:
        if isinstance(found, dict):
            jobs = found.get("jobs")
            runs = ", ".join(map(str, jobs)) if isinstance(jobs, list) else ""
            yield f"  worker {found.get('worker')} (pid {found.get('pid')}): {runs or 'no job'}"
            yield from (f"    {line}" for line in str(found.get("text") or "(no stacks)").split("\n"))
