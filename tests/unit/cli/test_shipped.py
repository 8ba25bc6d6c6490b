"""`jqd --print-config` prints the shipped files, with the words of this machine in place of the example's."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from jqjobs.cli import jqd, shipped
from jqjobs.cli.client import client
from jqjobs.cli.shipped import SHIPPED, Place, filled_in

PLACE = Place("/opt/mail/venv/bin/jqd", "/opt/mail/live", "mailer", "mail.app:jobs", "redis://10.0.0.7:6379/3")
#: What the shipped files have for a place that nobody has.
EXAMPLE = ("/srv/shop", "shop.app:app", "127.0.0.1:6379/0")


@pytest.mark.parametrize("kind", SHIPPED)
def test_no_setting_of_the_example_is_left(kind: str) -> None:
    settings = [line for line in filled_in(kind, PLACE).splitlines() if not line.startswith(("#", ";"))]
    assert [line for line in settings for word in EXAMPLE if word in line] == []


@pytest.mark.parametrize("kind", ["supervisor", "systemd", "runit"])
def test_program_directory_and_user_are_those_of_this_machine(kind: str) -> None:
    text = filled_in(kind, PLACE)
    assert {word for word in (PLACE.program, PLACE.directory, PLACE.user) if word not in text} == set()


@pytest.mark.parametrize("kind", SHIPPED)
def test_where_nothing_is_known_the_example_stays(kind: str) -> None:
    same = Place("/srv/shop/.venv/bin/jqd", "/srv/shop/current", "shop")
    kept = filled_in(kind, same).replace("ReadWritePaths=-/srv/shop/current", "ReadWritePaths=-/srv/shop")
    assert kept == shipped.shipped(f"deploy/{SHIPPED[kind]}")


def test_a_percent_sign_is_written_twice_where_one_means_something() -> None:
    place = Place("/opt/a%b/jqd", "/opt", "u", "a:b", "redis://h/0?prefix=x")
    assert "/opt/a%%b/jqd" in filled_in("systemd", place)
    assert "/opt/a%%b/jqd" in filled_in("supervisor", place)
    assert "/opt/a%b/jqd" in filled_in("runit", place)


def test_where_there_is_no_script_a_module_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setattr(sys, "argv", ["/srv/lib/jqjobs/__main__.py"])
    place = Place.here(tmp_path, "a:b", "")
    assert f"command={tmp_path}/python3 -m jqjobs jqd\n" in filled_in("supervisor", place)


def test_a_password_is_not_repeated() -> None:
    place = Place.here(Path("/opt"), "a:b", "redis://:hunter2@h/0")
    assert all("hunter2" not in filled_in(kind, place) for kind in SHIPPED)


def test_the_server_of_development_is_not_what_is_run_unattended() -> None:
    place = Place.here(Path("/opt"), "a:b", "embedded:")
    assert 'JQ_REDIS_URL="redis://127.0.0.1:6379/0"' in filled_in("supervisor", place)


def test_what_lies_below_a_home_can_be_read_by_the_unit() -> None:
    at_home = filled_in("systemd", Place("/home/ann/venv/bin/jqd", "/srv/x", "ann"))
    assert "\nProtectHome=read-only" in at_home
    assert "\nProtectHome=yes" in filled_in("systemd", PLACE)


def test_what_holds_the_releases_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    by_link = Place("/bin/jqd", str(tmp_path / "current"), "u")
    plain = Place("/bin/jqd", str(tmp_path / "releases"), "u")
    assert f"\nReadWritePaths=-{tmp_path}\n" in filled_in("systemd", by_link)
    assert f"\nReadWritePaths=-{tmp_path / 'releases'}\n" in filled_in("systemd", plain)


def printed(kind: str, *more: str) -> str:
    result = CliRunner().invoke(jqd.command, ["--print-config", kind, *more], standalone_mode=False)
    assert result.exception is None
    return result.output


def test_the_command_prints_what_flags_and_this_process_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JQ_APP", raising=False)
    monkeypatch.chdir(tmp_path)
    text = printed("runit", "--app", "mail.app:jobs", "--redis", "redis://h:1/2", "--directory", str(tmp_path))
    assert "JQ_APP='mail.app:jobs'" in text
    assert "JQ_REDIS_URL='redis://h:1/2'" in text
    assert f"JQ_DIRECTORY='{tmp_path}'" in text
    assert str(Path(sys.executable).with_name("jqd")) in text


@pytest.mark.parametrize("name", ["jqjobs.mjs", "jqjobs.php", "jqjobs.rb", "jqjobs.go"])
def test_each_client_is_printed_as_it_is(name: str) -> None:
    printed = [CliRunner().invoke(client, [language]).output for language in client.params[0].type.choices]
    assert (Path(__file__).parents[3] / "clients" / name).read_text("utf-8") in printed


def test_supervisor_reads_what_is_printed() -> None:
    options = pytest.importorskip("supervisor.options")
    text = filled_in("supervisor", PLACE)
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read_string(text)
    environment = options.dict_of_key_value_pairs(parser["program:jqd"]["environment"] % {"process_num": 1})
    assert environment["JQ_DIRECTORY"] == PLACE.directory
    assert parser["program:jqd"]["command"] == PLACE.program


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_what_is_printed(tmp_path: Path) -> None:
    place = Place(shutil.which("true") or "", str(tmp_path), "root", "a:b")
    (tmp_path / "jqd@1.service").write_text(filled_in("systemd", place))
    (tmp_path / "jqd.target").write_text(filled_in("systemd-target", place))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "jqd@1.service")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert [line for line in checked.stderr.splitlines() if "jqd" in line] == []
    assert checked.returncode == 0, checked.stderr
