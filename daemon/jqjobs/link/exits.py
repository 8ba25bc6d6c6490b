"""Exit codes: of `jqd` (sysexits(3)) and of its workers. docs/reference/settings.md documents both tables."""

from __future__ import annotations

from enum import IntEnum


class DaemonExit(IntEnum):
    """How `jqd` ends."""

    ORDERLY = 0
    USAGE = 64
    INTERNAL = 70
    TEMPORARY = 75
    CONFIGURATION = 78


class WorkerExit(IntEnum):
    """Why a worker ended by itself."""

    DRAINED = 0  #: told to drain: took no more, finished what ran, gave the rest back
    STOPPED = 10  #: told to stop now: the running job was interrupted and given back
    FENCED = 11  #: its lease is gone; whatever it still did counts for nothing
    ORPHANED = 12  #: its daemon is gone
    INTERNAL = 70  #: a defect in jqjobs; the log has the traceback
    REFUSED = 77  #: Redis refuses the credentials, or they lack a permission
    BAD_APP = 78  #: the app cannot be loaded
