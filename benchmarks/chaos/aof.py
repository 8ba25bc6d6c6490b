"""Reads the append-only file of Redis 7: from bytes to transactions.

Redis writes what a script did as MULTI, the commands, EXEC; what a script did in one command, as that command. So a
transaction here is what was done at once, by one script or by one plain command. Formats: the comments at the head of
aof.c, and https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ (multi-part AOF).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

#: One command: its name in capitals, then its arguments. Bytes are read as Latin-1, which loses none.
Command = tuple[str, ...]
Transaction = list[Command]


class BrokenLog(Exception):
    """The log is not what Redis writes; ``offset``: where in the file."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(f"{problem} at byte {offset}")
        self.offset = offset


def log_files(directory: Path) -> list[Path]:
    """Return the files of a multi-part log in the order in which Redis loads them, as its manifest has them."""
    [manifest] = directory.glob("*.manifest")
    parts = [
        dict(zip(words[::2], words[1::2], strict=True)) for words in map(str.split, manifest.read_text().splitlines())
    ]
    live = [part for part in parts if part["type"] in "bi"]
    live.sort(key=lambda part: (part["type"] != "b", int(part["seq"])))
    return [directory / part["file"] for part in live]


def commands(data: bytes) -> Iterator[Command]:
    """Yield the commands of one file; what a crash cut off at its end is left out, as Redis leaves it out.

    Raises: BrokenLog.
    """
    at, size = 0, len(data)
    while at < size:
        if data[at] == ord("#"):  # an annotation such as #TS:1767225600
            at = _line_end(data, at) + 2
            continue
        read = _command(data, at)
        if read is None:
            return
        words, at = read
        yield (words[0].upper(), *words[1:])


def _command(data: bytes, at: int) -> tuple[list[str], int] | None:
    """Return the command that begins there, and where the next one does; None when it is not there as a whole."""
    start = at
    if data[at] != ord("*"):
        raise BrokenLog("no command begins", at)
    end = _line_end(data, at)
    if end < 0:
        return None
    words, at = [], end + 2
    for _ in range(int(data[start + 1 : end])):
        end = _line_end(data, at)
        if end < 0:
            return None
        length = int(data[at + 1 : end])
        word = data[end + 2 : end + 2 + length]
        at = end + 2 + length + 2
        if at > len(data):
            return None
        words.append(word.decode("latin-1"))
    return words, at


def _line_end(data: bytes, at: int) -> int:
    return data.find(b"\r\n", at)


def transactions(stream: Iterable[Command]) -> Iterator[Transaction]:
    """Yield what was done at once. A MULTI without its EXEC, which a crash can leave, was not done."""
    block: Transaction | None = None
    for command in stream:
        match command[0]:
            case "SELECT":
                if command[1] != "0":
                    raise BrokenLog(f"database {command[1]}: only 0 is used here", 0)
            case "MULTI":
                block = []
            case "EXEC":
                yield block or []
                block = None
            case _ if block is not None:
                block.append(command)
            case _:
                yield [command]


def read_log(directory: Path) -> Iterator[Transaction]:
    """Yield all transactions of the log that a Redis keeps in ``directory``."""
    return transactions(command for path in log_files(directory) for command in commands(path.read_bytes()))
