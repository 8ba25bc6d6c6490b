"""``INSTALLED_APPS += ["jqjobs.django"]``: commands, checks, permissions and the link in the admin."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class JqConfig(AppConfig):
    """Our part of a project."""

    name = "jqjobs.django"
    label = "jqjobs"
    verbose_name = "jqjobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks."""
        from jqjobs.django.checks import of_deployment

        checks.register(of_deployment, "jqjobs", deploy=True)
