"""Groups of jobs: what may be said, what is stored with a call, and turns in memory."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs import App
from jqjobs.api.function import Job
from jqjobs.errors import InvalidArguments, InvalidOption
from jqjobs.jobs.groups import MAX_GROUP_BYTES, group_in, group_of
from jqjobs.testing import in_memory


def stored(job: Job[..., Any], *args: Any, **kwargs: Any) -> object:
    """The group that is stored with a call."""
    fields = job._new(args, kwargs).fields
    return group_in(str(dict(zip(fields[::2], fields[1::2], strict=True))["fair"]))


def test_the_group_of_a_call_is_made_of_its_arguments() -> None:
    app = App()

    @app.job(group="tenant:{tenant_id}")
    def sync(tenant_id: int, full: bool = False) -> None: ...

    assert stored(sync, 7) == stored(sync, tenant_id=7, full=True) == "tenant:7"
    assert stored(sync.options(group="other"), 7) == "other"


def test_a_job_may_be_of_one_group_whatever_it_is_called_with() -> None:
    @App(defaults={"group": "nightly"}).job
    def sync(tenant_id: int) -> None: ...

    assert stored(sync, 7) == "nightly"


def test_a_group_that_is_long_or_odd_becomes_a_word_of_its_own() -> None:
    odd = {group_of("{name}", {"name": name}) for name in ("Ä B", "Ä  B", "x" * 300, "x" * 301, "")}

    assert len(odd) == 5
    assert all(len(word.encode()) <= MAX_GROUP_BYTES and " " not in word for word in odd)
    assert group_of("{name}", {"name": "müller"}) == "müller"


@pytest.mark.parametrize("group", ["", "a b", "a\n", "x" * 129, 7, "\ud800"])
def test_what_is_no_word_is_no_group_of_a_call(app: App, group: Any) -> None:
    @app.job
    def sync() -> None: ...

    with pytest.raises(InvalidOption, match="group"):
        sync.options(group=group)


@pytest.mark.parametrize("form", ["{other}", "{", "{0}", "", 7])
def test_a_group_that_no_call_could_have_is_refused_where_the_job_is_registered(app: App, form: Any) -> None:
    with pytest.raises(InvalidOption, match="group"):

        @app.job(group=form)
        def sync(tenant_id: int) -> None: ...


def test_a_call_without_what_its_group_is_made_of_is_refused(app: App) -> None:
    @app.job(group="{order.id}")
    def sync(order: dict[str, int]) -> None: ...

    with pytest.raises(InvalidArguments, match="the group"):
        sync._new(({},), {})


def test_a_schedule_says_the_group_of_its_jobs(app: App) -> None:
    @app.periodic("0 8 * * *", args=(7,), group="{tenant_id}")
    def digest(tenant_id: int) -> None: ...

    [schedule] = app.registry.schedules
    assert '"fields": ["fair", "=7"]' in schedule.entry()


def test_groups_take_turns_in_memory(app: App) -> None:
    ran: list[str] = []

    @app.job(group="{tenant}")
    def work(tenant: str, n: int) -> None:
        ran.append(f"{tenant}{n}")

    with in_memory(app) as jobs:
        work.enqueue_many([("whale", n) for n in range(5)])
        work.enqueue_many([("small", n) for n in range(2)])
        jobs.drain()

    assert ran == ["whale0", "small0", "whale1", "small1", "whale2", "whale3", "whale4"]
