"""What producers do after a commit: bring their own rows at once, so that no job waits for a relay.

Nothing that goes wrong here is an error of the commit: the rows stay, and a relay brings them. While Redis is away
nobody tries at each commit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from jqjobs.api.client import Client
from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.outbox.databases import Database
from jqjobs.outbox.rows import bring, rows_of

#: Redis has so long to take the rows of a commit; somebody waits for its end.
_PATIENCE_S = 1.0
#: For so long nobody tries again after Redis was not there.
_PAUSE_S = 5.0


class Producer:
    """Brings rows through the connections of its client, which it does not keep alive."""

    def __init__(self) -> None:
        self._again_s = 0.0

    def bring(self, client: Client, database: Database, ids: Sequence[str]) -> None:
        """Bring the rows with these ids that are committed."""
        if time.monotonic() < self._again_s:
            return
        try:
            read_ms = monotonic_ms()
            if rows := rows_of(database, ids):
                with client.store() as store:
                    until_s = time.monotonic() + _PATIENCE_S
                    bring(database, lambda call: store.run(call, until_s), rows, read_ms)
        except Exception as error:  # of a driver too: the commit has succeeded
            self._again_s = time.monotonic() + _PAUSE_S
            log.event(
                "outbox.left", level=log.WARNING, rows=len(ids), error=f"{type(error).__name__}: {error}",
                hint="a relay brings them: a jqd of this app, or jqctl outbox run",
            )  # fmt: skip
