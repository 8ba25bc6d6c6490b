"""One round of renewals: in which queues, for whom, and who has lost a lease."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from jqjobs.daemon.lease_messages import Join
from jqjobs.errors import StoreError
from jqjobs.store.call import Call
from jqjobs.store.calls.leases import Renewed, offer, renew


class Renewal:
    """Made of what boards say as it begins; made anew for each round."""

    def __init__(self, joined: Collection[Join], offered_in: Collection[str], lease_ms: int) -> None:
        """``offered_in``: queues where it is renewed what workers offer, also where no worker has a lease."""
        self._turns = {join.worker_id: join.board.turns.entered() for join in joined}
        here: dict[str, list[Join]] = {name: [] for name in offered_in}
        for join in joined:
            for name in (*join.queues, *self._turns[join.worker_id]):
                here.setdefault(name, []).append(join)
        # One roster, while code is reloaded two.
        self._rosters = {join.roster.digest: join.roster for join in joined}
        self._lease_ms = lease_ms
        self._here = dict(sorted(here.items()))
        self.calls = [
            renew(name, lease_ms, [join.worker_id for join in joins], list(self._rosters))
            for name, joins in self._here.items()
        ]

    def fenced(self, answers: Sequence[Renewed | StoreError]) -> Iterator[Join]:
        """Yield who has lost a lease, as the calls have told; not who has let go of it meanwhile."""
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
