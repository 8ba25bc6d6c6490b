"""No table: the permissions of the dashboard need something that they belong to."""

from __future__ import annotations

from django.db import models

#: Codename, which is that of a right, and what the admin says.
PERMISSIONS = (
    ("read", "Can look at the dashboard"),
    ("retry", "Can retry dead jobs"),
    ("cancel", "Can cancel jobs"),
    ("delete", "Can delete jobs"),
    ("enqueue", "Can enqueue jobs"),
    ("pause", "Can pause queues"),
    ("schedule", "Can pause and run schedules"),
    ("daemon", "Can give orders to daemons"),
    ("resolve", "Can answer for jobs that wait"),
)


class Dashboard(models.Model):
    """What users and groups may be allowed to do in the dashboard: `jqjobs.web.Right`."""

    class Meta:
        """Nothing is stored."""

        managed = False
        default_permissions = ()
        permissions = PERMISSIONS
