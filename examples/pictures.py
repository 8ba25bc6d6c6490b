"""Makes the pictures of the documentation: each page of the dashboard, light and dark, on a desk and on a phone.

    python examples/pictures.py docs/pictures [PAGE …]

The world that they show is in `night`. Needs playwright, Pillow and a Chromium.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from wsgiref.simple_server import WSGIRequestHandler, make_server

from jqjobs.embedded import EmbeddedServer
from jqjobs.store.address import parse_url
from jqjobs.store.store import Store
from night import live_through

CHROMIUM = "/usr/bin/chromium"
_WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_COLOURS = 96
#: What a picture may take, bytes.
_MOST_BYTES = 40_000
_DEAD = "/jobs?queue=payments&state=dead"
_RETRY = "/jobs/bulk?queue=payments&state=dead&act=retry&error=pay.example"
_DIGEST = "/new/reports/monthly_report/schedule?edit=digest:42"
PAGES = {
    "overview": "/", "queue": "/queues/payments", "jobs": _DEAD, "job": _DEAD, "errors": "/errors",
    "running": "/running", "schedules": "/schedules", "limits": "/limits", "daemons": "/daemons",
    "new-job": "/new/reports/monthly_report", "bulk": _RETRY, "batches": "/batches",
    "batch": "/batches/payments/refunds-south", "new-schedule": _DIGEST,
}  # fmt: skip


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> int:
    """Make the pictures; return the exit code."""
    folder, wanted = Path(sys.argv[1]), sys.argv[2:] or list(PAGES)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jqjobs-pictures-") as place, running_server(Path(place)) as url:
        store = Store(parse_url(url))
        with served(url) as address:
            take_pictures(store, address, folder, wanted)
        store.close()
    return 0


@contextmanager
def running_server(place: Path) -> Iterator[str]:
    """Run an embedded Valkey, and yield its URL."""
    server = EmbeddedServer.ensure(f"embedded:{place / 'redis'}", place)
    assert server is not None, "another process runs the server of a directory that is ours alone"
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def served(url: str) -> Iterator[str]:
    """Serve the dashboard, and yield its address."""
    from jqjobs.web import Dashboard, everybody, snapshot

    snapshot.FRESH_S = snapshot.REST = 0.0
    dashboard = Dashboard(url, auth=everybody, title="market")
    server = make_server("127.0.0.1", 0, dashboard.wsgi, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        dashboard.close()


def take_pictures(store: Store, address: str, folder: Path, wanted: list[str]) -> None:
    """Take each page in each width and scheme; before each one the night is made anew, so that all show the same."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in _SCHEMES:
            for device, (width, height) in _WIDTHS.items():
                page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
                page.set_default_timeout(60_000)
                for name in wanted:
                    store.wire.call("FLUSHALL")
                    live_through(store)
                    show(page, address, name)
                    write_small(page.screenshot(), folder / f"{name}-{device}-{scheme}.webp")
                page.close()
        browser.close()


def show(page: Any, address: str, name: str) -> None:
    """Go to a page; to that of a job by way of the list of dead ones."""
    page.goto(address + PAGES[name])
    if name == "job":
        page.locator("main tbody a.row").first.click()
        page.wait_for_url("**/jobs/payments/*")


def write_small(png: bytes, path: Path) -> None:
    """Write a picture with few colours: text needs no more."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS).convert("RGB")
    image.save(path, lossless=True)
    if path.stat().st_size > _MOST_BYTES:
        print(f"{path} is large: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    os.environ.setdefault("JQ_REDIS_URL", "embedded:")  # of the example shop, which is not asked for anything
    sys.exit(main())
