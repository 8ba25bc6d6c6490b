"""The app of the campaign: a job that notes each of its runs; relays find its outbox, its workers have none."""

from __future__ import annotations

import os

from sqlalchemy import create_engine

from jqjobs import App, current_job
from jqjobs.outbox import Outbox

app = App()
if "CAMPAIGN_OUTBOX" in os.environ:
    Outbox(app, create_engine(os.environ["CAMPAIGN_OUTBOX"]))


@app.job
def note() -> None:
    """Write id and attempt into the journal: one write, so that lines stay whole."""
    job = current_job()
    assert job is not None
    journal = os.open(os.environ["CAMPAIGN_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(journal, f"{job.id} {job.attempt}\n".encode())
    os.close(journal)
