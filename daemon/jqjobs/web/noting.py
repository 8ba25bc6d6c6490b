"""What somebody does by the dashboard, written down: for `jqctl audit` before it is done, in the log afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jqjobs.base import log
from jqjobs.errors import StoreError
from jqjobs.store.calls.audit import note_act, note_count, note_failure
from jqjobs.store.store import Store
from jqjobs.web.access import Right


@dataclass(slots=True)
class Act:
    """``facts``: what was asked for. ``n``: on so many jobs it was done, None where it is about one thing."""

    user: str
    right: Right
    target: str
    facts: dict[str, Any]
    note: str
    n: int | None = None


def begin(store: Store, user: str, right: Right, target: str, facts: dict[str, Any]) -> Act:
    """Note an act that is about to be done. Raises: StoreError when that cannot be noted; then it is not done."""
    said = {name: value for name, value in facts.items() if value is not None}
    return Act(user, right, target, said, store.run(note_act(user, f"web {right}", {"target": target, **said})))


def end(store: Store, act: Act, error: str | None) -> None:
    """Write down what became of an act. ``error``: its code; None: it is done."""
    chosen = " ".join(f"{name}={value}" for name, value in act.facts.items()) or None
    log.event(
        "web.act", user=act.user, right=act.right.value, target=act.target, filter=chosen, n=act.n or None,
        error=error or None,
    )  # fmt: skip
    if error is None and act.n is None:
        return
    try:
        store.run(note_count(act.note, act.n or 0) if error is None else note_failure(act.note, error))
    except StoreError as why:
        log.event("web.unnoted", level=log.WARNING, user=act.user, error=why.message)
