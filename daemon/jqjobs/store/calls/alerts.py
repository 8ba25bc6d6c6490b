"""Which alerts were told, so that of many daemons one does it (lua/claim_alert.lua, lua/told_alert.lua)."""

from __future__ import annotations

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import integer, text, truth
from jqjobs.store.scripts import script
from jqjobs.store.store import Store

_TOLD = "told "


def claim_alert(name: str, again_ms: int, claim_ms: int) -> Call[bool]:
    """Ask whether an alert is ours to tell: for ``claim_ms``, if nobody has told it for ``again_ms``."""
    return Call(script("claim_alert"), (keys.ALERTS,), ("", name, again_ms, claim_ms), truth)


def told_alert(name: str, until_ms: int) -> Call[bool]:
    """Say that an alert was told, with all that belongs to it until a moment."""
    return Call(script("told_alert"), (keys.ALERTS,), ("", name, until_ms), truth, repeatable=True)


def told_until(store: Store) -> dict[str, int]:
    """Return until when each alert was told, ms. Raises: StoreError."""
    flat = store.wire.call("ZRANGE", store.address.key(keys.ALERTS), 0, -1, "WITHSCORES")
    pairs = [(text(flat[i]), integer(flat[i + 1]) or 0) for i in range(0, len(flat), 2)]
    return {member.removeprefix(_TOLD): at_ms for member, at_ms in pairs if member.startswith(_TOLD)}
