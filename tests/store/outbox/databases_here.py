"""The databases that an outbox is tested on: each started once, with an empty table for each test."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from sqlalchemy import Engine, create_engine

from mariadb import SERVER, mariadb
from postgres import PROGRAMS, postgres

KINDS = ("sqlite", "postgresql", "mariadb")


@dataclass(frozen=True)
class Place:
    """One database. ``url``: for SQLAlchemy; ``connect``: opens a DB-API connection."""

    kind: str
    url: str
    connect: Callable[[], Any]

    def engine(self) -> Engine:
        return create_engine(self.url)


class Places:
    """The servers of this test process, started when first asked for."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        self._found: dict[str, Place] = {}

    def place(self, kind: str) -> Place:
        if kind not in self._found:
            self._found[kind] = getattr(self, f"_{kind}")()
        return self._found[kind]

    def close(self) -> None:
        self._ends.close()

    def _directory(self) -> Path:
        place = Path(self._ends.enter_context(tempfile.TemporaryDirectory()))
        place.chmod(0o711)  # PostgreSQL runs as another user
        return place

    def _sqlite(self) -> Place:
        file = self._directory() / "shop.sqlite3"
        return Place("sqlite", f"sqlite:///{file}", lambda: sqlite3.connect(file))

    def _postgresql(self) -> Place:
        if not PROGRAMS.is_dir():
            pytest.skip("no PostgreSQL: apt-get install postgresql")
        port = self._ends.enter_context(postgres(self._directory() / "postgres"))
        url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        return Place(
            "postgresql", url, lambda: psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
        )

    def _mariadb(self) -> Place:
        if SERVER is None:
            pytest.skip("no MariaDB: apt-get install mariadb-server")
        socket = self._ends.enter_context(mariadb(self._directory() / "mariadb"))
        return Place(
            "mariadb", f"mysql+pymysql://root@localhost/test?unix_socket={socket}",
            lambda: pymysql.connect(unix_socket=socket, user="root", database="test"),
        )  # fmt: skip


@pytest.fixture(scope="session")
def places() -> Iterator[Places]:
    found = Places()
    yield found
    found.close()
