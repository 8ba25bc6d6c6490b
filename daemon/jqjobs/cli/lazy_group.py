"""A group whose commands are imported when they are asked for, so that each starts as fast as it can alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """Its help, and a name that is not known, import all of them."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **options: Any) -> None:
        """``modules``: by the name of a command which module of `jqjobs.cli` has it, and as what: "module:name"."""
        super().__init__(*args, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*self._modules, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None when there is none of this name."""
        if cmd_name not in self.commands and cmd_name in self._modules:
            module, _, name = self._modules[cmd_name].partition(":")
            self.add_command(getattr(import_module(f"jqjobs.cli.{module}"), name), cmd_name)
        return super().get_command(ctx, cmd_name)
