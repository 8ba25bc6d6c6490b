"""address.py: what a Redis URL means, and that no refusal repeats a password, whatever characters that has."""

from __future__ import annotations

import dataclasses
import traceback
from urllib.parse import quote

import pytest

from jqjobs import App
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import ConfigError
from jqjobs.store.address import parse_url

#: Halves of a password, on both sides of a character that a URL gives a meaning to.
FIRST, SECOND = "12", "hunter2"
#: Each is another host, port or database to a parser, or a complaint that quotes what it was given.
RAW = [
    f"redis://:{FIRST}#{SECOND}/c@host",
    f"redis://:{FIRST}/{SECOND}@host",
    f"redis://:{FIRST}?{SECOND}@host",
    f"redis://:{FIRST}?db={SECOND}@host",
    f"redis://:{FIRST}@{SECOND}@host",
    f"redis://user:{FIRST}[{SECOND}]x@host",
    f"redis://:{FIRST}\u2100{SECOND}@host",
    f"redis://:{FIRST} {SECOND}@host",
    f"redis://:{FIRST}\t{SECOND}@host",
    f"redis://:%e9{SECOND}@host",
    f"unix://:{FIRST}/{SECOND}@/run/redis.sock",
    f"unix://:{FIRST}#{SECOND}@/run/redis.sock",
    f"unix://:{FIRST}@{SECOND}@/run/redis.sock",
    f"redis+sentinel://:{FIRST}/{SECOND}@s1,s2/mymaster",
    f"redis+sentinel://s1/mymaster?sentinel_password={FIRST}@{SECOND}",
    f"redis+sentinel://s1/mymaster?sentinel_password={FIRST}#{SECOND}",
    f"redis+sentinel://s1/mymaster?sentinel_password=%e9{SECOND}@",
    f"redis+cluster://:{FIRST}/{SECOND}@n1,n2",
    f"redis+cluster://:{FIRST}@{SECOND}@n1,n2",
]


@pytest.mark.parametrize("url", RAW)
def test_a_raw_password_is_refused_and_no_piece_of_it_is_said(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_url(url)

    said = "".join(traceback.format_exception(raised.value)) + raised.value.in_one_line() + repr(vars(raised.value))
    assert "percent-encode the password" in raised.value.hint
    assert SECOND not in said
    assert raised.value.__context__ is None, "reporters of errors follow it"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ('"redis://:hunter2@host/0"', "quotes"),
        ("'redis://host'", "quotes"),
        ("redis://${REDIS_HOST}:6379/0", "variable"),
        ("redis://:hunter2@$HOST", "variable"),
    ],
)
def test_what_a_file_of_settings_has_left_as_it_was_is_said(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        parse_url(url)
    assert "hunter2" not in raised.value.in_one_line()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:hunter2@host?pefix=shop", "did you mean 'prefix'?"),
        ("rediss://:hunter2@host?ssl_cert_req=none", "did you mean 'ssl_cert_reqs'?"),
        ("redis://:hunter2@host?socket_timeout=5", "JQ_TIMEOUT"),
        ("redis://host?prefix=hunter2&prefix=shop", "says an option twice"),
        ("redis://:hunter2@::1:6379/0", "redis://[::1]:6379/0"),
        ("redis://:hunter2@h1,h2:6379", "redis+sentinel:// or redis+cluster://"),
        ("redis://:hunter2@<your-host>:6379", "a host that can be none"),
        ("redis://:hunter2@host&db=1", "options come after a ?"),
        ("redis://:hunter2@host:0", "from 1 to 65535"),
    ],
)
def test_what_nobody_can_have_meant_is_refused_with_what_was_meant(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_url(url)
    assert said in raised.value.in_one_line()
    assert "hunter2" not in raised.value.in_one_line()


def test_who_enqueues_hears_it_before_anything_is_connected_to() -> None:
    app = App(redis_url=RAW[0])

    @app.job
    def send() -> None: ...

    with pytest.raises(ConfigError, match="Redis URL"):
        send.enqueue()


@pytest.mark.parametrize("password", ["12#ab/c", "a@b?c", "100%", "a b", "[x]", "\u00e9", ":"])
@pytest.mark.parametrize("form", ["redis://user:{}@host:1/3", "unix://user:{}@/run/redis.sock?db=3"])
def test_encoded_any_password_comes_through(password: str, form: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in password.encode())
    address = parse_url(form.format(encoded))

    assert (address.username, address.password, address.db) == ("user", password, 3)
    assert "user" not in str(address) + repr(address)
    assert password not in (str(address), repr(address))


def test_what_holds_a_url_does_not_show_it() -> None:
    settings = DaemonSettings(app="shop:app", redis_url="redis://user:hunter2@host")

    assert "hunter2" not in repr(settings)
    assert dataclasses.replace(settings, redis_url="redis://other") != settings, "it is a setting all the same"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host", "redis://host:6379/0"),
        (" redis://host:1/2\n", "redis://host:1/2"),
        ("rediss://:a:b@[::1]:7", "rediss://[::1]:7/0"),
        ("valkey://host:1", "redis://host:1/0"),
        ("valkeys://host", "rediss://host:6379/0"),
        ("redis://", "redis://127.0.0.1:6379/0"),
        ("unix:///run/redis@1/redis.sock", "unix:///run/redis@1/redis.sock"),
        ("unix:///run/my%23redis.sock?db=2", "unix:///run/my#redis.sock?db=2"),
        ("redis://host/2?prefix=shop", "redis://host:6379/2?prefix=shop"),
        ("unix:///a.sock?prefix=eu:shop&db=2", "unix:///a.sock?db=2&prefix=eu:shop"),
        ("redis://host?prefix=jq", "redis://host:6379/0"),
        ("redis+sentinel://s1/mymaster", "redis+sentinel://s1:26379/mymaster/0"),
        (
            "redis+sentinel://u:p@s1,[::1]:5,s3:7/eu.one/2?prefix=shop&sentinel_username=u&sentinel_password=p",
            "redis+sentinel://s1:26379,[::1]:5,s3:7/eu.one/2?prefix=shop",
        ),
        ("valkeys+sentinel://s1/mymaster/", "rediss+sentinel://s1:26379/mymaster/0"),
        ("redis+cluster://u:p@n1,[::1]:5,n3:7?prefix=shop", "redis+cluster://n1:6379,[::1]:5,n3:7?prefix=shop"),
        ("valkeys+cluster://n1/0", "rediss+cluster://n1:6379"),
    ],
)
def test_what_a_url_means(url: str, shown: str) -> None:
    assert str(parse_url(url)) == shown


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+sentinel://s1,s2", "names no service"),
        ("redis+sentinel://s1,s2/0 1", "percent-encode"),
        ("redis+sentinel:///mymaster", "no host, nor host:port"),
        ("redis+sentinel://s1,,s2/mymaster", "no host, nor host:port"),
        ("redis+sentinel://s1:0/mymaster", "no host, nor host:port"),
        ("redis+sentinel://s1:99999/mymaster", "no host, nor host:port"),
        ("redis+sentinel://s1/mymaster/x", "a database that is no number"),
        ("redis+sentinel://s1/mymaster?sentinel_username=u", "without sentinel_password"),
        ("redis+sentinel://s1/mymaster?ssl_ca_certs=f", "options of TLS"),
        ("redis://s1/0?sentinel_password=hunter2", "names none"),
        ("sentinel://s1/mymaster", "redis+sentinel://"),
        ("redis+cluster://n1,n2/1", "a database of a cluster"),
        ("redis+cluster://n1,,n2", "no host, nor host:port"),
        ("redis+cluster://n1?sentinel_password=hunter2", "names none"),
    ],
)
def test_what_names_no_primary_is_refused_with_what_to_write(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_url(url)

    assert said in raised.value.in_one_line()
    assert raised.value.hint
    assert "hunter2" not in raised.value.in_one_line()


def test_the_sentinels_have_a_password_of_their_own() -> None:
    sentinels = parse_url("redis+sentinel://ann:one@s1/m?sentinel_username=bob&sentinel_password=a%26+b%23").sentinels

    assert sentinels is not None
    assert (sentinels.username, sentinels.password) == ("bob", "a&+b#")
    assert "bob" not in repr(sentinels)


def test_every_key_begins_with_the_prefix() -> None:
    assert parse_url("redis://host").key("{q}:ready") == "jq:{q}:ready"
    assert parse_url("redis://host?prefix=eu:shop").key("{q}:ready") == "eu:shop:{q}:ready"


@pytest.mark.parametrize("prefix", ["", "a{b", "a}b", "a b", "a*", "-a", "a:", "\u00e9", "a" * 33])
def test_what_cannot_begin_a_key_is_refused_as_a_prefix(prefix: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_url(f"redis://host?prefix={quote(prefix)}")

    assert "a prefix is a letter or digit" in raised.value.hint
    with pytest.raises(ConfigError, match="is no prefix of keys"):
        App(prefix=prefix)
