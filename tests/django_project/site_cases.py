"""The dashboard beside the admin, the commands of manage.py, and the system checks."""

from __future__ import annotations

import os
import sys
from unittest import mock

from django.contrib.auth.models import Permission, User
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase, TestCase, override_settings

from jqjobs.django.framework import task_backends
from jqjobs.django.management.commands import jqctl, jqd
from jqjobs.web import Right

FORM = "application/x-www-form-urlencoded"


class DashboardTests(TestCase):
    def user(self, *rights: str) -> User:
        made = User.objects.create_user("ann", is_staff=True)
        made.user_permissions.set(Permission.objects.filter(content_type__app_label="jqjobs", codename__in=rights))
        self.client.force_login(made)
        return made

    def test_there_is_a_permission_for_each_right_and_no_other(self):
        found = Permission.objects.filter(content_type__app_label="jqjobs")
        self.assertEqual({each.codename for each in found}, {right.value for right in Right})

    def test_who_is_not_logged_in_may_do_that_first(self):
        answer = self.client.get("/jobs/queues/default?page=2")
        self.assertEqual(
            (answer.status_code, answer.url.partition("?")[2]), (302, "next=/jobs/queues/default%3Fpage%3D2")
        )

    def test_who_has_no_right_to_look_sees_nothing(self):
        self.user("retry")
        self.assertEqual(self.client.get("/jobs/").status_code, 403)
        self.assertNotContains(self.client.get("/admin/"), "jqjobs-module")

    def test_who_may_look_finds_it_in_the_admin_and_does_no_more(self):
        self.user("read")
        self.assertContains(self.client.get("/admin/"), '<a href="/jobs/">Jobs</a>')
        page = self.client.get("/jobs/")
        self.assertContains(page, 'href="/jobs/')
        self.assertIn("default-src", page.headers["Content-Security-Policy"])
        style = next(part for part in page.content.decode().split('"') if part.startswith("/jobs/static/"))
        self.assertEqual(self.client.get(style).status_code, 200)
        post = self.client.post("/jobs/queues/default/pause", "", FORM, HTTP_ORIGIN="http://testserver")
        self.assertEqual(post.status_code, 403)

    def test_what_comes_from_another_site_is_refused(self):
        self.user(*Right)
        post = self.client.post("/jobs/queues/default/pause", "", FORM, HTTP_ORIGIN="http://evil.example")
        self.assertContains(post, "another site", status_code=403)


class CommandTests(SimpleTestCase):
    def test_they_become_the_commands_with_what_the_settings_say(self):
        tasks = {"mails": {"BACKEND": "jqjobs.django.JqBackend", "OPTIONS": {"url": "redis://r:1/2", "prefix": "shop"}}}
        given = ["manage.py", "x", "--settings=project_settings", "--processes", "2", "--pythonpath", "/p"]
        for command, name in ((jqd, "jqd"), (jqctl, "jqctl")):
            with mock.patch("os.execve") as execve, override_settings(TASKS=tasks):
                command.Command().run_from_argv(given)
            [(program, words, environment)] = [call.args for call in execve.call_args_list]
            self.assertEqual(
                (program, words), (sys.executable, [sys.executable, "-m", f"jqjobs.cli.{name}", "--processes", "2"])
            )
            self.assertEqual(environment["JQ_REDIS_URL"], "redis://r:1/2?prefix=shop")
            self.assertEqual(environment["JQ_APP"], "jqjobs.django:app")
            self.assertEqual(environment["PYTHONPATH"].split(os.pathsep)[0], sys.path[0])


def backend(**options):
    return {"BACKEND": "jqjobs.django.JqBackend", "QUEUES": ["default"], "OPTIONS": options}


class CheckTests(SimpleTestCase):
    def found(self, **tasks) -> list[str]:
        with override_settings(TASKS=tasks):
            return [each.id for name in tasks for each in task_backends[name].check()]

    def test_what_is_wrong_with_the_settings_is_found(self):
        good = backend(keep="1d")
        for why, tasks in {
            "": {"default": good},
            "jqjobs.E001": {"default": backend(url="http://redis", keep=None)},
            "jqjobs.E002": {"default": good, "other": backend(url="redis://elsewhere", keep=None)},
            "jqjobs.E003": {"default": backend(keep="soon")},
            "jqjobs.E004": {"default": backend(keep=None, on_commit="elsewhere")},
            "jqjobs.W001": {"default": backend()},
        }.items():
            with self.subTest(why or "nothing"):
                self.assertEqual(self.found(**tasks), [why] if why else [])
        self.assertEqual(self.found(default=backend(keep=None, on_commit=7)), ["jqjobs.E003"])
        self.assertEqual(self.found(default=backend(keep=None, on_commit="outbox")), [])

    def test_an_option_that_there_is_not_is_refused(self):
        with override_settings(TASKS={"default": backend(urls="redis://r")}), self.assertRaises(ImproperlyConfigured):
            _ = task_backends["default"].alias

    def test_a_deployment_without_a_daemon_is_warned_of(self):
        found = run_checks(tags=["jqjobs"], include_deployment_checks=True)
        self.assertEqual([each.id for each in found], ["jqjobs.W002"])
        self.assertIn("queue_1", found[0].msg)
