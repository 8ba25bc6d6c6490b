"""Where settings come from: the process's environment before `.env`, and an empty value counts as none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jqjobs.base.config import DEFAULT_REDIS_URL, Environment, dotenv_of, read_dotenv, use_redis
from jqjobs.errors import ConfigError
from jqjobs.store.address import parse_url


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_NAME=file\nJQ_GRACE='5s'\n# JQ_POLL=9\nexport JQ_LEASE=7\nOTHER=1\n")
    found = Environment({"JQ_NAME": "own", "JQ_APP": "a:b"}, tmp_path)
    seen = [found.get(name) for name in ("name", "app", "grace", "lease", "poll", "other")]
    assert seen == ["own", "a:b", "5s", "7", None, None]


@pytest.mark.parametrize("marker", ["pyproject.toml", "setup.cfg", "setup.py", ".git"])
def test_the_file_is_looked_for_upwards_to_the_root_of_the_project_and_no_further(tmp_path: Path, marker: str) -> None:
    inside = tmp_path / "project" / "package" / "inner"
    inside.mkdir(parents=True)
    (tmp_path / ".env").write_text("JQ_NAME=stranger\n")
    assert dotenv_of(inside) is None, "outside a project nobody looks upwards"
    (tmp_path / "project" / marker).touch()
    assert dotenv_of(inside) is None, "nor beyond its root"
    (tmp_path / "project" / ".env").write_text("JQ_NAME=root\nJQ_REDIS_PASSWORD_FILE=secret\n")
    found = Environment({}, inside)
    assert (found.get("name"), found.dotenv) == ("root", tmp_path / "project" / ".env")
    assert found.path("secret") == tmp_path / "project" / "secret"
    (tmp_path / "project" / ".env").write_text("JQ_NAME=root\nJQ_REDIS_PASSWORD_FILE='secret '\n")
    found = Environment({}, inside)
    assert found.path(str(found.get("redis_password_file"))) == tmp_path / "project" / "secret"
    (inside / ".env").write_text("JQ_NAME=near\n")
    assert Environment({}, inside).get("name") == "near"


def test_an_empty_value_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_NAME=file\nJQ_GRACE=\nJQ_POLL\n")
    found = Environment({"JQ_NAME": "", "JQ_APP": ""}, tmp_path)
    assert [found.get(name) for name in ("name", "app", "grace", "poll")] == ["file", None, None, None]


def test_white_space_around_a_value_is_none_of_it(tmp_path: Path) -> None:
    """As `echo | base64` leaves it in a secret of Kubernetes, and env files of docker with a CR."""
    own = {"JQ_PREFIX": "shop\n", "JQ_QUEUES": " a,b\r", "JQ_REDIS_PASSWORD": " s e \r\n", "JQ_NAME": " \n"}
    found = Environment(own, tmp_path)
    seen = [found.get(name) for name in ("prefix", "queues", "redis_password", "name")]
    assert seen == ["shop", "a,b", " s e ", None]


def test_a_file_as_windows_writes_it_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfJQ_NAME=first\r\nJQ_APP='a:b'\r\n")
    found = Environment({}, tmp_path)
    assert (found.get("name"), found.get("app")) == ("first", "a:b")


@pytest.mark.parametrize("line", ["JQ_REDIS_PASSWORD='hunter2", "JQ_REDIS_PASSWORD: hunter2", "set JQ_NAME=hunter2"])
def test_a_line_of_ours_that_does_not_parse_is_refused_and_another_is_nobodys_business(
    tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(f"JQ_NAME=file\nif [ -t 0 ]; then\n{line}\n")
    with pytest.raises(ConfigError) as raised:
        read_dotenv(tmp_path / ".env")
    assert f"line 3 of {tmp_path / '.env'}" in raised.value.in_one_line()
    assert "hunter2" not in raised.value.in_one_line()

    (tmp_path / ".env").write_text("JQ_NAME=file\nif [ -t 0 ]; then\nMYJQ_TOKEN='hunter2\n")
    assert read_dotenv(tmp_path / ".env") == {"JQ_NAME": "file"}
    assert capsys.readouterr().err + caplog.text == "", "a log of JSON has no lines of others"


def test_a_directory_that_may_not_be_searched_has_no_settings_and_is_no_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As that of root after `sudo -u`. Stands for it: whoever may look everywhere, as root may, cannot be refused."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert Environment({"JQ_NAME": "own"}, tmp_path).get("name") == "own"


def test_where_redis_is(tmp_path: Path) -> None:
    assert Environment({}, tmp_path).redis_url() == DEFAULT_REDIS_URL
    assert Environment({"JQ_REDIS_URL": "redis://own"}, tmp_path).redis_url() == "redis://own"
    assert Environment({"JQ_REDIS_URL": "redis://own"}, tmp_path).redis_url("redis://flag") == "redis://flag"


@pytest.mark.parametrize(
    ("own", "flag", "prefix", "found"),
    [
        ({"JQ_PREFIX": "own"}, None, None, "redis://127.0.0.1:6379/0?prefix=own"),
        ({"JQ_PREFIX": "own"}, "redis://flag?db=1", None, "redis://flag?db=1&prefix=own"),
        ({"JQ_PREFIX": "own"}, "redis://flag?prefix=url", None, "redis://flag?prefix=url"),
        ({"JQ_PREFIX": "own"}, "redis://flag?prefix=url&db=1", "chosen", "redis://flag?db=1&prefix=chosen"),
        ({"JQ_REDIS_URL": "redis://own?prefix=own", "JQ_PREFIX": "own"}, None, None, "redis://own?prefix=own"),
        ({"JQ_REDIS_URL": "redis://own?prefix=a%3Ab", "JQ_PREFIX": "a:b"}, None, None, "redis://own?prefix=a%3Ab"),
        ({"JQ_REDIS_URL": "embedded:"}, None, "chosen", "embedded:?prefix=chosen"),
        ({"JQ_REDIS_URL": " redis://own\n"}, None, "chosen", "redis://own?prefix=chosen"),
    ],
)
def test_the_prefix_chosen_goes_before_that_of_the_url_before_that_of_the_environment(
    own: dict[str, str], flag: str | None, prefix: str | None, found: str, tmp_path: Path
) -> None:
    assert Environment(own, tmp_path).redis_url(flag, prefix) == found


def test_two_prefixes_in_the_environment_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_REDIS_URL=redis://own?prefix=production\n")
    with pytest.raises(ConfigError, match="another prefix than JQ_PREFIX, which is 'staging'"):
        Environment({"JQ_PREFIX": "staging"}, tmp_path).redis_url()


def test_a_raw_password_is_never_taken_for_a_prefix(tmp_path: Path) -> None:
    found = Environment({}, tmp_path).redis_url("redis://:12?prefix=x@host", "chosen")
    with pytest.raises(ConfigError, match="raw"):
        parse_url(found)


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


def test_what_a_worker_starts_goes_where_it_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JQ_REDIS_URL=redis://file?prefix=file\nJQ_PREFIX=file\n")
    for name in ("JQ_REDIS_URL", "JQ_PREFIX"):
        monkeypatch.setenv(name, "before")
    use_redis("redis://flag?prefix=a%3Ab")
    assert Environment(directory=tmp_path).redis_url() == "redis://flag?prefix=a%3Ab"
    assert Environment(directory=tmp_path).redis_url("redis://other") == "redis://other?prefix=a:b"
