"""Signal handlers: writes that go around ``save()`` and querysets, the sync after a migration, changed settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError
from django.core.signals import request_finished, setting_changed
from django.db import connections, models, router
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.operations import CreateModel
from django.db.models.signals import post_delete, post_migrate, post_save, pre_migrate, pre_save
from django.dispatch import receiver

from django_plugin_system.changes import TABLE, announce_instances, is_changing, note_change
from django_plugin_system.conf import NAME, get_settings
from django_plugin_system.config.backends import forget_stores
from django_plugin_system.config.keyring import get_key_material, get_keyring
from django_plugin_system.exceptions import PluginSystemError
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginType
from django_plugin_system.querysets import UNTOUCHED, add_health, move_health
from django_plugin_system.selection.cache import forget_selections
from django_plugin_system.selection.notes import write_waiting
from django_plugin_system.sync import sync_registered_plugins_to_db

if TYPE_CHECKING:
    from django.db.migrations import Migration
    from django.db.models import QuerySet

    Plan = Iterable[tuple[Migration, bool]]


APP_LABEL = "django_plugin_system"

request_finished.connect(write_waiting)


class InstancesWouldBeLost(PluginSystemError, IrreversibleError, CommandError):
    """Migrating back would delete configured instances; ``count`` says how many."""

    def __init__(self, count: int) -> None:
        """Say how many there are, and what to do."""
        super().__init__(
            f"Migrating back would delete {count} plugin instances with their configurations. "
            "Save what you need of them with manage.py pluginexport, delete them, and migrate again."
        )
        self.count = count
        self.returncode = 1


@receiver(pre_save, sender=PluginInstance)
def seal_raw(instance: PluginInstance, using: str, *, raw: bool = False, **_kwargs: Any) -> None:
    """Validate and encrypt the config of a fixture's row; ``loaddata`` does not call ``save()``.

    :raises ConfigError: if it is refused; ``loaddata`` then loads nothing.
    """
    if raw:
        instance.seal_fixture(using)


@receiver((post_save, post_delete), sender=PluginType)
@receiver((post_save, post_delete), sender=PluginItem)
@receiver((post_save, post_delete), sender=PluginInstance)
@receiver(post_save, sender=PluginHealth)
def announce(using: str, **_kwargs: Any) -> None:
    """Note the change of a write that did not do so itself: a fixture's row, a cascade."""
    if not is_changing(using):
        note_change(using)


@receiver(post_save, sender=PluginInstance)
def keep_health(instance: PluginInstance, using: str, *, created: bool, **_kwargs: Any) -> None:
    """Give a new instance its row of health, and let that follow the instance to another item or scope."""
    if created:
        add_health(PluginInstance, using, [instance])
    elif instance.is_changed("item_id") or instance.is_changed("scope"):
        move_health(PluginInstance, using, [instance])


@receiver((post_save, post_delete), sender=PluginInstance)
def tell_listeners(
    instance: PluginInstance, using: str, update_fields: Iterable[str] | None = None, **_kwargs: Any
) -> None:
    """Announce a row that was saved or deleted, a fixture's or by a cascade, too."""
    announce_instances(PluginInstance, using, [instance.pk], update_fields)


@receiver(pre_migrate)
def stop_downgrade(sender: Any, using: str, plan: Plan = (), **_kwargs: Any) -> None:
    """Stop a ``migrate`` that would drop configured instances before it touches anything, other apps' tables too.

    Django tells no receiver of ``--fake``, so that is refused as well.

    :raises InstancesWouldBeLost: then.
    """
    if getattr(sender, "label", None) != APP_LABEL or not _drops_instances(plan, APP_LABEL):
        return
    if router.allow_migrate_model(using, PluginInstance):
        refuse_downgrade(PluginInstance.objects.using(using))


def _drops_instances(plan: Plan, app_label: str) -> bool:
    """Say whether ``plan``, as Django gives it to ``pre_migrate``, unapplies what made the table of instances."""
    return any(
        isinstance(operation, CreateModel) and operation.name_lower == "plugininstance"
        for migration, backwards in plan
        if backwards and migration.app_label == app_label
        for operation in migration.operations
    )


def refuse_downgrade(instances: QuerySet[Any]) -> None:
    """Stop if there are any ``instances`` but untouched default ones.

    :raises InstancesWouldBeLost: then.
    """
    count = instances.exclude(UNTOUCHED).count()
    if count:
        raise InstancesWouldBeLost(count)


@receiver(post_migrate)
def sync_after_migrate(sender: Any, using: str, **_kwargs: Any) -> None:
    """Mirror the registry into a database that was just migrated."""
    if getattr(sender, "label", None) != APP_LABEL or not router.allow_migrate_model(using, PluginInstance):
        return
    tables = connections[using].introspection.table_names()
    needed: tuple[type[models.Model], ...] = (PluginType, PluginItem, PluginInstance, PluginHealth)
    if {TABLE, *(model._meta.db_table for model in needed)} <= set(tables):
        sync_registered_plugins_to_db(using=using)


@receiver(setting_changed)
def reset_settings(setting: str, **_kwargs: Any) -> None:
    """Forget what was derived from a setting that a test overrides."""
    if setting in {NAME, "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        get_settings.cache_clear()
        get_keyring.cache_clear()
        get_key_material.cache_clear()
        forget_stores()
        forget_selections()
