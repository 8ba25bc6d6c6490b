"""The how-tos, done with jobs in memory: what their examples do beside running. tests/store runs all of them."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from jqjobs import App
from jqjobs.jobs.hooks import EVENTS
from jqjobs.testing import in_memory
from unit.docs.pages import ROOT, fences


def names_of(page: str) -> dict[str, Any]:
    """What the shop.py of a page defines."""
    [source] = [block.body for block in fences(ROOT / "docs" / "how-to" / page) if block.title == "shop.py"]
    names: dict[str, Any] = {"__name__": "shop"}
    exec(source, names)
    return names


def test_hooks_and_middleware(capsys: pytest.CaptureFixture[str]) -> None:
    shop = names_of("hooks.md")
    with in_memory(shop["app"]) as jobs:
        shop["send_welcome"].enqueue(42)
        dead = shop["send_welcome"].options(max_attempts=1, id="x").enqueue(1)
        jobs.engine.records.get("emails", dead.id).payload = b'{"args":["a"]}'  # type: ignore[union-attr]
        jobs.drain()
    printed = capsys.readouterr().out
    assert "welcome, user 42" in printed
    assert re.search(r"^send_welcome \d", printed, re.MULTILINE)
    assert "send_welcome x () gave up" in printed


def test_the_table_of_hooks_is_complete() -> None:
    page = (ROOT / "docs" / "how-to" / "hooks.md").read_text("utf-8")
    shown = re.findall(r"^\| `(\w+)\((.*?)\)` \|", page, re.MULTILINE)
    assert {name: tuple(arguments.split(", ")) for name, arguments in shown} == EVENTS


def test_things_put_off_are_called_after_the_response() -> None:
    shop = names_of("after-the-answer.md")
    response = shop["application"]({}, lambda status, headers: None)
    assert list(response) == [b"welcome"]
    assert shop["sent"] == []
    response.close()
    assert shop["sent"] == ["signed up"]


def test_a_third_party_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    shop = names_of("third-parties.md")
    with in_memory(shop["app"]) as jobs:
        job = shop["encode"].enqueue("film.mov")
        jobs.drain()
        found = re.search(r"job=(\S+)&token=(\S+)", capsys.readouterr().out)
        assert found
        assert job.state() == "waiting"
        shop["app"].resolve(found[1], found[2], result={"url": "film.mp4"})
        jobs.drain()
        assert job.result() == {"url": "film.mp4"}


def test_the_dashboard_is_mounted_as_its_page_shows_it() -> None:
    web = pytest.importorskip("jqjobs.web", reason="the extra `web` is not installed")
    flask_app, fastapi_app, person = (
        Flask("shop"),
        FastAPI(),
        SimpleNamespace(is_staff=True, is_operator=False, name="ann"),
    )
    names: dict[str, Any] = {
        "app": App(redis_url="redis://h/0"), "flask_app": flask_app, "fastapi_app": fastapi_app,
        "session_user": lambda cookie: person,
        "DispatcherMiddleware": DispatcherMiddleware, "get_wsgi_application": lambda: flask_app.wsgi_app,
    }  # fmt: skip
    mounting, who, hiding = [each.body for each in fences(ROOT / "docs" / "dashboard.md") if each.language == "python"]
    for block in (who, mounting, hiding):  # who may come in is used above its definition
        exec(block, names)
    assert names["who"](SimpleNamespace(headers={})) == web.Access("ann", frozenset({web.Right.READ}))
    assert [route.path for route in fastapi_app.routes][-1] == "/jobs"
    assert names["application"].mounts["/jobs"] == names["dashboard"].wsgi
    assert names["pay"].name == "pay"


def test_the_example_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    [block] = [block.body for block in fences(ROOT / "README.md") if block.language == "python"]
    names: dict[str, Any] = {"__name__": "shop"}
    exec(block, names)
    with in_memory(names["app"]) as jobs:
        names["send_welcome"].enqueue(42)
        assert jobs.drain() == 1
    assert capsys.readouterr().out == "welcome, user 42 (default)\n"


def test_the_readme_is_short() -> None:
    assert len(Path(ROOT / "README.md").read_text("utf-8").splitlines()) <= 120
