"""Who may do what: the rights, and the answer of who checks who is asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from jqjobs.errors import ConfigError, NotAllowed
from jqjobs.web.http import Request


class Right(StrEnum):
    """What somebody may be allowed to do."""

    READ = "read"
    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"
    ENQUEUE = "enqueue"  #: make a job due now too
    PAUSE = "pause"  #: and resume, and set what a queue keeps
    SCHEDULE = "schedule"  #: pause, resume, run, remove one; with ENQUEUE, add and change
    DAEMON = "daemon"  #: any order to a daemon
    RESOLVE = "resolve"  #: answer for a job that waits


ALL = frozenset(Right)
VIEW = frozenset({Right.READ})
#: Short for several, where rights are written down.
GROUPS = {"all": ALL, "view": VIEW}


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody who may look, and do what the rights say. ``user``: as the log and `jqctl audit` name them."""

    user: str
    rights: frozenset[Right] = ALL

    def may(self, right: Right) -> bool:
        """Whether somebody has a right."""
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raise NotAllowed where somebody has not got a right."""
        if not self.may(right):
            raise NotAllowed(f"{self.user} may not {right}", hint=f"the right {right.value!r} is needed for that")


#: Says who asks; None: nobody who may.
Auth = Callable[[Request], Access | None]


def everybody(request: Request) -> Access:
    """Let everybody in, with all rights: where something else stands before the dashboard, or on one's own machine."""
    return Access("everybody")


def rights_of(words: Iterable[str]) -> frozenset[Right]:
    """Return the rights that are meant: their names, `view` or `all`. Who has one may read. Raises: ConfigError."""
    found = set(VIEW)
    for word in words:
        if word in GROUPS:
            found |= GROUPS[word]
        elif word in list(Right):
            found.add(Right(word))
        else:
            known = ", ".join([*GROUPS, *Right])
            raise ConfigError(f"{word!r} is no right", hint=f"there are {known}")
    return frozenset(found)
