"""`jqctl outbox`: the table of an outbox, what waits in it, and a relay by hand. Imports the app for its database.

JQ_DATABASE_URL goes before what the app says. The daemon of the app runs a relay by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from jqjobs.base import log
from jqjobs.base.clock import format_age
from jqjobs.base.config import Environment, use_redis
from jqjobs.base.words import plural
from jqjobs.cli.app_loading import load_whole_app
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.output import write_text
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.errors import ConfigError, JqError

if TYPE_CHECKING:
    from jqjobs.outbox.outbox import Outbox

#: What --print shows for each.
_DIALECTS = ("postgresql", "mysql", "sqlite")


_of_app = click.option(
    "--app", "reference", metavar="MODULE:ATTR", help="The app, such as shop.app:app. Default: JQ_APP."
)


@click.group("outbox")
def outbox() -> None:
    """Make the table of an outbox, look what waits in it, bring that to Redis."""


@outbox.command("migrate")
@click.option("--print", "dialect", type=click.Choice(_DIALECTS), help="Print the SQL for it, and do nothing.")
@_of_app
@speaks_to_redis
@click.pass_obj
def migrate(session: Session, dialect: str | None, reference: str | None) -> None:
    """Make the table jqjobs_outbox, if it is not there.

    \b
    Examples:
      jqctl outbox migrate --app shop.app:app
      jqctl outbox migrate --print postgresql > migrations/0042_outbox.sql
    """
    session.answers_in(*WITHOUT_IDS)
    if dialect is not None:
        from jqjobs.outbox.dialects import dialect_named

        write_text("".join(f"{statement};\n" for statement in dialect_named(dialect).create))
        return
    with _outbox(session, reference) as found:
        found.migrate()
    session.show({"migrated": True}, ["The outbox has its table jqjobs_outbox."])


@outbox.command("status")
@_of_app
@speaks_to_redis
@click.pass_obj
def status(session: Session, reference: str | None) -> None:
    """Say how many rows wait, and how old the oldest is.

    \b
    Examples:
      jqctl outbox status --app shop.app:app
      jqctl outbox status --json | jq .oldest_s
    """
    session.answers_in(*WITHOUT_IDS)
    with _outbox(session, reference) as found:
        waiting = found.status()
    oldest = f", the oldest for {format_age(waiting.oldest_s)}" if waiting.rows else ""
    lines = [f"{plural(waiting.rows, 'row')} waiting{oldest}"]
    if waiting.old:
        lines.append(f"! {plural(waiting.old, 'row')} older than a week: look, then jqctl outbox run --force")
    answer = {"waiting": waiting.rows, "oldest_s": round(waiting.oldest_s, 3), "old": waiting.old}
    session.show(answer, lines)


@outbox.command("run")
@click.option("--force", is_flag=True, help="Rows older than a week, too; some of them may have been brought before.")
@_of_app
@speaks_to_redis
@click.pass_obj
def run(session: Session, force: bool, reference: str | None) -> int:
    """Bring all rows that wait to Redis, once. A daemon of the app does so by itself.

    It ends with 1 when a queue takes none, or a row is no job.

    \b
    Examples:
      jqctl outbox run --app shop.app:app
      jqctl outbox run --force
    """
    session.answers_in(*WITHOUT_IDS)
    with _outbox(session, reference) as found, session.acting() as store:
        brought = found.relay(store.run, also_old=force)
        left = found.status().rows
    lines = [f"{plural(brought.brought, 'row')} brought, {left} left"]
    lines += [f"! queue {queue}: {why}" for queue, why in brought.stuck.items()]
    lines += [f"! row {row}: {why}" for row, why in brought.bad.items()]
    answer = {"brought": brought.brought, "left": left, "stuck": brought.stuck, "bad": brought.bad}
    session.show(answer, lines)
    return Exit.ERROR if brought.stuck or brought.bad else Exit.OK


@contextmanager
def _outbox(session: Session, reference: str | None) -> Iterator[Outbox]:
    """Lend the outbox that is meant. Raises: ConfigError, and JqError for what its driver raises."""
    from jqjobs.api.app import App
    from jqjobs.outbox.outbox import Outbox, engine_of, outbox_of

    environment = Environment()
    log.configure("jqctl", level="warning")
    if session.redis_flag or session.prefix:
        use_redis(environment.redis_url(session.redis_flag, session.prefix))
    url = environment.get("database_url")
    if not url and not (reference or environment.get("app")):
        raise ConfigError("which database? --app, JQ_APP or JQ_DATABASE_URL says so", hint="--app yourpackage.jobs:app")
    found = Outbox(App(), engine_of(url)) if url else outbox_of(load_whole_app(reference or environment.get("app")))
    try:
        yield found
    except JqError:
        raise
    except Exception as error:  # each driver has its own
        raise JqError(f"the database: {type(error).__name__}: {error}", code="database") from error
    finally:
        found.database.close()
