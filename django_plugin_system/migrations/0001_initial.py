"""The tables of 1.1.0, exactly: a database that 1.1.0 made has this migration applied."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Create plugin types and items."""

    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="PluginType",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(db_index=True, max_length=100)),
                ("manager", models.CharField(max_length=100)),
                ("description", models.TextField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["name"], name="django_plug_name_73298a_idx"),
                    models.Index(fields=["manager"], name="django_plug_manager_593144_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("name", "manager"), name="uniq_plugin_type_name_manager")
                ],
            },
        ),
        migrations.CreateModel(
            name="PluginItem",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("module", models.CharField(max_length=100)),
                ("name", models.CharField(db_index=True, max_length=100)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("reserve", "Reserved"), ("disable", "Disabled")],
                        db_index=True,
                        default="active",
                        max_length=10,
                    ),
                ),
                ("priority", models.SmallIntegerField(default=0)),
                ("description", models.TextField(blank=True, null=True)),
                (
                    "plugin_type",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="django_plugin_system.plugintype"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["plugin_type", "status", "priority"], name="django_plug_plugin__1c995d_idx"
                    ),
                    models.Index(fields=["module"], name="django_plug_module_1bcece_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "module", "plugin_type"), name="uniq_plugin_item_name_module_type"
                    )
                ],
            },
        ),
    ]
