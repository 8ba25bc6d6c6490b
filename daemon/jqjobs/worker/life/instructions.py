"""What the daemon has told this worker over the control socket: to begin, to be quiet, to go on, to end.

Remembers, so that a word that comes early, or together with another one, is not lost. Read by boot and loop.
"""

from __future__ import annotations

from jqjobs.link.channel import Channel
from jqjobs.worker.life.worker_signals import Signals


class Instructions:
    """What holds now. ``may_begin``: the daemon holds a lease for us; ``is_quiet``: take no new jobs.

    ``room``: its last answer about memory, job id and verdict. A "memory" message only wakes whoever waits here.
    """

    def __init__(self, channel: Channel, signals: Signals) -> None:
        self.channel = channel
        self._signals = signals
        self.may_begin = False
        self.is_quiet = False
        self.room: tuple[str, str] | None = None
        self.room_bytes = 0

    def take_room(self, job_id: str) -> str | None:
        """Return the daemon's answer about the memory of a job, once; None when it has not come."""
        room, self.room = self.room, None
        return room[1] if room is not None and room[0] == job_id else None

    def hear(self) -> None:
        """Read what has come; `channel.closed` is set once the daemon is gone."""
        for message in self.channel.receive():
            event = message["event"]
            self.may_begin = self.may_begin or event == "go"
            if event in ("quiet", "resume"):
                self.is_quiet = event == "quiet"
            elif event == "drain":
                self._signals.drain()
            elif event == "stop":
                self._signals.stop()
            elif event == "room":
                self.room, self.room_bytes = (message["job"], message["answer"]), message.get("most_bytes", 0)
