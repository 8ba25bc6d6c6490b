"""What a worker's app offers, as it is published in a queue before the worker takes jobs there."""

from __future__ import annotations

import hashlib
import json

from jqjobs.api.job_registry import Registry
from jqjobs.jobs.partitions import queue_of
from jqjobs.store.call import Call
from jqjobs.store.calls.leases import publish


class Offering:
    """One per worker: an app offers the same for as long as a worker lives."""

    def __init__(self, registry: Registry, lease_ms: int) -> None:
        self._registry = registry
        self._lease_ms = lease_ms
        self.catalog = registry.catalog()
        self._same_everywhere = hashlib.sha1(_bytes(self.catalog), usedforsecurity=False)

    def digest(self, queue: str) -> str:
        """Return a text that is another one when another thing is offered in a queue."""
        found = self._same_everywhere.copy()
        found.update(_bytes(self._registry.parameters(queue_of(queue))))
        return found.hexdigest()[:16]

    def publication(self, queue: str) -> Call[int]:
        """Publish it: any registered job may come from any queue, see `Job.options`."""
        parameters = self._registry.parameters(queue_of(queue))
        return publish(queue, self._lease_ms, self.catalog, parameters, self.digest(queue))


def _bytes(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
