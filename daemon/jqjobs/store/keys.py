"""One function per Redis key (docs/protocol.md, "Keys"), less the prefix: that is the address's, see `Address.key`.

`{queue}` is a cluster hash tag. What belongs to no queue has the tag `{~}`, which is no queue's name: one slot too.
The scripts build the same names from the key of a queue's meta; tests/store/lua/test_keys.py holds them together.
"""

from __future__ import annotations

QUEUES = "{~}:queues"
DAEMONS = "{~}:daemons"
AUDIT = "{~}:audit"
MEMORY = "{~}:memory"
DEPLOYS = "{~}:deploys"
ALERTS = "{~}:alerts"
ROUNDS = "{~}:rounds"


def queue(name: str, part: str) -> str:
    """Return the key of one part of a queue: ``inbox``, ``ready``, ``scheduled``, …"""
    return f"{{{name}}}:{part}"


def meta(name: str) -> str:
    return f"{{{name}}}:meta"


def inbox(name: str) -> str:
    return queue(name, "inbox")


def wake(name: str) -> str:
    return queue(name, "wake")


def rejected(name: str) -> str:
    return queue(name, "rejected")


def job(name: str, job_id: str) -> str:
    return queue(name, f"job:{job_id}")


def over(name: str, job_id: str) -> str:
    """Return the channel on which the end of an awaited job is published."""
    return queue(name, f"over:{job_id}")


def tail(name: str) -> str:
    """Return the channel on which workers tell which attempts began and ended, while somebody listens."""
    return queue(name, "tail")


def active(name: str, worker_id: str) -> str:
    return queue(name, f"active:{worker_id}")


def daemon(daemon_id: str) -> str:
    return f"{{~}}:daemon:{daemon_id}"


def worker(worker_id: str) -> str:
    return f"{{~}}:worker:{worker_id}"


def control(daemon_id: str) -> str:
    return f"{{~}}:control:{daemon_id}"


def wakes(pattern: str) -> str:
    """Return the wake set of a pattern of queues: those where there is something to do."""
    return f"{{~}}:wakes:{pattern}"


def served(pattern: str) -> str:
    """Return the key of what queues of a pattern have had lately, in jobs."""
    return f"{{~}}:served:{pattern}"


def answer(nonce: str) -> str:
    return f"{{~}}:answer:{nonce}"
