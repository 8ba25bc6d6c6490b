"""Handles of jobs that a test enqueues without an app."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs import JobHandle
from jqjobs.api.client import Client
from jqjobs.api.handle import handle_of
from jqjobs.jobs.records import NewJob


def enqueue(client: Client, jobs: Sequence[NewJob], queue: str = "default") -> list[JobHandle]:
    """Store jobs and return their handles."""
    return [handle_of(made, queue, client) for made in client.enqueue(queue, jobs)]
