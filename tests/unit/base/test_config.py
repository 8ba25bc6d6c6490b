"""Where settings come from: the process's environment before `.env`, and an empty value counts as none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jqjobs.base.config import DEFAULT_REDIS_URL, Environment, read_dotenv
from jqjobs.errors import ConfigError


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_NAME=file\nJQ_GRACE='5s'\n# JQ_POLL=9\nexport JQ_LEASE=7\nOTHER=1\n")
    found = Environment({"JQ_NAME": "own", "JQ_APP": "a:b"}, tmp_path)
    seen = [found.get(name) for name in ("name", "app", "grace", "lease", "poll", "other")]
    assert seen == ["own", "a:b", "5s", "7", None, None]


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_NAME=file\nJQ_GRACE=\nJQ_POLL\n")
    found = Environment({"JQ_NAME": "", "JQ_APP": ""}, tmp_path)
    assert [found.get(name) for name in ("name", "app", "grace", "poll")] == ["file", None, None, None]


def test_where_redis_is(tmp_path: Path) -> None:
    assert Environment({}, tmp_path).redis_url() == DEFAULT_REDIS_URL
    assert Environment({"JQ_REDIS_URL": "redis://own"}, tmp_path).redis_url() == "redis://own"
    assert Environment({"JQ_REDIS_URL": "redis://own"}, tmp_path).redis_url("redis://flag") == "redis://flag"


def test_reading_the_file_changes_nothing_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_TEST_LEAK=1\n")
    before = dict(os.environ)
    assert read_dotenv(tmp_path / ".env") == {"JQ_TEST_LEAK": "1"}
    assert dict(os.environ) == before


def test_no_file_is_no_variables(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}
    (tmp_path / ".env").mkdir()
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_file_that_is_no_text_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"JQ_NAME=\xff\xfe\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        Environment({}, tmp_path)
