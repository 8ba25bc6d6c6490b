"""Whatever anybody gives to an option of jqd: it is taken, or there is a line and a code; never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jqjobs.cli import jqd
from jqjobs.daemon import main
from jqjobs.link.exits import DaemonExit
from nonsense import NONSENSE

#: Beside what jqctl hears.
OF_JQD = (
    "..5", "1..", "5..2", "a:-1", "a:1.5", "a:,b", ",", "slow:", "slow:nan", "slow:-1s", "x:y:z", "__main__:x", "os:",
    "unix:", "unix:relative", ":0", ":99999", "[::1", "http://", "http://h:x", "https://[", "ftp://h", "1h-3m",
)  # fmt: skip
NUMBERS = ["max_dead", "max_jobs", "prefetch_ms", "batch", "concurrency", "nice", "processes"]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Every daemon that would be started here, by its app; none is."""
    begun: list[str] = []

    def pretend(settings: jqd.DaemonSettings, *_: object) -> int:
        begun.append(settings.app)
        return DaemonExit.ORDERLY

    monkeypatch.setattr(jqd, "run_daemon", pretend)
    monkeypatch.chdir(tmp_path)
    for name in ("JQ_APP", "JQ_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return begun


def code_of(*words: str) -> int:
    sys.argv = ["jqd", *words]
    with pytest.raises(SystemExit) as ended:
        jqd.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("flag", [*map(jqd.flag_of, jqd.OPTIONS), "--redis", "--prefix", "--print-config"])
@pytest.mark.usefixtures("taken")
def test_no_value_of_any_option_ends_in_a_traceback(
    flag: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])  # put back at the end
    for value in (*NONSENSE, *OF_JQD):
        code = code_of("--app", "shop:app", f"{flag}={value}")
        said = capfd.readouterr().err
        assert code in (DaemonExit.ORDERLY, DaemonExit.USAGE, DaemonExit.CONFIGURATION), value
        assert "Traceback" not in said, value
        assert said.count("\n") == {DaemonExit.ORDERLY: 0, DaemonExit.USAGE: 2}.get(code, 1), said
        assert "\x1b" not in said, value


@pytest.mark.parametrize("setting", NUMBERS)
def test_a_number_that_no_script_could_take_is_refused(
    setting: str, taken: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    code = code_of("--app", "shop:app", f"{jqd.flag_of(setting)}={'9' * 30}")
    assert code in (DaemonExit.USAGE, DaemonExit.CONFIGURATION)
    assert setting.removesuffix("_ms") in capsys.readouterr().err.replace("max-", "max_")
    assert not taken


def test_a_module_that_is_nowhere_is_refused_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main.SignalInbox, "install", lambda _: pytest.fail("the boot has begun"))
    monkeypatch.setattr(sys, "argv", [])
    assert code_of("--app", "k_nowhere:app") == DaemonExit.CONFIGURATION
    assert "there is no module 'k_nowhere'" in capsys.readouterr().err
