"""One round of renewals: in which queues, for whom, and who has lost a lease."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from jqjobs.daemon.lease_messages import Join
from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.store.call import Call
from jqjobs.store.calls.leases import Renewed, offer, renew
from jqjobs.store.store import Store

#: One call renews so many leases at most, of all queues together: it is short.
_MOST_LEASES = 1000


class Renewal:
    """Made of what boards say as it begins; made anew for each round.

    Queues where the same workers are go in one call, as far as they are in one place.
    """

    def __init__(
        self, joined: Collection[Join], offered_in: Collection[str], lease_ms: int, *, in_one_place: bool
    ) -> None:
        """``offered_in``: queues where it is renewed what workers offer, also where no worker has a lease."""
        self._turns = {join.worker_id: join.board.turns.entered() for join in joined}
        here: dict[str, list[Join]] = {name: [] for name in offered_in}
        for join in joined:
            for name in (*join.queues, *self._turns[join.worker_id]):
                here.setdefault(name, []).append(join)
        # One roster, while code is reloaded two.
        self._rosters = {join.roster.digest: join.roster for join in joined}
        self._lease_ms = lease_ms
        self._parts = list(_parts(here, in_one_place=in_one_place))
        self._here = {name: here[name] for part in self._parts for name in part}
        self.calls = [self._call(part) for part in self._parts]

    def _call(self, queues: Sequence[str]) -> Call[list[Renewed]]:
        workers = [join.worker_id for join in self._here[queues[0]]]
        return renew(queues, self._lease_ms, workers, list(self._rosters))

    def of_each_queue(self, store: Store, answers: Sequence[list[Renewed] | StoreError]) -> list[Renewed | StoreError]:
        """Return what came of it queue by queue. Raises: StoreUnavailable.

        A call that was refused is made again for each of its queues: a key of one of them may be damaged.
        """
        found = list[Renewed | StoreError]()
        for part, answer in zip(self._parts, answers, strict=True):
            if not isinstance(answer, StoreError):
                found += answer
            elif len(part) == 1 or isinstance(answer, StoreUnavailable):
                found += [answer] * len(part)
            else:
                again = store.run_many([self._call([name]) for name in part])
                found += [one if isinstance(one, StoreError) else one[0] for one in again]
        return found

    def fenced(self, answers: Sequence[Renewed | StoreError]) -> Iterator[Join]:
        """Yield who has lost a lease, as the answers tell; not who has let go of it meanwhile."""
        for (name, joins), answer in zip(self._here.items(), answers, strict=True):
            for join, is_leased in [] if isinstance(answer, StoreError) else zip(joins, answer.leased, strict=True):
                if not is_leased and (name in join.queues or self._is_still_in(join, name)):
                    yield join

    def unserved(self, answers: Sequence[Renewed | StoreError]) -> set[str]:
        """Return the queues where that could not be done."""
        return {name for name, answer in zip(self._here, answers, strict=True) if isinstance(answer, StoreError)}

    def offers(self, answers: Sequence[Renewed | StoreError]) -> list[Call[int]]:
        """Return the calls that say what rosters have, where that is not known."""
        return [
            offer(name, self._lease_ms, self._rosters[digest])
            for name, answer in zip(self._here, answers, strict=True)
            for digest in (() if isinstance(answer, StoreError) else sorted(answer.unknown))
        ]

    def _is_still_in(self, join: Join, queue: str) -> bool:
        return join.board.turns.entered().get(queue) == self._turns[join.worker_id][queue]


def _parts(here: Mapping[str, Sequence[Join]], *, in_one_place: bool) -> Iterator[list[str]]:
    """Yield queues that go in one call."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(here):
        alike.setdefault(tuple(join.worker_id for join in here[name]), []).append(name)
    for workers, names in alike.items():
        most = min(MAX_QUEUES, max(1, _MOST_LEASES // max(1, len(workers)))) if in_one_place else 1
        yield from (names[first : first + most] for first in range(0, len(names), most))
