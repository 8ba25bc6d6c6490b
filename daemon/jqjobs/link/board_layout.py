"""How a board is laid out: a small mapped file in which a worker says what it is doing, without a system call.

The daemon makes it and reads it (`board`), also when the worker holds the GIL or is dead; the worker writes it
(`worker_board`). A job has one place from its take until its outcome is recorded. Its line is written once; what
happens to it changes one aligned 8-byte word, which no reader can see half-written.

    0      magic, then the header: JSON about worker and daemon, NUL-padded; at its end the places of `turn_places`
    8192   words: see `Word`, then one per place: 0 free, else (boottime ms << 3) | `Stage`, then one per place for
           the daemon: which job there is cancelled, and when it passed that on
    16384  one line per place: "serial queue id attempt timeout_ms name\\n"
"""

from __future__ import annotations

import mmap
import os
from enum import IntEnum
from pathlib import Path

_MAGIC = b"jqboard2"
HEADER_AT = len(_MAGIC)
WORDS_AT = 8192  # the header holds 32 queues of 128 bytes, named ones and others
TEXT_AT = 16384
#: A worker has at most this many jobs in hand, those included whose outcome is not recorded yet (an exchange, too).
PLACES = 500
#: The words of the first place: of its job, and of its job's cancel.
FIRST_ENTRY = 16
FIRST_CANCEL = FIRST_ENTRY + PLACES
#: A cancel's word: the lowest bits of the job's serial, so that it says nothing of a later job, and boottime ms.
SERIAL_BITS, MS_BITS = (1 << 20) - 1, 44
LINE = 448  # three names of 128, three numbers
_SIZE = TEXT_AT + PLACES * LINE


class Word(IntEnum):
    """The first words of the board."""

    TICK = 0  #: worker: boottime ms of its loop's last turn
    LEASE_UNTIL = 1  #: daemon: boottime ms until which the lease certainly holds
    ALLOWANCE = 2  #: daemon: bytes the worker may be large and still take jobs; 0: nobody has measured
    RECALL = 3  #: daemon: what is in hand and not started goes back, the worker starts none of it; 0 once it has heard
    DRAINING = 4  #: daemon: not 0 once it is about to end, so that nobody is charged for what follows
    SUSPECTS = 5  #: daemon: up to which `Scope` this worker may take suspects; 0: none
    EXECUTED = 6  #: worker: how many jobs it has run
    OTHERS = 7  #: daemon: how many other workers of its own take jobs


class Stage(IntEnum):
    """How far one job has come."""

    IN_HAND = 0  #: taken and not started; its word has the job's serial instead of a moment
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    RELEASED = 4
    WAITING = 5  #: handed to a third party; its word has the ms it may wait instead of a moment


class BoardFile:
    """The file, mapped into this process: ``content`` is all of it, ``words`` the 8-byte ones."""

    def __init__(self, path: Path) -> None:
        """Map an existing board. Raises: OSError, ValueError when it is not one."""
        with path.open("r+b") as file:
            if os.fstat(file.fileno()).st_size != _SIZE:
                raise ValueError(f"{path} is not a board")
            self._map = mmap.mmap(file.fileno(), _SIZE)
        if self._map[:HEADER_AT] != _MAGIC:
            raise ValueError(f"{path} is not a board")
        self.content = memoryview(self._map)
        self.words = self.content[WORDS_AT:TEXT_AT].cast("Q")

    @staticmethod
    def create(path: Path) -> None:
        """Write an empty board. Raises: OSError when the runtime directory is full or not writable."""
        with path.open("xb") as file:
            try:
                # Written, not truncated to size: in a hole of a full tmpfs whoever stores later dies of SIGBUS.
                file.write(_MAGIC.ljust(_SIZE, b"\0"))
                file.flush()
            except OSError:
                path.unlink()
                raise

    def close(self) -> None:
        """Unmap it; the file stays."""
        self.words.release()
        self.content.release()
        self._map.close()


def cancelled_ms(words: memoryview[int], place: int, serial: int) -> int:
    """Return when the daemon passed on that the job of that serial at ``place`` is cancelled; 0: it did not."""
    word = words[FIRST_CANCEL + place]
    return word & (1 << MS_BITS) - 1 if word >> MS_BITS == serial & SERIAL_BITS else 0
