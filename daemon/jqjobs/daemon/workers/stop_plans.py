"""Decisions about workers: when the next one starts, which signal a stopping one gets. Pure."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, replace

from jqjobs.jobs.backoff import respawn_delay_s

#: A worker that lived shorter than this, and ran no job to its end, died early.
SHORT_LIFE_S = 10.0
#: A job that kills its worker must hold up no other, so after so many early deaths successors are put off only, and
#: then but little, if those workers came as far as to take jobs.
_PATIENCE, _READY_MOST_S = 5, 1.0


@dataclass(frozen=True, slots=True)
class Restart:
    """When a seat's next worker starts, and how many died early in a row. Times: seconds of the monotonic clock."""

    at_s: float = 0.0
    early_deaths: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """What became of a worker that died unasked. ``executed``: how many jobs it has run to their end."""

    lived_s: float
    was_ready: bool = False
    executed: int = 0

    @property
    def was_short(self) -> bool:
        """Whether something may be wrong with the worker itself."""
        return self.lived_s < SHORT_LIFE_S and not self.executed


def after_death(now_s: float, life: Life, early_deaths: int) -> Restart:
    """Return when to start the successor of a worker that died unasked."""
    early = early_deaths + 1 if life.was_short else 0
    delay_s = min(respawn_delay_s(early - _PATIENCE), _READY_MOST_S) if life.was_ready else respawn_delay_s(early)
    return Restart(now_s + delay_s, early)


@dataclass(frozen=True, slots=True)
class StopPlan:
    """How a worker is brought to its end: TERM (drain) at once, then QUIT (interrupt the job), then KILL.

    ``frees_seat``: a successor works in its seat already.
    """

    quit_at_s: float
    kill_at_s: float
    frees_seat: bool = False

    @property
    def is_patient(self) -> bool:
        """Whether the running job may take as long as it likes."""
        return math.isinf(self.quit_at_s)


def drain_plan(now_s: float, grace_s: float, kill_after_s: float) -> StopPlan:
    """Let the running job finish within ``grace_s``, interrupt it then, kill ``kill_after_s`` later."""
    return StopPlan(now_s + grace_s, now_s + grace_s + kill_after_s)


def stop_plan(now_s: float, kill_after_s: float) -> StopPlan:
    """Interrupt the running job now, kill ``kill_after_s`` later."""
    return StopPlan(now_s, now_s + kill_after_s)


def retire_plan() -> StopPlan:
    """Let the running job finish, however long it takes: a deploy interrupts nothing."""
    return StopPlan(math.inf, math.inf, frees_seat=True)


def recycle_plan() -> StopPlan:
    """Let the running job finish, however long it takes; the successor starts when the worker is gone."""
    return StopPlan(math.inf, math.inf)


def boot_plan(now_s: float) -> StopPlan:
    """End a worker that has not begun to work: nothing is lost by killing it if it does not heed TERM."""
    return StopPlan(now_s, now_s + 0.5)


def sooner(old: StopPlan | None, new: StopPlan) -> StopPlan:
    """Return the new plan, with the kill not later than the old one had it: asking again postpones nothing."""
    return new if old is None or old.kill_at_s >= new.kill_at_s else replace(new, kill_at_s=old.kill_at_s)


def due_signal(plan: StopPlan, now_s: float) -> signal.Signals:
    """Return the strongest signal that is due; the plan must have begun."""
    if now_s >= plan.kill_at_s:
        return signal.SIGKILL
    return signal.SIGQUIT if now_s >= plan.quit_at_s else signal.SIGTERM


def is_overdue(timeout_ms: int, running_ms: int, kill_after_ms: int) -> bool:
    """Return whether the worker must be killed: its job passed the limit and did not heed the exception."""
    return bool(timeout_ms) and running_ms > timeout_ms + kill_after_ms
