"""What the last connection test of an instance said, since when each of its secrets is stored, and who may test."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add columns to the instances; rows keep everything they have."""

    dependencies = [
        ("django_plugin_system", "0002_instances"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="plugininstance",
            options={
                "base_manager_name": "objects",
                "permissions": (("test_plugininstance", "Can test plugin instance"),),
                "verbose_name": "plugin instance",
                "verbose_name_plural": "plugin instances",
            },
        ),
        migrations.AddField(
            model_name="plugininstance",
            name="last_test_error",
            field=models.TextField(blank=True, default="", editable=False, verbose_name="error of the last test"),
        ),
        migrations.AddField(
            model_name="plugininstance",
            name="last_tested_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last tested at"),
        ),
        migrations.AddField(
            model_name="plugininstance",
            name="secret_dates",
            field=models.JSONField(blank=True, default=dict, editable=False, verbose_name="dates of the secrets"),
        ),
    ]
