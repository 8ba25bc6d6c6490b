"""Peers of the benchmarks that are not on this machine are left out, and the reader is told what installs them."""

from __future__ import annotations

from pathlib import Path

import pytest

import envs
from subjects import BY_NAME


@pytest.mark.parametrize(("name", "said"), [("sidekiq", "apt install ruby-sidekiq"), ("bullmq", "apt install nodejs")])
def test_a_peer_that_is_not_there_is_missing_and_what_installs_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(envs.Missing, match=said):
        envs.prepare(BY_NAME[name], tmp_path)
