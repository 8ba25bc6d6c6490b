"""What daemons tell of their hosts in the registry. A daemon of another version may tell less, or nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from jqjobs.store.reply_values import count, integer, json_or_none, string


class HostInfo(NamedTuple):
    """The host of a daemon. ``stop``: why who supervises it will not wait for a drain; "": nothing, or not known.

    ``memory_of``: whose limit ``memory_bytes`` is: "host", or the directory of a cgroup; 0: not known.
    ``boards``: where those of its workers lie.
    """

    stop: str = ""
    memory_bytes: int = 0
    memory_of: str = ""
    boards: str = ""
    boards_bytes: int | None = None
    boards_free_bytes: int | None = None
    boards_in_memory: bool | None = None


def host_info(said: Any) -> HostInfo | None:
    """Return what a daemon said of its host, None when it is nothing that can be read."""
    found = json_or_none(said)
    if not isinstance(found, dict):
        return None
    in_memory = found.get("boards_in_memory")
    return HostInfo(
        string(found.get("stop")) or "", count(found.get("memory_bytes")), string(found.get("memory_of")) or "",
        string(found.get("boards")) or "", integer(found.get("boards_bytes")),
        integer(found.get("boards_free_bytes")), in_memory if isinstance(in_memory, bool) else None,
    )  # fmt: skip
