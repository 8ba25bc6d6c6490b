"""Who we are to Redis: URL, settings, file or the app's own function, asked again before each connection."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from jqjobs import App
from jqjobs.base.config import Environment
from jqjobs.errors import ConfigError, InvalidOption, StoreUnavailable
from jqjobs.store.address import Address, parse_url
from jqjobs.store.login import with_login


def located(url: str, directory: Path, **variables: str) -> Address:
    return with_login(lambda _: parse_url(url), Environment(variables, directory))


@pytest.mark.parametrize(
    ("url", "variables", "both"),
    [
        ("redis://h", {}, ("", "")),
        ("redis://h", {"JQ_REDIS_PASSWORD": "pw"}, ("", "pw")),
        ("redis://h", {"JQ_REDIS_USERNAME": "ann", "JQ_REDIS_PASSWORD": "p#/?@%20"}, ("ann", "p#/?@%20")),
        ("redis://bob@h", {"JQ_REDIS_USERNAME": "ann", "JQ_REDIS_PASSWORD": "pw"}, ("bob", "pw")),
        ("redis://:url@h", {"JQ_REDIS_USERNAME": "ann", "JQ_REDIS_PASSWORD": "pw"}, ("", "url")),
        ("unix:///run/s", {"JQ_REDIS_USERNAME": "ann", "JQ_REDIS_PASSWORD": "pw"}, ("ann", "pw")),
    ],
)
def test_the_settings_say_what_the_url_leaves_open(
    tmp_path: Path, url: str, variables: dict[str, str], both: tuple[str, str]
) -> None:
    address = located(url, tmp_path, **variables)
    assert [address.credentials(), address.credentials()] == [both, both]
    assert "pw" not in repr(address)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_the_file_is_read_at_each_connect_wherever_the_process_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    file = tmp_path / "secrets" / "redis"
    file.parent.mkdir()
    file.write_text("one")
    (tmp_path / ".env").write_text("JQ_REDIS_PASSWORD_FILE=secrets/redis\n")
    monkeypatch.chdir(tmp_path)
    address = with_login(lambda _: Address(), Environment({}))
    assert address.credentials() == ("", "one")
    monkeypatch.chdir("/")
    file.write_text(f"\ufeff two {end}")
    assert address.credentials() == ("", " two ")
    (tmp_path / ".env").write_text("JQ_REDIS_PASSWORD=three\nJQ_REDIS_USERNAME=ann\n")
    assert address.credentials() == ("ann", "three")


def test_what_is_said_of_another_redis_is_not_for_this_one(tmp_path: Path) -> None:
    urls = iter(["redis://:one@here", "redis://:two@here", "redis://:three@there"])
    address = with_login(lambda _: parse_url(next(urls)), Environment({}, tmp_path))
    assert [address.credentials()[1] for _ in range(3)] == ["one", "two", "one"]


@pytest.mark.parametrize("content", [None, b"", b"\n", b"hunter2\xff"])
def test_a_password_file_that_says_nothing_is_a_configuration_error_at_boot_and_waited_out_later(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "redis"

    def locate() -> Address:
        return located("redis://127.0.0.1:1", tmp_path, JQ_REDIS_PASSWORD_FILE=str(file))

    file.write_text("one")
    app = App()
    app.client._whereabouts._found = locate()
    app.client.address.credentials()
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="JQ_REDIS_PASSWORD_FILE") as at_boot:
        locate()
    with pytest.raises(StoreUnavailable, match="JQ_REDIS_PASSWORD_FILE") as later, app.client.store() as store:
        store.ping()
    for raised in (at_boot, later):
        assert "hunter2" not in "".join(traceback.format_exception(raised.value))
        assert str(file) in raised.value.message


def test_a_password_that_is_said_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both set") as raised:
        located("redis://h", tmp_path, JQ_REDIS_PASSWORD="hunter2", JQ_REDIS_PASSWORD_FILE="f")
    assert "hunter2" not in raised.value.in_one_line()


def test_an_app_says_it_itself(tmp_path: Path) -> None:
    said: list[Any] = ["one", ("ann", "two"), None, ("ann", b"hunter2")]
    address = with_login(lambda _: parse_url("redis://bob:url@h"), Environment({}, tmp_path), lambda: said.pop(0))
    assert [address.credentials(), address.credentials()] == [("bob", "one"), ("ann", "two")]
    for _ in range(2):
        with pytest.raises(ConfigError, match="credentials= of the app returned a") as raised:
            address.credentials()
        assert "hunter2" not in raised.value.in_one_line()


def test_credentials_that_cannot_be_asked_are_refused_at_once() -> None:
    with pytest.raises(InvalidOption, match="credentials is no function") as raised:
        App(credentials=("ann", "hunter2"))  # type: ignore[arg-type]
    assert "hunter2" not in raised.value.in_one_line()


def test_an_app_that_cannot_say_it_keeps_its_secret(tmp_path: Path) -> None:
    def ask_vault() -> str:
        raise OSError("token hunter2 refused")

    address = with_login(lambda _: Address(), Environment({}, tmp_path), ask_vault)
    with pytest.raises(ConfigError, match="raised OSError") as raised:
        address.credentials()
    assert "hunter2" not in raised.value.in_one_line()
