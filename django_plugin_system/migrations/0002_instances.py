"""Plugin instances and changes; the tables of 1.1.0 stay as they are (only labels and help texts change)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import django.db.models.deletion
from django.db import migrations, models

import django_plugin_system.querysets
import django_plugin_system.rows.fields
from django_plugin_system.receivers import refuse_downgrade

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def refuse_to_lose_instances(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Stop a migration back to 1.1.0's tables while operators' instances would go with it.

    The receiver of ``pre_migrate`` did so before, unless something else than the command ``migrate`` runs this.

    :raises InstancesWouldBeLost: if there are any but untouched default ones.
    """
    instances = apps.get_model("django_plugin_system", "PluginInstance").objects
    refuse_downgrade(instances.using(schema_editor.connection.alias))


class Migration(migrations.Migration):
    """Add the tables of 1.2."""

    dependencies = [
        ("django_plugin_system", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("nonce", models.BigIntegerField()),
            ],
            options={
                "db_table": "django_plugin_system_change",
            },
        ),
        migrations.AlterModelOptions(
            name="pluginitem",
            options={
                "base_manager_name": "objects",
                "verbose_name": "plugin item",
                "verbose_name_plural": "plugin items",
            },
        ),
        migrations.AlterModelOptions(
            name="plugintype",
            options={
                "base_manager_name": "objects",
                "verbose_name": "plugin type",
                "verbose_name_plural": "plugin types",
            },
        ),
        migrations.AlterField(
            model_name="pluginitem",
            name="description",
            field=models.TextField(blank=True, null=True, verbose_name="description"),
        ),
        migrations.AlterField(
            model_name="pluginitem",
            name="module",
            field=models.CharField(help_text="The app that provides this item.", max_length=100, verbose_name="module"),
        ),
        migrations.AlterField(
            model_name="pluginitem",
            name="name",
            field=models.CharField(db_index=True, max_length=100, verbose_name="name"),
        ),
        migrations.AlterField(
            model_name="pluginitem",
            name="plugin_type",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                to="django_plugin_system.plugintype",
                verbose_name="plugin type",
            ),
        ),
        migrations.AlterField(
            model_name="pluginitem",
            name="priority",
            field=models.SmallIntegerField(default=0, help_text="Lower is better.", verbose_name="priority"),
        ),
        migrations.AlterField(
            model_name="pluginitem",
            name="status",
            field=models.CharField(
                choices=[("active", "Active"), ("reserve", "Reserved"), ("disable", "Disabled")],
                db_index=True,
                default="active",
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="plugintype",
            name="description",
            field=models.TextField(verbose_name="description"),
        ),
        migrations.AlterField(
            model_name="plugintype",
            name="manager",
            field=models.CharField(help_text="The app that owns this type.", max_length=100, verbose_name="manager"),
        ),
        migrations.AlterField(
            model_name="plugintype",
            name="name",
            field=models.CharField(db_index=True, max_length=100, verbose_name="name"),
        ),
        migrations.CreateModel(
            name="PluginInstance",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "name",
                    models.SlugField(
                        help_text="What code asks for, for example “transactional”. Unique for each item.",
                        max_length=100,
                        verbose_name="name",
                    ),
                ),
                ("config", django_plugin_system.rows.fields.ConfigField(blank=True, default=django_plugin_system.rows.fields.StoredConfig, verbose_name="configuration")),
                (
                    "config_version",
                    models.PositiveIntegerField(default=1, editable=False, verbose_name="configuration version"),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("reserve", "Reserved"), ("disable", "Disabled")],
                        default="active",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "priority",
                    models.SmallIntegerField(
                        blank=True,
                        help_text="Lower is better. Empty: the item's priority.",
                        null=True,
                        verbose_name="priority",
                    ),
                ),
                ("description", models.TextField(blank=True, default="", verbose_name="description")),
                ("config_revision", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "secret_dates",
                    models.JSONField(blank=True, default=dict, editable=False, verbose_name="dates of the secrets"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django_plugin_system.querysets.protect_configured,
                        related_name="instances",
                        to="django_plugin_system.pluginitem",
                        verbose_name="plugin item",
                    ),
                ),
            ],
            options={
                "verbose_name": "plugin instance",
                "verbose_name_plural": "plugin instances",
                "permissions": (("test_plugininstance", "Can test plugin instance"),),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("item", "name"), name="uniq_plugin_instance_item_name")
                ],
                "indexes": [
                    models.Index(fields=["item", "status", "priority", "name"], name="idx_plugin_instance_order")
                ],
            },
        ),
        migrations.CreateModel(
            name="PluginHealth",
            fields=[
                (
                    "instance",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="health",
                        serialize=False,
                        to="django_plugin_system.plugininstance",
                    ),
                ),
                (
                    "unavailable_until",
                    django_plugin_system.rows.fields.DatabaseTimeField(null=True, verbose_name="unavailable until"),
                ),
                ("failures", models.PositiveIntegerField(default=0)),
                ("last_error", models.TextField(default="", verbose_name="last error")),
                (
                    "last_tested_at",
                    django_plugin_system.rows.fields.DatabaseTimeField(null=True, verbose_name="last tested at"),
                ),
                ("last_test_error", models.TextField(default="", verbose_name="error of the last test")),
                ("tested_revision", models.UUIDField(null=True)),
                (
                    "item",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="django_plugin_system.pluginitem",
                    ),
                ),
            ],
            options={
                "verbose_name": "plugin health",
                "verbose_name_plural": "plugin health",
                "default_permissions": (),
                "indexes": [models.Index(fields=["item", "unavailable_until"], name="idx_plugin_health_usable")],
            },
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_to_lose_instances),
    ]
