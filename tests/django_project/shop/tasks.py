"""Tasks of the project. Those of the first half are of the suite of Django, see `test_backend`."""

from __future__ import annotations

import asyncio

from project_framework import task

from jqjobs import Discard, RateLimit
from jqjobs.django import options
from jqjobs.django.framework import TaskContext


@task()
def noop_task(*args, **kwargs):
    return None


@task
def noop_task_from_bare_decorator(*args, **kwargs):
    return None


@task()
async def noop_task_async(*args, **kwargs):
    await asyncio.sleep(0)


@task()
def calculate_meaning_of_life():
    return 42


@task()
@options(max_attempts=1)
def failing_task_value_error():
    raise ValueError("This Task failed due to ValueError")


@task()
@options(max_attempts=1)
def failing_task_system_exit():
    raise SystemExit("This Task failed due to SystemExit")


@task()
@options(max_attempts=1)
def complex_exception():
    raise ValueError(ValueError("This task failed"))


@task()
def complex_return_value():
    return lambda: True


@task(takes_context=True)
def get_task_id(context):
    return context.task_result.id


@task(takes_context=True)
async def get_task_id_async(context):
    return context.task_result.id


@task(takes_context=True)
def check_context(context: TaskContext, attempt: int):
    assert isinstance(context, TaskContext)
    assert context.attempt == attempt


@task(takes_context=True)
@options(max_attempts=3, backoff=0)
def fails_twice(context):
    if context.attempt < 3:
        raise RuntimeError(f"attempt {context.attempt}")
    return context.attempt


@task(queue_name="queue_1", priority=7)
@options(key="welcome:{user_id}", rate_limit=RateLimit(10, seconds=1), keep="2h", timeout="1m")
def send_welcome(user_id: int, template: str = "default"):
    return f"{user_id} {template}"


@task()
def gives_up():
    raise Discard("never")
