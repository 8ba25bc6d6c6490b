"""`jqctl new job`: what it writes works as it stands, and it writes over nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jqjobs.cli.exit_codes import Exit

APP = """from jqjobs import App

app = App(imports=["shop.jobs"])
"""
JOBS = """from shop.app import app


@app.job
def known() -> None: ...


if __name__ == "__main__":
    known.enqueue()
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def shop(nowhere: None) -> Path:
    """A project with an app, in the current directory."""
    (folder := Path("shop")).mkdir()
    (folder / "__init__.py").touch()
    (folder / "app.py").write_text(APP)
    (folder / "jobs.py").write_text(JOBS)
    return folder


def new_job(*words: str) -> subprocess.CompletedProcess[str]:
    return run("jqjobs.cli.jqctl", "new", "job", *words, "--app", "shop.app:app")


def test_job_and_test_are_green_formatted_and_typed_as_they_stand(shop: Path) -> None:
    Path("tests").mkdir()
    done = new_job("send_invoice", "--queue", "emails")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "try it: python -m pytest tests/test_send_invoice.py"
    source = (shop / "jobs.py").read_text()
    assert 'queue="emails"' in source
    assert source.endswith('\n\n\nif __name__ == "__main__":\n    known.enqueue()\n')
    for command in (
        ("pytest", "-q", "-p", "no:cacheprovider", "tests/test_send_invoice.py"),
        ("ruff", "format", "--check", "--line-length", "100", "."),
        ("ruff", "check", "--select", "E,F,I,N,UP,B", "."),
        ("mypy", "--strict", "--cache-dir", "cache", "shop", "tests/test_send_invoice.py"),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_written_over(shop: Path) -> None:
    Path("test_send_invoice.py").write_text("mine")
    assert new_job("send_invoice").returncode == Exit.CONFLICT
    assert new_job("known").returncode == Exit.CONFLICT
    assert (Path("test_send_invoice.py").read_text(), (shop / "jobs.py").read_text()) == ("mine", JOBS)
    assert not Path("test_known.py").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("send-invoice",), "cannot be called"),
        (("send", "--module", "shop"), "does not have the app"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(shop: Path, words: tuple[str, ...], says: str) -> None:
    done = new_job(*words)
    assert done.returncode in (Exit.USAGE, Exit.ERROR)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(Path().glob("test_*"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_stands_in_the_module_stays_byte_by_byte(shop: Path, newline: str) -> None:
    source = JOBS.replace("@app.job", 'SEPARATORS = "\x0c\x1c\x85\u2028"\n\n\n@app.job')
    odd = source.replace("\n", newline).encode("utf-8-sig")
    (shop / "jobs.py").write_bytes(odd)
    before, main, after = odd.partition(b"if __name__")

    assert new_job("send_invoice").returncode == 0
    written = (shop / "jobs.py").read_bytes()
    compile(written, "jobs.py", "exec")
    assert written.startswith(before)
    assert written.endswith(main + after)
    assert written.count(b"\n") == written.count(newline.encode())
