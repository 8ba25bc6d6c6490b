"""The backend by Django's own measure, with jobs in memory.

Adapted from the suites of the Tasks framework in Django 6.1, `tests/tasks/test_tasks.py`, `test_dummy_backend.py` and
`test_immediate_backend.py`, which began as django-tasks by Jake Howard. Copyright (c) Django Software Foundation and
individual contributors, BSD-3-Clause: see LICENSE.django beside this file.

What does not apply, by the names there:

- test_cannot_get_result, test_cannot_refresh_result, test_cannot_pass_run_after: it can.
- test_clear, and what looks at `results`: only the dummy has such a list. Here the jobs in memory are asked.
- test_throws_keyboard_interrupt: in a worker it ends the job only, in memory it comes through as everywhere there.
- test_complex_return_value: the task has succeeded, its result is missing; here too it says so, and is no failure.
- test_failed_logs, test_successful_task_no_none_in_logs, RUNNING and later lines of test_enqueue_logs: see SignalTests.
- test_doesnt_wait_until_transaction_commit_by_default: by default it waits, see `commit_cases`.
- test_get_result and test_refresh_result compare all but `enqueued_at`, which Redis says by its own clock.
- test_pickle_task, test_unpickle_…, test_pickle_task_result, test_run_after_in_decorator: of Django 6.1, and of the
  framework alone; a task pickles there as before.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from unittest import mock

from django.conf import settings
from django.test import SimpleTestCase, override_settings
from django.utils import timezone
from project_framework import (
    LOGGER,
    InvalidTask,
    InvalidTaskBackend,
    TaskResultMismatch,
    default_task_backend,
    task,
    task_backends,
)

import jqjobs.django
from jqjobs.django import JqBackend
from jqjobs.django.framework import Task, TaskResultDoesNotExist, TaskResultStatus, task_finished, task_started
from jqjobs.testing import in_memory
from shop import tasks

STARTED = ("enqueued_at", "started_at", "last_attempted_at")


class BackendTestCase(SimpleTestCase):
    def setUp(self) -> None:
        self.jobs = self.enterContext(in_memory(jqjobs.django.app))

    def finished(self, result):
        """Run what is there, also what is only due later; return the result as it is then."""
        self.jobs.drain(delayed=True)
        result.refresh()
        return result

    def assert_same(self, one, other) -> None:
        self.assertEqual(*(dataclasses.replace(each, enqueued_at=None) for each in (one, other)))


class TaskTests(BackendTestCase):
    def test_using_correct_backend(self):
        self.assertEqual(default_task_backend, task_backends["default"])
        self.assertIsInstance(task_backends["default"], JqBackend)
        self.assertEqual(default_task_backend.alias, "default")
        self.assertEqual(default_task_backend.options, {"keep": "1h"})

    def test_task_decorator(self):
        for each in (tasks.noop_task, tasks.noop_task_async, tasks.noop_task_from_bare_decorator):
            self.assertIsInstance(each, Task)

    def test_using(self):
        now = timezone.now()
        used = tasks.noop_task.using(run_after=now).using(priority=10).using(queue_name="queue_1")
        self.assertEqual((used.run_after, used.priority, used.queue_name), (now, 10, "queue_1"))
        own = tasks.noop_task
        self.assertEqual((own.run_after, own.priority, own.queue_name), (None, 0, "default"))

    def test_using_creates_new_instance(self):
        new_task = tasks.noop_task.using()
        self.assertEqual(new_task, tasks.noop_task)
        self.assertIsNot(new_task, tasks.noop_task)

    def test_using_unknown_or_missing_backend(self):
        with self.assertRaisesMessage(InvalidTaskBackend, "The connection 'unknown' doesn't exist."):
            tasks.noop_task.using(backend="unknown")
        missing = {"BACKEND": "does.not.exist"}
        with override_settings(TASKS={**settings.TASKS, "missing": missing}):
            with self.assertRaisesMessage(InvalidTaskBackend, "Could not find backend 'does.not.exist'"):
                tasks.noop_task.using(backend="missing")

    def test_naive_datetime(self):
        with self.assertRaisesMessage(InvalidTask, "run_after must be an aware datetime."):
            tasks.noop_task.using(run_after=datetime.now())

    def test_invalid_priority(self):
        for priority in (-101, 101, 3.1):
            with self.assertRaisesMessage(InvalidTask, "priority must be a whole number between -100 and 100."):
                tasks.noop_task.using(priority=priority)
        for priority in (100, -100, 0):
            tasks.noop_task.using(priority=priority)

    def test_unknown_queue_name(self):
        with self.assertRaisesMessage(InvalidTask, "Queue 'queue-2' is not valid for backend."):
            tasks.noop_task.using(queue_name="queue-2")
        used = tasks.noop_task.using(queue_name="queue-2", backend="at_once")
        self.assertEqual(used.queue_name, "queue-2")  # where QUEUES is empty, any will do

    def test_validate_on_enqueue(self):
        used = tasks.noop_task.using(queue_name="queue_1")
        only = {"default": {"BACKEND": "jqjobs.django.JqBackend", "QUEUES": ["queue-1"]}}
        with override_settings(TASKS=only):
            with self.assertRaisesMessage(InvalidTask, "Queue 'queue_1' is not valid for backend"):
                used.enqueue()

    async def test_validate_on_aenqueue(self):
        used = tasks.noop_task.using(queue_name="queue_1")
        only = {"default": {"BACKEND": "jqjobs.django.JqBackend", "QUEUES": ["queue-1"]}}
        with override_settings(TASKS=only):
            with self.assertRaisesMessage(InvalidTask, "Queue 'queue_1' is not valid for backend"):
                await used.aenqueue()

    @override_settings(TASKS={"other": {"BACKEND": "does.not.exist"}})
    def test_no_backends(self):
        with self.assertRaises(InvalidTaskBackend):
            tasks.noop_task.enqueue()

    def test_validate_disallowed_async_task(self):
        with mock.patch.multiple(default_task_backend, supports_async_task=False):
            with self.assertRaisesMessage(InvalidTask, "Backend does not support async "):
                default_task_backend.validate_task(tasks.noop_task_async)

    def test_invalid_function(self):
        for invalid in (any, self.test_invalid_function):
            with self.assertRaisesMessage(InvalidTask, "Task function must be defined at a module level."):
                task()(invalid)

    def test_takes_context_without_taking_context(self):
        with self.assertRaisesMessage(InvalidTask, "Task takes context but does not have a first argument"):
            task(takes_context=True)(tasks.calculate_meaning_of_life.func)

    def test_call_task(self):
        self.assertEqual(tasks.calculate_meaning_of_life.call(), 42)
        self.assertIsNone(tasks.noop_task_async.call())

    async def test_call_task_async(self):
        self.assertEqual(await tasks.calculate_meaning_of_life.acall(), 42)
        self.assertIsNone(await tasks.noop_task_async.acall())

    def test_name_and_module_path(self):
        self.assertEqual(tasks.noop_task.name, "noop_task")
        self.assertEqual(tasks.noop_task.module_path, "shop.tasks.noop_task")
        self.assertIn("shop.tasks.noop_task", jqjobs.django.app.jobs)

    def test_check(self):
        self.assertEqual(list(default_task_backend.check()), [])


class EnqueueTests(BackendTestCase):
    def assert_waits(self, result, asked, args, kwargs):
        self.assertEqual(result.status, TaskResultStatus.READY)
        self.assertIs(result.is_finished, False)
        self.assertIsNotNone(result.enqueued_at)
        self.assertEqual((result.started_at, result.last_attempted_at, result.finished_at), (None, None, None))
        with self.assertRaisesMessage(ValueError, "Task has not finished yet"):
            _ = result.return_value
        self.assertEqual((result.task, result.args, result.kwargs), (asked, args, kwargs))
        self.assertEqual((result.attempts, result.errors), (0, []))

    def assert_succeeded(self, result, asked, value):
        self.assertEqual(result.status, TaskResultStatus.SUCCESSFUL)
        self.assertIs(result.is_finished, True)
        self.assertGreaterEqual(result.started_at, result.enqueued_at)
        self.assertGreaterEqual(result.finished_at, result.started_at)
        self.assertEqual((result.return_value, result.task), (value, asked))
        self.assertEqual((result.attempts, result.errors), (1, []))
        self.assertEqual(result.worker_ids, ["in-process"])

    def test_enqueue_task(self):
        for each in (tasks.noop_task, tasks.noop_task_async):
            with self.subTest(each):
                result = each.enqueue(1, two=3)
                self.assert_waits(result, each, [1], {"two": 3})
                self.assert_succeeded(self.finished(result), each, None)
                self.assertEqual((result.args, result.kwargs), ([1], {"two": 3}))

    async def test_enqueue_task_async(self):
        for each in (tasks.noop_task, tasks.noop_task_async):
            result = await each.aenqueue()
            self.assert_waits(result, each, [], {})
            self.jobs.drain()
            await result.arefresh()
            self.assert_succeeded(result, each, None)

    def test_enqueue_with_invalid_argument(self):
        with self.assertRaisesMessage(TypeError, "Unsupported type"):
            tasks.noop_task.enqueue(datetime.now())
        with self.assertRaisesMessage(TypeError, "calculate_meaning_of_life"):
            tasks.calculate_meaning_of_life.enqueue(1)  # there only the attempt fails
        self.assertEqual(self.jobs.all, [])

    async def test_aenqueue_with_invalid_argument(self):
        with self.assertRaisesMessage(TypeError, "Unsupported type"):
            await tasks.noop_task.aenqueue(datetime.now())

    def test_enqueue_logs(self):
        with self.assertLogs(LOGGER, level="DEBUG") as captured:
            result = tasks.noop_task.enqueue()
        [line] = captured.output
        self.assertIn("enqueued", line)
        self.assertIn(result.id, line)

    def test_priority_and_run_after(self):
        later = timezone.now() + timedelta(hours=1)
        tasks.noop_task.using(run_after=later).enqueue()
        last, first = (tasks.noop_task.using(priority=n).enqueue() for n in (-100, 100))
        self.jobs.drain()
        self.assertEqual([record.state for record in self.jobs.all], ["scheduled", "kept", "kept"])
        for each in (first, last):
            each.refresh()
        self.assertLessEqual(first.finished_at, last.finished_at)
        self.assertEqual(default_task_backend.get_result(first.id).task.priority, 100)


class ResultTests(BackendTestCase):
    def test_get_result(self):
        result = default_task_backend.enqueue(tasks.noop_task, (), {})
        self.assert_same(result, default_task_backend.get_result(result.id))
        self.assert_same(result, tasks.noop_task.get_result(result.id))

    async def test_get_result_async(self):
        result = await default_task_backend.aenqueue(tasks.noop_task, (), {})
        self.assert_same(result, await default_task_backend.aget_result(result.id))
        self.assert_same(result, await tasks.noop_task.aget_result(result.id))

    async def test_get_missing_result(self):
        for missing in ("123", "default/123", "de fault/123", ""):
            with self.assertRaises(TaskResultDoesNotExist):
                tasks.noop_task.get_result(missing)
            with self.assertRaises(TaskResultDoesNotExist):
                await default_task_backend.aget_result(missing)

    def test_get_incorrect_result(self):
        result = default_task_backend.enqueue(tasks.noop_task_async, (), {})
        with self.assertRaisesMessage(TaskResultMismatch, "Task does not match"):
            tasks.noop_task.get_result(result.id)

    def test_what_is_no_task_is_no_result(self):
        job = jqjobs.django.app.job(name="plain_job")(lambda: None).enqueue()
        with self.assertRaisesMessage(TaskResultDoesNotExist, "plain_job"):
            default_task_backend.get_result(job.ref)

    def test_result(self):
        self.assertEqual(self.finished(tasks.calculate_meaning_of_life.enqueue()).return_value, 42)

    def test_catches_exception(self):
        for each, kind in ((tasks.failing_task_value_error, ValueError), (tasks.failing_task_system_exit, SystemExit)):
            with self.subTest(each):
                result = self.finished(each.enqueue())
                self.assertEqual(result.status, TaskResultStatus.FAILED)
                with self.assertRaisesMessage(ValueError, "Task failed"):
                    _ = result.return_value
                self.assertIs(result.is_finished, True)
                self.assertGreaterEqual(result.finished_at, result.started_at)
                [error] = result.errors
                self.assertIs(error.exception_class, kind)
                self.assertEqual(error.traceback.rstrip().splitlines()[-1],
                                 f"{kind.__name__}: This Task failed due to {kind.__name__}")  # fmt: skip

    def test_complex_exception(self):
        result = self.finished(tasks.complex_exception.enqueue())
        self.assertIs(result.errors[0].exception_class, ValueError)
        self.assertIn("This task failed", result.errors[0].traceback)
        self.assertIsNone(result._return_value)

    def test_complex_return_value(self):
        result = self.finished(tasks.complex_return_value.enqueue())
        self.assertEqual(result.status, TaskResultStatus.SUCCESSFUL)
        self.assertIsNone(result.return_value)

    def test_takes_context(self):
        for each in (tasks.get_task_id, tasks.get_task_id_async):
            result = self.finished(each.enqueue())
            self.assertEqual(result.return_value, result.id)

    def test_context(self):
        self.assertEqual(self.finished(tasks.check_context.enqueue(1)).status, TaskResultStatus.SUCCESSFUL)

    def test_attempts_of_a_task_that_is_tried_again(self):
        result = self.finished(tasks.fails_twice.enqueue())
        self.assertEqual((result.status, result.return_value), (TaskResultStatus.SUCCESSFUL, 3))
        self.assertEqual([error.exception_class for error in result.errors], [RuntimeError, RuntimeError])
        self.assertEqual(result.attempts, 3)

    def test_what_nobody_has_run_has_an_error_too(self):
        result = tasks.noop_task.enqueue()
        jqjobs.django.app.cancel(result.id)
        result.refresh()
        self.assertEqual(result.status, TaskResultStatus.FAILED)
        self.assertIs(result.errors[0].exception_class, jqjobs.JobCancelled)


class OptionsTests(BackendTestCase):
    def test_what_stands_under_the_decorator_holds_for_calls_and_is_published(self):
        result = tasks.send_welcome.enqueue(42)
        [record] = self.jobs.all
        self.assertEqual(result.id, f"queue_1/{record.id}")
        self.assertEqual((record.key, record.priority, record.fields["keep"]), ("welcome:42", 7, 7_200_000))
        self.assertIn("shop.tasks.send_welcome", record.fields["limits"])
        published = jqjobs.django.app.registry.catalog()["shop.tasks.send_welcome"]
        self.assertEqual((published["timeout_ms"], published["limited"]), (60_000, True))

    def test_a_key_is_one_job(self):
        one, other = (tasks.send_welcome.enqueue(42, template=each) for each in ("short", "long"))
        self.assertEqual(one.id, other.id)

    def test_a_key_that_cannot_be_made_of_the_arguments_is_refused_as_they_are(self):
        for key in ("welcome:{nobody}", "welcome:{0}", "welcome:{user_id.name}"):
            with self.assertRaisesMessage(TypeError, "cannot be made of the arguments"):
                tasks.send_welcome.using(key=key).enqueue(42)

    def test_using_takes_the_options_of_calls(self):
        tasks.noop_task.using(max_attempts=2, meta={"tenant": "ann"}).enqueue()
        [record] = self.jobs.all
        self.assertEqual((record.fields["max_attempts"], b"tenant" in record.payload), (2, True))
        with self.assertRaises(TypeError):
            tasks.noop_task.using(backoff=3)
        with self.assertRaisesMessage(InvalidTask, "max_attempts"):
            tasks.noop_task.using(max_attempts=0).enqueue()

    def test_an_option_that_there_is_not_is_refused(self):
        with self.assertRaisesMessage(jqjobs.InvalidOption, "retries"):
            jqjobs.django.options(retries=3)

    def test_an_option_that_makes_no_sense_is_an_invalid_task(self):
        with self.assertRaisesMessage(InvalidTask, "on_commit"):
            tasks.noop_task.using(on_commit=7).enqueue()


class SignalTests(BackendTestCase):
    """`task_started` and `task_finished`, whose receivers of Django's own write the log."""

    def sent(self, task, *args) -> list[tuple[str, str]]:
        """Run a task and return what its worker has sent: which signal, and the status in it."""
        said = []

        def started(sender, task_result, **kwargs):
            said.append(("started", task_result.status, task_result.id))

        def finished(sender, task_result, **kwargs):
            said.append(("finished", task_result.status, task_result.id))
            self.last = task_result

        for signal, receiver in ((task_started, started), (task_finished, finished)):
            signal.connect(receiver, sender=JqBackend)
            self.addCleanup(signal.disconnect, receiver, sender=JqBackend)
        result = self.finished(task.enqueue(*args))
        self.assertEqual({each[2] for each in said}, {result.id})
        return [each[:2] for each in said]

    def test_a_success_has_started_and_finished(self):
        for each in (tasks.calculate_meaning_of_life, tasks.noop_task_async, tasks.get_task_id_async):
            with self.subTest(each.name):
                begun, ended = ("started", TaskResultStatus.RUNNING), ("finished", TaskResultStatus.SUCCESSFUL)
                self.assertEqual(self.sent(each), [begun, ended])
        self.assertEqual(self.last.return_value, self.last.id)
        self.assertIsNotNone(self.last.finished_at)

    def test_a_task_has_finished_when_no_attempt_is_left(self):
        begun = ("started", TaskResultStatus.RUNNING)
        self.assertEqual(self.sent(tasks.fails_twice), [begun] * 3 + [("finished", TaskResultStatus.SUCCESSFUL)])

    def test_a_failure_says_what_was_raised(self):
        ends = {
            tasks.failing_task_value_error: "builtins.ValueError",
            tasks.failing_task_system_exit: "builtins.SystemExit",
            tasks.gives_up: "jqjobs.errors.Discard",
        }  # fmt: skip
        for each, path in ends.items():
            with self.subTest(each.name):
                begun, ended = ("started", TaskResultStatus.RUNNING), ("finished", TaskResultStatus.FAILED)
                self.assertEqual(self.sent(each), [begun, ended])
                self.assertEqual([error.exception_class_path for error in self.last.errors], [path])
                self.assertIn("Traceback", self.last.errors[0].traceback)

    def test_the_life_of_a_task_is_logged(self):
        with self.assertLogs(LOGGER, level="INFO") as captured:
            result = self.finished(tasks.noop_task.enqueue())
        self.assertEqual(len(captured.output), 2)
        for line, status in zip(captured.output, ("RUNNING", "SUCCESSFUL"), strict=True):
            self.assertIn(result.id, line)
            self.assertIn(f"state={status}", line)

    def test_a_receiver_that_raises_is_no_error_of_the_task(self):
        def wrong(**kwargs):
            raise ValueError("not the task")

        task_started.connect(wrong)
        self.addCleanup(task_started.disconnect, wrong)
        with self.assertLogs("django.dispatch", level="ERROR"):
            self.assertEqual(self.finished(tasks.calculate_meaning_of_life.enqueue()).return_value, 42)

    def test_what_is_called_as_no_job_sends_nothing(self):
        with self.assertNoLogs(LOGGER, level="INFO"):
            self.assertEqual(tasks.calculate_meaning_of_life.call(), 42)
