"""What two prefixes on one Redis have in common: nothing, whatever is done under one of them."""

from __future__ import annotations

from contextlib import closing

from store.lua.script_calls import CALLS
from store.queue_system import QueueSystem


def _do_everything(system: QueueSystem) -> None:
    """Run every script, on equal names and at one moment: the same comes of it in each world."""
    system.add("first", "second", key="k")
    system.push({"job": "n", "id": "raw"}, "no")
    system.join("w")
    for name in sorted(CALLS):
        system.run(CALLS[name])


def test_worlds_with_equal_names_are_equal_and_apart(system: QueueSystem) -> None:
    _do_everything(system)
    ours = system.everything()

    other = QueueSystem(f"{system.url}?prefix=a:b", clock=system.clock)
    with closing(other.store):
        _do_everything(other)

    theirs = {b"a:b:" + key.removeprefix(b"jq:"): content for key, content in ours.items()}
    assert system.everything() == {**ours, **theirs}
