"""What `CLUSTER NODES` tells, line by line."""

from __future__ import annotations

from jqjobs.store.reads.cluster_nodes import ClusterNode, nodes_of

LINES = """\
aa 10.0.0.1:6379@16379,one myself,master - 0 0 1 connected 0-99 200 [5->-bb]
bb 10.0.0.2:6379@16379 master,fail - 1 2 2 disconnected 100-199
cc 10.0.0.3:6379@16379 slave aa 0 1 1 connected
dd :0@0 master,noaddr - 0 0 0 disconnected
ee 10.0.0.5:6379@16379 handshake - 0 0 0 connected
""".splitlines()


def test_nodes_are_told_with_what_they_serve_or_whom_they_follow() -> None:
    assert nodes_of(LINES) == (
        ClusterNode("10.0.0.1:6379", "", 101, False),
        ClusterNode("10.0.0.3:6379", "10.0.0.1:6379", 0, False),
        ClusterNode("10.0.0.2:6379", "", 100, True),
    )
