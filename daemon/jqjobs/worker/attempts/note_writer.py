"""What running jobs say of themselves: progress and log lines, on their way to Redis.

A job only adds to a dict or a deque, so it waits for nothing, in a coroutine or a signal handler either. The monitor
writes what has come, a few times a second at most; whoever runs the job writes the rest when it ends, before
its outcome is reported. Nothing here is worth holding up a job for: without Redis it is dropped, and that is said.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import Conflict, StoreError
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.records import AttemptRef
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls import job_notes, waits
from jqjobs.store.store import Store

_EVERY_MS = 250
#: After a failed write nothing is written for so long: each try may take as long as the connection's timeout.
_PAUSE_MS = 5000
#: Of one job; of all that run in this worker.
_MOST_LINES = 100
_MOST_LINES_OF_ALL = 2000
_MOST_TEXT = 200
_MOST_LINE = 1000
#: More than can run at once.
_MOST_TOKENS = 1000


class NoteWriter:
    """Takes down and writes. ``store``: a connection of its own, with a short timeout."""

    def __init__(self, store: Store, worker_id: str, slots: int = 1) -> None:
        """``slots``: how many jobs may speak at once."""
        self._store = store
        self._worker_id = worker_id
        self._progress: dict[AttemptRef, bytes] = {}
        self._lines: deque[tuple[AttemptRef, bytes]] = deque(maxlen=min(_MOST_LINES * slots, _MOST_LINES_OF_ALL))
        #: Another thread writes what this one has said: that has to arrive before the outcome does.
        self._on_their_way: dict[AttemptRef, tuple[bytes, list[bytes]]] = {}
        self._writing = threading.Lock()
        self._next_ms = 0
        self._tokens: dict[AttemptRef, str] = {}
        self._pid = os.getpid()

    def progress(self, job: JobContext, percent: float, text: str) -> None:
        """Remember how far a job is; the last word counts."""
        self._progress[_speaker(job)] = _opened({"percent": percent, "text": text[:_MOST_TEXT]})

    def log(self, job: JobContext, text: str) -> None:
        """Remember a line."""
        self._lines.append((_speaker(job), _opened({"text": text[:_MOST_LINE]})))

    def wait_token(self, job: JobContext) -> str:
        """Record a token for the running attempt, and return it; the same one when asked again.

        Raises: Conflict when the attempt does not hold the job any more; StoreError and its kinds.
        """
        speaker = _speaker(job)
        with self._writing:
            if speaker not in self._tokens:
                token = secrets.token_urlsafe(18)
                if not self._store.run(waits.expect(speaker.queue, self._worker_id, job.id, job.attempt, token)):
                    raise Conflict(f"this attempt does not hold {job.queue}/{job.id} any more")
                if len(self._tokens) >= _MOST_TOKENS:
                    del self._tokens[next(iter(self._tokens))]
                self._tokens[speaker] = token
            return self._tokens[speaker]

    @property
    def pending(self) -> bool:
        """Whether something is to be written."""
        return bool(self._progress or self._lines or self._on_their_way)

    def has(self, job: TakenJob) -> bool:
        """Return whether something is to be written that this job has said, or is just being written."""
        speaker = _speaker(job)
        if speaker in self._progress or speaker in self._on_their_way:
            return True
        return any(line[0] == speaker for line in self._lines.copy())

    def write_due(self) -> None:
        """Write what there is, unless that was done a moment ago."""
        if self.pending and monotonic_ms() >= self._next_ms:
            self.write()

    def write(self) -> None:
        """Write what there is now."""
        if os.getpid() != self._pid:
            return  # a child that a job has forked: the connection is not its own
        with self._writing:
            self._on_their_way = said = dict[AttemptRef, tuple[bytes, list[bytes]]]()
            try:
                self._take(said)
                self._send({speaker: words for speaker, words in said.items() if words != (b"", [])})
            finally:
                self._on_their_way = {}

    def _send(self, said: Mapping[AttemptRef, tuple[bytes, list[bytes]]]) -> None:
        if not said or monotonic_ms() < self._next_ms - _EVERY_MS:
            return  # Redis did not answer a moment ago
        try:
            self._store.run_all([
                job_notes.note(queue, self._worker_id, job_id, attempt, progress, lines)
                for (queue, job_id, attempt), (progress, lines) in said.items()
            ])  # fmt: skip
            self._next_ms = monotonic_ms() + _EVERY_MS
        except StoreError as error:
            self._next_ms = monotonic_ms() + _PAUSE_MS
            log.event("notes.lost", level=log.WARNING, jobs=",".join(job_id for _, job_id, _ in said), error=str(error))

    async def write_aside(self) -> None:
        """Write what there is now, while the event loop goes on."""
        from asyncio import get_running_loop

        try:
            writing = get_running_loop().run_in_executor(None, self.write)
        except RuntimeError:  # a job has given the loop threads of its own, and ended them
            return self.write()
        return await writing

    def forget(self, job: TakenJob) -> None:
        """Drop what a job has said that leaves no record. Lines among those of others stay: Redis refuses them."""
        speaker = _speaker(job)
        self._progress.pop(speaker, None)
        if all(line[0] == speaker for line in self._lines.copy()):
            self._lines.clear()

    def _take(self, said: dict[AttemptRef, tuple[bytes, list[bytes]]]) -> None:
        """Move all to ``said``, where each speaker is named before what it said is gone from here, see `has`."""
        for speaker in list(self._progress):
            said[speaker] = (b"", [])
            said[speaker] = (self._progress.pop(speaker, b""), [])
        with suppress(IndexError):  # the last one is out, or somebody forgot it meanwhile
            while True:
                said.setdefault(self._lines[0][0], (b"", []))
                speaker, line = self._lines.popleft()
                said.setdefault(speaker, (b"", []))[1].append(line)


def _speaker(job: JobContext | TakenJob) -> AttemptRef:
    place = job.queue if isinstance(job, TakenJob) else job.place or job.queue
    return AttemptRef(place, job.id, job.attempt)


def _opened(said: dict[str, object]) -> bytes:
    """Return a JSON object without its closing brace: the script adds when it was said."""
    plain = {key: _encodable(value) if isinstance(value, str) else value for key, value in said.items()}
    return msgspec.json.encode(plain)[:-1]


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
