"""Instances, their health, and changes; the tables of 1.1.0 stay (only labels and help texts change).

Laid out by hand; ``makemigrations --check`` compares it with the models.
"""

import uuid

from django.db import migrations, models

from django_plugin_system.querysets import protect_configured
from django_plugin_system.receivers import refuse_downgrade
from django_plugin_system.rows.fields import ConfigField, DatabaseTimeField, StoredConfig

APP = "django_plugin_system"
STATUS = {
    "choices": [("active", "Active"), ("reserve", "Reserved"), ("disable", "Disabled")],
    "default": "active", "max_length": 10, "verbose_name": "status",
}


def refuse_to_lose_instances(apps, schema_editor):
    """Stop a migration back to 1.1.0's tables while operators' instances would go with it.

    The receiver of ``pre_migrate`` did so before, unless something else than the command ``migrate`` runs this.

    :raises InstancesWouldBeLost: if there are any but untouched default ones.
    """
    instances = apps.get_model(APP, "PluginInstance").objects
    refuse_downgrade(instances.using(schema_editor.connection.alias))


class Migration(migrations.Migration):
    """Add the tables of 1.2."""

    dependencies = [(APP, "0001_initial")]

    operations = [
        migrations.CreateModel(
            "Change",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("nonce", models.BigIntegerField()),
            ],
            options={"db_table": "django_plugin_system_change"},
        ),
        migrations.AlterModelOptions("plugintype", {
            "base_manager_name": "objects", "verbose_name": "plugin type", "verbose_name_plural": "plugin types",
        }),
        migrations.AlterModelOptions("pluginitem", {
            "base_manager_name": "objects", "verbose_name": "plugin item", "verbose_name_plural": "plugin items",
        }),
        migrations.AlterField("plugintype", "name", models.CharField("name", max_length=100, db_index=True)),
        migrations.AlterField("plugintype", "manager", models.CharField(
            "manager", max_length=100, help_text="The app that owns this type.",
        )),
        migrations.AlterField("plugintype", "description", models.TextField("description")),
        migrations.AlterField("pluginitem", "plugin_type", models.ForeignKey(
            f"{APP}.plugintype", models.CASCADE, verbose_name="plugin type",
        )),
        migrations.AlterField("pluginitem", "module", models.CharField(
            "module", max_length=100, help_text="The app that provides this item.",
        )),
        migrations.AlterField("pluginitem", "name", models.CharField("name", max_length=100, db_index=True)),
        migrations.AlterField("pluginitem", "status", models.CharField(**STATUS, db_index=True)),
        migrations.AlterField("pluginitem", "priority", models.SmallIntegerField(
            "priority", default=0, help_text="Lower is better.",
        )),
        migrations.AlterField("pluginitem", "description", models.TextField("description", null=True, blank=True)),
        migrations.CreateModel(
            "PluginInstance",
            fields=[
                ("id", models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)),
                ("item", models.ForeignKey(
                    f"{APP}.pluginitem", protect_configured, related_name="instances", verbose_name="plugin item",
                )),
                ("name", models.SlugField(
                    "name", max_length=100, db_index=False,
                    help_text="What code asks for, for example “transactional”. Unique for each item and scope.",
                )),
                ("scope", models.CharField(
                    "scope", max_length=100, blank=True, default="",
                    help_text="Whose instance it is, as code asks for it: a tenant, a site. Empty: everybody's.",
                )),
                ("config", ConfigField("configuration", default=StoredConfig, blank=True)),
                ("config_version", models.PositiveIntegerField("configuration version", default=1, editable=False)),
                ("status", models.CharField(**STATUS)),
                ("priority", models.SmallIntegerField(
                    "priority", null=True, blank=True, help_text="Lower is better. Empty: the item's priority.",
                )),
                ("description", models.TextField("description", blank=True, default="")),
                ("managed_by", models.CharField(
                    "managed by", max_length=255, blank=True, default="", editable=False,
                )),
                ("config_revision", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("secret_dates", models.JSONField("dates of the secrets", default=dict, blank=True, editable=False)),
                ("created_at", models.DateTimeField("created at", auto_now_add=True)),
                ("updated_at", models.DateTimeField("updated at", auto_now=True)),
            ],
            options={
                "verbose_name": "plugin instance",
                "verbose_name_plural": "plugin instances",
                "permissions": (("test_plugininstance", "Can test plugin instance"),),
                "base_manager_name": "objects",
                "constraints": [
                    models.UniqueConstraint(fields=("item", "scope", "name"), name="uniq_plugin_instance_scope_name"),
                ],
                "indexes": [
                    models.Index(
                        fields=["item", "scope", "status", "priority", "name"], name="idx_plugin_instance_order",
                    ),
                    models.Index(fields=["name", "scope"], name="idx_plugin_instance_name"),
                    models.Index(
                        fields=["name"], name="idx_plugin_instance_begin", opclasses=["varchar_pattern_ops"],
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "PluginHealth",
            fields=[
                ("instance", models.OneToOneField(
                    f"{APP}.plugininstance", models.CASCADE, primary_key=True, related_name="health", serialize=False,
                )),
                ("item", models.ForeignKey(
                    f"{APP}.pluginitem", models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False,
                )),
                ("scope", models.CharField(max_length=100, default="")),
                ("unavailable_until", DatabaseTimeField("unavailable until", null=True)),
                ("claimed_until", DatabaseTimeField(null=True)),
                ("refused_revision", models.UUIDField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("last_error", models.TextField("last error", default="")),
                ("last_tested_at", DatabaseTimeField("last tested at", null=True)),
                ("last_test_error", models.TextField("error of the last test", default="")),
                ("tested_revision", models.UUIDField(null=True)),
            ],
            options={
                "verbose_name": "plugin health",
                "verbose_name_plural": "plugin health",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["item", "scope", "unavailable_until"],
                        condition=models.Q(refused_revision=None),
                        name="idx_plugin_health_usable",
                    ),
                    models.Index(
                        fields=["item", "scope"],
                        condition=models.Q(refused_revision__isnull=False),
                        name="idx_plugin_health_refused",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            "PluginOverview",
            fields=[],
            options={
                "verbose_name": "overview",
                "verbose_name_plural": "overview",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=(f"{APP}.plugintype",),
        ),
        migrations.CreateModel(
            "PluginState",
            fields=[
                ("id", models.BigAutoField("ID", primary_key=True, serialize=False, auto_created=True)),
                ("instance", models.ForeignKey(
                    f"{APP}.plugininstance", models.CASCADE, related_name="states", db_constraint=False,
                )),
                ("revision", models.UUIDField()),
                ("stored", models.TextField(default="")),
                ("lease", models.UUIDField(null=True)),
                ("lease_until", DatabaseTimeField(null=True)),
            ],
            options={
                "verbose_name": "plugin state",
                "verbose_name_plural": "plugin states",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("instance", "revision"), name="uniq_plugin_state_instance_revision",
                    ),
                ],
            },
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_to_lose_instances),
    ]
