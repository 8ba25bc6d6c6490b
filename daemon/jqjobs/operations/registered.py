"""Jobs that workers have registered, as JSON."""

from __future__ import annotations

from typing import Any

from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reads.registry import Registry
from jqjobs.store.reply_values import integer, string


def offer_json(offer: Offer, registry: Registry) -> dict[str, Any]:
    """Return a job as ``jobs --json`` shows it."""
    numbers = ("priority", "max_attempts", "max_crashes", "timeout_ms", "keep_ms")
    return {
        "name": offer.name, "queue": offer.queue, "doc": string(offer.entry.get("doc")), "params": offer.parameters,
        "defaults": _defaults(offer.parameters), "offered_by": _offered_by(offer, registry),
        **{name: integer(offer.entry.get(name)) for name in numbers},
    }  # fmt: skip


def _defaults(schema: Any) -> dict[str, Any]:
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return {name: kind["default"] for name, kind in properties.items() if "default" in kind}


def _offered_by(offer: Offer, registry: Registry) -> list[str]:
    """Return the daemons that serve the queue of a job which live workers offer."""
    if not offer.is_live:
        return []
    return [daemon.name or daemon.id for daemon in registry.daemons if daemon.serves(offer.queue)]
