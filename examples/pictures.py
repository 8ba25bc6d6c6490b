"""Makes the pictures of the documentation: each page of the dashboard, light and dark, on a desk and on a phone.

    PYTHONPATH=examples python examples/pictures.py docs/pictures [PAGE …]

The world that they show is the example shop, half a minute of its life and an hour of made-up rates before that.
Needs playwright, Pillow and a Chromium.
"""

from __future__ import annotations

import io
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal
from wsgiref.simple_server import WSGIRequestHandler, make_server

from demo import end_server, running_daemon, stop, wait_for_server
from demo_web import FLAGS, customer_comes

CHROMIUM = "/usr/bin/chromium"
_WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_COLOURS = 96
#: What a picture may take, bytes.
_MOST_BYTES = 60_000
PAGES = {
    "overview": "/", "queue": "/queues/payments", "jobs": "/jobs?queue=payments&state=dead", "errors": "/errors",
    "running": "/running", "schedules": "/schedules", "limits": "/limits", "daemons": "/daemons",
    "new-job": "/new/reports/monthly_report", "bulk": "/jobs/bulk?queue=payments&state=dead&act=retry",
}  # fmt: skip


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> int:
    """Make the pictures; return the exit code."""
    folder, wanted = Path(sys.argv[1]), sys.argv[2:] or [*PAGES, "job"]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jqjobs-pictures-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        os.environ["JQ_REDIS_URL"] = f"embedded:{place / 'redis'}"
        try:
            with running_daemon(place / "jqd.log", *FLAGS) as daemon:
                wait_for_server(daemon, time.monotonic() + 60)
                seed()
                with served() as address:
                    take_pictures(address, folder, wanted)
                stop(daemon)
        finally:
            end_server(place / "redis")
    return 0


def seed() -> None:
    """Live through half a minute of the shop, and pretend an hour before."""
    from market import jobs

    write_past_hour(random.Random(3))
    for shops in (3, 1):
        jobs.monthly_report.enqueue(date(2026, 10, shops), list(range(shops)))
    for user in range(38):
        jobs.send_welcome.options(queue="newsletter").enqueue(user)
    jobs.app.queue("stock").pause(reason="their API is down until noon", by="maria", until="in 2h")
    rng = random.Random(7)
    for order in range(1000, 1240):
        customer_comes(rng, order)
    until_s = time.monotonic() + 60
    while jobs.app.queue("payments").counts().ready and time.monotonic() < until_s:
        time.sleep(0.5)
    time.sleep(3)


def write_past_hour(rng: random.Random) -> None:
    """Write the counters of the last hour, with failures in the middle of it."""
    from jqjobs.store import keys
    from market import jobs

    with jobs.app.client.store() as store:
        minute = int(time.time() // 60)
        for back in range(1, 61):
            done = 90 + 55 * math.sin(back / 9) + rng.uniform(-15, 15)
            failed = rng.randint(14, 30) if 24 < back < 32 else rng.randint(0, 3)
            key = store.address.key(keys.queue("payments", f"minute:{minute - back}"))
            store.wire.pipeline([("HSET", key, "done", int(done), "failed", failed), ("EXPIRE", key, 7200)])


@contextmanager
def served() -> Iterator[str]:
    """Serve the dashboard, and yield its address."""
    from jqjobs.web import Dashboard, everybody
    from market import jobs

    dashboard = Dashboard(jobs.app, auth=everybody, title="market")
    server = make_server("127.0.0.1", 0, dashboard.wsgi, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def take_pictures(address: str, folder: Path, wanted: list[str]) -> None:
    """Take each page in each width and scheme."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in _SCHEMES:
            for device, (width, height) in _WIDTHS.items():
                page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
                for name in wanted:
                    show(page, address, name)
                    write_small(page.screenshot(), folder / f"{name}-{device}-{scheme}.png")
                page.close()
        browser.close()


def show(page: Any, address: str, name: str) -> None:
    """Go to a page; to that of a job by way of the list of dead ones."""
    page.goto(address + PAGES.get(name, PAGES["jobs"]))
    if name == "job":
        page.locator("main tbody a.row").first.click()
        page.wait_for_url("**/jobs/payments/*")


def write_small(png: bytes, path: Path) -> None:
    """Write a picture with few colours: text needs no more."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS)
    image.save(path, optimize=True)
    if path.stat().st_size > _MOST_BYTES:
        print(f"{path} is large: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
