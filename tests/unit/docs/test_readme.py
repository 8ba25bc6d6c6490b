"""The examples of the README that need no Redis, run as they stand, with jobs in memory."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

import jqjobs
from jqjobs import current_job
from jqjobs.jobs.hooks import EVENTS
from jqjobs.testing import in_memory

README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")


def block(sign: str) -> str:
    """The Python block that has these characters in it."""
    found = [text for text in re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL) if sign in text]
    assert len(found) == 1, sign
    return str(found[0])


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the quick start's shop.py defines; its slow mail server is quick."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    names: dict[str, Any] = {"__name__": "shop"}
    exec(block("app = App()\n\n\n@app.job"), names)
    return names


def test_results_and_progress(shop: dict[str, Any], tmp_path: Path) -> None:
    names = shop | {"current_job": current_job}
    exec(block("job.progress("), names)
    (tmp_path / "shop.py").write_text("five words are in here")
    with in_memory(shop["app"]) as jobs:
        count = shop["count_words"].options(id="gpzqubn5x7ly7cf7").enqueue(str(tmp_path / "shop.py"))
        resize = names["resize"].enqueue(["a.png", "b.png"])
        jobs.drain()
        lines = block("job.result(").splitlines()
        for line in lines[1:]:
            assert eval(line.split("  #")[0], {"job": count, "app": shop["app"]}) == 5
        assert resize.info().progress["percent"] == 50
        assert [line.text for line in resize.info().log] == ["a.png is done", "b.png is done"]


def test_hooks_and_middleware(shop: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    exec(block("@send_welcome.on_failure"), shop)
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
    shown = re.findall(r"^\| `(\w+)\((.*?)\)` \|", README.split("### Hooks and middleware")[1], re.MULTILINE)
    assert {name: tuple(arguments.split(", ")) for name, arguments in shown} == EVENTS


def test_the_table_of_errors_is_complete() -> None:
    table = re.search(r"^\| error \|.*?\n\n", README, re.MULTILINE | re.DOTALL)
    assert table
    first_cells = [line.split("|")[1] for line in table[0].strip().splitlines()[2:]]
    listed = re.findall(r"`(\w+)`", " ".join(first_cells))
    public = {name for name in jqjobs.__all__ if is_kind_of(getattr(jqjobs, name), BaseException)}
    assert sorted(listed) == sorted(public)


def is_kind_of(found: object, kind: type) -> bool:
    return isinstance(found, type) and issubclass(found, kind)


def test_things_put_off(shop: dict[str, Any]) -> None:
    said: list[str] = []
    names = shop | {"send_statistics": said.append, "application": object()}
    exec(block("app.later("), names)
    assert callable(names["application"])
    shop["app"].put_off.run_next()
    assert said == ["signed up"]


def test_the_test_of_the_readme_passes(shop: dict[str, Any]) -> None:
    shop["sign_up"] = lambda address: shop["send_welcome"].enqueue(42)
    exec(block("def test_signing_up"), shop)
    shop["test_signing_up"]()
