"""Which of several daemons does what one is enough for: of all that serve the same queues in the same way, one.

That is the first one that asks, as long as it goes on asking (lua/claim_round.lua). One that stood still may learn late
that another one has taken its place. So nothing depends on there being only one: at worst it is done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1

from jqjobs.daemon.settings import DaemonSettings
from jqjobs.store.calls.turns import claim_round
from jqjobs.store.store import Store
from jqjobs.version import __version__

#: Of the time between two rounds of who is elected: when it is no longer waited for, and how often others ask. Together
#: less than a third of a lease: after a longer gap Redis takes it that nobody could renew, and spares the dead.
_PATIENCE, _ASK_AGAIN = 1.2, 0.4


class Election:
    """Of one daemon, in its lease thread. Who cannot ask is to do the work: twice is better than never."""

    def __init__(self, store: Store, settings: DaemonSettings, daemon_id: str, every_s: float) -> None:
        """``every_s``: how often it asks while it is elected."""
        self._store = store
        self._daemon_id = daemon_id
        self._patience_ms = round(_PATIENCE * every_s * 1000)
        #: Other code, or other settings, may do something else in a round: such daemons elect one of their own.
        self._way = (__version__, settings.lease_ms, settings.max_dead, settings.dead_s, *settings.queues.patterns)
        self._name = ""
        #: Whether the answer to the last question was yes; also before the first, and while there is no answer.
        self.is_won = True
        #: How soon to ask again while another one is elected.
        self.again_s = _ASK_AGAIN * every_s

    def ask(self, queues: Sequence[str]) -> bool:
        """Return whether the work in these queues is this daemon's; without a question where there are none.

        Raises: StoreError. Until it is asked again ``is_won`` then.
        """
        self.is_won = True
        if not queues:
            return True
        self._name = "chores " + sha1(repr((self._way, *queues)).encode(), usedforsecurity=False).hexdigest()[:20]
        self.is_won = self._store.run(claim_round(self._name, self._daemon_id, self._patience_ms))
        return self.is_won

    def resign(self) -> None:
        """Let another one do it from now on. Raises: StoreError."""
        if self._name and self.is_won:
            self._store.run(claim_round(self._name, self._daemon_id, 0))
