"""What the doctor asks of daemons and their workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from jqjobs.base.clock import format_age
from jqjobs.base.words import listed, plural
from jqjobs.operations.daemons import START_ONE, outbox_trouble, short_release, title, why_unable
from jqjobs.operations.doctor.checks import Check
from jqjobs.operations.doctor.facts import Facts
from jqjobs.operations.doctor.findings import Finding, error, fine, warning
from jqjobs.store.reads.registry import DaemonInfo, Registry
from jqjobs.version import __version__

_ALL = "daemons"


def _able(facts: Facts) -> Iterator[Finding]:
    daemons = facts.registry.daemons
    unable = [(daemon, why) for daemon in daemons if (why := why_unable(daemon))]
    if not daemons:
        yield _none(facts.registry)
    for daemon, why in unable:
        kind = error if len(unable) == len(daemons) else warning
        yield kind(_daemon(daemon), f"it takes no jobs: {why}", "its log says more")
    if daemons and not unable:
        yield fine(_ALL, f"{plural(len(daemons), 'daemon')} can take jobs")


def _none(registry: Registry) -> Finding:
    if registry.why_mute:
        return error(_ALL, f"none is heard of: {registry.why_mute}", f"if none is running, {START_ONE}")
    return error(_ALL, "none is running, so no job is executed", START_ONE)


def _daemon(daemon: DaemonInfo) -> str:
    return f"daemon {title(daemon)}"


def _versions(facts: Facts) -> Iterator[Finding]:
    versions = sorted({daemon.version for daemon in facts.registry.daemons if daemon.version} | {__version__})
    if len(versions) > 1:
        yield warning(
            _ALL, f"jqjobs is there in versions {listed(versions)} (this is {__version__})",
            "install one version everywhere; a daemon replaces itself when its own is replaced, or by HUP",
        )  # fmt: skip


def _apps(facts: Facts) -> Iterator[Finding]:
    """Of one queue all workers should have the same app and code, but for the time of a deploy."""
    apps: dict[str, set[str]] = defaultdict(set)
    releases: dict[str, set[str]] = defaultdict(set)
    for daemon in facts.registry.daemons:
        for queue in (*daemon.queues, *daemon.patterns):
            apps[queue] |= {daemon.app} - {""}
            releases[queue] |= {short_release(worker.release) for worker in daemon.workers if worker.release}
    for queue, found in sorted(apps.items()):
        if len(found) > 1:
            yield warning(
                f"queue {queue}", f"its daemons serve different apps: {listed(sorted(found))}",
                "each takes only what it registers: give each app queues of its own, or its own JQ_PREFIX",
            )  # fmt: skip
    for queue, found in sorted(releases.items()):
        if len(found) > 1:
            yield warning(
                f"queue {queue}", f"its workers run different code: releases {listed(sorted(found))}",
                "is a deploy under way? else jqctl daemon reload --all, and jqctl status shows who stays behind",
            )  # fmt: skip


def _restarts(facts: Facts) -> Iterator[Finding]:
    for daemon in facts.registry.daemons:
        if daemon.deaths:
            yield warning(
                _daemon(daemon), f"{plural(daemon.deaths, 'worker')} died in the last hour, unasked",
                "its log says of what (worker.died); jobs that crash their worker are charged for it",
            )  # fmt: skip


def _reloads(facts: Facts) -> Iterator[Finding]:
    for daemon in facts.registry.daemons:
        if daemon.reload.state == "refused":
            yield error(
                _daemon(daemon), f"its last reload was refused: {daemon.reload.why}",
                "it works on with the old code; mend that, then jqctl daemon reload",
            )  # fmt: skip


def _outboxes(facts: Facts) -> Iterator[Finding]:
    for daemon in facts.registry.daemons:
        if daemon.outbox:
            what, hint = outbox_trouble(daemon.outbox)
            if what:
                yield error(_daemon(daemon), what, hint)


def _leases(facts: Facts) -> Iterator[Finding]:
    late: dict[str, float] = {}
    for queue in facts.queues:
        for worker, late_s in queue.late_leases.items():
            late[worker] = max(late_s, late.get(worker, 0.0))
    for worker, late_s in late.items():
        yield warning(
            f"worker {worker}", f"its lease should have been renewed {format_age(late_s)} ago",
            "its daemon is frozen, starved of CPU, or cut off from Redis; after the lease its jobs run elsewhere",
        )  # fmt: skip


def _redis(facts: Facts) -> Iterator[Finding]:
    if facts.workers_elsewhere and not facts.registry.daemons:
        yield error(
            "this host", f"no daemon, but {plural(facts.workers_elsewhere, 'worker')} with another Redis or prefix",
            "say the same JQ_REDIS_URL and JQ_PREFIX to the app, to jqd and to jqctl",
        )  # fmt: skip


_REGISTRY = ("registry",)
CHECKS = (
    Check("daemons.able", _ALL, "", _able, _REGISTRY),
    Check("daemons.versions", _ALL, f"all have jqjobs {__version__}", _versions, _REGISTRY),
    Check("daemons.apps", _ALL, "the workers of a queue have the same app and code", _apps, _REGISTRY),
    Check("daemons.restarts", _ALL, "no worker died unasked in the last hour", _restarts, _REGISTRY),
    Check("daemons.reloads", _ALL, "no reload was refused", _reloads, _REGISTRY),
    Check("daemons.outbox", _ALL, "each relay of an outbox brings what is committed", _outboxes, _REGISTRY),
    Check("daemons.leases", _ALL, "each lease is renewed in time", _leases, ("leases",)),
    Check(
        "daemons.redis",
        _ALL,
        "while none works here, no worker of this host has another Redis; other hosts are not asked",
        _redis,
        _REGISTRY,
    ),
)
