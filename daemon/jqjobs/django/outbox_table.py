"""The table of the outbox in a migration of the project: ``migrations.RunPython(create_outbox, drop_outbox)``."""

from __future__ import annotations

from typing import Any

from jqjobs.outbox.dialects import TABLE, dialect_named


def create_outbox(apps: Any, schema_editor: Any) -> None:
    """Make the table, if it is not there, in the database that is migrated."""
    for statement in dialect_named(schema_editor.connection.vendor).create:
        schema_editor.execute(statement, None)


def drop_outbox(apps: Any, schema_editor: Any) -> None:
    """Drop the table, with all that waits in it."""
    schema_editor.execute(f"DROP TABLE IF EXISTS {TABLE}", None)
