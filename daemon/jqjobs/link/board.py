"""The board: a small mapped file in which a worker says what it is doing, without a system call.

The daemon creates it and reads it, also when the worker holds the GIL or is dead; the worker writes it.
Whoever confirms a death reads from it what was running. A job has one place from its take until its outcome is
recorded. Its line is written once; what happens to it changes one aligned 8-byte word, which no reader can see
half-written.

    0      magic, then the header: JSON about worker and daemon, NUL-padded
    4096   words: see `Word`, then one per place: 0 free, else (boottime ms << 3) | `Stage`, then one per place for
           the daemon: which job there is cancelled, and when it passed that on
    12288  one line per place: "serial queue id attempt timeout_ms name\\n"
"""

from __future__ import annotations

import json
import mmap
import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.records import TakenJob
from jqjobs.link.stacks import stacks_path

_MAGIC = b"jqboard1"
_WORDS_AT = 4096
_TEXT_AT = 12288
_FIRST_ENTRY = 16
#: A worker holds at most this many jobs, those included whose outcome is not recorded yet (an exchange, too).
PLACES = 500
_FIRST_CANCEL = _FIRST_ENTRY + PLACES
#: A cancel's word: the lowest bits of the job's serial, so that it says nothing of a later job, and boottime ms.
_SERIAL_BITS, _MS_BITS = (1 << 20) - 1, 44
_LINE = 448  # three names of 128, three numbers
_LOOKS = 3
_SIZE = _TEXT_AT + PLACES * _LINE


class Word(IntEnum):
    """The first words of the board."""

    TICK = 0  #: worker: boottime ms of its loop's last turn
    LEASE_UNTIL = 1  #: daemon: boottime ms until which the lease certainly holds
    ALLOWANCE = 2  #: daemon: bytes the worker may be large and still take jobs; 0: nobody has measured
    RECALL = 3  #: daemon: what is held and not started goes back, the worker starts none of it; 0 once it has heard


class Stage(IntEnum):
    """How far one job has come."""

    HELD = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    RELEASED = 4
    WAITING = 5  #: handed to a third party; its word has the ms it may wait instead of a moment


#: As plain integers: they are looked up for each job.
_RUNNING, _LEASE_UNTIL, _RECALL = int(Stage.RUNNING), int(Word.LEASE_UNTIL), int(Word.RECALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One job as a reader sees it. ``since_ms``: boottime ms of its last change of stage; of a held one, its serial.

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
    place: int = field(default=0, compare=False)
    serial: int = field(default=0, compare=False)

    @property
    def token(self) -> tuple[str, str, int]:
        """Which attempt of which job this is."""
        return self.queue, self.id, self.attempt


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """What a dead worker's board says of one job.

    ``state``: running, succeeded, failed, "waiting <ms>"; interrupted: it ran when its worker was killed for another.
    """

    id: str
    attempt: int
    state: str


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
        self._free = deque(range(PLACES))  # the longest unused one first: no reader takes one job for the other
        self._serial = 0

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

    @property
    def room(self) -> int:
        """How many places are free."""
        return len(self._free)

    def hold(self, jobs: Sequence[TakenJob]) -> None:
        """Give each job a place, and say that the worker holds it. There must be room. Worker only."""
        words, text, free, serial = self._words, self._view, self._free, self._serial
        for job in jobs:
            serial += 1
            place = free.popleft()
            line = f"{serial} {job.queue} {job.id} {job.attempt} {job.timeout_ms or 0} {job.name}\n".encode()
            at = _TEXT_AT + place * _LINE
            text[at : at + len(line)] = line
            words[_FIRST_CANCEL + place] = 0
            words[_FIRST_ENTRY + place] = serial << 3 | Stage.HELD
            job.place, job.serial = place, serial
        self._serial = serial

    def start(self, job: TakenJob) -> bool:
        """Mark a held job as running; False when something speaks against it: no lease, a cancel, a recall.

        Marked first, then looked: who recalls looks at the marks after it has called.
        """
        words, place = self._words, job.place
        job.started_ms = now_ms = monotonic_ms()
        words[_FIRST_ENTRY + place] = now_ms << 3 | _RUNNING
        is_cancelled = words[_FIRST_CANCEL + place] and self.is_cancelled(job)
        return words[_LEASE_UNTIL] > now_ms and not is_cancelled and not words[_RECALL]

    def mark(self, place: int, stage: Stage, now_ms: int) -> None:
        """Say how far the job at ``place`` has come."""
        self._words[_FIRST_ENTRY + place] = now_ms << 3 | stage

    def free(self, place: int) -> None:
        """The outcome of the job there is recorded."""
        self._words[_FIRST_ENTRY + place] = 0
        self._free.append(place)

    def entries(self) -> list[Entry]:
        """Return the jobs in the worker's hands; one that is changing just now may be missing."""
        words = self._words[_FIRST_ENTRY:_FIRST_CANCEL].tolist()
        return self._entries(place for place, word in enumerate(words) if word)

    def running(self) -> list[Entry]:
        """Return the jobs that are running now."""
        words = self._words[_FIRST_ENTRY:_FIRST_CANCEL].tolist()
        if not any(words):
            return []  # idle workers are looked at several times a second
        found = self._entries([place for place, word in enumerate(words) if word & 7 == _RUNNING])
        return [entry for entry in found if entry.stage is Stage.RUNNING]

    def _entries(self, places: Iterable[int]) -> list[Entry]:
        return [entry for place in places if (entry := self._entry(place)) is not None]

    def _entry(self, place: int) -> Entry | None:
        at = _TEXT_AT + place * _LINE
        for _ in range(_LOOKS):
            word, line = self._words[_FIRST_ENTRY + place], bytes(self._view[at : at + _LINE])
            if word == self._words[_FIRST_ENTRY + place]:  # else the line may be of two jobs
                return self._read(place, word, line) if word else None
        return None

    def _read(self, place: int, word: int, line: bytes) -> Entry | None:
        try:
            serial, queue, job_id, attempt, timeout_ms, name = line.partition(b"\n")[0].decode("ascii").split(" ")
            return Entry(
                queue, job_id, int(attempt), int(timeout_ms), name, Stage(word & 7), word >> 3,
                self._cancelled_ms(place, int(serial)), place, int(serial),
            )  # fmt: skip
        except ValueError:  # the file is damaged
            return None

    def cancel(self, queue: str, job_id: str, attempt: int, now_ms: int) -> None:
        """Tell the worker that a job is cancelled, once; nothing when it does not have it (any more, or yet)."""
        for entry in self.entries():
            if entry.token == (queue, job_id, attempt) and not entry.cancelled_ms:
                word = (entry.serial & _SERIAL_BITS) << _MS_BITS | now_ms
                self._words[_FIRST_CANCEL + entry.place] = word

    def is_cancelled(self, job: TakenJob) -> bool:
        """Return whether the daemon says that this job is cancelled. Worker only."""
        return self._cancelled_ms(job.place, job.serial) != 0

    def _cancelled_ms(self, place: int, serial: int) -> int:
        word = self._words[_FIRST_CANCEL + place]
        return word & (1 << _MS_BITS) - 1 if word >> _MS_BITS == serial & _SERIAL_BITS else 0

    def tick(self) -> None:
        """Say that the worker's loop turns."""
        self._words[Word.TICK] = monotonic_ms()

    def lease_holds(self) -> bool:
        """Return whether the daemon has renewed the lease in time, as far as this host can know."""
        return self._words[Word.LEASE_UNTIL] > monotonic_ms()
