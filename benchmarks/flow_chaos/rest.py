"""What is left when nobody is killed any more: what waits in a back-off is made due, and what is left then is stuck."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from flow_chaos.shop import QUEUES, app
from jqjobs import BatchState
from jqjobs.api.batches import Batch
from jqjobs.store.calls import batches, upkeep
from jqjobs.store.reads.search import JobRow

#: Why the jobs of the campaign are dead when all is as it should be: they were told to, or their batch was cancelled.
_DUE_DEATHS = ("discarded", "cancelled")


@dataclass
class BackOffs:
    """Jobs that waited after a failure or a crash. ``ended``: how many were made due."""

    ended: int = 0
    longest_s: int = 0

    def end(self) -> None:
        """Make all of them due."""
        now_ms = 1000 * time.time()
        for queue in QUEUES:
            rows = list(app.queue(queue).jobs(state="scheduled"))
            made_due = app.client.run(upkeep.promote(queue, [row.id for row in rows]))
            self.ended += sum(made_due)
            waits_s = [round(((row.due_ms or 0) - now_ms) / 1000) for row in rows]
            self.longest_s = max([self.longest_s, *waits_s])


def jobs_left() -> list[str]:
    """Return what is not over, or dead for a reason that nobody gave it, in words."""
    return [_in_words(row) for queue in QUEUES for row in app.queue(queue).jobs() if _is_left(row)]


def _is_left(row: JobRow) -> bool:
    return row.state != "kept" and not (row.state == "dead" and row.reason in _DUE_DEATHS)


def _in_words(row: JobRow) -> str:
    info = app.handle(row.ref).info()
    due = "" if info.due_ms is None else f", due in {info.due_ms / 1000 - time.time():.0f} s"
    told = f"attempt {info.attempt}, {info.crashes} crashes, {info.lost} lost, reason {info.reason}, error {info.error}"
    return f"{row.ref} is {info.state}{due}: {told}"


def open_members(handles: dict[str, Batch]) -> Iterator[str]:
    """Tell of each batch that is not over whom it waits for, and in which state those are."""
    for name, batch in handles.items():
        status = batch.status()
        if status.state in (BatchState.SUCCEEDED, BatchState.FAILED):
            continue
        yield f"batch {name} is {status.state}: {status.open} open, {status.dead} dead"
        for which in ("open", "dead"):
            page = app.client.run(batches.batch_members(batch.queue, batch.id, which))
            for place in page.places:
                yield f"batch {name}: {place} is {app.handle(place).state()}"
