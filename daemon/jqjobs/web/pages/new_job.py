"""A new job, from a form that is made of what its function takes, as workers have published it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jqjobs.errors import Conflict, InvalidArguments, InvalidName, InvalidOption, NotFound, PayloadTooLarge
from jqjobs.jobs.fitting import type_words
from jqjobs.operations.offers import call_words
from jqjobs.store.reads.catalog import Offer, offers_of, read_offers
from jqjobs.store.reply_values import integer, strict_json, string
from jqjobs.web.access import Right
from jqjobs.web.acting import enqueue as enqueue_job
from jqjobs.web.http import Response
from jqjobs.web.pages.links import path_of
from jqjobs.web.redaction import HIDDEN
from jqjobs.web.visit import Visit

#: Before the name of a parameter in a form, so that none is taken for a field of ours.
_PREFIX = "p."
_REST, _MORE = "rest", "more"
_TEXT, _NUMBER, _BOOLEAN, _CHOICE, _JSON = "text", "number", "boolean", "choice", "json"
_NUMBER_TYPED = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_KINDS = {"integer": _NUMBER, "number": _NUMBER, "boolean": _BOOLEAN, "string": _TEXT}


class Field(NamedTuple):
    """One parameter. ``kind``: of input. ``default``: as it is shown, "" when it must be given, or may be left out."""

    name: str
    label: str
    kind: str
    type_words: str
    is_required: bool
    default: str
    choices: tuple[str, ...] = ()
    step: str = "any"


class OfferRow(NamedTuple):
    """A job that can be chosen."""

    offer: Offer
    url: str
    doc: str
    call: str


def choose(visit: Visit) -> Response:
    """Show all jobs that workers offer."""
    return visit.page("choose.html", rows=[_row(visit, visit.seen(offer)) for offer in read_offers(visit.store)])


def _row(visit: Visit, offer: Offer) -> OfferRow:
    url, doc = visit.url(path_of("new", offer.queue, offer.name)), string(offer.entry.get("doc")) or ""
    return OfferRow(offer, url, doc, call_words(offer.name, offer.parameters))


def form(visit: Visit) -> Response:
    """Show the form of one job."""
    return _form(visit, _offer(visit), {})


def enqueue(visit: Visit) -> Response:
    """Enqueue it, or show the form again with what is wrong."""
    offer, typed = _offer(visit), {name: values[-1] for name, values in visit.form().items()}
    try:
        stored = enqueue_job(visit, {"name": offer.name, **_arguments(offer, typed), **_options(offer, typed)})
    except (Conflict, InvalidArguments, InvalidName, InvalidOption, PayloadTooLarge) as error:
        visit.end_acts(error.code)
        return _form(visit, offer, typed, error.in_one_line())
    said = "enqueued" if stored.made.created else "there already: nothing is added"
    warning = f"; but {stored.warning}" if stored.warning else ""
    return visit.done(path_of("jobs", stored.queue, stored.made.id), f"{offer.name} is {said}{warning}")


def _offer(visit: Visit) -> Offer:
    queue, name = visit.params["queue"], visit.params["name"]
    found = [offer for offer in offers_of(visit.store, name) if offer.queue == queue]
    if not found:
        raise NotFound(f"no worker has offered {name} for queue {queue}", hint="the page New job lists what there is")
    return visit.seen(found[0])


def _form(visit: Visit, offer: Offer, typed: Mapping[str, str], wrong: str = "") -> Response:
    return visit.page(
        "new_job.html", status=400 if wrong else 200, offer=offer, fields=fields_of(offer.parameters), typed=typed,
        wrong=wrong, doc=string(offer.entry.get("doc")) or "", path=path_of("new", offer.queue, offer.name),
        priority=integer(offer.entry.get("priority")) or 0, prefix=_PREFIX, may=visit.access.may(Right.ENQUEUE),
        call=call_words(offer.name, offer.parameters),
    )  # fmt: skip


def fields_of(schema: Any) -> list[Field]:
    """Return the fields of a call; where nobody says what it takes, two for all arguments as JSON."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return [_json_field(_REST, "args", "array"), _json_field(_MORE, "kwargs", "object")]
    required = schema.get("required", [])
    shared = schema.get("$defs", {})
    found = [
        _field(name, kind, _meant(kind, shared), is_required=name in required)
        for name, kind in schema["properties"].items()
    ]
    if "x-rest" in schema:
        found.append(_json_field(_REST, "further positional arguments", "array"))
    if schema.get("additionalProperties") is not False:
        found.append(_json_field(_MORE, "further named arguments", "object"))
    return found


def _json_field(name: str, label: str, kind: str) -> Field:
    return Field(name, label, _JSON, f"JSON {kind}", False, "")


def _field(name: str, schema: Any, plain: Mapping[str, Any], *, is_required: bool) -> Field:
    told = schema if isinstance(schema, dict) else {}
    kind, words = _kind(plain), type_words(told)
    default = json.dumps(told["default"], ensure_ascii=False) if "default" in told else ""
    if HIDDEN in default:
        default, words = "", f"{words}, with a default that is not shown"
    elif kind in (_TEXT, _CHOICE) and isinstance(told.get("default"), str):
        default = told["default"]
    choices = tuple(str(each) for each in plain.get("enum", ())) if kind == _CHOICE else ()
    step = "1" if plain.get("type") == "integer" else "any"
    return Field(f"{_PREFIX}{name}", name, kind, words, is_required, default, choices, step)


def _kind(plain: Mapping[str, Any]) -> str:
    if all(isinstance(each, str) for each in plain.get("enum", [0])):
        return _CHOICE
    return _KINDS.get(str(plain.get("type")), _JSON)


def _meant(schema: Any, shared: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one kind of value that is meant: where nothing, too, will do, and where it is described elsewhere."""
    told = schema if isinstance(schema, dict) else {}
    others = [each for each in told.get("anyOf", ()) if isinstance(each, dict) and each.get("type") != "null"]
    told = others[0] if len(others) == 1 else told
    found = shared.get(str(told["$ref"]).rpartition("/")[2]) if "$ref" in told else told
    return found if isinstance(found, dict) else {}


def _arguments(offer: Offer, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments that were typed, args and kwargs. Raises: InvalidArguments."""
    schema = offer.parameters if isinstance(offer.parameters, dict) else {}
    by_position = schema.get("x-positional-only", [])
    args: list[Any] = []
    kwargs: dict[str, Any] = _json(typed, _MORE, {}, "further named arguments")
    for field in fields_of(offer.parameters):
        text = typed.get(field.name, "")
        if field.name in (_REST, _MORE) or (not text and not (field.is_required and field.kind == _TEXT)):
            continue
        value = _read(field, text)
        if field.label in by_position:
            args.append(value)
        else:
            kwargs[field.label] = value
    args += _by_position(schema, kwargs, _json(typed, _REST, [], "further positional arguments"))
    return {"args": args, "kwargs": kwargs}


def _by_position(schema: Mapping[str, Any], kwargs: dict[str, Any], rest: list[Any]) -> list[Any]:
    """Return what more stands by position: before the rest of them all that have a position must have one."""
    if not rest or "x-rest" not in schema:
        return rest
    names = [name for name in schema.get("x-positional", []) if name not in schema.get("x-positional-only", [])]
    missing = [name for name in names if name not in kwargs]
    if missing:
        raise InvalidArguments(f"{missing[0]} must be given where further positional arguments are")
    return [*(kwargs.pop(name) for name in names), *rest]


def _read(field: Field, text: str) -> Any:
    """Return the value of one field."""
    if field.kind in (_TEXT, _CHOICE):
        return text
    try:
        return strict_json(text)
    except ValueError:
        raise InvalidArguments(f"{field.label} wants {field.type_words}, and {text[:40]!r} is not that") from None


def _json(typed: Mapping[str, str], name: str, otherwise: Any, label: str) -> Any:
    text = typed.get(name, "").strip()
    try:
        value = strict_json(text) if text else otherwise
    except ValueError:
        value = None
    if type(value) is not type(otherwise):
        raise InvalidArguments(f"{label} are no JSON {'list' if isinstance(otherwise, list) else 'object'}")
    return value


def _options(offer: Offer, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed of when and how. Raises: InvalidOption."""
    said: dict[str, Any] = {name: text for name in ("delay", "key") if (text := typed.get(name, "").strip())}
    said["queue"] = typed.get("queue", "").strip() or offer.queue
    if priority := typed.get("priority", "").strip():
        if not _NUMBER_TYPED.fullmatch(priority):
            raise InvalidOption(f"the priority {priority!r} is no number")
        said["priority"] = int(priority)
    return said
