"""One batch in memory: what it hears of its members, and how it ends. Who acts on that is in `flows`."""

from __future__ import annotations

from dataclasses import dataclass, field

from jqjobs.inprocess.memory_store import Record
from jqjobs.jobs.flow import OnDead


@dataclass
class Batch:
    """A batch, and its members by name. ``then``, ``always``: the steps that come after it, as they are stored.

    ``is_list``: a list in a chain is this batch.
    """

    queue: str
    id: str
    on_dead: str
    then: bytes
    always: bytes
    created_ms: int
    is_list: bool = False
    total: int = 0
    succeeded: int = 0
    expected: int | None = None
    open: dict[str, Record] = field(default_factory=dict)
    dead: dict[str, Record] = field(default_factory=dict)
    kept: dict[str, Record] = field(default_factory=dict)
    has_run_always: bool = False
    is_cancelled: bool = False
    has_lost: bool = False
    over: str = ""
    finished_ms: int = 0

    def hear(self, record: Record, what: str) -> None:
        """Note that a member is "done", "kept", "dead" or "gone", or goes on ("again")."""
        name = str(record.fields["member"])
        self.open.pop(name, None)
        self.dead.pop(name, None)
        if what == "again":
            self.open[name] = record
        elif what == "dead":
            self.dead[name] = record
        elif what == "gone":
            self.has_lost = True
        else:
            self.succeeded += 1
        if what == "kept":
            self.kept[name] = record

    def places(self, which: str) -> dict[str, str]:
        """Return the members that are "open", "dead" or "kept" by name, each with where it is now, as "queue/id"."""
        members: dict[str, Record] = getattr(self, which)
        return {name: record.ref for name, record in members.items()}

    @property
    def cancels_members(self) -> bool:
        """Whether members that have not begun are to be cancelled."""
        return self.is_cancelled or (self.on_dead == OnDead.CANCEL and bool(self.dead))

    @property
    def is_complete(self) -> bool:
        """Whether it is closed, and all its members have come and ended, and it is not over yet."""
        return not (self.over or self.open or self.expected is None or self.total < self.expected)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing goes on in it: it is over, or waits for somebody who retries what is dead."""
        return bool(self.over) or (self.has_run_always and not self.open)

    def verdict(self) -> str:
        """Return how it ends when all members have ended; "": a dead one holds it up."""
        goes_on = self.on_dead == OnDead.GO
        if self.is_cancelled:
            return "cancelled"
        if not goes_on and (self.has_lost or self.cancels_members):
            return "failed"
        return "succeeded" if goes_on or not self.dead else ""

    def shown(self) -> list[object]:
        """Return what lua/batch.lua answers of it."""
        known: dict[str, object] = {"created": self.created_ms, "opened": 1, "total": self.total}
        known |= {"succeeded": self.succeeded, "on_dead": self.on_dead}
        if self.expected is not None:
            known["expected"] = self.expected
        if self.over:
            known |= {"over": self.over, "finished": self.finished_ms}
        flat = [text.encode() for name, value in known.items() for text in (name, str(value))]
        return [flat, len(self.open), len(self.dead), len(self.kept)]
