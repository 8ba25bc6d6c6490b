"""What servers say of themselves: INFO, which who runs them may forbid."""

from __future__ import annotations

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store.reads.servers import ask_servers, servers_of
from jqjobs.store.reply_values import text
from jqjobs.store.sentinels import Place
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_SAVED = ("rdb_last_bgsave_status", "aof_last_write_status")
#: Why a server takes no writes, as far as that shows.
_CANNOT_SAVE = "Redis cannot save to its disk, and may take no writes until it can: its log says why"
_TOO_FEW_REPLICAS = "Redis takes no writes, since it has too few replicas for its min-replicas-to-write"


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


def why_no_writes(store: Store) -> str:
    """Return why a server takes no writes, "" when nothing speaks for that."""
    try:
        infos = read_infos(store, "persistence", "replication").values()
    except StoreError:  # who runs it does not let us ask
        return ""
    if any(info.get(field) == "err" for info in infos for field in _SAVED):  # by default, until a save succeeds
        return _CANNOT_SAVE
    # There only with that setting. Some may still be too few; how many must be, INFO does not tell.
    return _TOO_FEW_REPLICAS if any(info.get("min_slaves_good_slaves") == "0" for info in infos) else ""
