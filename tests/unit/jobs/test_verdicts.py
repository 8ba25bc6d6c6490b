"""Which errors are worth another attempt, of those that a job names."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs import App
from jqjobs.errors import Discard, InvalidOption, JobTimeout, Retry
from jqjobs.jobs.snooze import Snooze
from jqjobs.jobs.verdicts import verdicts_of


@pytest.mark.parametrize(
    ("retry_on", "discard_on", "error", "discards"),
    [
        ((), (), ValueError(), False),
        ((), ValueError, ValueError(), True),
        ((), ValueError, UnicodeError(), True),  # a kind of it
        ((), ValueError, KeyError(), False),
        (OSError, (), ConnectionError(), False),
        (OSError, (), KeyError(), True),  # not among those that are worth it
        (OSError, FileNotFoundError, FileNotFoundError(), True),  # the nearer one counts, whichever it is
        (ConnectionError, OSError, ConnectionResetError(), False),
        (ConnectionError, OSError, FileNotFoundError(), True),
        ([KeyError, OSError], [ValueError], OSError(), False),
        (OSError, Exception, Retry(), False),  # these say for themselves what becomes of them
        (OSError, (), JobTimeout(), False),
    ],
)
def test_the_nearest_type_that_is_named_decides(
    retry_on: Any, discard_on: Any, error: BaseException, discards: bool
) -> None:
    assert verdicts_of(retry_on, discard_on).discards(error) is discards


@pytest.mark.parametrize(
    "options",
    [
        {"retry_on": ("OSError",)}, {"retry_on": OSError()}, {"discard_on": "ValueError"}, {"discard_on": int},
        {"retry_on": OSError, "discard_on": OSError}, {"retry_on": Snooze}, {"discard_on": [Discard]},
        {"discard_on": JobTimeout},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_type_of_errors_or_decided_already_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        App(defaults=options)


def test_what_an_app_says_of_all_its_jobs_a_job_may_say_otherwise() -> None:
    app = App(redis_url="redis://127.0.0.1:1", defaults={"discard_on": (KeyError,), "max_snoozes": 3})
    as_app = app.job(name="as_app")(lambda: None).settings
    own = app.job(name="own", discard_on=(ValueError,))(lambda: None).settings
    assert (as_app.verdicts.discards(KeyError()), as_app.verdicts.discards(ValueError())) == (True, False)
    assert (own.verdicts.discards(KeyError()), own.verdicts.discards(ValueError()), own.max_snoozes) == (False, True, 3)
