"""Which node of a cluster a command goes to, and where to when that one sends it on. Pure.

A command goes by its first key; one without a key goes where the one before it goes, the first to the node of what
belongs to no queue. All keys of a command have one hash tag.

While a slot is on its way to another node, one key after the other, a script could find a part of its keys gone. So
each script is given one key more, that nobody ever makes: Redis then refuses to run any (TRYAGAIN, or ASK) until the
slot has arrived, and the callers wait. Other commands are sent on (ASK), a key at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from jqjobs.errors import StoreBusy, StoreUnavailable
from jqjobs.store.clusters import OF_NO_QUEUE, slot_of
from jqjobs.store.scripts import guarded_sha, guarded_source
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import SlotMap, moved, redirect_of
from jqjobs.store.wire import Argument

Command = Sequence[Argument]
_KEYLESS = frozenset({"PING", "INFO", "TIME", "SCAN", "WAIT", "CLIENT", "CLUSTER", "ACL", "COMMAND"})
_OF_SCRIPTS = ("EVALSHA", "EVAL")
#: Nodes may send on what another one has sent on, for a moment.
_MOST_HOPS = 5
ASKING: Command = ("ASKING",)


class Stop(NamedTuple):
    """A node, and whether what is said there goes there just this once, before the slot is all there."""

    place: Place
    is_for_once: bool = False


#: What is sent now: commands by where they go. The answer has the replies to them, in their order.
Batch = dict[Stop, list[Command]]


def tag_of(command: Command) -> str | None:
    """Return the hash tag of the keys of a command; None: it has none."""
    if command[0] in _KEYLESS:
        return None
    key = command[3 if command[0] in _OF_SCRIPTS else 1]
    text = key.decode() if isinstance(key, bytes) else str(key)
    return text.partition("{")[2].partition("}")[0]


def guarded(command: Command) -> Command:
    """Return a script's command with one key more, see above; any other as it is."""
    if command[0] not in _OF_SCRIPTS:
        return command
    verb, script, count = command[:3]
    first = str(command[3])
    guard = first[: first.index("}") + 1] + ":~"
    script = (guarded_sha if verb == "EVALSHA" else guarded_source)(str(script))
    last = 3 + int(count)
    return (verb, script, int(count) + 1, *command[3:last], guard, *command[last:])


class _Unit:
    """A command that has a key, and those behind it that have none."""

    def __init__(self, tag: str) -> None:
        self.slot = slot_of(tag)
        self.commands: list[Command] = []
        self.replies: list[Any] = []
        self.stop: Stop | None = None

    def hear(self, replies: list[Any], slots: SlotMap, stop: Stop) -> bool:
        """Take replies in; whether that was all."""
        self.replies, self.stop = replies, None
        redirect = redirect_of(replies[0], stop.place)
        if redirect is None:
            return True
        slots.note(redirect)
        if redirect.is_for_once:
            if self.commands[0][0] in _OF_SCRIPTS:
                self.replies = [StoreBusy("the queue is on its way to another node", reason="ASK")] * len(replies)
                return True
            self.stop = Stop(redirect.place, is_for_once=True)
        return False


def hops(commands: Sequence[Command], slots: SlotMap) -> Generator[Batch, dict[Stop, list[Any]], list[Any]]:
    """Yield what to send, again and again until no node sends anything on; return the replies, in order.

    Where no node serves a slot they are StoreBusy.
    """
    units = waiting = _units(commands)
    for _ in range(_MOST_HOPS):
        going: dict[Stop, list[_Unit]] = {}
        for unit in waiting:
            try:
                going.setdefault(unit.stop or Stop(slots.owner(unit.slot)), []).append(unit)
            except StoreBusy as unserved:
                unit.replies = [unserved] * len(unit.commands)
        found = yield {stop: [command for unit in there for command in unit.commands] for stop, there in going.items()}
        waiting = []
        for stop, there in going.items():
            replies = iter(found[stop])
            for unit in there:
                if not unit.hear([next(replies) for _ in unit.commands], slots, stop):
                    waiting.append(unit)
        if not waiting:
            break
    for unit in waiting:
        unit.replies = [moved()] * len(unit.commands)
    return [reply for unit in units for reply in unit.replies]


def complete(replies: list[Any]) -> list[Any]:
    """Return replies none of which is missing. Raises: StoreUnavailable; another error of Redis is a reply, too."""
    for reply in replies:
        if isinstance(reply, StoreUnavailable):
            raise reply
    return replies


def _units(commands: Sequence[Command]) -> list[_Unit]:
    units: list[_Unit] = []
    for command in commands:
        tag = tag_of(command)
        if tag is not None or not units:
            units.append(_Unit(OF_NO_QUEUE if tag is None else tag))
        units[-1].commands.append(guarded(command))
    return units
