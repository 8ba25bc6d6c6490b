"""`jqctl metrics`: what Prometheus is told of queues; once, or for each scrape by HTTP."""

from __future__ import annotations

import click

from jqjobs.cli.output import write_json, write_text
from jqjobs.cli.session import FOR_PEOPLE, WITHOUT_IDS, Session, speaks_to_redis


@click.command("metrics")
@click.option("--listen", "address", metavar="ADDR", help="Answer GET /metrics there: HOST:PORT, :PORT or unix:/path.")
@speaks_to_redis
@click.pass_obj
def metrics(session: Session, address: str | None) -> None:
    """Print queues, workers and statistics by job name for Prometheus, as text; with --json the same as an object.

    Let one process tell them: sums over several would count all jobs several times. `jqd --health` tells of its own
    daemon only.

    \b
    Examples:
      jqctl metrics
      jqctl metrics --listen 127.0.0.1:9811
      jqctl metrics --json | jq '.metrics[] | select(.name == "jqjobs_jobs").samples[]'
      jqctl metrics > /var/lib/node_exporter/jqjobs.prom
    """
    session.answers_in(*WITHOUT_IDS)
    if address is not None:
        session.answers_in(*FOR_PEOPLE, where="--listen")
        from jqjobs.cli.metrics.metrics_server import serve  # http.server: 20 ms

        return serve(address, session)
    from jqjobs.base.exposition import exposition, metrics_json  # no other command needs these
    from jqjobs.store.reads.metrics import queue_metrics

    with session.store() as store:
        found = queue_metrics(store)
    if session.as_json:
        write_json({"metrics": metrics_json(found)})
    else:
        write_text(exposition(found))
    return None
