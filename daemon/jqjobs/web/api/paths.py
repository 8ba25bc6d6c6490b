"""The paths of the JSON API, and of what Prometheus asks."""

from __future__ import annotations

from jqjobs.web.api import acts, looks
from jqjobs.web.routes import Route

ROUTES = (
    Route("GET", "/api/v1/status", looks.status),
    Route("GET", "/api/v1/queues", looks.queues),
    Route("GET", "/api/v1/queues/{queue}", looks.queue),
    Route("GET", "/api/v1/jobs", looks.jobs),
    Route("GET", "/api/v1/jobs/{queue}/{id}", looks.job),
    Route("GET", "/api/v1/errors", looks.errors),
    Route("GET", "/api/v1/recent", looks.recent),
    Route("GET", "/api/v1/schedules", looks.schedules),
    Route("GET", "/api/v1/batches", looks.batches),
    Route("GET", "/api/v1/batches/{queue}/{id}", looks.batch),
    Route("GET", "/api/v1/limits", looks.limits),
    Route("GET", "/api/v1/daemons", looks.daemons),
    Route("GET", "/api/v1/catalog", looks.catalog),
    Route("GET", "/api/v1/scale", looks.scale),
    Route("GET", "/api/v1/metrics", looks.metrics),
    Route("GET", "/metrics", looks.metrics),
    Route("POST", "/api/v1/jobs", acts.enqueue),
    Route("POST", "/api/v1/jobs/{queue}/{id}/{act}", acts.on_job),
    Route("POST", "/api/v1/queues/{queue}/{act}", acts.on_queue),
    Route("POST", "/api/v1/schedules", acts.add_schedule),
    Route("POST", "/api/v1/schedules/{queue}/{schedule}/{act}", acts.on_schedule),
    Route("POST", "/api/v1/batches", acts.open_batch),
    Route("POST", "/api/v1/batches/{queue}/{id}/{act}", acts.on_batch),
    Route("POST", "/api/v1/daemons/{daemon}/{act}", acts.on_daemon),
    Route("POST", "/api/v1/bulk", acts.in_bulk),
)  # fmt: skip
