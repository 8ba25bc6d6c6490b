"""`jqctl ping`: whether jobs can be executed. For people, and for the health checks of supervisors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click

from jqjobs.base.words import plural
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.names import daemon_names
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.jobs.records import check_name
from jqjobs.operations.daemons import nobody, title, why_unable
from jqjobs.store.reads.registry import DaemonInfo, Registry, read_registry


@click.command("ping")
@click.option("--name", metavar="NAME", shell_complete=daemon_names, help="Only daemons of this name count.")
@speaks_to_redis
@click.pass_obj
def ping(session: Session, name: str | None) -> int:
    """Check that jobs can be executed: Redis answers, and a daemon is able to take jobs.

    That is a daemon that was heard of in the last 10 s, has a worker that is ready or busy, and is not quiet,
    draining, or waiting for memory or Redis. Otherwise it is said what is wrong.

    Exit code 0: yes; 1: no daemon is able; 4: Redis cannot be reached.

    \b
    Examples:
      jqctl ping && jqctl enqueue nightly_report
      jqctl ping --name web-1
    """
    session.answers_in(*WITHOUT_IDS)
    if name is not None:
        check_name(name, "daemon name")
    with session.store() as store:
        start = time.perf_counter()
        store.ping()
        ms = round((time.perf_counter() - start) * 1000, 2)
        registry = read_registry(store)
    daemons = [one for one in registry.daemons if name in (None, one.name)]
    wrong = {one.id: why for one in daemons if (why := why_unable(one))}
    able = len(daemons) - len(wrong)
    answer = {
        "redis": str(store.address), "ms": ms, "ok": able > 0, "daemons": len(daemons), "able": able,
        "problems": [{"id": one.id, "name": one.name, "message": wrong[one.id]} for one in daemons if one.id in wrong],
    }  # fmt: skip
    session.show(answer, [f"Redis at {store.address} answers ({ms} ms)", *_lines(registry, daemons, wrong, name)])
    return Exit.OK if able else Exit.ERROR


def _lines(
    registry: Registry, daemons: Sequence[DaemonInfo], wrong: dict[str, str], name: str | None
) -> Iterator[str]:  # fmt: skip
    named = f" of the name {name}" if name else ""
    if not daemons:
        yield "! {}; {}".format(*nobody(registry, named))
    elif len(wrong) == len(daemons):
        yield f"! no daemon{named} is able to take jobs"
    else:
        yield f"{len(daemons) - len(wrong)} of {plural(len(daemons), 'daemon')}{named} can take jobs"
    yield from (f"  ! {title(one)}: {wrong[one.id]}" for one in daemons if one.id in wrong)
