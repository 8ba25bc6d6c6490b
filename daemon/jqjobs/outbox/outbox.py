"""The outbox of an app: where it is, its table, what waits there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from jqjobs.api.app import App
from jqjobs.base.clock import monotonic_ms
from jqjobs.base.config import Environment
from jqjobs.errors import ConfigError
from jqjobs.outbox.databases import Database, database_of
from jqjobs.outbox.rows import Brought, Run, Waiting, bring, count_waiting, due_pages

#: What a URL may begin with → the drivers of SQLAlchemy that it may mean, module and name, best first.
_DRIVERS = {
    "postgresql": (("psycopg", "postgresql+psycopg"), ("psycopg2", "postgresql+psycopg2")),
    "postgres": (("psycopg", "postgresql+psycopg"), ("psycopg2", "postgresql+psycopg2")),
    "mysql": (("MySQLdb", "mysql+mysqldb"), ("pymysql", "mysql+pymysql")),
    "mariadb": (("MySQLdb", "mysql+mysqldb"), ("pymysql", "mysql+pymysql")),
}


class Outbox:
    """The outbox of an app, in one database. Its workers tell their daemon, which runs a relay."""

    def __init__(self, app: App, engine: Any) -> None:
        """``engine``: an engine of SQLAlchemy, an alias of Django's DATABASES, or a function that returns a DB-API
        connection. Connects to nothing. Raises: InvalidOption, ConfigError.
        """
        self.database: Database = database_of(engine)
        app.registry.outbox = self

    def migrate(self) -> None:
        """Make the table, if it is not there. Raises: what the driver raises."""
        for statement in self.database.dialect.create:
            self.database.run(statement)

    def status(self) -> Waiting:
        """Return what waits. Raises: OutboxMissing, and what the driver raises."""
        return count_waiting(self.database)

    def relay(self, run: Run, *, least_s: float = 0.0, also_old: bool = False) -> Brought:
        """Bring what waits, rows that are younger than ``least_s`` only where nobody else will.

        ``also_old``: those too that may have been brought long ago. Raises: StoreUnavailable, StoreFull, OutboxMissing,
        and what the driver raises.
        """
        brought = Brought()
        read_ms = monotonic_ms()
        for page in due_pages(self.database, least_s, also_old=also_old):
            brought.add(bring(self.database, run, page, read_ms))
            read_ms = monotonic_ms()
        return brought


def outbox_of(app: App) -> Outbox:
    """Return the outbox of an app: that of JQ_DATABASE_URL, else its own. Raises: ConfigError."""
    url = Environment().get("database_url")
    if url:
        return Outbox(app, engine_of(url))
    if app.registry.outbox is None:
        raise ConfigError("no database is given", hint="JQ_DATABASE_URL, or Outbox(app, engine) in the app")
    found: Outbox = app.registry.outbox
    return found


def engine_of(url: str) -> Any:
    """Return an engine of SQLAlchemy for a URL, whose driver is the one that is installed. Raises: ConfigError."""
    try:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError
    except ImportError:
        raise ConfigError("JQ_DATABASE_URL needs SQLAlchemy", hint="pip install 'jqjobs[sqlalchemy]'") from None
    scheme, colon, rest = url.partition(":")
    known = [name for module, name in _DRIVERS.get(scheme, ()) if find_spec(module)]
    try:
        return create_engine(f"{known[0] if known else scheme}{colon}{rest}", pool_pre_ping=True)
    except ArgumentError:
        raise ConfigError("JQ_DATABASE_URL is no URL of a database", hint="such as postgresql://shop@db/shop") from None
    except ImportError as error:
        raise ConfigError(f"JQ_DATABASE_URL: {error}", hint="install a driver of that database") from None
