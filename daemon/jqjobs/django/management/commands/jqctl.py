"""`manage.py jqctl …`."""

from __future__ import annotations

from typing import NoReturn

from django.core.management.base import BaseCommand

from jqjobs.django.management.replacement import become


class Command(BaseCommand):
    """`jqctl` with the settings of this project."""

    help = "jqctl with the settings of this project; all its options: manage.py jqctl --help"

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Be `jqctl` from now on."""
        become("jqjobs.cli.jqctl", argv[2:])
