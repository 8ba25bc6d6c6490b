"""What a worker tells who listens, by two threads: the one of its trips, and its monitor."""

from __future__ import annotations

import threading

from jqjobs.jobs.records import Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.tail import TailEvent
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.trips.reports import Report
from jqjobs.worker.trips.tail import Tail

REPORT = Report([], [])


def tailed(*queues: str) -> Trip:
    return Trip(Status.OK, 0, tailed=queues)


def began(queue: str, serial: int) -> TakenJob:
    return TakenJob(queue, f"id-{serial}", 1, "n", b"", serial=serial, started_ms=2**50)


def test_a_trip_that_looks_what_is_unsent_does_not_mind_what_begins_meanwhile_in_a_new_queue() -> None:
    tail = Tail("w")

    class Unsent:
        @property
        def events(self) -> list[TailEvent]:
            monitor.start()
            monitor.join(1)  # it waits for the trip, or is done
            return []

    tail._unsent["q"] = Unsent()  # type: ignore[assignment]
    tail._queues = frozenset("qr")
    monitor = threading.Thread(target=tail.look, args=([began("r", 1)],))
    tail.hear(tailed("q", "r"), REPORT, 0)
    monitor.join(20)
    assert list(tail._unsent) == ["q", "r"]


def test_a_queue_to_which_nobody_listens_any_more_is_forgotten_once_all_is_sent() -> None:
    tail = Tail("w")
    tail.hear(tailed("q", "r"), REPORT, 0)
    tail.look([began("q", 1), began("r", 2)])
    tail.hear(tailed("r"), REPORT, 0)
    assert list(tail._unsent) == ["q", "r"]
    tail.send(lambda _: 0)
    tail.hear(tailed(), REPORT, 0)
    assert list(tail._unsent) == []
