"""The way back to the tables of 1.1.0: closed while what operators configured would be lost on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management import CommandError
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.operations import CreateModel

from django_plugin_system.exceptions import PluginSystemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.migrations import Migration
    from django.db.models import QuerySet

    Plan = Iterable[tuple[Migration, bool]]


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


def drops_instances(plan: Plan, app_label: str) -> bool:
    """Say whether ``plan``, as Django gives it to ``pre_migrate``, unapplies what made the table of instances."""
    return any(
        isinstance(operation, CreateModel) and operation.name_lower == "plugininstance"
        for migration, backwards in plan
        if backwards and migration.app_label == app_label
        for operation in migration.operations
    )


def refuse_to_lose(instances: QuerySet[Any]) -> None:
    """Stop if there are any ``instances`` but untouched default ones.

    :raises InstancesWouldBeLost: then.
    """
    count = instances.exclude(name="default", config={}).count()
    if count:
        raise InstancesWouldBeLost(count)
