"""The board: a small mapped file in which a worker says what it is doing, without a system call.

The daemon creates it and reads it, also when the worker holds the GIL or is dead; the worker writes it.
Whoever confirms a death reads from it what was running. Ids are written once a batch; per job only one
aligned 8-byte word changes hands, which no reader can see half-written.

    0      magic, then the header: JSON about worker and daemon, NUL-padded
    4096   words: see `Word`, then one per job of the batch: (boottime ms << 3) | `Stage`, then one per job
           for the daemon: when it passed on that the job is cancelled, and in which batch
    12288  the batch as text: "queue id attempt timeout_ms name\\n"
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from jqjobs.clock import monotonic_ms
from jqjobs.job import TakenJob
from jqjobs.stacks import stacks_path

_MAGIC = b"jqboard1"
_WORDS_AT = 4096
_TEXT_AT = 12288
_FIRST_ENTRY = 16
#: A batch is at most this many jobs (so is an exchange).
MAX_BATCH = 500
_FIRST_CANCEL = _FIRST_ENTRY + MAX_BATCH
#: A cancel's word: the lowest bits of the batch's number, so that it says nothing of a later batch, and boottime ms.
_BATCH_BITS, _MS_BITS = (1 << 20) - 1, 44
_SIZE = _TEXT_AT + MAX_BATCH * 448  # a line: three names of 128, two numbers


class Word(IntEnum):
    """The first words of the board."""

    TICK = 0  #: worker: boottime ms of its loop's last turn
    LEASE_UNTIL = 1  #: daemon: boottime ms until which the lease certainly holds
    BATCH = 2  #: worker: number of the batch; odd while it is being written
    COUNT = 3  #: worker: jobs in the batch
    ALLOWANCE = 4  #: daemon: bytes the worker may be large and still take jobs; 0: nobody has measured


class Stage(IntEnum):
    """How far one job of the batch has come."""

    HELD = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    RELEASED = 4
    WAITING = 5  #: handed to a third party; its word has the ms it may wait instead of a moment


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of the batch as a reader sees it. ``since_ms``: boottime ms of its last change of stage.

    ``cancelled_ms``: when the daemon told the worker that the job is cancelled, 0: it did not.
    """

    queue: str
    id: str
    attempt: int
    timeout_ms: int
    name: str
    stage: Stage
    since_ms: int
    cancelled_ms: int = 0


class Board:
    """One worker's board, mapped into this process."""

    def __init__(self, path: Path) -> None:
        """Map an existing board. Raises: OSError, ValueError when it is not one."""
        self.path = path
        with path.open("r+b") as file:
            if os.fstat(file.fileno()).st_size != _SIZE:
                raise ValueError(f"{path} is not a board")
            self._map = mmap.mmap(file.fileno(), _SIZE)
        if self._map[:8] != _MAGIC:
            raise ValueError(f"{path} is not a board")
        self._view = memoryview(self._map)
        self._words = self._view[_WORDS_AT:_TEXT_AT].cast("Q")

    @classmethod
    def create(cls, path: Path) -> Board:
        """Make an empty board. Raises: OSError when the runtime directory is full or not writable."""
        with path.open("xb") as file:
            try:
                # Written, not truncated to size: in a hole of a full tmpfs whoever stores later dies of SIGBUS.
                file.write(_MAGIC.ljust(_SIZE, b"\0"))
                file.flush()
            except OSError:
                path.unlink()
                raise
        return cls(path)

    def close(self) -> None:
        """Unmap it; the file stays."""
        self._words.release()
        self._view.release()
        self._map.close()

    def remove(self) -> None:
        """Unmap it and delete its files."""
        self.close()
        self.path.unlink(missing_ok=True)
        stacks_path(self.path).unlink(missing_ok=True)

    @property
    def header(self) -> dict[str, Any]:
        """What the daemon wrote about worker and daemon; empty when it did not come to that."""
        raw = self._map[8:_WORDS_AT].rstrip(b"\0")
        try:
            found = json.loads(raw) if raw else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write_header(self, about: dict[str, Any]) -> None:
        """Store who worker and daemon are. Raises: ValueError when it does not fit."""
        raw = json.dumps(about).encode()
        if len(raw) > _WORDS_AT - 8:
            raise ValueError("the board's header is too long")
        self._map[8:_WORDS_AT] = raw.ljust(_WORDS_AT - 8, b"\0")

    def word(self, word: Word) -> int:
        """Return one of the first words."""
        return self._words[word]

    def set_word(self, word: Word, value: int) -> None:
        """Store one of the first words."""
        self._words[word] = value

    def begin_batch(self, jobs: Iterable[TakenJob]) -> None:
        """Announce the jobs the worker holds now, in place of the last batch."""
        lines = [f"{job.queue} {job.id} {job.attempt} {job.timeout_ms or 0} {job.name}" for job in jobs]
        text = "\n".join(lines).encode()
        words = self._words
        words[Word.BATCH] += 1
        words[Word.COUNT] = 0
        self._map[_TEXT_AT : _TEXT_AT + len(text) + 1] = text + b"\0"
        for index in range(_FIRST_ENTRY, _FIRST_ENTRY + len(lines)):
            words[index] = words[index + MAX_BATCH] = 0
        words[Word.COUNT] = len(lines)
        words[Word.BATCH] += 1

    def mark(self, index: int, stage: Stage, now_ms: int) -> None:
        """Say how far job ``index`` of the batch has come."""
        self._words[_FIRST_ENTRY + index] = now_ms << 3 | stage

    def entries(self) -> list[Entry]:
        """Return the batch; of a living worker that is just changing it, the empty list."""
        batch = self.word(Word.BATCH)
        count = min(self.word(Word.COUNT), MAX_BATCH)
        end = self._map.find(b"\0", _TEXT_AT)  # the rest was never written, and reading it would allocate it
        text = self._map[_TEXT_AT:end].decode("ascii", "replace")
        stages = list(self._words[_FIRST_ENTRY : _FIRST_ENTRY + count])
        cancels = [self._cancelled_ms(index) for index in range(count)]
        if batch % 2 or batch != self.word(Word.BATCH):
            return []
        found = []
        with contextlib.suppress(ValueError):  # a torn line ends what can be believed
            for line, word, cancelled_ms in zip(text.splitlines(), stages, cancels, strict=False):
                queue, job_id, attempt, timeout_ms, name = line.split(" ")
                stage, since_ms = Stage(word & 7), word >> 3
                found.append(Entry(queue, job_id, int(attempt), int(timeout_ms), name, stage, since_ms, cancelled_ms))
        return found

    def running(self) -> list[Entry]:
        """Return the jobs that are running now."""
        return [entry for entry in self.entries() if entry.stage is Stage.RUNNING]

    def cancel(self, queue: str, job_id: str, attempt: int, now_ms: int) -> None:
        """Tell the worker that a job is cancelled, once; nothing when the batch has it not (any more, or yet)."""
        batch = self.word(Word.BATCH)
        for index, entry in enumerate(self.entries()):
            if (entry.queue, entry.id, entry.attempt) == (queue, job_id, attempt) and not entry.cancelled_ms:
                self._words[_FIRST_CANCEL + index] = (batch & _BATCH_BITS) << _MS_BITS | now_ms

    def is_cancelled(self, index: int) -> bool:
        """Return whether the daemon says that job ``index`` of the batch is cancelled."""
        return self._words[_FIRST_CANCEL + index] != 0 and self._cancelled_ms(index) != 0

    def _cancelled_ms(self, index: int) -> int:
        word = self._words[_FIRST_CANCEL + index]
        is_of_batch = word >> _MS_BITS == self._words[Word.BATCH] & _BATCH_BITS
        return word & (1 << _MS_BITS) - 1 if is_of_batch else 0

    def tick(self) -> None:
        """Say that the worker's loop turns."""
        self._words[Word.TICK] = monotonic_ms()

    def lease_holds(self) -> bool:
        """Return whether the daemon has renewed the lease in time, as far as this host can know."""
        return self._words[Word.LEASE_UNTIL] > monotonic_ms()
