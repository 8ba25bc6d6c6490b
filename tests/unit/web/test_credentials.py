"""Who comes in by the file of names, and whose word is taken."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from jqjobs.errors import ConfigError, TooManyGuesses
from jqjobs.web.access import ALL, Right
from jqjobs.web.credentials import AuthFile, TrustedHeader, password_line, token_line
from jqjobs.web.http import Request
from jqjobs.web.server import Settings


def basic(name: str, password: str) -> Request:
    return Request("GET", "/", headers={"authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"})


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(f"# who may come in\n\n{password_line('ann', 'pass:wörd', 'retry,pause')}\n", "utf-8")
    return path


def test_a_person_comes_in_with_the_password_and_no_other(users: Path) -> None:
    auth = AuthFile(users)

    for _ in range(2):
        found = auth(basic("ann", "pass:wörd"))
        assert found is not None
        assert (found.user, found.rights) == ("ann", {Right.READ, Right.RETRY, Right.PAUSE})
        assert auth(basic("ann", "wrong")) is None
        assert auth(basic("bob", "pass:wörd")) is None


@pytest.mark.parametrize("said", ["", "Basic", "Basic !", "Basic /w==", "Bearer x", "Digest a", "Basic YW5u"])
def test_what_is_no_login_is_nobody(users: Path, said: str) -> None:
    assert AuthFile(users)(Request("GET", "/", headers={"authorization": said})) is None


def test_a_program_comes_in_with_its_token_and_a_hash_is_none(users: Path) -> None:
    token, line = token_line("keda", "view")
    users.write_text(line, "utf-8")
    auth = AuthFile(users)

    found = auth(Request("GET", "/", headers={"authorization": f"Bearer {token}"}))

    assert found is not None
    assert (found.user, found.rights) == ("keda", {Right.READ})
    hashed = line.split(":")[1].partition("$")[2]
    assert auth(Request("GET", "/", headers={"authorization": f"Bearer {hashed}"})) is None
    assert auth(basic("keda", token)) is None


def test_who_guesses_is_not_looked_at_any_more_and_who_was_in_before_stays_in(
    users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jqjobs.web.guesses.MOST_OF_ADDRESS", 2)
    token, line = token_line("keda", "view")
    users.write_text(f"{users.read_text('utf-8')}{password_line('bob', 'x', 'all')}\n{line}\n", "utf-8")
    auth = AuthFile(users)
    assert auth(basic("ann", "pass:wörd"))
    for name in ("ann", "nobody"):
        assert auth(basic(name, "guess")) is None

    for name, password in (("ann", "other"), ("bob", "x"), ("nobody", "x")):
        with pytest.raises(TooManyGuesses):
            auth(basic(name, password))
    assert auth(basic("ann", "pass:wörd"))
    assert auth(Request("GET", "/", headers={"authorization": f"Bearer {token}"}))


def test_who_is_taken_out_of_the_file_is_out(users: Path) -> None:
    auth = AuthFile(users)
    assert auth(basic("ann", "pass:wörd"))

    users.write_text("", "utf-8")

    assert auth(basic("ann", "pass:wörd")) is None


def test_a_file_that_goes_bad_lets_nobody_in(users: Path) -> None:
    auth = AuthFile(users)
    users.write_text("ann:plain:all\n", "utf-8")

    for _ in range(2):
        with pytest.raises(ConfigError, match="cannot be used"):
            auth(basic("ann", "plain"))


@pytest.mark.parametrize("line", ["ann", "ann:scrypt$1$2:all", "ann:md5$1:all", f"ann:sha256${'0' * 64}:everything"])
def test_a_line_that_nobody_made_is_complained_of(tmp_path: Path, line: str) -> None:
    path = tmp_path / "users"
    path.write_text(line, "utf-8")

    with pytest.raises(ConfigError):
        AuthFile(path)


@pytest.mark.parametrize("name", ["", "a:b", "a\nb", " a"])
def test_a_name_that_breaks_the_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        password_line(name, "x", "all")


@pytest.mark.parametrize(
    ("client", "believed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("192.168.0.1", False),
        ("unix", False),
        ("", False),
        ("::1", False),
    ],
)
def test_the_header_counts_from_the_proxy_alone(client: str, believed: bool) -> None:
    auth = TrustedHeader("X-User", ["10.0.0.0/8"])

    found = auth(Request("GET", "/", headers={"x-user": "ann"}, client=client))

    assert (found is not None and found.rights == ALL) is believed


def test_a_proxy_says_who_and_the_file_what_they_may(users: Path) -> None:
    auth = TrustedHeader("X-User", ["unix"], AuthFile(users))
    ann, bob = (auth(Request("GET", "/", headers={"x-user": name}, client="unix")) for name in ("ann", "bob"))

    assert ann is not None
    assert Right.RETRY in ann.rights
    assert Right.DELETE not in ann.rights
    assert bob is None


@pytest.mark.parametrize("listen", [":8390", "0.0.0.0:8390", "[::]:8390", "10.0.0.1:8390", "example.org:8390"])
def test_beyond_this_host_somebody_must_say_who_asks(listen: str) -> None:
    with pytest.raises(ConfigError, match="could do anything"):
        Settings("redis://127.0.0.1", listen).auth()


@pytest.mark.parametrize("listen", ["127.0.0.1:8390", "localhost:8390", "[::1]:8390", "unix:/run/web.sock"])
def test_on_this_host_nobody_needs_to(listen: str) -> None:
    assert Settings("redis://127.0.0.1", listen).auth()(Request("GET", "/"))


@pytest.mark.parametrize(("listen", "sources"), [("127.0.0.1:1", ()), ("unix:/a", ("10.0.0.0/8",))])
def test_a_header_is_believed_from_nobody_in_general(listen: str, sources: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="--trust-"):
        Settings("redis://127.0.0.1", listen, trust_header="X-User", trust_from=sources).auth()


def test_the_file_is_not_read_again_while_it_is_the_same(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = AuthFile(users)
    monkeypatch.setattr(Path, "read_text", lambda *_: pytest.fail("it was read"))

    assert auth.rights("ann")
