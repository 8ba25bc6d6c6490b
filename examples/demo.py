"""The demo: a real Valkey, a daemon with two workers, some hundred jobs that work on files, the status after.

Everything lives in a temporary directory and is gone afterwards. Run it with `make demo`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shop.jobs import checksum, compress_file, preview, word_report

EXAMPLES = Path(__file__).resolve().parent
TIME_LIMIT_S = 120
POLL_S = 0.3
#: Seconds the daemon gets to finish after SIGTERM; more than its grace period.
STOP_TIMEOUT_S = 45

FILES = 90
WORDS_PER_FILE = 30_000
FILES_PER_REPORT = 3


class DemoFailed(Exception):
    """The demo did not do what it shows."""


def main() -> int:
    """Run the demo; return the exit code."""
    deadline = time.monotonic() + TIME_LIMIT_S
    # A server that was still writing when it was told to end must not turn a failure into another one.
    with tempfile.TemporaryDirectory(prefix="jqjobs-demo-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        # What a deployment sets in its environment or .env: here, for the daemon, jqctl and this producer.
        os.environ["JQ_REDIS_URL"] = f"embedded:{place / 'redis'}"
        log = place / "jqd.log"
        try:
            with running_daemon(log, "--app", "shop.app:app", "--processes", "2") as daemon:
                show(place, daemon, deadline)
                stop(daemon)
        except DemoFailed as failure:
            print(f"\ndemo failed: {failure}\n--- end of the daemon's log\n{end_of(log)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            end_server(place / "redis")
    return 0


def show(place: Path, daemon: subprocess.Popen[bytes], deadline: float) -> None:
    """Enqueue, watch, check the results, print the status."""
    print("Starting an embedded Valkey and jqd with 2 workers.")
    wait_for_server(daemon, deadline)
    files = write_texts(place)
    total = enqueue_everything(files, place)
    print(f"Enqueued {total} jobs on {len(files)} files: compress, checksum, preview, report.")
    started = time.monotonic()
    with progress(total) as advance:
        watch(total, advance, daemon, deadline)
    print(f"Done in {time.monotonic() - started:.1f} s.")
    check_results(files, place)
    print("Every output is there and right. This is `jqctl status`:\n", flush=True)
    if subprocess.run([command("jqctl"), "status"], check=False).returncode != 0:
        raise DemoFailed("jqctl status failed")
    print("\nThe same in a browser, with live work: make demo-web, then http://127.0.0.1:8390/")


@contextmanager
def running_daemon(log: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start jqd on an example app; it is killed at the end when it has not stopped by then."""
    words = [command("jqd"), *flags, "--jitter", "0"]
    search = os.pathsep.join(filter(None, [str(EXAMPLES), os.environ.get("PYTHONPATH")]))
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            words, stdout=output, stderr=output, cwd=log.parent, env=os.environ | {"PYTHONPATH": search}
        )
    try:
        yield daemon
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def stop(daemon: subprocess.Popen[bytes]) -> None:
    """Ask the daemon to drain, and expect an orderly end."""
    print("\nStopping the daemon with SIGTERM.")
    daemon.send_signal(signal.SIGTERM)
    try:
        code = daemon.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise DemoFailed(f"the daemon did not stop within {STOP_TIMEOUT_S} s") from None
    if code != 0:
        raise DemoFailed(f"the daemon ended with code {code}")


def wait_for_server(daemon: subprocess.Popen[bytes], deadline: float) -> None:
    while status() is None:
        pause(daemon, deadline, "the server does not answer")


def write_texts(place: Path) -> list[Path]:
    """Write the files to work on; the same ones each time."""
    rng = random.Random(1)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(800)]
    texts = place / "texts"
    texts.mkdir()
    files = [texts / f"text-{number:02}.txt" for number in range(FILES)]
    for path in files:
        path.write_text(" ".join(rng.choices(vocabulary, k=WORDS_PER_FILE)))
    return files


def enqueue_everything(files: list[Path], place: Path) -> int:
    """Enqueue a job of each kind for each file, and the reports; return how many."""
    one_each = [(str(path),) for path in files]
    groups = [files[at : at + FILES_PER_REPORT] for at in range(0, len(files), FILES_PER_REPORT)]
    jobs = [
        *compress_file.enqueue_many(one_each),
        *checksum.enqueue_many(one_each),
        *preview.enqueue_many(one_each),
        *word_report.enqueue_many([(names(group), report(group)) for group in groups]),
        word_report.options(priority=-10).enqueue(names(files), target=str(place / "all.report")),
    ]
    return len(jobs)


def watch(total: int, advance: Callable[[int], None], daemon: subprocess.Popen[bytes], deadline: float) -> None:
    """Follow the counters of the queues until every job is done."""
    done = 0
    while done < total:
        pause(daemon, deadline, f"{done} of {total} jobs are done")
        queues = status() or []
        if dead := sum(queue["dead"] for queue in queues):
            raise DemoFailed(f"{dead} jobs failed for good")
        done = sum(queue["done"] for queue in queues)
        advance(done)


def check_results(files: list[Path], place: Path) -> None:
    """Compare what the jobs wrote with what they should have written."""
    for path in files:
        content = path.read_bytes()
        expect(f"{path}.gz", gzip.decompress(output(f"{path}.gz")) == content)
        expect(f"{path}.sha256", output(f"{path}.sha256").startswith(digest(content)))
        expect(f"{path}.preview", content.startswith(output(f"{path}.preview").strip()))
    for at in range(0, len(files), FILES_PER_REPORT):
        group = files[at : at + FILES_PER_REPORT]
        expect(report(group), output(report(group)).startswith(b"%d words" % (len(group) * WORDS_PER_FILE)))
    everything = str(place / "all.report")
    expect(everything, output(everything).startswith(b"%d words" % (len(files) * WORDS_PER_FILE)))


def expect(name: str, right: bool) -> None:
    if not right:
        raise DemoFailed(f"{name} is wrong")


def output(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except FileNotFoundError:
        raise DemoFailed(f"{name} is missing") from None


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def names(files: list[Path]) -> list[str]:
    return [str(path) for path in files]


def report(group: list[Path]) -> str:
    return f"{group[0]}.report"


def status() -> list[dict[str, Any]] | None:
    """Return the queues as `jqctl status --json` shows them; None while the server is not there."""
    answer = subprocess.run([command("jqctl"), "status", "--json"], capture_output=True, check=False)
    if answer.returncode != 0:
        return None
    queues: list[dict[str, Any]] = json.loads(answer.stdout)["queues"]
    return queues


def pause(daemon: subprocess.Popen[bytes], deadline: float, state: str) -> None:
    """Wait a moment, unless time is up or the daemon has ended."""
    try:
        code = daemon.wait(POLL_S)
    except subprocess.TimeoutExpired:
        if time.monotonic() > deadline:
            raise DemoFailed(f"after {TIME_LIMIT_S} s {state}") from None
    else:
        raise DemoFailed(f"the daemon ended with code {code}; {state}")


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, a line per tenth elsewhere; call what it yields with the number done."""
    if not sys.stdout.isatty():
        yield plain_progress(total)
        return
    columns = (TextColumn("jobs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("jobs", total=total)
        yield lambda done: bar.update(task, completed=done)


def plain_progress(total: int) -> Callable[[int], None]:
    shown = 0

    def advance(done: int) -> None:
        nonlocal shown
        if done * 10 // total > shown:
            shown = done * 10 // total
            print(f"  {done:>4} of {total} jobs done", flush=True)

    return advance


def command(name: str) -> str:
    """Return the path of jqd or jqctl: beside this Python, as in a virtual environment, or on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise DemoFailed(f"{name} is not installed; run `make venv`")
    return found


def end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""


def end_server(directory: Path) -> None:
    """End a server that its daemon could not end, because it was killed."""
    try:
        os.kill(int((directory / "valkey.pid").read_text()), signal.SIGTERM)
    except (OSError, ValueError):
        pass


if __name__ == "__main__":
    sys.exit(main())
