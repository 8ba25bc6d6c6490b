"""What the daemon has told this worker over the control socket: to begin, to be quiet, to go on.

Remembers, so that a word that comes early, or together with another one, is not lost. Read by boot and loop.
"""

from __future__ import annotations

from jqjobs.channel import Channel


class Orders:
    """The orders in force. ``may_begin``: the daemon holds a lease for us; ``is_quiet``: take no new jobs."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.may_begin = False
        self.is_quiet = False

    def hear(self) -> None:
        """Read what has come; `channel.closed` is set once the daemon is gone."""
        for message in self.channel.receive():
            event = message["event"]
            self.may_begin = self.may_begin or event == "go"
            if event in ("quiet", "resume"):
                self.is_quiet = event == "quiet"
