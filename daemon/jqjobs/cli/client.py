"""`jqctl client`: the producers for other languages, one file each, to be copied into a program."""

from __future__ import annotations

import click

from jqjobs.cli.shipped import shipped

_FILES = {"node": "jqjobs.mjs", "php": "jqjobs.php", "ruby": "jqjobs.rb", "go": "jqjobs.go"}


@click.command("client")
@click.argument("language", type=click.Choice([*_FILES]))
def client(language: str) -> None:
    """Print the producer for another language: one file that needs nothing but its standard library.

    \b
    Examples:
      jqctl client node > jqjobs.mjs
      jqctl client php > jqjobs.php
      jqctl client ruby > jqjobs.rb
      jqctl client go > jqjobs/jqjobs.go
    """
    click.echo(shipped(f"clients/{_FILES[language]}"), nl=False)
