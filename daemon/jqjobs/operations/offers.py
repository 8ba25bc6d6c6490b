"""Jobs that workers offer, as people name and call them: which one is meant, and whether arguments fit it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jqjobs.base.nearest import did_you_mean, nearest
from jqjobs.errors import Conflict, InvalidArguments, NotFound
from jqjobs.jobs.fitting import misfit, type_words
from jqjobs.store.reads.catalog import Offer, offer_in, offers_of, read_offers
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.store import Store

_LIST = "jqctl jobs lists what workers offer"


def find_offer(store: Store, name: str, naming: str = "--queue") -> Offer:
    """Return the job of that name in the one queue it is registered for; a live worker's word goes first.

    ``naming``: what stands before the name of a queue where that is said.
    Raises: NotFound; Conflict when it is registered for several queues.
    """
    offers = offers_of(store, name)
    found = [offer for offer in offers if offer.is_live] or offers
    if not found:
        meant = did_you_mean(name, {offer.name for offer in read_offers(store)})
        raise NotFound(
            f"no queue offers a job {name!r}",
            hint=" ".join(filter(None, (meant, f"{_LIST}; {naming} NAME stores it all the same"))),
        )
    if len(found) > 1:
        several = " or ".join(f"{naming} {offer.queue}" for offer in found)
        raise Conflict(f"several queues offer a job {name!r}", hint=f"say which one: {several}")
    return found[0]


def destination(
    store: Store, queue: str | None, name: str, naming: str = "--queue"
) -> tuple[str, Offer | None]:  # fmt: skip
    """Return the queue that is meant, and what is offered there under this name. ``naming``: as of `find_offer`."""
    if queue is not None:
        return queue, offer_in(store, queue, name)
    offer = find_offer(store, name, naming)
    return offer.queue, offer


def check_arguments(offer: Offer, payload: bytes, shown: Offer) -> None:
    """Raise InvalidArguments when a payload does not fit what live workers take; old word of a job is not heeded.

    ``shown``: the offer as whoever asks may see it.
    """
    given = json.loads(payload)
    why = misfit(offer.parameters, given.get("args", []), given.get("kwargs", {})) if offer.is_live else ""
    if why:
        hint = f"{call_words(shown.name, shown.parameters)}; --unchecked enqueues it all the same"
        raise InvalidArguments(f"the arguments do not fit {offer.name}: {why}", hint=hint)


def warning_of(store: Store, queue: str, name: str, *, is_offered: bool) -> str | None:
    """Return why nobody may run a job of that name in a queue, with what was meant maybe; None when somebody will."""
    registry = read_registry(store)
    if not registry.serves(queue):
        return _with_guess(f"no daemon serves queue {queue}: the job waits until one does", queue, registry.served)
    if is_offered:
        return None
    offers = list(read_offers(store))
    # Where queues have turns, a worker says what it offers in one when it comes there first.
    if queue not in registry.served and any(offer.name == name and offer.is_live for offer in offers):
        return None
    offered = {offer.name for offer in offers}
    return _with_guess(f"no worker of queue {queue} has offered a job named {name}: it is parked until one does",
                       name, offered)  # fmt: skip


def _with_guess(warning: str, word: str, known: set[str]) -> str:
    meant = nearest(word, known - {word})
    return f"{warning} (was {meant} meant?)" if meant else warning


def call_words(name: str, schema: Any) -> str:
    """Return how a job is called: ``send_welcome(user_id: integer, template: string = "default")``."""
    return f"{name}({', '.join(_parameters(schema))})" if isinstance(schema, dict) else f"{name}(…)"


def _parameters(schema: Mapping[str, Any]) -> Iterator[str]:
    positional, is_named = schema.get("x-positional", []), False
    for name, kind in schema.get("properties", {}).items():
        if name not in positional and not is_named:
            is_named = True
            yield f"*rest: {type_words(schema['x-rest'])}" if "x-rest" in schema else "*"
        default = f" = {json.dumps(kind['default'], ensure_ascii=False)}" if "default" in kind else ""
        maybe = "" if default or name in schema.get("required", []) else " = …"
        yield f"{name}: {type_words(kind)}{default}{maybe}"
    if "x-rest" in schema and not is_named:
        yield f"*rest: {type_words(schema['x-rest'])}"
    if schema.get("additionalProperties") is not False:
        yield f"**more: {type_words(schema.get('additionalProperties'))}"
