"""`jqctl completion`: what a shell runs to complete words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from jqjobs.errors import InvalidOption

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete jqctl: commands, options, and the names of queues, jobs, schedules and daemons.

    Names come from Redis, if it answers within half a second; where it is, is found as for every command.

    \b
    Examples:
      jqctl completion bash > ~/.local/share/bash-completion/completions/jqctl
      jqctl completion zsh > "${fpath[1]}/_jqctl"
      jqctl completion fish > ~/.config/fish/completions/jqctl.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise InvalidOption(f"{shell} is no shell that is known")
    click.echo(kind(click.get_current_context().find_root().command, {}, "jqctl", "_JQCTL_COMPLETE").source())
