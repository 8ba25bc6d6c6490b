"""What Redis holds while its log is replayed, and who is told of what changes. The commands are in commands."""

from __future__ import annotations

from typing import Any, Protocol

Hash = dict[str, str]
SortedSet = dict[str, float]


class Observer(Protocol):
    """Is told of changes as they happen, inside a transaction."""

    def added(self, key: str, member: str, score: float) -> None:
        """A member came into a sorted set, or has another score."""

    def removed(self, key: str, member: str) -> None:
        """A member left a sorted set."""

    def written(self, key: str, field: str, value: str) -> None:
        """A field of a hash was set."""

    def deleted(self, key: str) -> None:
        """A key that existed is gone."""


class Keyspace:
    """Keys and values. ``values``: by key; ``expires``: moments in ms of keys that have one."""

    def __init__(self, observer: Observer) -> None:
        self.values: dict[str, Any] = {}
        self.expires: dict[str, int] = {}
        self._observer = observer

    def hash(self, key: str) -> Hash:
        """Return a hash, empty when there is none."""
        found: Hash = self.values.get(key, {})
        return found

    def sorted_set(self, key: str) -> SortedSet:
        """Return a sorted set, empty when there is none."""
        found: SortedSet = self.values.get(key, {})
        return found

    def ranked(self, key: str) -> list[str]:
        """Return the members of a sorted set in its order."""
        found = self.sorted_set(key)
        return sorted(found, key=lambda member: (found[member], member))

    def write(self, key: str, field: str, value: str) -> None:
        """Set a field of a hash."""
        self.values.setdefault(key, {})[field] = value
        self._observer.written(key, field, value)

    def add(self, key: str, member: str, score: float) -> None:
        """Put a member into a sorted set."""
        self.values.setdefault(key, {})[member] = score
        self._observer.added(key, member, score)

    def remove(self, key: str, *members: str) -> None:
        """Take members out of a sorted set."""
        found = self.sorted_set(key)
        for member in members:
            if found.pop(member, None) is not None:
                self._observer.removed(key, member)
        self.drop_empty(key)

    def delete(self, key: str) -> None:
        """Delete a key, if it is there."""
        value = self.values.pop(key, None)
        self.expires.pop(key, None)
        if value is None:
            return
        if isinstance(value, dict):
            for member, score in value.items():
                if isinstance(score, float):
                    self._observer.removed(key, member)
        self._observer.deleted(key)

    def drop_empty(self, key: str) -> None:
        """Delete a key that holds nothing any more, as Redis does."""
        if key in self.values and not self.values[key]:
            self.delete(key)
