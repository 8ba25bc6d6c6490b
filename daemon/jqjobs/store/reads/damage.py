"""Which keys have another type than they must have. Redis says that one has (WRONGTYPE), and not which.

Daemons set aside those of the queues that they serve (lua/rules/mend.lua); what is left somebody has to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from jqjobs.errors import StoreError
from jqjobs.store import keys
from jqjobs.store.reply_values import text
from jqjobs.store.store import Store

#: What is in every queue, as lua/rules/mend.lua has it.
OF_QUEUE = {
    "hash": "meta gates errors unique catalog stats settings schedule ticks paused added came",
    "list": "inbox rejected succeeded",
    "zset": "wake ready scheduled suspects held waiting parked misfits transfers arrived notices batches dead kept"
    " cancels hooks leases draining recent offers rosters comes turns",
}  # fmt: skip
#: What a batch has, as lua/rules/damaged.lua has it.
OF_BATCH = {"": "hash", ":open": "set", ":dead": "set", ":kept": "set", ":seen": "hash", ":at": "hash"}
_DAMAGED = "WRONGTYPE"
_MOST = 3


def explain(store: Store, error: StoreError) -> None:
    """Add to an error that tells of damage, as its hint, which keys are damaged."""
    if not error.message.startswith(_DAMAGED):
        return
    try:
        error.hint = damage_in_words(store, store.queues())
    except StoreError:
        error.hint = damage_in_words(store, ())


def why_broken(store: Store, queue: str, error: StoreError) -> str:
    """Return what is wrong with a queue of which Redis says this."""
    return (error.message.startswith(_DAMAGED) and damage_in_words(store, [queue])) or error.message


def damage_in_words(store: Store, queues: Iterable[str]) -> str:
    """Return which keys of queues, and of none, are damaged, and what to do; "" when none of them is."""
    move = "somebody else wrote there; RENAME moves it away, and it is made anew"
    wrong = _wrong(store, _kinds(store.address.key, queues))
    return f"{wrong}: {move}" if wrong else ""


@contextmanager
def explaining_batch(store: Store, queue: str, batch_id: str) -> Iterator[None]:
    """Raise, instead of an error that tells of damage, which keys of a batch are damaged, if any."""
    try:
        yield
    except StoreError as error:
        kinds = {
            store.address.key(keys.queue(queue, f"batch:{batch_id}{part}")): kind for part, kind in OF_BATCH.items()
        }
        if not (error.message.startswith(_DAMAGED) and (wrong := _wrong(store, kinds))):
            raise
        hint = "somebody else wrote there: what the batch had in it is lost; RENAME moves it away"
        raise StoreError(f"batch {queue}/{batch_id} is damaged: {wrong}", hint=hint) from error


def _wrong(store: Store, kinds: Mapping[str, str]) -> str:
    try:
        found = map(text, store.wire.pipeline([("TYPE", name) for name in kinds]))
    except StoreError:
        return ""
    wrong = [
        f"{name} is a {is_one}, not a {kind}"
        for name, kind, is_one in zip(kinds, kinds.values(), found, strict=True)
        if is_one not in (kind, "none") and " " not in is_one  # an error: who looks may not
    ]
    return ", ".join(wrong[:_MOST])


def _kinds(key: Callable[[str], str], queues: Iterable[str]) -> dict[str, str]:
    kinds = {
        key(keys.QUEUES): "set", key(keys.DAEMONS): "zset", key(keys.AUDIT): "list", key(keys.MEMORY): "zset",
        key(keys.DEPLOYS): "list", key(keys.ALERTS): "zset", key(keys.ROUNDS): "hash",
    }  # fmt: skip
    for queue in queues:
        kinds |= {key(keys.queue(queue, part)): kind for kind, parts in OF_QUEUE.items() for part in parts.split()}
    return kinds
