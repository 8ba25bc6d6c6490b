"""A group whose commands are imported when they are asked for, so that each starts as fast as it can alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from jqjobs.base.nearest import nearest


class LazyGroup(click.Group):
    """Its help imports all of them."""

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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:  # fmt: skip
        """Return the command that the first word names.

        Raises: click.UsageError, with the name it is like: click itself would know those only that are imported.
        """
        word = args[0]
        meant = None if word.startswith("-") or self.get_command(ctx, word) else nearest(word, self.list_commands(ctx))
        if meant and not ctx.resilient_parsing:
            ctx.fail(f"No such command {word!r}. Did you mean {meant!r}?")
        return super().resolve_command(ctx, args)
