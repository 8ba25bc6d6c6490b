"""What a check is, and what becomes of all of them: findings, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from jqjobs.operations.doctor.facts import Facts
from jqjobs.operations.doctor.findings import Finding, fine, unknown


class Check(NamedTuple):
    """One question. ``id``: "group.word", as docs/doctor.md lists it. ``look`` yields what is wrong.

    ``fine``: what is said when it yields nothing. ``needs``: kinds of facts without which nothing is known.
    """

    id: str
    subject: str
    fine: str
    look: Callable[[Facts], Iterable[Finding]]
    needs: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """What its id begins with: server, queues, daemons or host."""
        return self.id.partition(".")[0]


def examine(checks: Iterable[Check], facts: Facts) -> Iterator[tuple[Check, Finding]]:
    """Yield at least one finding of each check."""
    for check in checks:
        if why := next((facts.refused[kind] for kind in check.needs if kind in facts.refused), ""):
            yield check, unknown(check.subject, f"not known: {why}")
        else:
            for finding in list(check.look(facts)) or [fine(check.subject, check.fine)]:
                yield check, finding
