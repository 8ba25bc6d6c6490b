"""Which of many queues have nothing, asked of all in a few round trips: what comes next can leave those out.

Those that cannot be asked are not left out: what comes next will tell what is wrong there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jqjobs.store import keys
from jqjobs.store.store import Store
from jqjobs.store.wire import Argument

#: So many questions go in one round trip, and so many keys in one question.
_AT_ONCE = 1000


def without_any(store: Store, queues: Sequence[str], parts: Sequence[str]) -> list[str]:
    """Return those that have none of these parts, in order. One that cannot be asked may have some."""
    key = store.address.key
    return _nothing_counted(store, queues, lambda queue: ("EXISTS", *[key(keys.queue(queue, part)) for part in parts]))


def have_nothing(store: Store, queues: Sequence[str], parts: Sequence[str]) -> bool:
    """Return whether none of them has any of these parts; False, too, where that is not one question, or is refused."""
    if store.address.cluster or not queues:
        return not queues
    names = [store.address.key(keys.queue(queue, part)) for queue in queues for part in parts]
    asked = [("EXISTS", *names[first : first + _AT_ONCE]) for first in range(0, len(names), _AT_ONCE)]
    return all(count == 0 for count in store.wire.pipeline_in_parts(asked))


def without_setting(store: Store, queues: Sequence[str], name: str) -> list[str]:
    """Return those that do not have this setting, in order. One that cannot be asked may have it."""
    if have_nothing(store, queues, ["settings"]):  # most have none at all, so that is one question
        return list(queues)
    key = store.address.key
    return _nothing_counted(store, queues, lambda queue: ("HEXISTS", key(keys.queue(queue, "settings")), name))


def _nothing_counted(store: Store, queues: Sequence[str], look: Callable[[str], Sequence[Argument]]) -> list[str]:
    found = list[Any]()
    for first in range(0, len(queues), _AT_ONCE):
        found += store.wire.pipeline_in_parts([look(queue) for queue in queues[first : first + _AT_ONCE]])
    return [queue for queue, count in zip(queues, found, strict=True) if count == 0]
