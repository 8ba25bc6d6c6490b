"""Where a board says which queues its worker is in by their turn: whoever ends the worker looks there for its leases.

They stand in the room of the header that its JSON leaves: at its end, since named queues and these are 32 together.

    … | place 1 | place 0     each: a word, then the name of a queue, NUL-padded
                              the word: 0 free, else a number that each change makes larger << 1, + 1 in the queue

A worker writes a queue down before it asks for a lease there, and strikes it out after it has let go of that lease.
"""

from __future__ import annotations

from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.link.board_layout import WORDS_AT, BoardFile

_NAME = 136  # what the name of a partition has at most, and a whole number of words
_PLACE = 8 + _NAME
#: How often to read a place whose word changes meanwhile.
_LOOKS = 3


class TurnPlaces:
    """The places of one board. Its worker writes, anybody reads."""

    def __init__(self, file: BoardFile) -> None:
        first = WORDS_AT - MAX_QUEUES * _PLACE
        self._content = file.content[first:WORDS_AT]
        self._words = self._content.cast("Q")
        self._at: dict[str, int] = {}
        self._number = 0

    def close(self) -> None:
        """Let go of the map."""
        self._words.release()
        self._content.release()

    def write_down(self, queue: str) -> None:
        """Say that the worker may have a lease in a queue; there must be a place."""
        if queue not in self._at:
            taken = set(self._at.values())
            place = self._at[queue] = next(place for place in range(MAX_QUEUES) if place not in taken)
            at = _name_at(place)
            self._content[at : at + _NAME] = queue.encode().ljust(_NAME, b"\0")
        self._mark(queue, is_in=False)

    def enter(self, queue: str) -> None:
        """Say that it has one: from now on it is renewed."""
        self._mark(queue, is_in=True)

    def strike_out(self, queue: str) -> None:
        """Say that it has none any more."""
        self._words[_word_at(self._at.pop(queue))] = 0

    def _mark(self, queue: str, *, is_in: bool) -> None:
        self._number += 1
        self._words[_word_at(self._at[queue])] = self._number << 1 | is_in

    def read(self) -> dict[str, int]:
        """Return the word of each queue that is written down; one that changes just now may be missing."""
        found = (self._read(place) for place in range(MAX_QUEUES) if self._words[_word_at(place)])
        return {name: word for name, word in found if word}

    def entered(self) -> dict[str, int]:
        """Return the same of those that it is in: the same word later says that it has been all the while."""
        return {name: word for name, word in self.read().items() if word & 1}

    def _read(self, place: int) -> tuple[str, int]:
        at = _name_at(place)
        for _ in range(_LOOKS):
            word, name = self._words[_word_at(place)], bytes(self._content[at : at + _NAME])
            if word == self._words[_word_at(place)]:
                return name.rstrip(b"\0").decode("ascii", "replace"), word
        return "", 0


def _word_at(place: int) -> int:
    """Return the index of the word of a place."""
    return (MAX_QUEUES - 1 - place) * _PLACE // 8


def _name_at(place: int) -> int:
    return (MAX_QUEUES - 1 - place) * _PLACE + 8
