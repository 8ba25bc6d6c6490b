"""Fixtures of the outbox: a shop with a database of each kind in turn, and jobs on one real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from jqjobs import App, Job
from jqjobs.base.clock import monotonic_ms
from jqjobs.outbox import Outbox
from jqjobs.outbox.dialects import TABLE
from jqjobs.outbox.rows import Brought, bring, due_pages
from store.outbox.databases_here import KINDS, Place, Places, places
from store.queue_system import QueueSystem

__all__ = ["places"]

#: A Redis that is not there.
NOWHERE = "unix:///tmp/no-redis-here"


@dataclass
class Shop:
    """An app with an outbox. ``send``: its job; ``system``: where that goes."""

    place: Place
    engine: Engine
    system: QueueSystem
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.app = App(redis_url=self.system.url)
        self.outbox = Outbox(self.app, self.engine)
        self.send: Job[..., Any] = self.app.job(name="send", queue="q")(lambda *args, **kwargs: None)

    def lose_redis(self) -> None:
        """Have producers find no Redis."""
        self.app.client.close()
        self.app.client._whereabouts._redis_url, self.app.client._whereabouts._found = NOWHERE, None

    def leave_rows(self, *ids: str, **options: Any) -> None:
        """Commit calls whose producer has gone."""
        with Session(self.engine) as session, session.begin():
            for job_id in ids:
                self.send.options(outbox=session.connection(), id=job_id, **options).enqueue()

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return self.outbox.database.run(statement)

    def waiting(self) -> list[str]:
        """The ids of the rows that are committed."""
        return [row[0] for row in self.sql(f"SELECT id FROM {TABLE} ORDER BY seq")]

    def read(self) -> tuple[list[Any], int]:
        """What a relay reads, and when that was."""
        return next(due_pages(self.outbox.database, 0.0)), monotonic_ms()

    def bring(self, found: tuple[list[Any], int]) -> Brought:
        return bring(self.outbox.database, self.system.store.run, *found)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, places: Places) -> Place:
    return places.place(request.param)


@pytest.fixture
def shop(place: Place, live_system: QueueSystem) -> Iterator[Shop]:
    engine = place.engine()
    made = Shop(place, engine, live_system)
    made.sql(f"DROP TABLE IF EXISTS {TABLE}")
    made.outbox.migrate()
    yield made
    made.app.client.close()
    engine.dispose()
