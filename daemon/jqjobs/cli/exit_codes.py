"""Exit codes of jqctl, and which error means which."""

from __future__ import annotations

from enum import IntEnum

from jqjobs.errors import Conflict, InvalidArguments, InvalidName, InvalidOption, JqError, NotFound, StoreUnavailable


class Exit(IntEnum):
    """What a script can tell from the exit code of jqctl."""

    OK = 0
    ERROR = 1
    USAGE = 2
    JOB_FAILED = 3
    UNREACHABLE = 4
    NOT_FOUND = 5
    CONFLICT = 6
    JOB_DISCARDED = 7
    INTERRUPTED = 130  # 128 + SIGINT, as shells say; of acts on many jobs TERM too
    READER_GONE = 141  # 128 + SIGPIPE


def exit_of(error: JqError) -> Exit:
    """Return the exit code of an error."""
    if isinstance(error, StoreUnavailable):
        return Exit.UNREACHABLE
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    if isinstance(error, Conflict):
        return Exit.CONFLICT
    if isinstance(error, (InvalidName, InvalidOption, InvalidArguments)):
        return Exit.USAGE
    return Exit.ERROR
