"""Telemetry with real workers: a trace that another program began goes on in them, and nothing is lost at their end."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.daemon import Site
from waiting import eventually

APP = """
import json
import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import jqjobs.otel
from jqjobs import App

app = App()


class ToFile(SpanExporter):
    def export(self, spans):
        with Path(os.environ["JQ_TEST_JOURNAL"] + ".spans").open("a") as file:
            for span in spans:
                line = {"name": span.name, "trace": f"{span.context.trace_id:032x}", "parent": span.parent.span_id}
                file.write(json.dumps(line) + "\\n")
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ToFile(), schedule_delay_millis=3_600_000))
trace.set_tracer_provider(provider)
jqjobs.otel.instrument(app)


@app.job
def work(number: int) -> None: ...
"""


def spans_in(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_traces_of_raw_envelopes_go_on_and_workers_of_one_job_each_lose_no_span(site: Site) -> None:
    """Of ten such jobs Celery's instrumentation loses nine: opentelemetry-python-contrib#4916."""
    site.start_daemon("--app", site.write_app("traced", APP), "--max-jobs", "1")
    for n in range(1, 6):
        meta = {"traceparent": f"00-{n:032x}-{n:016x}-01"}
        site.server.call("LPUSH", "jq:{default}:inbox", json.dumps({"job": "work", "args": [n], "meta": meta}))
    path = site.directory / "journal.spans"
    eventually(lambda: len(spans_in(path)) == 5, 120, "5 spans")
    assert sorted((str(span["trace"]), span["parent"]) for span in spans_in(path)) == [
        (f"{n:032x}", n) for n in range(1, 6)
    ]
    assert {span["name"] for span in spans_in(path)} == {"process work"}
