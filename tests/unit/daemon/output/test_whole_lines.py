"""Lines are whole however their bytes come, and objects where the log is JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.base.log_lines import printed_line
from jqjobs.daemon.output import whole_lines
from jqjobs.daemon.output.whole_lines import WholeLines


@given(st.lists(st.text("ab\n").map(str.encode)))
def test_what_comes_in_pieces_goes_on_in_whole_lines_and_none_is_lost(pieces: list[bytes]) -> None:
    lines = WholeLines(None)
    passed = [lines.feed(piece) for piece in pieces]
    passed.append(lines.end())
    assert all(part.endswith(b"\n") for part in passed if part)
    assert b"".join(passed).removesuffix(b"\n") == b"".join(pieces).removesuffix(b"\n")


def test_a_line_without_an_end_is_cut_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_lines, "MOST_BYTES", 10)
    lines = WholeLines(None)
    assert [lines.feed(b"x" * 8), lines.feed(b"y" * 8), lines.feed(b"z\n")] == [b"", b"xxxxxxxxyyyyyyyy\n", b"z\n"]


@pytest.mark.parametrize("said", [b"hello", b"", b"\xff\x00", b'{"a": 1', b'{"a": 1} {}', b"{1}", b"[1]", b"{'a': 1}"])
def test_in_a_json_log_what_is_no_object_becomes_one(said: bytes) -> None:
    shown = WholeLines(lambda line: printed_line("worker:7", line)).feed(said + b"\n")
    assert shown.count(b"\n") == 1
    found = json.loads(shown)
    assert (found["who"], found["event"]) == ("worker:7", "output")
    assert found["message"] == said.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize("said", [b'{"event": "log"}', b"{}", b'{"a": [{"b": "\\n"}]}'])
def test_an_object_stays_as_it_is(said: bytes) -> None:
    assert WholeLines(lambda line: b"no").feed(said + b"\n") == said + b"\n"
