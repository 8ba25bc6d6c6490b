"""The dashboard in a real browser, beside a real daemon."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from e2e.daemon import Site
from jqjobs.jobs.records import State
from jqjobs.web import Dashboard, everybody
from servers import must_not_skip

AXE = Path(__file__).parent / "vendor/axe-core-4.14.1.min.js"
APP = """
import enum
import time

from jqjobs import App

app = App()

class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"

@app.job(queue="shop", keep="1h")
def resize(path: str, width: int, size: Size = Size.SMALL, exact: bool = False) -> str:
    return f"{path} {width} {size.value} {exact}"

@app.job(queue="shop", max_attempts=1)
def fail(words: str) -> None:
    raise ValueError(words)
"""
pytestmark = pytest.mark.xdist_group("dashboard")
PAGES = ("/", "/queues/shop", "/jobs", "/jobs?queue=shop&state=dead", "/errors", "/running", "/schedules", "/limits",
         "/daemons", "/new", "/new/shop/resize", "/find?q=nothing")  # fmt: skip


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; its pages may take a while on a busy machine."""
    found = shutil.which("chromium")
    if not found and not must_not_skip():
        pytest.skip("there is no chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """Where the dashboard of a site with a daemon is."""
    site.start_daemon("--app", site.write_app("shop_jobs", APP), "--queues", "shop")
    dashboard = Dashboard(site.server.url, auth=everybody)
    server = make_server("127.0.0.1", 0, dashboard.wsgi, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    dashboard.close()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_job_is_dispatched_by_a_form_and_seen_to_finish(chromium: Any, address: str, javascript: bool) -> None:
    page = chromium.new_page(java_script_enabled=javascript)
    page.set_default_timeout(30_000)

    page.goto(f"{address}/new")
    page.get_by_role("link", name="resize").click()
    page.get_by_label("path").fill("a.png")
    page.get_by_label("width").fill("300")
    page.get_by_label("size").select_option("large")
    page.get_by_label("Priority").fill("7")
    page.get_by_label("Delay").fill("1s")
    page.get_by_role("button", name="Enqueue").click()

    assert "resize is enqueued" in page.get_by_role("status").inner_text()
    looks = 0
    while "a.png 300 large False" not in page.content():
        looks += 1
        assert looks < 60
        page.wait_for_timeout(500)
        if not javascript:  # with it, the page keeps itself up to date
            page.reload()
    page.close()


def test_what_a_job_says_of_itself_never_runs(chromium: Any, address: str, site: Site) -> None:
    said: list[str] = []
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    job = site.send("fail", "<img src=x onerror=alert(1)><script>alert(2)</script>", queue="shop")
    while "onerror" not in page.content():
        page.goto(f"{address}/jobs?queue=shop&state=dead")
        page.wait_for_timeout(300)
    for url in ("/", "/errors", f"/jobs/shop/{job.id}"):
        page.goto(f"{address}{url}")
        page.wait_for_timeout(100)

    assert said == []
    assert page.locator("main img, main script").count() == 0
    page.close()


def test_a_list_that_keeps_itself_up_to_date_keeps_the_box_of_its_job(chromium: Any, address: str, site: Site) -> None:
    jobs = [site.send("fail", "x", queue="shop") for _ in range(3)]
    for job in jobs:
        site.wait_for(job, State.DEAD)
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{address}/jobs?queue=shop&state=dead")
    page.locator(f"#choose-{jobs[1].id}").check()
    for job in (jobs[0], jobs[2]):
        job.delete()
        page.wait_for_selector(f"#job-{job.id}", state="detached")

    chosen = page.locator("input[name=id]:checked").evaluate_all("boxes => boxes.map(box => box.value)")
    assert chosen == [jobs[1].id]
    assert page.locator("[data-live] [data-live]").count() == 0
    page.close()


def test_no_page_is_hard_to_use_or_asks_anybody_else(chromium: Any, address: str) -> None:
    for scheme in ("light", "dark"):
        page = chromium.new_page(color_scheme=scheme)
        page.set_default_timeout(30_000)
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        for url in PAGES:
            page.goto(f"{address}{url}")
            page.evaluate(AXE.read_text())
            found = page.evaluate("axe.run()")["violations"]
            serious = [(each["id"], each["nodes"][0]["html"]) for each in found
                       if each["impact"] in ("serious", "critical")]  # fmt: skip
            assert serious == [], url
        assert all(url.startswith(address) for url in asked)
        page.close()
