"""A Django project with a real daemon, on PostgreSQL: a connection that the server ends is no error of the next job."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from e2e.daemon import Site
from jqjobs.jobs.records import State
from postgres import PROGRAMS, postgres

PROJECT = Path(__file__).parents[1] / "django_project"


@pytest.fixture
def database() -> Iterator[int]:
    if not PROGRAMS.is_dir():
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    with tempfile.TemporaryDirectory() as place:  # not below that of pytest, where only we may look
        Path(place).chmod(0o711)
        with postgres(Path(place) / "postgres") as port:
            yield port


def end_all_others(port: int) -> int:
    """Have the server end every connection but this one; return how many there were."""
    with psycopg.connect(host="127.0.0.1", port=port, user="postgres", autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return len(ended.fetchall())


def test_jobs_succeed_after_the_server_has_ended_their_connections(site: Site, database: int) -> None:
    path = os.pathsep.join([str(PROJECT), *sys.path])
    for concurrency in ("1", "3"):
        daemon = site.start_daemon(
            "--app", "jqjobs.django:app", "--processes", "1", "--concurrency", concurrency,
            PYTHONPATH=path, DJANGO_SETTINGS_MODULE="project_settings", DATABASE_PORT=str(database),
        )  # fmt: skip
        for name in ("backend", "backend_async"):
            before = site.send(name).result(timeout=60)
            assert end_all_others(database) == 1, "it is kept from job to job (CONN_MAX_AGE)"
            assert site.send(name).result(timeout=60) != before
            assert end_all_others(database) == 1
        task = site.wait_for(site.send("shop.tasks.calculate_meaning_of_life"), State.KEPT)
        assert (task.result, task.worker is None, task.started_ms is None) == (42, False, False)
        daemon.kill()
