"""What ``options(outbox=…)`` takes, and how a row is written into the transaction that is open there.

Session of SQLAlchemy   hooked: its producer brings the rows once the outermost transaction is over
alias of Django         hooked: by transaction.on_commit
everything else         a Connection of SQLAlchemy, a DB-API connection or cursor, async ones: a relay brings them
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Protocol

from jqjobs.errors import InvalidOption
from jqjobs.outbox.databases import (
    Database,
    DjangoDatabase,
    SqlAlchemyDatabase,
    driver_of,
    is_of,
    told,
)
from jqjobs.outbox.dialects import dialect_named, in_style

#: Id, queue, envelope.
NewRow = tuple[str, str, str]
#: Brings the rows with these ids; the database is where they are looked for.
Bring = Callable[[Database, Sequence[str]], None]

_PENDING = "jqjobs_outbox"
#: So many rows are written by one statement: with those of the largest size some servers take no more.
_TOGETHER = 15


class Target(Protocol):
    """Where rows are written. ``database``: where they can be seen once they are committed, None: nobody knows."""

    database: Database | None

    def write(self, rows: Sequence[NewRow], bring: Bring | None) -> Awaitable[None] | None:
        """Write rows into the transaction. ``bring``: to be called after its commit, where that can be heard.

        Returns something to be awaited where the connection is an async one.
        """
        ...


class SessionTarget:
    """A Session of SQLAlchemy."""

    def __init__(self, session: Any) -> None:
        self._session = session
        engine = session.get_bind()
        self.database: Database | None = SqlAlchemyDatabase(engine.engine)

    def write(self, rows: Sequence[NewRow], bring: Bring | None) -> None:
        """Write rows, and have them brought after the commit."""
        _write_by(self._session.connection(), rows, is_hooked=bring is not None)
        if bring is not None:
            self._remember([row[0] for row in rows], bring)

    def _remember(self, ids: Sequence[str], bring: Bring) -> None:
        """Note ids for the end of the outermost transaction.

        A savepoint may be rolled back before; who brings the rows looks which of them are committed.
        """
        from sqlalchemy import event

        if (pending := self._session.info.get(_PENDING)) is None:
            pending = self._session.info[_PENDING] = _Pending()
            event.listen(self._session, "after_commit", pending.committed)
            event.listen(self._session, "after_transaction_end", pending.ended)
        pending.ids += ids
        pending.database, pending.bring = self.database, bring


class _Pending:
    """What a Session has written in the transaction that is open."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.database: Database | None = None
        self.bring: Bring | None = None
        self._is_committed = False

    def committed(self, session: Any) -> None:
        """Hear of a commit, of a savepoint too; its connection is in use still."""
        self._is_committed = True

    def ended(self, session: Any, transaction: Any) -> None:
        """Hear of the end of a transaction, when its connections are free again."""
        if transaction.parent is not None:
            return
        ids, self.ids = self.ids, []
        was_committed, self._is_committed = self._is_committed, False
        if ids and was_committed and self.bring is not None and self.database is not None:
            self.bring(self.database, ids)


class ConnectionTarget:
    """A Connection of SQLAlchemy, whose commit cannot be heard."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.database: Database | None = SqlAlchemyDatabase(connection.engine)

    def write(self, rows: Sequence[NewRow], bring: Bring | None) -> None:
        """Write rows."""
        _write_by(self._connection, rows, is_hooked=False)


class AsyncAlchemyTarget:
    """An AsyncSession or AsyncConnection of SQLAlchemy."""

    database: Database | None = None

    def __init__(self, given: Any) -> None:
        self._given = given

    async def write(self, rows: Sequence[NewRow], bring: Bring | None) -> None:
        """Write rows."""
        is_session = hasattr(self._given, "sync_session")
        connection = await self._given.connection() if is_session else self._given
        await connection.run_sync(lambda plain: _write_by(plain, rows, is_hooked=False))


class DjangoTarget:
    """An alias of Django's DATABASES."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self.database: Database | None = DjangoDatabase(alias)

    def write(self, rows: Sequence[NewRow], bring: Bring | None) -> None:
        """Write rows, and have them brought after the commit; outside of a transaction that is at once."""
        from django.db import connections, transaction

        database = DjangoDatabase(self._alias)
        with connections[self._alias].cursor() as cursor, told():
            cursor.executemany(
                in_style(database.dialect.insert(), "format"), _values(rows, is_hooked=bring is not None)
            )
        if bring is not None:
            ids = [row[0] for row in rows]
            transaction.on_commit(lambda: bring(database, ids), using=self._alias)


class DbApiTarget:
    """A DB-API connection or cursor; an async connection has its driver's ways."""

    database: Database | None = None

    def __init__(self, given: Any) -> None:
        """Raises: InvalidOption."""
        self._dialect, self._style = driver_of(given)
        # The cursor that was given may have rows to be fetched.
        self._connection = given if hasattr(given, "cursor") else given.connection

    def write(self, rows: Sequence[NewRow], bring: Bring | None) -> Awaitable[None] | None:
        """Write rows."""
        sql, values = in_style(self._dialect.insert(), self._style), _values(rows, is_hooked=False)
        cursor = self._connection.cursor()
        if isawaitable(cursor) or iscoroutinefunction(getattr(cursor, "executemany", None)):
            return _write_async(cursor, sql, values)
        with told():
            cursor.executemany(sql, values)
        cursor.close()
        return None


async def _write_async(cursor: Any, sql: str, values: Sequence[Any]) -> None:
    if isawaitable(cursor):
        cursor = await cursor
    with told():
        await cursor.executemany(sql, values)
    await cursor.close()


class OwnTransaction:
    """A database, each call in a transaction of its own; relays bring them."""

    def __init__(self, database: Database) -> None:
        self.database: Database | None = database
        self._insert = database

    def write(self, rows: Sequence[NewRow], bring: Bring | None) -> None:
        """Write rows, and commit."""
        for at in range(0, len(rows), _TOGETHER):
            some = _values(rows[at : at + _TOGETHER], is_hooked=False)
            self._insert.run(self._insert.dialect.insert(len(some)), [value for row in some for value in row])


def target_of(given: Any) -> Target:
    """Return what ``options(outbox=…)`` was given. Raises: InvalidOption."""
    if isinstance(given, str):
        return DjangoTarget(given)
    if not is_of(given, "sqlalchemy"):
        return DbApiTarget(given)
    if hasattr(given, "registry") and callable(given):  # a scoped_session stands for the one of this thread
        given = given()
    if hasattr(given, "sync_session") or hasattr(given, "sync_connection"):
        return AsyncAlchemyTarget(given)
    if hasattr(given, "get_bind"):
        return SessionTarget(given)
    if hasattr(given, "exec_driver_sql"):
        return ConnectionTarget(given)
    raise InvalidOption(f"{given!r} has no transaction", hint="give a Session or a Connection")


def _write_by(connection: Any, rows: Sequence[NewRow], *, is_hooked: bool) -> None:
    sql = in_style(dialect_named(connection.dialect.name).insert(), connection.dialect.paramstyle)
    with told():
        connection.exec_driver_sql(sql, _values(rows, is_hooked=is_hooked))


def _values(rows: Sequence[NewRow], *, is_hooked: bool) -> list[tuple[Any, ...]]:
    return [(*row, int(is_hooked)) for row in rows]
