"""Brings a job "a", which has a coalescing key, into a state in which it waits."""

from __future__ import annotations

from jqjobs.jobs.records import Kind
from store.queue_system import QueueSystem


def ready(system: QueueSystem) -> None:
    system.add("a", key="k")


def scheduled(system: QueueSystem) -> None:
    system.add("a", key="k", due="+5000")


def parked(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.UNKNOWN)
