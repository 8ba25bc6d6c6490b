"""Decisions about workers: when the next one starts, which signal a stopping one gets. Pure."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, replace

from jqjobs.jobs.backoff import respawn_delay_s

#: A worker that lived shorter than this died early; early deaths in a row slow down its successors.
SHORT_LIFE_S = 10.0


@dataclass(frozen=True, slots=True)
class Restart:
    """When a seat's next worker starts. Times are seconds of the monotonic clock."""

    at_s: float = 0.0
    short_lives: int = 0


def after_death(now_s: float, lived_s: float, short_lives: int) -> Restart:
    """Return when to start the successor of a worker that died unasked."""
    short = short_lives + 1 if lived_s < SHORT_LIFE_S else 0
    return Restart(now_s + respawn_delay_s(short), short)


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
