"""What a server says of itself: INFO, which who runs it may forbid."""

from __future__ import annotations

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store.reply_values import text
from jqjobs.store.store import Store


def read_info(store: Store, *sections: str) -> dict[str, str] | None:
    """Return the fields of INFO; None when this server or our user may not tell. Raises: StoreUnavailable."""
    try:
        return info_fields(text(store.wire.call("INFO", *sections)))
    except StoreUnavailable:
        raise
    except StoreError:
        return None


def info_fields(info: str) -> dict[str, str]:
    """Return the fields of an INFO text; lines that are none are left out."""
    return dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
