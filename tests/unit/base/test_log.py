"""Log lines: fields, no raw control characters, and no line ever holds up or breaks what logs it."""

from __future__ import annotations

import json
import logging
import logging.config
import os
import re
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any, TextIO

import msgspec
import pytest

from jqjobs.base import log
from jqjobs.base.log import CalmHandler, JsonFormat, TextFormat


@pytest.fixture(autouse=True)
def untouched(own_log: None) -> Iterator[None]:
    """Put the loggers back as they were."""
    yield
    log.JOBS.handlers.clear()


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", closefd=True)
    yield reading, stream
    for close in (lambda: os.close(reading), stream.close):
        try:
            close()
        except OSError:
            pass


def record(event: str = "job.done", *, fields: dict[str, Any] | None = None, exc_info: Any = None) -> logging.LogRecord:
    made = logging.LogRecord("jqjobs", logging.INFO, "", 0, event, (), exc_info)
    made.jq_fields = fields or {}
    return made


def listen(monkeypatch: pytest.MonkeyPatch, stream: TextIO, **how: Any) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    log.configure("test:1", **how)


def test_a_text_line_has_time_level_who_event_and_fields() -> None:
    line = TextFormat("worker:7").format(
        record(fields={"job": "q/1", "ms": 5, "error": "a b", "empty": "", "eq": "a=b"})
    )
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO +worker:7 job\.done job=q/1 ms=5 error="a b" empty="" eq="a=b"',
        line,
    )


def test_nothing_from_outside_acts_on_a_terminal_or_forges_a_line() -> None:
    nasty = "x\n2026-01-01 00:00:00.000 INFO forged\x1b[31m\u202e\x07\0"
    try:
        raise ValueError(nasty)
    except ValueError:
        line = TextFormat("w").format(record(nasty, fields={"error": nasty}, exc_info=sys.exc_info()))
    first, *rest = line.split("\n")
    assert first.isprintable()
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert not any(text.startswith("2026-01-01") for text in rest)


def test_a_json_line_is_one_line_whatever_is_in_it() -> None:
    line = JsonFormat("w").format(
        record(fields={"error": "a\nb\x1b\u202e\ud800", "path": os, "in": [{"\udcff": "\udcfe"}]})
    )
    assert line.isascii()
    assert "\n" not in line
    found = msgspec.json.decode(line)  # strict: half a character is no JSON
    assert (found["event"], found["who"], found["level"], found["error"]) == (
        "job.done",
        "w",
        "info",
        "a\nb\x1b\u202e\\ud800",
    )
    assert found["in"] == [{"\\udcff": "\\udcfe"}]


def test_a_traceback_goes_into_the_json() -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        found = json.loads(JsonFormat("w").format(record(exc_info=sys.exc_info())))
    assert "ValueError: boom" in found["exception"]


def test_fields_that_are_none_are_left_out(pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    listen(monkeypatch, pipe[1], form="json")
    log.event("e", a=None, b=0, c="")
    assert {"a", "b", "c"} & set(json.loads(os.read(pipe[0], 1000))) == {"b", "c"}


def test_what_is_below_the_level_is_not_written(pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    listen(monkeypatch, pipe[1], level="warning")
    log.event("quiet")
    log.event("loud", level=logging.WARNING)
    assert b"quiet" not in (said := os.read(pipe[0], 1000))
    assert b"loud" in said


def test_a_reader_that_stopped_reading_holds_nobody_up(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, stream = pipe
    listen(monkeypatch, stream)
    handler = logging.getLogger("jqjobs").handlers[0]
    assert isinstance(handler, CalmHandler)
    for number in range(5000):  # far more than a pipe holds
        log.event("line", number=number, text="x" * 100)
    assert handler.lost > 0
    said = b""
    while b"number=0 " not in said or len(said) < 60_000:
        said += os.read(reading, 1 << 20)
    lost = handler.lost
    log.event("again")
    assert f"({lost} log lines were lost)" in os.read(reading, 1 << 20).decode()
    assert handler.lost == 0


def test_a_reader_that_is_gone_holds_nobody_up(pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, stream = pipe
    listen(monkeypatch, stream)
    os.close(reading)
    for _ in range(3):
        log.event("line")
    assert logging.getLogger("jqjobs").handlers[0].lost == 3  # type: ignore[attr-defined]


def test_a_full_disk_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as stream:
        listen(monkeypatch, stream)
        log.event("line")
    assert logging.getLogger("jqjobs").handlers[0].lost == 1  # type: ignore[attr-defined]


def test_a_closed_stream_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    stream.close()
    listen(monkeypatch, stream)
    log.event("line")
    assert logging.getLogger("jqjobs").handlers[0].lost == 1  # type: ignore[attr-defined]


def test_a_field_whose_str_raises_breaks_nothing(pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no")

    for form in ("text", "json"):
        listen(monkeypatch, pipe[1], form=form)
        log.event("line", rude=Rude())
        log.event("next")
        assert b"next" in os.read(pipe[0], 10_000)


@pytest.fixture
def without_handlers(monkeypatch: pytest.MonkeyPatch) -> Callable[[], logging.Logger]:
    """Empty the root logger; to be called in the test itself, since pytest adds its handlers after the fixtures."""

    def empty() -> logging.Logger:
        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [])
        monkeypatch.setattr(root, "level", root.level)
        monkeypatch.setattr(root.manager, "disable", 0)
        return root

    return empty


def test_what_the_app_logs_says_which_job_it_is_about(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch, without_handlers: Callable[[], logging.Logger]
) -> None:
    monkeypatch.setattr(sys, "stderr", pipe[1])
    without_handlers()
    log.take_app_lines("worker:7", lambda: {"job": "mails/1"}, form="json")
    logging.getLogger("shop.mails").info("sent to %s", "a\nb")
    line = json.loads(os.read(pipe[0], 65536))
    assert {key: line[key] for key in ("who", "level", "event", "logger", "message", "job")} == {
        "who": "worker:7", "level": "info", "event": "log", "logger": "shop.mails", "message": "sent to a\nb",
        "job": "mails/1",
    }  # fmt: skip


def test_what_the_app_logs_is_one_line_of_text(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch, without_handlers: Callable[[], logging.Logger]
) -> None:
    monkeypatch.setattr(sys, "stderr", pipe[1])
    without_handlers()
    log.take_app_lines("worker:7", dict)
    logging.getLogger("shop").warning("two\nlines")
    assert os.read(pipe[0], 65536).decode().endswith("WARNING worker:7 shop: two\\nlines\n")


def test_an_app_that_has_set_up_logging_is_left_alone(without_handlers: Callable[[], logging.Logger]) -> None:
    root, own = without_handlers(), logging.StreamHandler(StringIO())
    root.addHandler(own)
    log.take_app_lines("worker:7", dict)
    assert root.handlers == [own]


def test_a_traceback_stands_below_its_line_in_text_and_in_a_field_in_json(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in ("text", "json"):
        listen(monkeypatch, pipe[1], form=form)
        log.event("job.failed", logger=log.JOBS, traceback="Traceback …\nValueError: no", job="q/1")
    text, below, end, found = os.read(pipe[0], 10_000).decode().splitlines()
    assert text.endswith("job.failed job=q/1")
    assert (below, end) == ("    Traceback …", "    ValueError: no")
    assert (line := json.loads(found))["event"] == "job.failed"
    assert line["exception"] == "Traceback …\nValueError: no"


@pytest.fixture
def app_with_logging(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch, without_handlers: Callable[[], logging.Logger]
) -> Callable[[], StringIO]:
    """An app that sets up logging as Django does: by a dict, which disables each logger that it does not name."""

    def load() -> StringIO:
        own = StringIO()
        without_handlers()
        listen(monkeypatch, pipe[1])
        logging.config.dictConfig({
            "version": 1,
            "handlers": {"own": {"class": "logging.StreamHandler", "stream": own}},
            "root": {"handlers": ["own"], "level": "INFO"},
        })  # fmt: skip
        log.take_app_lines("worker:7", dict)
        return own

    return load


def test_an_app_that_sets_up_logging_silences_no_event(
    pipe: tuple[int, TextIO], app_with_logging: Callable[[], StringIO]
) -> None:
    app_with_logging()
    logging.disable(logging.CRITICAL)  # `without_handlers` puts it back
    os.set_blocking(pipe[0], False)
    log.event("worker.ended")
    log.event("job.failed", logger=log.JOBS)
    said = os.read(pipe[0], 10_000)
    assert b"worker.ended" in said
    assert b"job.failed" in said


def test_a_process_that_is_not_ours_may_silence_events_and_sees_where_they_come_from(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log.event("redis.lost", level=log.CRITICAL)
    [seen] = caplog.records
    assert (seen.pathname, seen.funcName, seen.lineno > 0) == (__file__, sys._getframe().f_code.co_name, True)
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        log.event("redis.lost", level=log.CRITICAL)
    finally:
        logging.disable(before)
    assert caplog.records == [seen]


def test_an_app_that_has_set_up_logging_is_shown_dead_jobs_once_and_nothing_else(
    app_with_logging: Callable[[], StringIO],
) -> None:
    own = app_with_logging()
    log.event("worker.ended", level=log.ERROR)
    log.event("job.failed", level=log.WARNING, logger=log.JOBS)
    assert own.getvalue() == ""
    error = ValueError("boom")
    log.event("job.failed", level=log.ERROR, logger=log.JOBS, exc_info=(ValueError, error, None))
    assert own.getvalue() == "job.failed\nValueError: boom\n"
