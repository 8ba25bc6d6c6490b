"""What goes out: wheel and sdist built from this tree, and the wheel in an environment that has no other of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from jqjobs.version import __version__
from servers import Server

pytestmark = pytest.mark.xdist_group("release")
ROOT = Path(__file__).parents[2]
pytest.importorskip("hatchling", reason="hatchling is not installed; the extra `dev` has it")

APP = """
from pathlib import Path
from jqjobs import App

app = App()

@app.job(queue="emails")
def greet(name: str) -> None:
    Path(name).write_text("hello")
"""


def build(kind: str, into: Path, source: Path = ROOT) -> Path:
    """Build a wheel or an sdist, as pip would, without the network; return the file."""
    script = f"from hatchling.build import build_{kind}; build_{kind}({str(into)!r})"
    done = subprocess.run([sys.executable, "-c", script], cwd=source, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    [made] = into.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; what it depends on is that of this tree, our own package excepted."""
    home = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", "--without-pip", str(home))
    python = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "tree.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth files are not read there
    return home


def run(*command: str, cwd: Path | None = None, **variables: str) -> str:
    """Run a command outside of this tree and return what it printed."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd or "/"), **variables}
    done = subprocess.run(command, cwd=cwd or "/", env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_types_scripts_and_shipped_files(wheel: Path) -> None:
    names = names_in_wheel(wheel)
    source = ROOT / "daemon"
    package = {path.relative_to(source).as_posix() for path in (source / "jqjobs").rglob("*")
               if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert package <= names
    shipped = {path.relative_to(ROOT).as_posix() for folder in ("deploy", "clients")
               for path in (ROOT / folder).rglob("*") if path.is_file()}  # fmt: skip
    assert {f"jqjobs/{name}" for name in shipped} <= names
    assert "jqjobs/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"jqjobs", f"jqjobs-{__version__}.dist-info"}


def test_the_metadata_says_what_an_index_shows(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        said = HeaderParser().parsestr(archive.read(f"jqjobs-{__version__}.dist-info/METADATA").decode())
    assert said["Version"] == __version__
    assert "Typing :: Typed" in (said.get_all("Classifier") or [])
    assert said["License-Expression"] == "MIT"


def test_the_sdist_has_docs_deploy_files_and_tests(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "Makefile", "pyproject.toml"}
    folders = ("docs", "deploy", "tests", "examples", "tools")
    wanted |= {path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*")
               if path.is_file() and path.suffix in (".md", ".py", ".conf", ".service", ".target", ".yml")}  # fmt: skip
    assert wanted - names == set()


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_tree(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "made").mkdir()
    again = build("wheel", tmp_path / "made", tmp_path / f"jqjobs-{__version__}")
    assert names_in_wheel(again) == names_in_wheel(wheel)


def test_the_commands_say_their_version(bare: Path) -> None:
    assert run(str(bare / "bin" / "jqd"), "--version") == f"jqd, version {__version__}\n"
    assert run(str(bare / "bin" / "jqctl"), "--version") == f"jqctl {__version__}\n"


def test_both_commands_start_without_their_scripts(bare: Path, tmp_path: Path) -> None:
    module = (str(bare / "bin" / "python"), "-m", "jqjobs")
    assert run(*module, "jqd", "--version", cwd=tmp_path) == f"jqd, version {__version__}\n"
    assert run(*module, "jqctl", "--version", cwd=tmp_path) == f"jqctl {__version__}\n"
    assert "python -m jqjobs jqctl status" in run(*module, cwd=tmp_path)
    neither = subprocess.run([*module, "status"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (neither.returncode, neither.stderr.count("\n")) == (2, 1)


def test_an_installed_jqd_prints_its_shipped_files(bare: Path, tmp_path: Path) -> None:
    printed = run(str(bare / "bin" / "jqd"), "--print-config", "supervisor", "--app", "shop:app", cwd=tmp_path)
    assert f"command={bare}/bin/jqd\n" in printed
    assert f'JQ_DIRECTORY="{tmp_path}"' in printed
    assert "export class Client" in run(str(bare / "bin" / "jqctl"), "client", "node", cwd=tmp_path)


def test_an_installed_worker_runs_what_an_installed_producer_has_enqueued(
    bare: Path, any_server: Server, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(APP)
    place = {"JQ_REDIS_URL": any_server.url, "JQ_RUNTIME_DIR": str(tmp_path / "run")}
    enqueue = "import jqjobs, shop; print(jqjobs.__file__); shop.greet.enqueue('ann')"
    home = run(str(bare / "bin" / "python"), "-c", enqueue, cwd=tmp_path, **place)
    run(str(bare / "bin" / "jqd"), "--app", "shop:app", "--processes", "1", "--burst", "ready", cwd=tmp_path, **place)
    assert (tmp_path / "ann").read_text() == "hello"
    assert home.startswith(f"{bare}/")
