"""`jqctl doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jqjobs.cli.exit_codes import Exit, exit_of
from jqjobs.cli.session import WITHOUT_IDS, Session, speaks_to_redis
from jqjobs.errors import StoreError

if TYPE_CHECKING:
    from jqjobs.cli.doctor.report import Examined


@click.command("doctor")
@speaks_to_redis
@click.pass_obj
def doctor(session: Session) -> int:
    """Look for what harms jobs now or may soon, and say what to do about it.

    \b
    ✔  all is well
    !  may do harm some day, or may be meant
    ✘  does harm now: jobs do not run, or may be lost
    ?  not known: Redis, or its user, may not tell

    Looked at are Redis itself, queues, daemons and the hosts that they run on. It changes nothing.

    Exit code 0: no ✘; 1: some ✘; 4: Redis cannot be reached.

    \b
    Examples:
      jqctl doctor
      jqctl doctor --json | jq '.checks[] | select(.level != "ok")'
    """
    session.answers_in(*WITHOUT_IDS)
    from jqjobs.cli.doctor.report import as_json, as_text, is_ok  # no other command needs these

    found, code = _examined(session)
    session.show(as_json(found), as_text(found))
    return code or (Exit.OK if is_ok(found) else Exit.ERROR)


def _examined(session: Session) -> tuple[Examined, int]:
    """Return what was found; and the exit code, when Redis could not be asked."""
    from jqjobs.cli.doctor.checkup import CHECKS, unreached
    from jqjobs.cli.doctor.gathering import Gathering
    from jqjobs.operations.doctor.checks import examine

    try:
        with session.store() as store:
            return list(examine(CHECKS, Gathering(store).facts())), Exit.OK
    except StoreError as error:
        return [unreached(error)], exit_of(error)
