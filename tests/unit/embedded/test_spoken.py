"""What an embedded server answers to PING, and what that says of it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from jqjobs.embedded import PingAnswer, ping


def test_ping_tells_loading_from_ready_and_silent(tmp_path: Path) -> None:
    def answer(reply: bytes) -> PingAnswer:
        path = tmp_path / "s"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()

            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(reply)

            thread = threading.Thread(target=serve)
            thread.start()
            found = ping(path)
            thread.join()
            return found

    assert answer(b"+PONG\r\n") is PingAnswer.READY
    assert answer(b"-LOADING Valkey is loading\r\n") is PingAnswer.LOADING
    assert answer(b"-BUSY running a script\r\n") is PingAnswer.READY
    assert answer(b"") is PingAnswer.SILENT
    assert ping(tmp_path / "nothing") is PingAnswer.SILENT
