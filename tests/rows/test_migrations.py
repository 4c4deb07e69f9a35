"""The migrations: the tables of 1.1.0 exactly, an upgrade that nobody notices, and no way back that loses something."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from django_plugin_system import changes
from django_plugin_system.changes import TABLE as CHANGES
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.receivers import InstancesWouldBeLost
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.apps.preferences.models import Person
from tests.support.databases import describe_tables, fetch_rows, make_tables_of_110, new_database
from tests.support.plugins import VALID, ConsoleSms, ProviderSms, declare_item, declare_type
from tests.support.rows import to_db_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import DjangoDbBlocker, Settings

APP = "django_plugin_system"
TYPES, ITEMS, INSTANCES = (f"{APP}_{name}" for name in ("plugintype", "pluginitem", "plugininstance"))


@pytest.fixture
def empty(django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[str]:
    """Return the alias of an empty database."""
    del django_db_setup
    with django_db_blocker.unblock(), new_database(tmp_path) as alias:
        yield alias


def migrate(alias: str, *target: str) -> None:
    """Run the package's migrations, or all of them up to a target."""
    call_command("migrate", *(target or (APP,)), database=alias, verbosity=0)


def insert(alias: str, table: str, *values: Any) -> None:
    """Insert a row past the ORM, as 1.1.0 did with an ORM of its own."""
    marks = ", ".join(["%s"] * len(values))
    with connections[alias].cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - our tables


@pytest.fixture
def upgraded_from_110(empty: str) -> dict[str, list[tuple[Any, ...]]]:
    """Make a database as 1.1.0 left it, with rows that operators edited, and migrate it; return those rows."""
    declare_type()
    declare_item(ConsoleSms, "console", priority=1)
    make_tables_of_110(empty)
    MigrationRecorder(connections[empty]).ensure_schema()
    MigrationRecorder(connections[empty]).record_applied(APP, "0001_initial")
    type_id, console, gone = (to_db_id(uuid.uuid4(), empty) for _ in range(3))
    insert(empty, TYPES, type_id, "sms", "apps.sms", "Texts")
    insert(empty, ITEMS, console, "apps.items", "console", "reserve", 17, None, type_id)
    insert(empty, ITEMS, gone, "django.contrib.auth", "gone", "active", -3, "Unregistered", type_id)
    rows = {table: fetch_rows(empty, table) for table in (TYPES, ITEMS)}
    migrate(empty)
    return rows


def test_0001_makes_the_tables_of_110(empty: str, tmp_path: Path) -> None:
    """Columns, keys, constraints and indexes of the first migration are those of the published 1.1.0, name by name."""
    migrate(empty, APP, "0001")
    with new_database(tmp_path, "old") as old:
        make_tables_of_110(old)
        assert describe_tables(empty, TYPES, ITEMS) == describe_tables(old, TYPES, ITEMS)


def test_0002_leaves_those_tables_alone(empty: str) -> None:
    """The second migration adds tables, and changes nothing about the two of 1.1.0."""
    migrate(empty, APP, "0001")
    before = describe_tables(empty, TYPES, ITEMS)
    migrate(empty)
    assert describe_tables(empty, TYPES, ITEMS) == before


@pytest.mark.parametrize("undone", [False, True])
def test_an_upgrade_leaves_the_rows_of_110_as_they_are(
    empty: str, upgraded_from_110: dict[str, list[tuple[Any, ...]]], *, undone: bool
) -> None:
    """Ids, statuses, priorities and descriptions are the same after the upgrade, and after going back."""
    if undone:
        migrate(empty, APP, "0001")
        assert INSTANCES not in connections[empty].introspection.table_names()
        assert CHANGES not in connections[empty].introspection.table_names()
    assert {table: fetch_rows(empty, table) for table in (TYPES, ITEMS)} == upgraded_from_110


def test_an_upgraded_database_serves(empty: str, upgraded_from_110: dict[str, list[tuple[Any, ...]]]) -> None:
    """The sync finds the rows of 1.1.0, keeps what operators typed, and gives them their default instance."""
    synced = sync_registered_plugins_to_db(using=empty)
    assert (synced.types_found, synced.items_found, synced.items_created, synced.pruned_items) == (1, 1, 0, 0)
    assert {table: fetch_rows(empty, table) for table in (TYPES, ITEMS)} == upgraded_from_110
    item = PluginItem.objects.using(empty).get(name="console")
    assert (item.status, item.priority, item.plugin_class) == ("reserve", 17, ConsoleSms)
    assert [str(row) for row in item.instances.all()] == ["default (console)"]


def test_nothing_is_pruned_before_all_tables_are_there(empty: str) -> None:
    """While the tables of an app that points at items are missing, no item is deleted; afterwards, unused ones are."""
    migrate(empty)
    plugin_type = PluginType.objects.using(empty).create(name="gone", manager="apps.gone")
    plugin_type.pluginitem_set.create(name="gone", module="apps.gone")
    migrate(empty, APP)
    assert PluginItem.objects.using(empty).count() == 1
    migrate(empty, "preferences")
    assert not PluginItem.objects.using(empty).exists()
    assert not PluginType.objects.using(empty).exists()


def test_a_migration_syncs(empty: str) -> None:
    """A plain migrate of a new database ends with the registered plugins in it, and a change."""
    declare_type()
    declare_item(ConsoleSms, "console")
    migrate(empty)
    assert [str(row) for row in PluginInstance.objects.using(empty)] == ["default (console)"]
    assert changes.read(empty) is not None


@pytest.fixture
def configured(empty: str) -> PluginInstance:
    """Migrate everything; return a configured instance, on which a person of another app hangs."""
    declare_type()
    declare_item(ConsoleSms, "console")
    declare_item(ProviderSms)
    migrate(empty, "preferences")
    item = PluginItem.objects.using(empty).get(name="provider")
    row = PluginInstance.objects.using(empty).create(item=item, name="main", config=VALID)
    Person.objects.using(empty).create(name="Ada", sender=row)
    return row


def test_a_migration_back_that_would_lose_instances_touches_nothing(empty: str, configured: PluginInstance) -> None:
    """It is refused before anything is unapplied, the tables of apps that depend on ours included."""
    tables = (INSTANCES, "preferences_person")
    stored = [fetch_rows(empty, table) for table in tables]
    for target in ("0001", "zero"):
        with pytest.raises(InstancesWouldBeLost, match=r"would delete 1 plugin instances.*pluginexport") as caught:
            migrate(empty, APP, target)
        assert (caught.value.count, caught.value.returncode) == (1, 1)
        assert isinstance(caught.value, IrreversibleError)
        assert [fetch_rows(empty, table) for table in tables] == stored
    configured.delete()
    migrate(empty, APP, "0001")


def test_code_that_migrates_without_the_command_is_refused_as_well(empty: str, configured: PluginInstance) -> None:
    """The migration itself looks again."""
    migrate(empty, "preferences", "zero")
    with pytest.raises(InstancesWouldBeLost):
        MigrationExecutor(connections[empty]).migrate([(APP, "0001_initial")])
    assert PluginInstance.objects.using(empty).filter(pk=configured.pk).exists()


def test_untouched_instances_go_with_a_migration_back(empty: str) -> None:
    """Nobody typed them, and the next migration forward makes them again."""
    declare_type()
    declare_item(ConsoleSms, "console")
    for _ in range(2):
        migrate(empty)
        assert [str(row) for row in PluginInstance.objects.using(empty)] == ["default (console)"]
        migrate(empty, APP, "0001")


class ElsewhereRouter:
    """Keeps the package out of every database but "default"."""

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool:
        """Say no to the package elsewhere."""
        return db == "default" or app_label not in {APP, "preferences"}


def test_a_database_without_the_package_is_left_alone(empty: str, settings: Settings) -> None:
    """Where a router keeps the package out, migrations of other apps sync nothing."""
    settings.DATABASE_ROUTERS = [f"{__name__}.ElsewhereRouter"]
    declare_type()
    migrate(empty, "sessions")
    migrate(empty, APP)
    migrate(empty, APP, "zero")
    assert TYPES not in connections[empty].introspection.table_names()


def test_no_migration_is_missing(django_db_blocker: DjangoDbBlocker) -> None:
    """The command makemigrations has nothing to add to what is in the repository."""
    with django_db_blocker.unblock():
        call_command("makemigrations", "--check", "--dry-run", APP, "preferences", stdout=io.StringIO())
