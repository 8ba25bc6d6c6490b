"""`jqctl schedule add`: let a job run by itself, without the app's code."""

from __future__ import annotations

from typing import Any

import click

from jqjobs.cli.job_options import job_options
from jqjobs.cli.names import job_names, queue_option
from jqjobs.cli.output import complain
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.jobs.options import Options
from jqjobs.jobs.schedule_entry import check_added_name
from jqjobs.operations.arguments import payload_of

_MISSED = ("latest", "skip", "all")


@click.command("add")
@click.argument("name")
@click.argument("job", shell_complete=job_names)
@click.option("--cron", metavar="EXPRESSION", help="When: five fields, or six with seconds first.")
@click.option("--tz", metavar="ZONE", help="The time zone of --cron, such as Europe/Paris. Default: UTC.")
@click.option("--every", metavar="TIME", help="Instead of --cron: so often, 15m.")
@queue_option("Queue of its jobs. Default: the one the job is registered for.")
@click.option("--args", "args_text", default="[]", metavar="JSON", help="Positional arguments: a JSON list.")
@click.option("--kwargs", "kwargs_text", default="{}", metavar="JSON", help="Named arguments: a JSON object.")
@click.option("--until", default="", metavar="MOMENT", help="Its end: 'in 3 months', 2027-01-31T18:00Z.")
@click.option("--missed", type=click.Choice(_MISSED), default="latest", show_default=True,
              help="Of ticks that no daemon was there for: which run.")  # fmt: skip
@click.option("--catch-up", default="1h", show_default=True, metavar="TIME", help="Ticks missed longer ago never run.")
@click.option("--no-overlap", is_flag=True, help="No run while an earlier one has not ended.")
@job_options
@click.option("--replace", is_flag=True, help="Change the one that is there under this name.")
@click.option("--unchecked", is_flag=True, help="Also when the arguments do not fit what live workers have.")
@speaks_to_redis
@click.pass_obj
def add(session: Session, /, name: str, job: str, replace: bool, unchecked: bool, **given: Any) -> None:
    """Let JOB run by itself, until `jqctl schedule remove NAME`, or its end. Nobody's code has it.

    A NAME is unique in its queue; letters, digits, "_.:-". The same again changes nothing.

    \b
    Examples:
      jqctl schedule add digest:42 send_digest --cron '0 8 * * *' --tz Europe/Paris --kwargs '{"user_id": 42}'
      jqctl schedule add poll:7 poll_feed --every 15m --args '[7]' --no-overlap
    """
    from jqjobs.operations.adding_schedules import add as add_to

    asked = _wanted(name, job, **given)
    with session.acting() as store:
        answer = add_to(store, asked, replace=replace, unchecked=unchecked)
    if answer["warning"]:
        complain(f"jqctl: warning: {answer['warning']}")
    ref = f"{answer['queue']}/{name}"
    said = "added" if answer["added"] else "changed" if answer["changed"] else "there already, the same"
    session.show(answer, [f"schedule {ref}: {said}, {asked.times}"], [ref])


def _wanted(
    name: str, job: str, *, cron: str | None, every: str | None, tz: str | None, queue: str | None, args_text: str,
    kwargs_text: str, until: str, missed: str, catch_up: str, no_overlap: bool, **options: Any,
) -> Any:  # fmt: skip
    """Return what is asked for, as far as it can be judged without Redis."""
    from jqjobs.operations.adding_schedules import Spoken, WantedSchedule

    check_added_name(name)
    said = Spoken(cron or "", every or "", tz or "", until, missed, catch_up, mark="--")
    return WantedSchedule(
        name, job, payload_of(args_text, kwargs_text, job), said.times(), said.policy(), Options(**options), queue,
        not no_overlap, said.end_ms(),
    )  # fmt: skip
