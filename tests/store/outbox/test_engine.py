"""JQ_ENGINE=database: producers that need no Redis, and what they see of their jobs until a relay has brought them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread, Timer, get_ident

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.errors import ConfigError, InvalidOption, ResultTimeout
from jqjobs.jobs.flow import BatchState
from jqjobs.jobs.records import Kind
from jqjobs.outbox import Outbox
from jqjobs.outbox.dialects import TABLE
from jqjobs.outbox.outbox import engine_of
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.steps import run_steps
from jqjobs.testing import in_memory
from store.cli.terminal import Terminal
from store.outbox.conftest import NOWHERE, Shop
from store.outbox.databases_here import Place, Places


@pytest.fixture
def place(places: Places) -> Place:
    return places.place("sqlite")


@pytest.fixture
def site(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The shop as a site that has the database's URL, and no Redis."""
    monkeypatch.setenv("JQ_ENGINE", "database")
    monkeypatch.setenv("JQ_DATABASE_URL", shop.place.url)
    shop.lose_redis()
    yield shop
    database = shop.app.registry.outbox.database
    database.close()


def find_redis(shop: Shop) -> None:
    shop.app.client.close()
    shop.app.client._whereabouts._redis_url, shop.app.client._whereabouts._found = shop.system.url, None


def test_calls_wait_in_the_outbox_and_their_handles_know(site: Shop) -> None:
    job, *more = site.send.enqueue_many([(n,) for n in range(20)])

    assert (job.created, job.state(), job.info().args, len(site.waiting())) == (None, "outbox", [0], 20)
    with pytest.raises(ResultTimeout):
        job.result(timeout=0.01)
    assert more[0].cancel() == "cancelled"
    more[1].delete()
    assert len(site.waiting()) == 18


def test_results_are_waited_for_while_a_relay_brings_the_call(site: Shop) -> None:
    job = site.send.options(keep="1h").enqueue()

    def bring_and_run() -> None:
        find_redis(site)
        site.outbox.relay(site.system.store.run)
        [taken] = site.system.take()
        taken.keep_ms = 3_600_000
        site.system.settle("w", taken, Kind.KEPT, 3_600_000, line=b"42")

    timer = Timer(0.2, bring_and_run)
    timer.start()
    assert job.result(timeout=20) == 42
    timer.join()
    assert (job.state(), asyncio.run(job.result_async(timeout=20))) == ("kept", 42)


def test_a_call_that_was_cancelled_in_the_outbox_does_not_come_although_a_relay_has_read_it(site: Shop) -> None:
    find_redis(site)
    job = site.send.enqueue()
    found = site.read()
    assert job.cancel() == "cancelled"
    site.bring(found)

    assert site.system.ids() == []


def test_a_call_that_was_brought_meanwhile_is_cancelled_where_it_is(
    site: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_redis(site)
    job = site.send.enqueue()
    with monkeypatch.context() as patch:
        patch.setattr("jqjobs.outbox.rows._delete", lambda *_: None)
        site.bring(site.read())
    assert job.cancel() == "cancelled"

    assert (site.system.ids(), job.state(), site.waiting()) == ([], "dead", [])


def test_a_chain_and_a_member_of_a_batch_are_that_too_when_a_relay_has_brought_them(site: Shop) -> None:
    find_redis(site)
    site.app.chain(site.send.options(id="c").call(1), [site.send.call("é"), site.send.call(3)]).enqueue()
    with site.app.batch("b", queue="home", then=site.send.call()) as batch:
        batch.add(site.send.options(id="m").call())
    site.outbox.relay(site.system.store.run)

    [first] = site.system.take()
    site.system.settle("w", first)
    assert (first.id, site.system.ids()) == ("c", ["m", "c.2.1", "c.2.2"])
    run_steps(site.system.run, deliver_flow("q"))
    assert (batch.added, batch.status().state, batch.status().open) == (1, BatchState.RUNNING, 1)


def test_what_is_for_a_transaction_is_in_no_chain_and_no_batch(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        call = shop.send.options(outbox=session).call()
        with pytest.raises(InvalidOption, match="for a transaction"):
            shop.app.chain(call, shop.send.call()).enqueue()
        with pytest.raises(InvalidOption, match="for a transaction"), shop.app.batch() as batch:
            batch.add(call)


def test_the_database_is_that_of_the_app_unless_a_url_says_another(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JQ_ENGINE", "database")
    monkeypatch.delenv("JQ_DATABASE_URL", raising=False)
    with pytest.raises(ConfigError, match="no database"):
        _ = App(redis_url=NOWHERE).engine
    shop.send.enqueue()
    assert len(shop.waiting()) == 1
    for url in ("no url", "oracle://x/y", "nodb://x/y"):
        with pytest.raises(ConfigError):
            Outbox(shop.app, engine_of(url))


def test_tests_with_jobs_in_memory_find_calls_with_an_outbox_there(shop: Shop) -> None:
    with in_memory(shop.app) as jobs, Session(create_engine("sqlite://")) as session:
        shop.send.options(outbox=session).enqueue(1)
        jobs.assert_enqueued(shop.send, 1)


def test_a_process_without_an_outbox_loads_nothing_of_it() -> None:
    code = "import sys, jqjobs; jqjobs.App().job(name='x')(lambda: 1); print([m for m in sys.modules if 'outbox' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_each_thread_writes_by_a_connection_of_its_own_and_no_event_loop_waits_for_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one that they shared, the error of one would roll back what another has written and not yet committed."""
    opened: list[int] = []

    def connect() -> object:
        opened.append(get_ident())
        return shop.place.connect()

    monkeypatch.setenv("JQ_ENGINE", "database")
    monkeypatch.delenv("JQ_DATABASE_URL", raising=False)
    database = Outbox(shop.app, connect).database

    def send(n: int) -> None:
        shop.send.enqueue(n)
        shop.send.enqueue(n)
        database.close()

    shop.send.enqueue(1)
    for n in range(2):
        (thread := Thread(target=send, args=(n,))).start()
        thread.join()
    asyncio.run(shop.send.enqueue_async(1))
    database.close()

    assert len(shop.waiting()) == 6
    assert (len(opened), opened.count(get_ident())) == (4, 1)


def test_a_row_that_is_no_job_is_told_to_programs_too(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JQ_DATABASE_URL", shop.place.url)
    terminal = Terminal(shop.system.url, capsys)
    shop.sql(f"INSERT INTO {TABLE} (id, queue, envelope) VALUES ('b', 'no queue', '{{}}')")

    told = terminal.json("outbox", "run")
    assert (terminal.code, told["left"], len(told["bad"])) == (Exit.ERROR, 1, 1)
    assert [terminal.run("outbox", word, "-o", "ids") for word in ("run", "status", "migrate")] == [Exit.USAGE] * 3
