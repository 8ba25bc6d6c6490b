"""What an idle daemon costs while it watches many source files: CPU, memory, Redis commands.

python benchmarks/idle.py            # 2,000 files, one worker, 30 s
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import threading
import time
from pathlib import Path

from jqjobs.store.address import parse_url
from machine import children, cpu_s, daemon, pss_mib, rss_mib, server

_FILES_PER_PACKAGE = 40


def write_app(directory: Path, files: int) -> None:
    """Write an app that imports so many modules."""
    names = []
    for index in range(files):
        package = directory / f"part{index // _FILES_PER_PACKAGE}"
        package.mkdir(exist_ok=True)
        (package / f"module{index}.py").write_text(f"NUMBER = {index}\n")
        names.append(f"{package.name}.module{index}")
    jobs = "from jqjobs import App\n\napp = App()\n\n\n@app.job\ndef noop() -> None:\n    pass\n"
    (directory / "big.py").write_text("".join(f"import {name}\n" for name in names) + jobs)


class Monitor(threading.Thread):
    """Counts the commands that clients send, and those that scripts run."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._socket.sendall(b"MONITOR\r\n")
        self.sent = self.inside = 0

    def run(self) -> None:
        """Count until the server ends."""
        for line in self._socket.makefile("rb"):
            is_inside = b" lua]" in line
            self.inside += is_inside
            self.sent += not is_inside


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--watch", default="auto", help="auto, poll or off")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jqidle-") as name, server() as place:
        directory = Path(name)
        write_app(directory, args.files)
        monitor = Monitor(parse_url(place.url).path)
        with daemon(place.url, args.processes, "--watch", args.watch, app="big:app", directory=directory) as pid:
            monitor.start()
            time.sleep(15)  # the first look at the files, and the first seconds of housekeeping
            measured = {"daemon": pid, "worker": children(pid)[0]}
            cpu = {name: cpu_s(process) for name, process in measured.items()}
            sent, inside = monitor.sent, monitor.inside
            time.sleep(args.seconds)
            sent, inside = monitor.sent - sent, monitor.inside - inside
            print(f"{args.files} files, {args.processes} worker(s), --watch {args.watch}, {place.kind}")
            for name, process in measured.items():
                share = 100 * (cpu_s(process) - cpu[name]) / args.seconds
                print(f"{name}   {share:5.2f} % of a core, RSS {rss_mib(process):.1f}, PSS {pss_mib(process):.1f} MiB")
            per_worker = args.seconds * args.processes
            print(f"Redis    {sent / per_worker:5.2f} commands/s for each worker, the daemon's share included; "
                  f"{inside / per_worker:.1f} more inside scripts")  # fmt: skip


if __name__ == "__main__":
    main()
