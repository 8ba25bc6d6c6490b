"""The board as the daemon reads it, or whoever confirms the death of its worker. See `board_layout`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jqjobs.jobs.records import AttemptRef
from jqjobs.link.board_layout import (
    FIRST_CANCEL,
    FIRST_ENTRY,
    HEADER_AT,
    LINE,
    MS_BITS,
    SERIAL_BITS,
    TEXT_AT,
    WORDS_AT,
    BoardFile,
    Stage,
    Word,
    cancelled_ms,
)
from jqjobs.link.stacks import stacks_path
from jqjobs.link.turn_places import TurnPlaces

#: How often to read a place whose word changes meanwhile.
_LOOKS = 3
#: As a plain integer: it is looked up for each place.
_RUNNING = int(Stage.RUNNING)


def remove_files(board: Path) -> None:
    """Delete the files of a board, where that is possible; nobody needs them any more."""
    for path in (board, stacks_path(board)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """One job as a reader sees it. ``since_ms``: boottime ms of its last change of stage, or what `Stage` says instead.

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
    def token(self) -> AttemptRef:
        """Which attempt of which job this is."""
        return AttemptRef(self.queue, self.id, self.attempt)


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """What a dead worker's board says of one job.

    ``state``: running, succeeded, failed, "waiting <ms>"; interrupted: it ran when its worker was killed for another.
    """

    id: str
    attempt: int
    state: str


class Board:
    """One worker's board, mapped into another process."""

    def __init__(self, path: Path) -> None:
        """Map an existing board. Raises: OSError, ValueError when it is not one."""
        self.path = path
        self._file = BoardFile(path)
        self._words, self._content = self._file.words, self._file.content
        #: The queues that the worker is in by their turn, besides those of the header.
        self.turns = TurnPlaces(self._file)

    @classmethod
    def create(cls, path: Path) -> Board:
        """Make an empty board. Raises: OSError when the runtime directory is full or not writable."""
        BoardFile.create(path)
        try:
            return cls(path)
        except OSError:  # no descriptor is left
            path.unlink()
            raise

    def close(self) -> None:
        """Unmap it; the file stays."""
        self.turns.close()
        self._file.close()

    def remove(self) -> None:
        """Unmap it and delete its files, where that is possible."""
        self.close()
        remove_files(self.path)

    @property
    def header(self) -> dict[str, Any]:
        """What the daemon wrote about worker and daemon; empty when it did not come to that."""
        raw = bytes(self._content[HEADER_AT:WORDS_AT]).partition(b"\0")[0]
        try:
            found = json.loads(raw) if raw else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def write_header(self, about: dict[str, Any]) -> None:
        """Store who worker and daemon are, while the worker is in no queue by its turn.

        Raises: ValueError when it does not fit.
        """
        raw, room = json.dumps(about).encode(), WORDS_AT - HEADER_AT
        if len(raw) > room:
            raise ValueError("the board's header is too long")
        self._content[HEADER_AT:WORDS_AT] = raw.ljust(room, b"\0")

    def word(self, word: Word) -> int:
        """Return one of the first words."""
        return self._words[word]

    def set_word(self, word: Word, value: int) -> None:
        """Store one of the first words."""
        self._words[word] = value

    def entries(self) -> list[Entry]:
        """Return the jobs in the worker's hands; one that is changing just now may be missing."""
        words = self._words[FIRST_ENTRY:FIRST_CANCEL].tolist()
        return self._entries(place for place, word in enumerate(words) if word)

    def running(self) -> list[Entry]:
        """Return the jobs that are running now."""
        words = self._words[FIRST_ENTRY:FIRST_CANCEL].tolist()
        if not any(words):
            return []  # idle workers are looked at several times a second
        found = self._entries([place for place, word in enumerate(words) if word & 7 == _RUNNING])
        return [entry for entry in found if entry.stage is Stage.RUNNING]

    def _entries(self, places: Iterable[int]) -> list[Entry]:
        return [entry for place in places if (entry := self._entry(place)) is not None]

    def _entry(self, place: int) -> Entry | None:
        at = TEXT_AT + place * LINE
        for _ in range(_LOOKS):
            word, line = self._words[FIRST_ENTRY + place], bytes(self._content[at : at + LINE])
            if word == self._words[FIRST_ENTRY + place]:  # else the line may be of two jobs
                return self._parse(place, word, line) if word else None
        return None

    def _parse(self, place: int, word: int, line: bytes) -> Entry | None:
        try:
            serial, queue, job_id, attempt, timeout_ms, name = line.partition(b"\n")[0].decode("ascii").split(" ")
            return Entry(
                queue, job_id, int(attempt), int(timeout_ms), name, Stage(word & 7), word >> 3,
                cancelled_ms(self._words, place, int(serial)), place, int(serial),
            )  # fmt: skip
        except ValueError:  # the file is damaged
            return None

    def cancel(self, queue: str, job_id: str, attempt: int, now_ms: int) -> None:
        """Tell the worker that a job is cancelled, once; nothing when it does not have it (any more, or yet)."""
        for entry in self.entries():
            if entry.token == (queue, job_id, attempt) and not entry.cancelled_ms:
                word = (entry.serial & SERIAL_BITS) << MS_BITS | now_ms
                self._words[FIRST_CANCEL + entry.place] = word
