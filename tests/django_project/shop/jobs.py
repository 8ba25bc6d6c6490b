"""Jobs beside the tasks: they say over which connection they reach the database."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import connection

from jqjobs.django import app


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@app.job(keep="1h", max_attempts=1)
def backend() -> int:
    return _backend()


@app.job(keep="1h", max_attempts=1)
async def backend_async() -> int:
    return int(await sync_to_async(_backend)())
