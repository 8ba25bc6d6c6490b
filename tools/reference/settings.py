"""Settings: of `jqd` from its table of options and its defaults; what others read; signals and exit codes."""

from __future__ import annotations

import dataclasses
import re
import signal
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from jqjobs.base.config import DEFAULT_REDIS_URL, DEFAULT_TIMEOUT_S
from jqjobs.base.prefix import DEFAULT_PREFIX
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.jqd import OPTIONS, flag_of, variable_of
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.signals import ACTIONS
from jqjobs.link.exits import DaemonExit, WorkerExit
from reference.markdown import code, table

#: What is read by producers, workers and `jqctl` too: variable → (default, meaning).
OTHERS = {
    "JQ_REDIS_URL": (code(DEFAULT_REDIS_URL), "where Redis is: `redis://`, `rediss://`, `unix://`, "
                     "`redis+sentinel://`, `redis+cluster://`, `embedded:[DIR]`; `--redis` of `jqd` and `jqctl`"),
    "JQ_REDIS_USERNAME": ("none", "the user, where the URL has no password"),
    "JQ_REDIS_PASSWORD": ("none", "the password, where the URL has none"),
    "JQ_REDIS_PASSWORD_FILE": ("none", "the file that holds it; read again before each connection"),
    "JQ_PREFIX": (code(DEFAULT_PREFIX), "what all keys in Redis begin with; `--prefix` of `jqd` and `jqctl`"),
    "JQ_TIMEOUT": (code(f"{DEFAULT_TIMEOUT_S:g}s"), "how long a call of a producer or of `jqctl` may take in all"),
    "JQ_WAIT": ("none", "how many replicas must have what a Python app enqueues, and within which time: `1:100ms`, "
                "`all`, `all:1s`; see [Sentinel](../how-to/redis.md#what-a-failover-loses)"),
    "JQ_ENGINE": ("`redis`", "where producers' calls go: `redis`; `sync`: run at once in the caller; `null`: nowhere; "
                  "`database`: into the [outbox](../how-to/outbox.md#producers-without-redis) at `JQ_DATABASE_URL`"),
    "JQ_DATABASE_URL": ("the app's `Outbox`", "the database of the outbox, as SQLAlchemy writes it: "
                        "`postgresql://shop@db/shop`; for `JQ_ENGINE=database`, relays and `jqctl outbox`"),
    "JQ_RELEASE": ("the git commit", "what `jqctl status` calls the code that a worker has loaded"),
}  # fmt: skip
_SIGNALS = {
    signal.SIGTERM: "drain: take no more, let running jobs finish within `--grace`, interrupt the rest, exit 0",
    signal.SIGINT: "the same; a second one is QUIT",
    signal.SIGQUIT: "stop now: interrupt running jobs; they go back free of charge",
    signal.SIGHUP: "reload: new workers one by one, each ready before its predecessor retires",
    signal.SIGUSR2: "quiet: take no new jobs; what runs goes on",
    signal.SIGCONT: "resume",
    signal.SIGTTIN: "one worker more",
    signal.SIGTTOU: "one worker less, once its job is done; one always stays",
    signal.SIGUSR1: "write the stacks of all workers to the log",
}
#: Who ends → (its exit codes, what each means).
_ENDS: dict[str, tuple[type[IntEnum], dict[str, str]]] = {
    "jqd": (DaemonExit, {
        "ORDERLY": "orderly",
        "USAGE": "the command line does not parse",
        "INTERNAL": "a defect in jqjobs; see the log",
        "TEMPORARY": "its new image could not be executed, or no thread may be started; start it again",
        "CONFIGURATION": "configuration: [what it may be](../troubleshooting.md#jqd-exits-with-78)",
    }),
    "a worker": (WorkerExit, {
        "DRAINED": "told to drain: it took no more, finished what ran, gave the rest back",
        "STOPPED": "told to stop now: the running job was interrupted and given back",
        "FENCED": "its lease was gone; whatever it still did counts for nothing",
        "ORPHANED": "its daemon was gone",
        "INTERNAL": "a defect in jqjobs; the log has the traceback",
        "REFUSED": "Redis refuses the credentials, or they lack a permission",
        "BAD_APP": "the app cannot be loaded",
    }),
    "jqctl": (Exit, {
        "OK": "done",
        "ERROR": "an error; of `doctor`: something does harm now; of `ping`: nobody can take jobs; of `status`: "
        "a queue cannot be counted; of `daemon`: one refused, or did not answer",
        "USAGE": "the command line is not understood, or a value is not allowed",
        "JOB_FAILED": "`job run`: the job failed",
        "UNREACHABLE": "Redis cannot be reached",
        "NOT_FOUND": "there is no such job, queue, schedule or daemon",
        "CONFLICT": "the state of the job does not allow that",
        "JOB_DISCARDED": "`job run`: the job discarded itself",
        "INTERRUPTED": "Ctrl-C; of acts on many jobs TERM too",
        "READER_GONE": "who read the output has gone, as `head` does",
    }),
}  # fmt: skip


def lines() -> Iterator[str]:
    """Yield the page."""
    yield "A flag beats the environment, that beats `.env`, that beats the default. Of `.env` files counts the nearest"
    yield "from the working directory up to the project root."
    yield ""
    yield from ["## Of jqd", ""]
    yield from table(("flag", "variable", "default", "meaning"), map(_row, OPTIONS))
    yield from ["## Of producers, workers and jqctl too", ""]
    yield from table(("variable", "default", "meaning"), [(code(name), *said) for name, said in OTHERS.items()])
    yield from ["## Signals of jqd", ""]
    yield from table(("signal", "what it does"), [(code(each.name[3:]), _SIGNALS[each]) for each in ACTIONS])
    for title, (kind, meanings) in _ENDS.items():
        yield from [f"## Exit codes of {title}", ""]
        rows = [(str(each.value), each.name.lower(), meanings[each.name]) for each in kind]
        yield from table(("code", "name", "meaning"), rows)


def _row(setting: str) -> tuple[str, ...]:
    _, metavar, text = OPTIONS[setting]
    meaning, said = about(text)
    return (
        code(f"{flag_of(setting)} {metavar}"),
        code(f"JQ_{variable_of(setting).upper()}"),
        said or _own(setting),
        meaning,
    )


def about(text: str) -> tuple[str, str]:
    """Return what the help of a setting says of it, and of its default, "" for nothing."""
    meaning, _, default = text.rpartition("Default: ") if "Default: " in text else (text, "", "")
    return meaning.strip(), re.sub(r"\.$", "", default)


def _own(setting: str) -> str:
    default = default_of(setting)
    return "" if default in ("", None) else str(default)


def default_of(setting: str) -> Any:
    """Return the default that a daemon has; None for one that must be given."""
    [field] = [each for each in dataclasses.fields(DaemonSettings) if each.name == setting]
    return None if field.default is dataclasses.MISSING else field.default
