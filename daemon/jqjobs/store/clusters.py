"""The nodes of a ``redis+cluster://`` URL, and which slot of a cluster a key is in."""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass

from jqjobs.store.sentinels import Place, place_text, places_of

SLOTS = 16384
#: The tag of what belongs to no queue, see `jqjobs.store.keys`.
OF_NO_QUEUE = "~"
_PORT = 6379
_EXAMPLE = "write redis+cluster://n1:6379,n2,n3: some of its nodes, which know all others"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes that are asked first which others there are."""

    seeds: tuple[Place, ...]

    def __str__(self) -> str:
        return ",".join(map(place_text, self.seeds))


def cluster_of(places: str) -> Cluster:
    """Return what a URL says. ``places``: as it stands there. Raises: ConfigError, which repeats none of it."""
    return Cluster(places_of(places, _PORT, "node", _EXAMPLE))


def slot_of(tag: str) -> int:
    """Return the slot of all keys with this hash tag."""
    return crc_hqx(tag.encode(), 0) % SLOTS
