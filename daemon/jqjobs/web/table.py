"""All paths of the dashboard."""

from __future__ import annotations

from jqjobs.web.access import Right
from jqjobs.web.api import paths
from jqjobs.web.pages import (
    bulk,
    daemons,
    errors,
    find,
    job,
    jobs,
    limits,
    new_job,
    overview,
    queue,
    running,
    schedules,
)
from jqjobs.web.routes import Route, Table

PAGES = (
    Route("GET", "/", overview.overview),
    Route("GET", "/queues/{queue}", queue.queue_page),
    Route("POST", "/queues/{queue}/pause", queue.pause, Right.PAUSE),
    Route("POST", "/queues/{queue}/resume", queue.resume, Right.PAUSE),
    Route("GET", "/jobs", jobs.jobs),
    Route("POST", "/jobs/chosen", jobs.act_on_chosen),
    Route("GET", "/jobs/bulk", bulk.count_all),
    Route("POST", "/jobs/bulk", bulk.act_on_all_that_match),
    Route("GET", "/jobs/{queue}/{id}", job.job_page),
    Route("POST", "/jobs/{queue}/{id}/retry", job.retry, Right.RETRY),
    Route("POST", "/jobs/{queue}/{id}/promote", job.promote, Right.ENQUEUE),
    Route("POST", "/jobs/{queue}/{id}/cancel", job.cancel, Right.CANCEL),
    Route("POST", "/jobs/{queue}/{id}/delete", job.delete, Right.DELETE),
    Route("POST", "/jobs/{queue}/{id}/resolve", job.resolve, Right.RESOLVE),
    Route("GET", "/errors", errors.errors),
    Route("GET", "/running", running.running),
    Route("GET", "/schedules", schedules.schedules),
    Route("POST", "/schedules/{queue}/{name}/pause", schedules.pause, Right.SCHEDULE),
    Route("POST", "/schedules/{queue}/{name}/resume", schedules.resume, Right.SCHEDULE),
    Route("POST", "/schedules/{queue}/{name}/run", schedules.run_now, Right.SCHEDULE),
    Route("GET", "/limits", limits.limits),
    Route("GET", "/daemons", daemons.daemons),
    Route("POST", "/daemons/{id}/dump", daemons.dump, Right.DAEMON),
    Route("POST", "/daemons/{id}/{act}", daemons.order, Right.DAEMON),
    Route("GET", "/new", new_job.choose),
    Route("GET", "/new/{queue}/{name}", new_job.form),
    Route("POST", "/new/{queue}/{name}", new_job.enqueue, Right.ENQUEUE),
    Route("GET", "/find", find.find),
)  # fmt: skip

ROUTES = Table((*PAGES, *paths.ROUTES))
