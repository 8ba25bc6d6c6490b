"""Names that a shell may complete, asked from Redis: of queues, jobs, schedules and daemons. No answer is none."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr
from typing import Any, TypeVar

import click

from jqjobs.cli.session import Session
from jqjobs.errors import JqError
from jqjobs.jobs.records import check_name
from jqjobs.jobs.schedule_entry import parse_schedule_ref
from jqjobs.store.reads.queues import known_queues
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])

#: A person who has pressed the key waits no longer.
_TIMEOUT_S = 0.5


def queue_option(help_text: str, **more: Any) -> Callable[[F], F]:
    """Return the option that names a queue, for a command."""
    return click.option(
        "--queue", metavar="NAME", shell_complete=queue_names, callback=_checked, help=help_text, **more
    )


def only_queues(function: F) -> F:
    """Give a command the option --queue for any number of them, ``queues``."""
    return click.option(
        "--queue", "queues", multiple=True, metavar="NAME", shell_complete=queue_names, callback=_checked,
        help="Only this queue (may be repeated).",
    )(function)  # fmt: skip


def schedule_argument(function: F) -> F:
    """Give a command the argument ``name``, that of a schedule."""
    return click.argument(
        "name", metavar="[QUEUE/]NAME", shell_complete=schedule_names, callback=_checked_schedule
    )(function)  # fmt: skip


def _checked(_: click.Context, __: click.Parameter, said: Any) -> Any:
    """Return one queue, or a tuple of several, or None. Raises: InvalidName."""
    names: Sequence[str] = (said,) if isinstance(said, str) else said or ()
    for name in names:
        check_name(name, "queue")
    return said


def _checked_schedule(_: click.Context, __: click.Parameter, name: str) -> str:
    parse_schedule_ref(name)
    return name


def queue_names(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return queues that begin so."""
    return _asked(context, known_queues, begun)


def job_names(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return names of registered jobs that begin so, of the queue that the line names, if it does."""
    from jqjobs.store.reads.catalog import read_offers

    said = context.params.get("queue") or context.params.get("queues") or ()
    queues = (said,) if isinstance(said, str) else said

    def look(store: Store) -> Iterable[str]:
        return [offer.name for offer in read_offers(store) if not queues or offer.queue in queues]

    return _asked(context, look, begun)


def schedule_names(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return schedules that begin so."""
    from jqjobs.store.calls.added import added
    from jqjobs.store.calls.schedules import agenda

    def look(store: Store) -> Iterable[str]:
        queues = known_queues(store)
        in_code = [answer.schedules or () for answer in store.run_all([agenda(each) for each in queues])]
        at_run_time = [page.schedules for page in store.run_all([added(each) for each in queues])]
        return [planned.name for schedules in (*in_code, *at_run_time) for planned in schedules]

    return _asked(context, look, begun)


def daemon_names(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Return daemons whose names begin so."""
    return _asked(context, lambda store: (daemon.name for daemon in read_registry(store).daemons), begun)


def _asked(context: click.Context, look: Callable[[Store], Iterable[str]], begun: str) -> list[str]:
    session = context.ensure_object(Session)
    try:
        with redirect_stderr(io.StringIO()), session.store(_TIMEOUT_S) as store:
            return sorted({name for name in look(store) if name.startswith(begun)})
    except JqError:
        return []
