"""Two producers of the same jobs: the Python library, and any program that can open a socket and write text."""

from __future__ import annotations

import json
import random

from e2e.chaos.app import MAX_CRASHES, QUEUE
from jqjobs import App
from servers import Server

_KEEP_MS = 3_600_000
#: Rounds of work in a job: most take about 5 ms on an ordinary machine, some ten times as long.
_ROUNDS = (1, 1, 2, 2, 3, 4, 6, 20)
_INBOX = f"jq:{{{QUEUE}}}:inbox"


class Producers:
    """Enqueues ``wanted`` jobs a portion at a time, half of each portion either way; remembers every id."""

    def __init__(self, server: Server, app: App, rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        self._press = app.jobs["press"]
        self.python_ids: list[str] = []
        self.raw_ids: list[str] = []

    @property
    def ids(self) -> list[str]:
        """Return the ids of all jobs so far."""
        return self.python_ids + self.raw_ids

    def enqueue(self, jobs: int) -> None:
        """Enqueue so many jobs, an even number."""
        half = jobs // 2
        handles = self._press.enqueue_many([(self._rounds(), seed) for seed in range(half)])
        self.python_ids += [handle.id for handle in handles]
        envelopes = [self._envelope() for _ in range(half)]
        with self._server.connect() as plain:
            for envelope in envelopes:
                plain.sendall(resp("LPUSH", _INBOX, envelope))
                reply = plain.recv(64)
                assert reply.startswith(b":"), reply

    def _rounds(self) -> int:
        return self._rng.choice(_ROUNDS)

    def _envelope(self) -> str:
        job_id = f"raw-{len(self.raw_ids)}"
        self.raw_ids.append(job_id)
        return json.dumps({
            "job": "press", "id": job_id, "kwargs": {"rounds": self._rounds(), "seed": 7}, "keep_ms": _KEEP_MS,
            "max_crashes": MAX_CRASHES,
        })  # fmt: skip


def resp(*words: str) -> bytes:
    """Return one Redis command as it goes over the wire: an array of bulk strings."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
