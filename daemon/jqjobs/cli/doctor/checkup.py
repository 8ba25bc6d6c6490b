"""All checks, in the order in which they are told."""

from __future__ import annotations

from jqjobs.cli.doctor import host_checks, server_checks
from jqjobs.errors import StoreError
from jqjobs.operations.doctor import daemon_checks, queue_checks
from jqjobs.operations.doctor.checks import Check
from jqjobs.operations.doctor.findings import Finding, error

#: Told alone, when nothing can be asked.
REACHED = Check("server.reached", "Redis", "", lambda facts: ())
CHECKS = (*server_checks.CHECKS, *queue_checks.CHECKS, *daemon_checks.CHECKS, *host_checks.CHECKS)


def unreached(failure: StoreError) -> tuple[Check, Finding]:
    """Return the only finding there is where Redis is away, or wants nothing of us."""
    hint = failure.hint or "is it running, and is JQ_REDIS_URL right? jqctl --redis URL doctor tries another one"
    return REACHED, error(REACHED.subject, failure.message, hint)
