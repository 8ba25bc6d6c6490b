"""What running jobs say of themselves: progress and log lines, on their way to Redis.

A job only appends to a deque, so it waits for nothing, in a coroutine or a signal handler either. The monitor
writes what has come, a few times a second at most; the main thread writes the rest when the job ends, before
its outcome is reported. Nothing here is worth holding up a job for: without Redis it is dropped, and that is said.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import deque

import msgspec

from jqjobs import log
from jqjobs.clock import monotonic_ms
from jqjobs.context import JobContext
from jqjobs.errors import Conflict, StoreError
from jqjobs.store import calls, waits
from jqjobs.store.store import Store

_EVERY_MS = 250
#: After a failed write nothing is written for so long: each try may take as long as the connection's timeout.
_PAUSE_MS = 5000
_MOST_LINES = 100
_MOST_TEXT = 200
_MOST_LINE = 1000

#: Which attempt speaks: queue, id, attempt.
Speaker = tuple[str, str, int]


class Notes:
    """Takes down and writes. ``store``: a connection of its own, with a short timeout."""

    def __init__(self, store: Store, worker_id: str) -> None:
        self._store = store
        self._worker_id = worker_id
        self._progress: deque[tuple[Speaker, bytes]] = deque(maxlen=1)
        self._lines: deque[tuple[Speaker, bytes]] = deque(maxlen=_MOST_LINES)
        self._writing = threading.Lock()
        self._next_ms = 0
        self._token: tuple[Speaker, str] = (("", "", 0), "")
        self._pid = os.getpid()

    def progress(self, job: JobContext, percent: float, text: str) -> None:
        """Remember how far a job is; the last word counts."""
        self._progress.append((_speaker(job), _opened({"percent": percent, "text": text[:_MOST_TEXT]})))

    def log(self, job: JobContext, text: str) -> None:
        """Remember a line."""
        self._lines.append((_speaker(job), _opened({"text": text[:_MOST_LINE]})))

    def wait_token(self, job: JobContext) -> str:
        """Record a token for the running attempt, and return it; the same one when asked again.

        Raises: Conflict when the attempt does not hold the job any more; StoreError and its kinds.
        """
        speaker = _speaker(job)
        if self._token[0] != speaker:
            token = secrets.token_urlsafe(18)
            with self._writing:
                recorded = self._store.run(waits.expect(job.queue, self._worker_id, job.id, job.attempt, token))
            if not recorded:
                raise Conflict(f"this attempt does not hold {job.queue}/{job.id} any more")
            self._token = (speaker, token)
        return self._token[1]

    @property
    def pending(self) -> bool:
        """Whether something is to be written."""
        return bool(self._progress or self._lines)

    def write_due(self) -> None:
        """Write what there is, unless that was done a moment ago."""
        if self.pending and monotonic_ms() >= self._next_ms:
            self.write()

    def write(self) -> None:
        """Write what there is now."""
        if os.getpid() != self._pid:
            return  # a child that a job has forked: the connection is not its own
        with self._writing:
            said = self._take()
            if monotonic_ms() < self._next_ms - _EVERY_MS:
                return  # Redis did not answer a moment ago
            try:
                self._store.run_all([
                    calls.note(queue, self._worker_id, job_id, attempt, progress, lines)
                    for (queue, job_id, attempt), (progress, lines) in said.items()
                ])  # fmt: skip
                self._next_ms = monotonic_ms() + _EVERY_MS
            except StoreError as error:
                self._next_ms = monotonic_ms() + _PAUSE_MS
                log.event("notes.lost", level=30, jobs=",".join(job_id for _, job_id, _ in said), error=str(error))

    def forget(self) -> None:
        """Drop what there is: its job leaves no record."""
        self._take()

    def _take(self) -> dict[Speaker, tuple[bytes, list[bytes]]]:
        said: dict[Speaker, tuple[bytes, list[bytes]]] = {}
        while self._progress:
            speaker, progress = self._progress.popleft()
            said[speaker] = (progress, [])
        while self._lines:
            speaker, line = self._lines.popleft()
            said.setdefault(speaker, (b"", []))[1].append(line)
        return said


def _speaker(job: JobContext) -> Speaker:
    return (job.queue, job.id, job.attempt)


def _opened(said: dict[str, object]) -> bytes:
    """Return a JSON object without its closing brace: the script adds when it was said."""
    plain = {key: _encodable(value) if isinstance(value, str) else value for key, value in said.items()}
    return msgspec.json.encode(plain)[:-1]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
