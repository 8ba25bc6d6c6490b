"""All paths of the dashboard."""

from __future__ import annotations

from jqjobs.web.api import paths
from jqjobs.web.pages import (
    batches,
    bulk,
    daemons,
    errors,
    find,
    job,
    jobs,
    limits,
    new_job,
    new_schedule,
    overview,
    queue,
    running,
    schedules,
)
from jqjobs.web.routes import Route, Table

#: An act asks for the right that it takes itself, since that depends on the act.
PAGES = (
    Route("GET", "/", overview.overview),
    Route("GET", "/queues/{queue}", queue.queue_page),
    Route("POST", "/queues/{queue}/{act}", queue.act),
    Route("GET", "/jobs", jobs.jobs),
    Route("POST", "/jobs/chosen", jobs.act_on_chosen),
    Route("GET", "/jobs/bulk", bulk.count_all),
    Route("POST", "/jobs/bulk", bulk.act_on_all_that_match),
    Route("GET", "/jobs/{queue}/{id}", job.job_page),
    Route("POST", "/jobs/{queue}/{id}/{act}", job.act),
    Route("GET", "/errors", errors.errors),
    Route("GET", "/running", running.running),
    Route("GET", "/schedules", schedules.schedules),
    Route("POST", "/schedules/{queue}/{name}/{act}", schedules.act),
    Route("GET", "/batches", batches.batches),
    Route("GET", "/batches/{queue}/{id}", batches.batch_page),
    Route("POST", "/batches/{queue}/{id}/{act}", batches.act),
    Route("GET", "/limits", limits.limits),
    Route("GET", "/daemons", daemons.daemons),
    Route("POST", "/daemons/{id}/{act}", daemons.act),
    Route("GET", "/new", new_job.choose),
    Route("GET", "/new/{queue}/{name}", new_job.form),
    Route("POST", "/new/{queue}/{name}", new_job.enqueue),
    Route("GET", "/new/{queue}/{name}/schedule", new_schedule.form),
    Route("POST", "/new/{queue}/{name}/schedule", new_schedule.add),
    Route("GET", "/find", find.find),
)  # fmt: skip

ROUTES = Table((*PAGES, *paths.ROUTES))
