"""The alert thread of a daemon that has `--alert-url` or `--alert-exec`: looks, and tells.

look ─▶ claim: of all daemons one ─▶ tell ─▶ note that it is told
                                       └── nobody heard: tried again once the claim is over, by whoever looks first

So somebody hears of each alert at least once, and then nobody for `--alert-every`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from jqjobs.base import log
from jqjobs.daemon.alerts.conditions import Alert, find_alerts
from jqjobs.daemon.alerts.delivery import PATIENCE_S, Tell
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreError
from jqjobs.store.calls.alerts import claim_alert, told_alert, told_until
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.store import Store

_LOOK_EVERY_S = 15.0
#: Longer than telling takes: until then nobody else tries.
_CLAIM_MS = round(2000 * PATIENCE_S) + 5000


class AlertThread(threading.Thread):
    """One per daemon. Redis may be away, and whoever is told may not answer: no other thread waits for either."""

    def __init__(self, settings: DaemonSettings, store: Store, told: Sequence[Tell]) -> None:
        """``told``: who hears of each alert."""
        super().__init__(name="jqjobs-alerts", daemon=True)
        self._wait_s = settings.alert_wait_s
        self._again_ms = round(settings.alert_every_s * 1000)
        self._store = store
        self._told = told
        self._failed: dict[str, str] = {}
        self._ending = threading.Event()

    def end(self) -> None:
        """End; an alert that is being told is not waited for: another daemon, or the next one, tells it again."""
        self._ending.set()

    def run(self) -> None:
        """Look until `end`. Redis being away is said by the lease thread."""
        while not self._ending.wait(_LOOK_EVERY_S * random.uniform(0.75, 1.25)):
            try:
                self.look()
            except StoreError:
                self._store.close()
            except Exception:
                log.event("alert.error", level=log.CRITICAL, exc_info=True)
        self._store.close()

    def look(self) -> None:
        """Look once, and tell what is to be told. Raises: StoreError."""
        now_ms = server_now_ms(self._store)
        for alert in find_alerts(self._store, self._wait_s, told_until(self._store), now_ms - self._again_ms):
            if self._store.run(claim_alert(alert.name, self._again_ms, _CLAIM_MS)) and self._tell(alert):
                self._store.run(told_alert(alert.name, now_ms))

    def _tell(self, alert: Alert) -> bool:
        """Tell everybody; whether somebody has heard it. Others are not told again and again of what one missed."""
        failures = [failure for tell in self._told if (failure := tell(alert))]
        is_told = len(failures) < len(self._told)
        if is_told:
            log.event("alert.told", level=log.WARNING, kind=alert.kind, message=alert.message)
        before = self._failed.pop(alert.name, "")
        if failures:
            self._failed[alert.name] = failures[0]
            if failures[0] != before:
                log.event("alert.failed", level=log.ERROR, kind=alert.kind, message=alert.message, error=failures[0])
        return is_told
