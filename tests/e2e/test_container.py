"""`jqd` as deploy/kubernetes/worker.yaml runs it: PID 1, a user without rights or a name, two places to write to.

Needs root, unshare(1), mount(8) and setpriv(1), and a checkout that others may read. Redis is outside.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from deployments.ports import free_port
from e2e.daemon import Daemon, Site
from jqjobs.jobs.records import State
from servers import Server
from waiting import eventually

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "worker.yaml"
POD = next(yaml.safe_load_all(MANIFEST.read_text()))["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
USER = POD["securityContext"]["runAsUser"]

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
#: Becomes the container; $TMPDIR stands for /tmp, where the checkout may be. A Python below /root is shown to others.
ENTER = f"""
set -e
case "$PYTHON" in /root/*)
    mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir /mnt/python
    mount --bind "$PYTHON" /mnt/python
    mount -t tmpfs -o mode=755 tmpfs /root
    mkdir -p "$PYTHON"
    mount --move /mnt/python "$PYTHON"
esac
mount -o remount,bind,ro /
mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs "$TMPDIR"
exec setpriv --reuid {USER} --regid {USER} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""

APP = """
import os
import tempfile
import time

from jqjobs import App

app = App()


@app.job(keep="1h")
def look_around() -> dict[str, object]:
    try:
        open(os.path.join(os.path.dirname(__file__), "written"), "w")
    except OSError as error:
        refused = error.strerror
    with tempfile.NamedTemporaryFile() as file:
        place = os.path.dirname(file.name)
    return {"uid": os.getuid(), "daemon": os.getppid(), "refused": refused, "tmp": place}


@app.job
def stay() -> None:
    time.sleep(300)
"""


class Container:
    """A directory that anybody may read, and the daemon that runs on it."""

    def __init__(self, site: Site, directory: Path) -> None:
        self.site, self.tmp = site, directory / "tmp"
        self.tmp.mkdir()
        (directory / "shop.py").write_text(APP)
        directory.chmod(0o755)
        self._directory, self._port = directory, free_port()

    def command(self, *words: str) -> list[str]:
        return [*UNSHARE, "sh", "-c", ENTER, "sh", *words]

    def environment(self, **more: str) -> dict[str, str]:
        """What the manifest says, less what the test must say otherwise."""
        said = {each["name"]: each["value"] for each in CONTAINER["env"] if "value" in each}
        return said | {
            "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(self._directory), *filter(None, sys.path)]),
            "TMPDIR": str(self.tmp), "PYTHON": sys.base_prefix, "JQ_APP": "shop:app",
            "JQ_REDIS_URL": self.site.server.url, "JQ_HEALTH": f"127.0.0.1:{self._port}", **more,
        }  # fmt: skip

    def start(self, **more: str) -> Daemon:
        log = self.site.directory / "container.log"
        words = self.command(sys.executable, "-m", "jqjobs.cli.jqd")
        with log.open("ab") as stderr:
            outside = subprocess.Popen(
                words, cwd=self._directory, env=self.environment(**more), stdin=subprocess.DEVNULL, stdout=stderr,
                stderr=stderr, start_new_session=True,
            )  # fmt: skip
        daemon = Daemon(outside, log)
        self.site.daemons.append(daemon)
        return daemon

    def probe(self, name: str) -> int:
        """Ask what kubelet would ask; return the status."""
        path = CONTAINER[name]["httpGet"]["path"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def terminate(self, daemon: Daemon) -> int:
        """End PID 1 as kubelet does; return the exit code, that of unshare."""
        [first] = psutil.Process(daemon.pid).children()
        first.send_signal(signal.SIGTERM)
        return daemon.wait(POD["terminationGracePeriodSeconds"])


@pytest.fixture
def container(site_on: Callable[[Server], Site], start_server: Callable[..., Server]) -> Iterator[Container]:
    directory = Path(tempfile.mkdtemp(prefix="jq-", dir="/tmp"))
    try:
        made = Container(site_on(start_server("valkey", tcp=True)), directory)
        tried = subprocess.run(
            made.command(sys.executable, "-c", "import jqjobs, shop"), env=made.environment(), capture_output=True,
            check=False,
        )  # fmt: skip
        if tried.returncode != 0:
            pytest.skip("needs root, unshare(1), setpriv(1) and a checkout that others may read")
        yield made
    finally:
        shutil.rmtree(directory)


def test_a_pod_is_ready_runs_jobs_and_ends_in_an_orderly_way(container: Container) -> None:
    daemon = container.start()
    eventually(lambda: container.probe("readinessProbe") == 200, what="the pod is ready")
    assert container.probe("livenessProbe") == 200
    seen: dict[str, Any] = container.site.wait_for(container.site.send("look_around"), State.KEPT).result
    assert seen == {"uid": USER, "daemon": 1, "refused": "Read-only file system", "tmp": str(container.tmp)}
    assert container.terminate(daemon) == 0
    assert daemon.events("daemon.ended")[0]["code"] == 0


def test_what_runs_when_a_pod_goes_is_back_in_the_queue_for_free(container: Container) -> None:
    daemon = container.start(JQ_GRACE="1s", JQ_KILL_AFTER="1s")
    job = container.site.send("stay")
    container.site.wait_for(job, State.ACTIVE)
    eventually(lambda: container.probe("readinessProbe") == 200, what="the pod is ready")
    assert container.terminate(daemon) == 0
    found = container.site.wait_for(job, State.READY)
    assert (found.failures, found.crashes, found.interrupts) == (0, 0, 1)
