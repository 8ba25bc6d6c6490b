"""What servers say of themselves: INFO, which who runs them may forbid."""

from __future__ import annotations

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store.reads.servers import ask_servers, servers_of
from jqjobs.store.reply_values import text
from jqjobs.store.sentinels import Place
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_SAVED = ("rdb_last_bgsave_status", "aof_last_write_status")


def read_infos(store: Store, *sections: str) -> dict[Place, dict[str, str]]:
    """Return the fields of INFO of each server (`servers`) that tells.

    Raises: StoreError when none does; StoreUnavailable when all are away.
    """
    told = ask_servers(store, servers_of(store), "INFO", *sections)
    found = {place: info_fields(text(reply)) for place, reply in told.items() if not isinstance(reply, StoreError)}
    if not found:
        raise_first(sorted(told.values(), key=lambda error: isinstance(error, StoreUnavailable)))
    return found


def info_fields(info: str) -> dict[str, str]:
    """Return the fields of an INFO text; lines that are none are left out."""
    return dict(line.split(":", 1) for line in info.splitlines() if ":" in line)


def cannot_save(store: Store) -> bool:
    """Whether a server's last save to disk failed: by default it then takes no writes, until one succeeds."""
    try:
        infos = read_infos(store, "persistence")
    except StoreError:  # who runs it does not let us ask
        return False
    return any(info.get(field) == "err" for info in infos.values() for field in _SAVED)
