"""What a worker and its app log: the worker's own lines from the start, those of the app once it is loaded."""

from __future__ import annotations

import os
from typing import Any

from jqjobs.base import log
from jqjobs.base.job_files import write_jobs
from jqjobs.jobs.context import tag_of_running_job
from jqjobs.link.worker_config import WorkerConfig

#: The daemon reads what its workers write, but may wait for its own reader before.
_PATIENCE_MS = 2000


class WorkerLog:
    """One per worker process."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._who = f"worker:{os.getpid()}"
        self._how: dict[str, Any] = {
            "form": config.log_format, "level": config.log_level, "patience_ms": _PATIENCE_MS,
        }  # fmt: skip

    def start(self) -> None:
        """Send log lines to stderr, and those about jobs to their files too."""
        log.configure(self._who, **self._how)
        config = self._config
        write_jobs(self._who, form=config.log_format, job_log=config.job_log, error_log=config.error_log)

    def take_app_lines(self) -> None:
        """Send there what the app logs too, each line with the job that it is about."""
        log.take_app_lines(self._who, tag_of_running_job, **self._how)
