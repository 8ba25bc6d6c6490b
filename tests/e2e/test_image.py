"""deploy/docker without an engine: each step of the Dockerfile is done by hand in a folder, and what it makes is run.

The steps stand there word by word, with a folder in place of /app, and the user whom it makes left out; see
test_container for a foreign user and a root file system that is read-only.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from deployments.ports import free_port
from e2e.daemon import Daemon
from e2e.test_release import build
from servers import Server
from waiting import eventually

pytestmark = pytest.mark.xdist_group("release")
DOCKER = Path(__file__).parents[2] / "deploy" / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())

APP = """
from jqjobs import App

app = App()

@app.job(queue="emails", keep="1h")
def greet(name: str) -> str:
    return f"hello, {name}"
"""


def steps() -> Iterator[tuple[str, str]]:
    """Yield each instruction of the Dockerfile, and what stands behind it."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line:
            word, _, rest = line.partition(" ")
            yield word, rest


@dataclass
class Image:
    """What the steps have made: a folder that stands for /app, an environment, and commands."""

    app: Path
    environment: dict[str, str]
    command: list[str] = field(default_factory=list)
    probe: list[str] = field(default_factory=list)

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        environment = self.environment | more
        program = shutil.which(words[0], path=environment["PATH"])
        assert program, words
        return subprocess.run(
            [program, *words[1:]], cwd=self.app, env=environment, capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip

    def take(self, word: str, rest: str, context: Path) -> None:
        """Do one step."""
        rest = rest.replace("/app", str(self.app))
        if word == "ENV":
            self.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "COPY":
            source = context / rest.split()[0]
            self.run("cp", "-r", f"{source}/." if source.is_dir() else str(source), str(self.app)).check_returncode()
        elif word == "RUN" and not rest.startswith("useradd "):
            done = self.run("sh", "-c", rest)
            assert done.returncode == 0, done.stdout + done.stderr
        elif word == "HEALTHCHECK":
            self.probe = json.loads(rest.partition("CMD ")[2])
        elif word == "CMD":
            self.command = json.loads(rest)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """An app with its requirements, as a project has them; wheels come from here, and not from an index."""
    wheels, context, app = (tmp_path / name for name in ("wheels", "context", "app"))
    for folder in (wheels, context / "shop", app):
        folder.mkdir(parents=True)
    build("wheel", wheels)
    (context / "requirements.txt").write_text("jqjobs[web]\n")
    (context / "shop" / "app.py").write_text(APP)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "python")], check=True, timeout=600)
    made = Image(app, {
        "PATH": f"{tmp_path}/python/bin:{os.environ['PATH']}", "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_FIND_LINKS": str(wheels),
    })  # fmt: skip
    for word, rest in steps():
        made.take(word, rest, context)
    [packages] = (tmp_path / "python").glob("lib/python*/site-packages")
    (packages / "tree.pth").write_text(sysconfig.get_path("purelib"))  # what jqjobs depends on
    return made


def test_what_the_dockerfile_makes_runs_jobs_is_healthy_and_ends_when_docker_stops_it(
    image: Image, start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server("valkey", *COMPOSE["services"]["valkey"]["command"][1:])
    place = {"JQ_REDIS_URL": server.url, "JQ_RUNTIME_DIR": str(tmp_path / "run"), "JQ_PROCESSES": "1"}
    probed, port = image.environment["JQ_HEALTH"], f":{free_port()}"
    probe = [word.replace(probed, port) for word in image.probe]
    assert probe != image.probe, "it asks the port that the image says"
    assert image.run(*probe).returncode != 0, "nobody answers yet"

    with (tmp_path / "log").open("wb") as log:
        [program] = image.command
        process = subprocess.Popen(
            [str(shutil.which(program, path=image.environment["PATH"]))], cwd=image.app, stderr=log, stdout=log,
            env=image.environment | place | {"JQ_HEALTH": port},
        )  # fmt: skip
    daemon = Daemon(process, tmp_path / "log")
    try:
        eventually(lambda: image.run(*probe).returncode == 0, 60, "the container is healthy")
        eventually(lambda: bool(daemon.events("worker.ready")), 60, "a worker is ready")
        job = image.run("jqctl", "enqueue", "greet", "--args", '["ann"]', "-o", "ids", **place).stdout.strip()
        eventually(lambda: '"hello, ann"' in image.run("jqctl", "job", "show", job, **place).stdout, what="it has run")
        process.terminate()
        assert process.wait(timeout=int(COMPOSE["services"]["jqd"]["stop_grace_period"].rstrip("s"))) == 0
    finally:
        process.kill()
        process.wait()
    assert daemon.events("daemon.ended")[0]["code"] == 0
