"""Notes which release of the code begins to run: the charts of rates show it as a deploy."""

from __future__ import annotations

from jqjobs.daemon.lease_messages import Report
from jqjobs.store.calls.deploys import note_release
from jqjobs.store.store import Store

_READY = ("ready", "busy")


class ReleaseMarks:
    """One per daemon; knows what it has noted last, so that nothing is asked of Redis while nothing changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted = ""

    def look(self, report: Report) -> None:
        """Note the release of the newest worker that is ready, if it has one. Raises: StoreError."""
        ready = [worker for worker in report.workers.values() if worker.get("state") in _READY]
        newest = max(ready, key=lambda worker: int(worker.get("started_ms", 0)), default=None)
        release = str(newest.get("release", "")) if newest else ""
        if release and release != self._noted:
            self._store.run(note_release(release))
            self._noted = release
