"""`make bench-web`: fill a server, look at each page and each answer of the API, print what that costs as a table.

python -m looks.run [--jobs 1000000] [--dead 100000] [--queues 1000] [--only WORD] [--server redis|valkey]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence

from jqjobs.operations import turns
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from jqjobs.web import Dashboard, everybody, snapshot
from looks.meter import Cost, Meter
from looks.world import HUGE, LIMITED, Size, fill
from stage import server

#: What no page may exceed: one script, all of Redis, all in all; ms.
_MOST_SCRIPT, _MOST_REDIS, _MOST_ALL = 10, 100, 1000
#: Read by one who looks, and good for all who look within the same second; the first time of all queues, then in turns.
_SHARED, _FIRST = "what is shared", "what is shared, the first time"
PAGES = {
    _FIRST: "/api/v1/daemons",
    _SHARED: "/api/v1/daemons",
    "Overview": "/",
    "a queue": f"/queues/{HUGE}",
    "Jobs: all queues": "/jobs",
    "Jobs: dead": f"/jobs?queue={HUGE}&state=dead",
    "Jobs: ready": f"/jobs?queue={HUGE}&state=ready",
    "Jobs: held": f"/jobs?queue={LIMITED}&state=held",
    "Jobs: a search that finds little": f"/jobs?queue={HUGE}&state=ready&text=nothing-like-it",
    "Jobs: rejected": f"/jobs?queue={HUGE}&state=rejected",
    "retry all, counted": f"/jobs/bulk?queue={HUGE}&state=dead&act=retry",
    "a job": f"/jobs/{HUGE}/dead-0",
    "Errors": "/errors",
    "Running": "/running",
    "Schedules": "/schedules",
    "Batches": "/batches",
    "a batch": f"/batches/{HUGE}/nightly",
    "Limits": "/limits",
    "Daemons": "/daemons",
    "New job": "/new",
    "New job: a form": f"/new/{HUGE}/send_mail",
    "New schedule: a form": f"/new/{HUGE}/send_mail/schedule",
    "Find": "/find?q=nothing-like-it",
}
ANSWERS = {
    path: f"/api/v1/{path}" for path in (
        "status", "queues", f"queues/{HUGE}", f"jobs?queue={HUGE}&state=dead", f"jobs/{HUGE}/dead-0", "errors",
        "recent", "schedules", "limits", "daemons", "catalog", "scale", f"scale?queues={HUGE}", "metrics",
    )
}  # fmt: skip


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="looks", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--dead", type=int, default=100_000)
    parser.add_argument("--queues", type=int, default=1000)
    parser.add_argument("--only", default="", metavar="WORD", help="only what has this word in its name")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Fill, look, print; return 1 when something is above its bound."""
    options = parse(words)
    size = Size(options.jobs, options.dead, options.queues)
    with server() as place:
        started = time.monotonic()
        fill(Store(parse_url(place.url), timeout_s=60), size)
        print(f"{place.kind}; filled in {time.monotonic() - started:.0f} s\n", file=sys.stderr)
        dashboard = Dashboard(place.url, auth=everybody)
        print("| | commands | in scripts | Redis, ms | dashboard, ms | slowest | bytes | compressed |")
        print("|---|--:|--:|--:|--:|---|--:|--:|")
        meter = Meter(dashboard, place.url)
        wanted = {name: path for name, path in {**PAGES, **ANSWERS}.items() if options.only in name}
        above = [name for name, path in wanted.items() if not _is_cheap(meter, name, path)]
        dashboard.close()
    return int(bool(above))


def _is_cheap(meter: Meter, name: str, path: str) -> bool:
    """Measure one page, print its line, and say whether it keeps within its bounds. What is shared counts once."""
    snapshot.FRESH_S, snapshot.REST = (0.0, 0.0) if name in (_FIRST, _SHARED) else (math.inf, 0.0)
    turns.OLDEST_MS = -1 if name == _FIRST else 60_000
    cost = meter.cost(path)
    is_above = _is_above(cost)
    slowest = f"{cost.slowest_ms:.1f} ms {cost.slowest}" if cost.slowest else "< 0.1 ms"
    mark = " **above**" if is_above else ""
    print(f"| {name}{mark} | {cost.sent:,} | {cost.inside:,} | {cost.redis_ms:.1f} | {cost.own_ms:.0f} | {slowest} "
          f"| {cost.size:,} | {cost.zipped:,} |", flush=True)  # fmt: skip
    return not is_above


def _is_above(cost: Cost) -> bool:
    return cost.slowest_ms > _MOST_SCRIPT or cost.redis_ms > _MOST_REDIS or cost.redis_ms + cost.own_ms > _MOST_ALL


if __name__ == "__main__":
    sys.exit(main())
