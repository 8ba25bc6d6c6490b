"""Calls in a transaction: they come to Redis if and only if it is committed, and what they write into."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from jqjobs.errors import InvalidOption, OutboxMissing, PayloadTooLarge
from jqjobs.outbox import Outbox
from jqjobs.outbox.dialects import TABLE
from jqjobs.outbox.relay import LEFT_TO_PRODUCERS_S
from log_lines import Lines
from store.outbox.conftest import Shop


def test_what_is_committed_is_there_at_once_and_what_is_rolled_back_never_was(shop: Shop) -> None:
    with Session(shop.engine) as session:
        lost = shop.send.options(outbox=session).enqueue(1)
        session.rollback()
        kept = shop.send.options(outbox=session).enqueue(2)
        assert shop.system.ids() == []
        session.commit()

    assert (kept.created, shop.system.ids(), shop.waiting()) == (None, [kept.id], [])
    assert (kept.state(), lost.state()) == ("ready", None)
    assert kept.info().args == [2]


def test_a_savepoint_that_is_rolled_back_takes_its_calls_along(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        kept = shop.send.options(outbox=session).enqueue()
        savepoint = session.begin_nested()
        shop.send.options(outbox=session).enqueue()
        savepoint.rollback()
        with session.begin_nested():
            also_kept = shop.send.options(outbox=session).enqueue()

    assert sorted(shop.system.ids()) == sorted([kept.id, also_kept.id])


def test_a_session_that_is_closed_leaves_nothing_for_its_next_commit(shop: Shop) -> None:
    with Session(shop.engine) as session:
        shop.send.options(outbox=session).enqueue()
        session.close()
        shop.send.options(outbox=session).enqueue_many([(1,), (2,)])
        session.commit()

    assert len(shop.system.ids()) == 2


def test_the_commit_succeeds_while_redis_is_away_and_a_relay_brings_the_call(shop: Shop, logged: Lines) -> None:
    shop.lose_redis()
    with Session(shop.engine) as session:
        job = shop.send.options(outbox=session).enqueue(7)
        session.commit()
        shop.send.options(outbox=session).enqueue(8)
        session.commit()

    assert [line["event"] for line in logged] == ["outbox.left"], "it was tried once, not at each commit"
    assert job.state() == "outbox"
    assert job.info().args == [7]
    assert shop.outbox.relay(shop.system.store.run).brought == 2
    assert len(shop.system.ids()) == 2


@contextmanager
def a_connection(shop: Shop) -> Iterator[tuple[Any, Callable[[], None]]]:
    with closing(shop.place.connect()) as connection:
        yield connection, connection.commit


@contextmanager
def a_cursor(shop: Shop) -> Iterator[tuple[Any, Callable[[], None]]]:
    with closing(shop.place.connect()) as connection, closing(connection.cursor()) as cursor:
        yield cursor, connection.commit


@contextmanager
def a_connection_of_sqlalchemy(shop: Shop) -> Iterator[tuple[Any, Callable[[], None]]]:
    with shop.engine.connect() as connection:
        yield connection, connection.commit


@pytest.mark.parametrize("open_it", [a_connection, a_cursor, a_connection_of_sqlalchemy])
def test_a_commit_that_nobody_hears_of_is_for_the_next_turn_of_a_relay(shop: Shop, open_it: Any) -> None:
    with open_it(shop) as (given, commit):
        shop.send.options(outbox=given, id="kept").enqueue()
        assert shop.waiting() == []
        commit()
        shop.send.options(outbox=given, id="lost").enqueue()

    assert shop.waiting() == ["kept"]
    shop.outbox.relay(shop.system.store.run, least_s=LEFT_TO_PRODUCERS_S)
    assert shop.system.ids() == ["kept"]


def test_a_relay_leaves_rows_to_a_producer_that_is_about_to_bring_them(shop: Shop) -> None:
    shop.leave_rows("fresh", "aged")
    shop.sql(f"UPDATE {TABLE} SET is_hooked = 1")
    earlier = {
        "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-6 seconds')",
        "postgresql": "clock_timestamp() - INTERVAL '6 seconds'",
        "mariadb": "CURRENT_TIMESTAMP(3) - INTERVAL 6 SECOND",
    }[shop.place.kind]
    shop.sql(f"UPDATE {TABLE} SET created_at = {earlier} WHERE id = 'aged'")
    shop.outbox.relay(shop.system.store.run, least_s=LEFT_TO_PRODUCERS_S)

    assert (shop.system.ids(), shop.waiting()) == (["aged"], ["fresh"])


def test_a_missing_table_says_what_to_do(shop: Shop) -> None:
    shop.sql(f"DROP TABLE {TABLE}")
    with Session(shop.engine) as session, pytest.raises(OutboxMissing) as told:
        shop.send.options(outbox=session).enqueue()
    with closing(shop.place.connect()) as connection, pytest.raises(OutboxMissing):
        shop.send.options(outbox=connection).enqueue()
    with pytest.raises(OutboxMissing):
        shop.outbox.status()

    assert told.value.hint == "run: jqctl outbox migrate"


def test_a_scoped_session_is_the_one_of_this_thread(shop: Shop) -> None:
    session = scoped_session(sessionmaker(shop.engine))
    shop.send.options(outbox=session, id="a").enqueue()
    session.commit()
    session.remove()

    assert shop.system.ids() == ["a"]


def test_async_connections_are_awaited(shop: Shop) -> None:
    if shop.place.kind != "postgresql":
        pytest.skip("only psycopg is here with an async side")

    async def enqueue() -> None:
        engine = create_async_engine(shop.place.url)
        async with AsyncSession(engine) as session, session.begin():
            await shop.send.options(outbox=session, id="alchemy").enqueue_async()
        await engine.dispose()
        with closing(shop.place.connect()) as plain:
            about = plain.info
            address = {"host": "127.0.0.1", "port": about.port, "user": about.user, "dbname": about.dbname}
        async with await psycopg.AsyncConnection.connect(**address) as connection:
            await shop.send.options(outbox=connection, id="psycopg").enqueue_async()
            with pytest.raises(InvalidOption, match="async"):
                shop.send.options(outbox=connection).enqueue()

    asyncio.run(enqueue())
    assert shop.waiting() == ["alchemy", "psycopg"]


def test_what_is_no_transaction_and_what_is_too_large_are_refused_where_the_call_stands(shop: Shop) -> None:
    with pytest.raises(InvalidOption, match="of no driver"):
        shop.send.options(outbox=object()).enqueue()
    with pytest.raises(InvalidOption, match="no transaction"):
        shop.send.options(outbox=shop.engine).enqueue()
    with Session(shop.engine) as session, pytest.raises(PayloadTooLarge, match="ASCII"):
        shop.send.options(outbox=session).enqueue("é" * 200_000)
    with pytest.raises(InvalidOption, match="no database"):
        Outbox(shop.app, 7)
