"""`Snooze`: what a job raises that is not to run now, and not to be charged for that."""

from __future__ import annotations

from typing import Any

from jqjobs.errors import InvalidOption
from jqjobs.jobs.moments import check_delay, is_moment, wait_ms


class Snooze(Exception):
    """Raised by a job: not now. It runs again after ``delay``, in its old place, and that costs no attempt.

    ``delay``: as of `Retry`, more than nothing. So often as ``max_snoozes`` of the job allows; then it is dead, and its
    error says so. Raises: InvalidOption where ``delay`` is none, and that fails the attempt; ConfigError.
    """

    def __init__(self, delay: Any, reason: str = "not now") -> None:
        super().__init__(delay, reason)  # both: who copies it gives them again
        if delay is not None:
            _check(delay)
        self.delay, self.reason = delay, reason

    def __str__(self) -> str:
        return self.reason


def _check(delay: Any) -> None:
    check_delay(delay, "Snooze")
    if not is_moment(delay) and wait_ms(delay, "Snooze", 0) < 1:
        raise InvalidOption(f"Snooze {delay!r} leaves no time", hint="such as '5m'")
