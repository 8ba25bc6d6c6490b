"""Makes the permissions; there is no table."""

from __future__ import annotations

from django.db import migrations, models

from jqjobs.django.models import PERMISSIONS


class Migration(migrations.Migration):
    """The first one."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Dashboard",
            fields=[("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False))],
            options={
                "managed": False,
                "default_permissions": (),
                "permissions": PERMISSIONS,
            },
        ),
    )
