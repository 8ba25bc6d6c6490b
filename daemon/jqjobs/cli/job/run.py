"""`jqctl job run`: one job of an app, run here and now; nothing is stored.

The app is imported when it runs. The job runs as in a worker: arguments by its
annotations, middleware, hooks, `current_job()`. One attempt; no time limit, no rate or concurrency limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from jqjobs.base.config import Environment, use_redis
from jqjobs.base.escape import visible
from jqjobs.base.words import known_words
from jqjobs.cli.app_loading import load_whole_app
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.output import complain
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.errors import NotFound, UnknownJobName
from jqjobs.jobs.records import NewJob, check_name, new_id
from jqjobs.operations.arguments import payload_of

if TYPE_CHECKING:
    from jqjobs.api.app import App
    from jqjobs.inprocess.memory_store import Record

_STDOUT, _STDERR = 1, 2
_OUTCOMES = {"kept": "succeeded", "waiting": "waiting"}
#: How the job ended, as the answer says it → the exit code.
_EXITS = {
    "succeeded": Exit.OK, "waiting": Exit.OK, "failed": Exit.JOB_FAILED, "discarded": Exit.JOB_DISCARDED,
}  # fmt: skip


@click.command("run")
@click.argument("name")
@click.option("--app", "reference", metavar="MODULE:ATTR", help="The app, such as shop.app:app. Default: JQ_APP.")
@click.option("--args", "args_text", default="[]", metavar="JSON", help="Positional arguments: a JSON list.")
@click.option("--kwargs", "kwargs_text", default="{}", metavar="JSON", help="Named arguments: a JSON object.")
@speaks_to_redis
@click.pass_obj
def run(session: Session, name: str, reference: str | None, args_text: str, kwargs_text: str) -> int:
    """Run one job here, in the foreground. NAME is the name it is registered under in the app.

    What it returns is written to stdout as JSON; what it prints goes to stderr. Nothing is stored and nothing is
    tried again. Jobs that it enqueues go to Redis as usual.

    Exit codes: 0 it succeeded; 3 it failed; 7 it discarded itself; 2 its arguments do not fit; 5 no such job.

    \b
    Examples:
      jqctl job run count_words --app shop.app:app --args '["README.md"]'
      jqctl job run send_welcome --kwargs '{"user_id": 42}' --json
    """
    session.answers_in(*WITHOUT_IDS)
    check_name(name, "job name")
    payload = payload_of(args_text, kwargs_text)
    if session.redis_flag or session.prefix:
        use_redis(Environment().redis_url(session.redis_flag, session.prefix))
    from jqjobs.base import log

    log.configure("jqctl", level="warning")
    with _stdout_is_stderr():
        app = load_whole_app(reference or Environment().get("app"))
        record, error = _run(app, name, payload)
    if error is not None and not session.as_json:
        complain(*(_traceback(record) or record.error).split("\n"))
    return _tell(session, name, record)


@contextlib.contextmanager
def _stdout_is_stderr() -> Iterator[None]:
    """Keep stdout for the answer: what the job prints goes to stderr, and so does what its child processes write."""
    kept = os.dup(_STDOUT)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            os.dup2(_STDERR, _STDOUT)
            yield
    finally:
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _run(app: App, name: str, payload: bytes) -> tuple[Record, BaseException | None]:
    """Run one attempt. Raises: NotFound, InvalidArguments."""
    from jqjobs.inprocess.engines import MemoryEngine
    from jqjobs.inprocess.lifetime import Lifetime
    from jqjobs.jobs.payload import decode_payload

    try:
        job = app.registry.find(name)
    except UnknownJobName as unknown:
        raise NotFound(str(unknown), hint=known_words(name, sorted(app.jobs), "jobs")) from None
    job.signature.decode(decode_payload(payload))  # arguments that do not fit are an error of the command line
    with Lifetime(app) as lifetime:
        engine = MemoryEngine(app, lifetime=lifetime)
        engine.enqueue(job.queue, [NewJob(name, payload, new_id(), fields=("max_attempts", 1, "keep", 3_600_000))])
        [record] = engine.records
        return record, engine.run_one(engine.records.start(record))


def _tell(session: Session, name: str, record: Record) -> int:
    """Say how the job ended; return the exit code."""
    outcome = _OUTCOMES.get(record.state, record.reason)
    if record.result_missing or outcome == "waiting":
        why = record.result_missing or "it waits for an answer, which cannot come here"
        complain(f"jqctl: warning: {why}")
    result = None if record.result is None else json.loads(record.result)
    answer = {
        "name": name, "outcome": outcome, "result": result, "error": record.error or None,
        "traceback": _traceback(record) or None,
    }  # fmt: skip
    session.show(answer, [_as_text(result)] if outcome == "succeeded" else [])
    return _EXITS.get(outcome, Exit.JOB_FAILED)


def _as_text(result: Any) -> str:
    """Return a result as JSON that can be read, and is JSON still once what is not visible is escaped."""
    text = json.dumps(result, ensure_ascii=False)
    return text if visible(text) == text else json.dumps(result)


def _traceback(record: Record) -> str:
    line: dict[str, Any] = json.loads(record.history[-1]) if record.history else {}
    return str(line.get("traceback") or "").rstrip()
