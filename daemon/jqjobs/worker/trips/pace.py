"""How many jobs a worker may have in hand: what its slots run, and a little work beyond. Pure."""

from __future__ import annotations

from typing import Protocol

from jqjobs.link.board_layout import PLACES


class Pace(Protocol):
    """``most_in_hand``: jobs at most; ``low``: so few are not started that the next ones should be fetched."""

    most_in_hand: int
    low: int

    @property
    def soon(self) -> int:
        """With one slot: how many jobs will have started in a moment, one after the other."""
        ...

    def adapt(self, taken: int, *, is_limited: bool = False) -> None:
        """Decide anew, after a trip that brought so many. What is in hand grows slowly and shrinks at once.

        ``is_limited``: the last of them has a limit, and most likely so has what comes next.
        """
        ...

    def note(self, count: int, spent_ms: float) -> None:
        """So many jobs have ended, one at least, that took so long together."""
        ...


#: Within so long a job starts "soon": the start of a limited one is counted when it is taken; a rate leaves it 5 ms,
#: a short one less (lua/rules/trip/begin_now.lua).
_SOON_MS = 3
#: What the last jobs count for in an average, see `next_average_ms`.
_LATEST = 0.3
#: Of longer jobs than it fetches work ahead for, a worker of several slots has so many in hand for later, or none: a
#: slot becomes free too seldom for fewer, and they would go back before they begin.
_FEWEST_AHEAD = 4
#: So many must have ended for that to decide how many start soon: one that was held up says little of all others.
_TELLING = 16


class OneSlotPace:
    """One slot is between two jobs whenever this is asked, so what it will run next is among those in hand."""

    def __init__(self, prefetch_ms: int, batch: int) -> None:
        """``prefetch_ms``: expected work beyond what runs; ``batch``: jobs in one trip at most."""
        self._prefetch_ms = prefetch_ms
        self._batch = batch
        self._average_ms = self._steady_ms = float(prefetch_ms or 1)
        self.most_in_hand = 1
        self.low = 0

    def adapt(self, taken: int, *, is_limited: bool = False) -> None:
        """Decide anew, see `Pace`. Of limited ones, more than start soon are not to be had."""
        # Some were in hand when it asked, so all that it asked for is less; a queue that ran short says nothing against
        # a large batch.
        is_all = taken >= self.most_in_hand - self.low
        before = max(taken, self.most_in_hand if is_all else self.most_in_hand // 2)
        self.most_in_hand = next_want(self._average_ms, self._prefetch_ms, self._batch, before)
        if is_limited:
            self.most_in_hand = max(1, self.soon)
        self.low = self.most_in_hand // 2

    @property
    def soon(self) -> int:
        """See `Pace`."""
        return min(self.most_in_hand, int(_SOON_MS / max(self._steady_ms, 0.001)))

    def note(self, count: int, spent_ms: float) -> None:
        """So many jobs have ended, one at least, that took so long together."""
        self._average_ms = next_average_ms(self._average_ms, count, spent_ms)
        self._steady_ms = next_average_ms(self._steady_ms, count, spent_ms, min(_LATEST, count / _TELLING))


class SlotsPace:
    """Several slots: what they run comes on top of what is in hand for later."""

    def __init__(self, slots: int, prefetch_ms: int) -> None:
        """``prefetch_ms``: expected work for all slots beyond what they run."""
        self._slots = slots
        self._prefetch_ms = prefetch_ms
        self._average_ms = float(prefetch_ms or 1)
        self._ahead = 0
        self.most_in_hand = slots
        self.low = 0

    def adapt(self, taken: int, *, is_limited: bool = False) -> None:
        """Decide anew, see `Pace`; slots that are free say nothing of how many jobs there are."""
        fitting = int(self._prefetch_ms * self._slots / max(self._average_ms, 0.001))
        if fitting < _FEWEST_AHEAD and self._average_ms > self._prefetch_ms:
            fitting = 0
        self._ahead = min(fitting, 2 * max(self._ahead, 1), PLACES - self._slots)
        self.most_in_hand = self._slots + self._ahead
        self.low = self._ahead // 3  # less would make slots wait where a trip takes some ms

    @property
    def soon(self) -> int:
        """None: what may start is told by the slots that are free."""
        return 0

    def note(self, count: int, spent_ms: float) -> None:
        """So many jobs have ended, one at least, that took so long together."""
        self._average_ms = next_average_ms(self._average_ms, count, spent_ms)


def next_average_ms(average_ms: float, count: int, spent_ms: float, latest: float = _LATEST) -> float:
    """Return how long a job is expected to take, after so many have ended: the last ones count most."""
    return average_ms + latest * (spent_ms / count - average_ms)


def next_want(average_ms: float, prefetch_ms: int, most: int, last: int) -> int:
    """Return how many jobs to have in hand: the next one, and about ``prefetch_ms`` of work beyond it.

    At most twice ``last``, 1 to ``most``: growing slowly keeps a worker that has only seen quick jobs from hoarding a
    pile of long ones.
    """
    fitting = 1 + int(prefetch_ms / max(average_ms, 0.001))
    return min(fitting, most, 2 * max(last, 1))
