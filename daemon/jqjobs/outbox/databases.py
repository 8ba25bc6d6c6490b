"""Where an outbox is, as relays, commands and handles use it: statements that each are a transaction of their own.

One class for each thing that an application may have: an engine of SQLAlchemy, an alias of Django, a function that
returns a DB-API connection. What transactions of the application write is in `targets`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from jqjobs.errors import ConfigError, InvalidOption, OutboxMissing
from jqjobs.outbox.dialects import TABLE, Dialect, dialect_named, in_style, is_missing_table

Rows = list[tuple[Any, ...]]

#: Module of a DB-API connection → its dialect, and the paramstyle of its driver.
_DRIVERS = {
    "sqlite3": ("sqlite", "qmark"), "psycopg": ("postgresql", "format"), "psycopg2": ("postgresql", "format"),
    "pg8000": ("postgresql", "format"), "pymysql": ("mysql", "format"), "MySQLdb": ("mysql", "format"),
    "mysql": ("mysql", "format"), "mariadb": ("mysql", "qmark"),
}  # fmt: skip


class Database(Protocol):
    """A database with an outbox."""

    @property
    def dialect(self) -> Dialect:
        """The words of the database. Raises: ConfigError, and what connecting raises."""
        ...

    def run(self, sql: str, values: Sequence[object] = ()) -> Rows:
        """Run a statement, committed, and return its rows. Raises: OutboxMissing, and what the driver raises."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class SqlAlchemyDatabase:
    """By an engine of SQLAlchemy."""

    def __init__(self, engine: Any) -> None:
        """Raises: ConfigError."""
        self._engine = engine
        self.dialect = dialect_named(engine.dialect.name)

    def run(self, sql: str, values: Sequence[object] = ()) -> Rows:
        """Run a statement."""
        sql = in_style(sql, self._engine.dialect.paramstyle)
        with self._engine.connect() as plain, told():
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            result = connection.exec_driver_sql(sql, tuple(values))
            return [tuple(row) for row in result] if result.returns_rows else []

    def close(self) -> None:
        """Close the connections that are idle; the next statement opens another."""
        self._engine.dispose()


class DjangoDatabase:
    """By an alias of Django's DATABASES. Outside of ``atomic``, as in a relay, each statement is committed at once."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @property
    def dialect(self) -> Dialect:
        """The words of the database."""
        return dialect_named(_django_connection(self.alias).vendor)

    def run(self, sql: str, values: Sequence[object] = ()) -> Rows:
        """Run a statement."""
        with _django_connection(self.alias).cursor() as cursor, told():
            cursor.execute(in_style(sql, "format"), values or None)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Close the connection of this thread."""
        _django_connection(self.alias).close()


class DbApiDatabase:
    """By a function that returns a connection. Each thread keeps one: of two at once no driver tells whose is a commit.

    After an error the next statement opens another.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._own = threading.local()

    @property
    def dialect(self) -> Dialect:
        """The words of the database."""
        return driver_of(self._connection())[0]

    def run(self, sql: str, values: Sequence[object] = ()) -> Rows:
        """Run a statement, and commit, a SELECT too: the next one is to see what others have committed by then."""
        connection = self._connection()
        try:
            cursor = connection.cursor()
            with told():
                cursor.execute(in_style(sql, driver_of(connection)[1]), tuple(values))
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            cursor.close()
            connection.commit()
        except BaseException:
            self.close()
            raise
        return rows

    def _connection(self) -> Any:
        if (found := getattr(self._own, "connection", None)) is None:
            found = self._own.connection = self._connect()
        return found

    def close(self) -> None:
        """Close the connection of this thread; one that is broken does not mind."""
        connection, self._own.connection = getattr(self._own, "connection", None), None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                return


@contextmanager
def told() -> Iterator[None]:
    """Say what to do when the table is missing; other errors of a driver come as they are, for who retries them."""
    try:
        yield
    except Exception as error:
        if is_missing_table(error):
            raise OutboxMissing(f"the database has no table {TABLE}", hint="run: jqctl outbox migrate") from error
        raise


def database_of(given: Any) -> Database:
    """Return the database of an engine of SQLAlchemy, of an alias, or of a function. Raises: InvalidOption."""
    if isinstance(given, str):
        return DjangoDatabase(given)
    if is_of(given, "sqlalchemy"):
        if hasattr(given, "sync_engine"):
            raise InvalidOption("an outbox wants an engine, not an async one", hint="create_engine() of the same URL")
        return SqlAlchemyDatabase(given)
    if callable(given):
        return DbApiDatabase(given)
    raise InvalidOption(
        f"{given!r} is no database",
        hint="give an engine of SQLAlchemy, an alias of Django, or a function that connects",
    )


def driver_of(given: Any) -> tuple[Dialect, str]:
    """Return dialect and paramstyle of a DB-API connection or cursor. Raises: InvalidOption."""
    for kind in type(given).__mro__:
        if (known := _DRIVERS.get(kind.__module__.partition(".")[0])) is not None:
            return dialect_named(known[0]), known[1]
    known_ones = ", ".join(_DRIVERS)
    raise InvalidOption(f"{given!r} is of no driver that an outbox knows", hint=f"it knows {known_ones}")


def is_of(given: Any, package: str) -> bool:
    """Whether an object is of a package, or of a class that is derived from one of it; imports nothing."""
    return package in sys.modules and any(kind.__module__.partition(".")[0] == package for kind in type(given).__mro__)


def _django_connection(alias: str) -> Any:
    from django.db import connections
    from django.utils.connection import ConnectionDoesNotExist

    try:
        return connections[alias]
    except ConnectionDoesNotExist:
        raise ConfigError(f"{alias!r} is no alias of Django's DATABASES") from None
