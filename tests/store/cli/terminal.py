"""Runs jqctl in the process of the test, and reads what it writes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import click
import pytest

from jqjobs.cli import jqctl


class Terminal:
    """Runs jqctl in this process against one server."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys
        self.out = self.err = ""
        self.asked: list[str] = []

    def answers(self, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
        """Be a terminal where somebody says "y" or "n" to each question."""

        def confirm(question: str, **_: Any) -> None:
            self.asked.append(question)
            if answer != "y":
                raise click.Abort

        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr(click, "confirm", confirm)

    def run(self, *words: str) -> int:
        code = jqctl.run(["--redis", self._url, *words])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *words: str) -> dict[str, Any]:
        self.code = self.run(*words, "--json")
        answer: dict[str, Any] = json.loads(self.out)
        assert answer.pop("v") == 1
        return answer

    def error(self, *words: str) -> dict[str, Any]:
        self.code = self.run(*words, "--json")
        answer = json.loads(self.err)
        assert answer["v"] == 1
        error: dict[str, Any] = answer["error"]
        assert set(error) == {"code", "message", "hint"}
        return error
