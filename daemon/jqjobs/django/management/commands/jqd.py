"""`manage.py jqd …`."""

from __future__ import annotations

from typing import NoReturn

from django.core.management.base import BaseCommand

from jqjobs.django.management.replacement import become


class Command(BaseCommand):
    """`jqd` with the settings of this project."""

    help = "jqd with the settings of this project; all its options: manage.py jqd --help"

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Be `jqd` from now on."""
        become("jqjobs.cli.jqd", argv[2:])
