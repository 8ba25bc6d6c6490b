"""What the doctor, and the dashboard, say of the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Iterator

from jqjobs.base.words import plural
from jqjobs.operations.doctor.checks import Check
from jqjobs.operations.doctor.facts import Facts
from jqjobs.operations.doctor.findings import Finding, error, fine, warning
from jqjobs.store.clusters import OF_NO_QUEUE

_CLUSTER = "cluster"
_LET_IT_END = "let it end: redis-cli --cluster check, or --cluster fix if nobody is at it"
_BRING_BACK = "start it again; until then it stands in for nobody"


def _look(facts: Facts) -> list[Finding]:
    nodes = facts.server.cluster.nodes
    serving = sum(node.slots > 0 for node in nodes)
    all_well = fine(_CLUSTER, f"{serving} of its {plural(len(nodes), 'node')} serve queues, the others follow them")
    return list(_problems(facts)) or [all_well] * bool(nodes)


def _problems(facts: Facts) -> Iterator[Finding]:
    nodes, migrating = facts.server.cluster
    for queue in migrating:
        what = "what all daemons share" if queue == OF_NO_QUEUE else f"queue {queue}"
        yield warning(_CLUSTER, f"{what} is on its way to another node, key by key, and stands still", _LET_IT_END)
    followed = {node.primary for node in nodes if not node.is_down}
    for node in nodes:
        if node.is_down:
            yield error(_CLUSTER, f"the node {node.place} is not there", _BRING_BACK)
        elif node.slots and node.place not in followed:
            yield warning(_CLUSTER, f"{node.place} has no replica: its death stops its queues", "add one, or start it")


CLUSTER = Check("server.cluster", "Redis", "one server, no cluster", _look)
