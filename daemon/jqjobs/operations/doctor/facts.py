"""All that the checks look at. Gathered by `gathering`; checks only read it, so each can be tried with facts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jqjobs.store.calls.schedules import Planned
from jqjobs.store.reads.cluster_nodes import ClusterNodes
from jqjobs.store.reads.error_groups import ErrorGroup
from jqjobs.store.reads.limits import HeldLimit
from jqjobs.store.reads.memory import RedisMemory
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import Registry


class ServerFacts(NamedTuple):
    """Redis. ``info``: the fields of INFO, of a cluster those of its fullest node; ``nodes``: those of each that serves
    queues, by its name. ``round_trip_ms``: the median of some.

    ``ahead_s``: its clock before ours, behind if negative. ``overcommit``: vm.overcommit_memory of its host;
    ``huge_pages``: whether it may use transparent ones; None: not known, since it is elsewhere. ``cluster``: its nodes,
    none of one server.
    """

    address: str
    info: Mapping[str, str]
    memory: RedisMemory | None
    round_trip_ms: float
    ahead_s: float
    overcommit: int | None = None
    huge_pages: bool | None = None
    cluster: ClusterNodes = ClusterNodes()
    nodes: Mapping[str, Mapping[str, str]] = {}


class QueueFacts(NamedTuple):
    """One queue. ``parked``: job name → how many, of the first hundred. ``rejected``: reason → the same.

    ``offered``: job names that live workers have. ``top_error``: what most of its dead died of.
    ``late_leases``: worker → seconds since its lease should have been renewed.
    """

    status: QueueStatus
    parked: Mapping[str, int] = {}
    offered: Sequence[str] = ()
    rejected: Mapping[str, int] = {}
    died_in_last_hour: int = 0
    top_error: ErrorGroup | None = None
    limits: Sequence[HeldLimit] = ()
    schedules: Sequence[Planned] = ()
    late_leases: Mapping[str, float] = {}


class Facts(NamedTuple):
    """Everything. ``broken``: queue → why it cannot be counted. ``refused``: kind of facts → why there are none.

    ``workers_elsewhere``: workers of this host and user that work with another Redis or prefix.
    """

    server: ServerFacts
    registry: Registry
    queues: Sequence[QueueFacts] = ()
    broken: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}
    workers_elsewhere: int = 0
