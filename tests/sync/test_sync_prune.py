"""Pruning deletes rows whose code is gone and on which nothing hangs, and no other row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.apps.preferences.models import Person
from tests.support.plugins import ConsoleSms, ProviderSms, declare_item, declare_type
from tests.support.rows import add_instance, get_item, read_raw

if TYPE_CHECKING:
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(db: None, declared: Registry) -> PluginItem:
    """Return an item with its untouched default instance, both of which have just lost their code."""
    del db
    declare_type()
    declare_item(ConsoleSms, "console", module="apps.gone")
    sync_registered_plugins_to_db()
    declared.items.clear()
    declared.types.clear()
    return get_item("console")


def test_what_nothing_hangs_on_goes(console: PluginItem) -> None:
    """An item without code goes with its untouched default instance, and its type with it."""
    result = sync_registered_plugins_to_db()
    assert (result.pruned_items, result.pruned_types) == (1, 1)
    assert not PluginType.objects.exists()
    assert not PluginItem.objects.filter(pk=console.pk).exists()
    assert not PluginInstance.objects.exists()


@pytest.mark.parametrize("typed", [{"status": "disable"}, {"priority": 3}, {"description": "Ask Ann first."}])
def test_an_edited_default_instance_keeps_its_item(console: PluginItem, typed: dict[str, object]) -> None:
    """What an operator disabled is not active again because its app was away for one sync; nor is any edit lost."""
    PluginInstance.objects.update(**typed)
    result = sync_registered_plugins_to_db()
    assert (result.pruned_items, result.pruned_types) == (0, 0)
    assert PluginInstance.objects.filter(item=console, **typed).exists()


def test_pruning_can_be_left_out(console: PluginItem) -> None:
    """With prune=False everything stays."""
    assert sync_registered_plugins_to_db(prune=False).pruned_items == 0
    console.refresh_from_db()


def test_an_item_of_an_installed_app_stays(console: PluginItem) -> None:
    """While its app is installed, an item may come back; so may a type."""
    PluginItem.objects.update(module="django.contrib.auth")
    PluginType.objects.update(manager="tests.apps.preferences")
    result = sync_registered_plugins_to_db()
    assert (result.pruned_items, result.pruned_types) == (0, 0)
    console.refresh_from_db()


def test_a_registered_item_stays_wherever_it_is_from(db: None) -> None:
    """Manager and module may be any text: what is registered is never pruned, nor are operators' edits lost."""
    del db
    declare_type()
    declare_item(ConsoleSms, "console", module="no app at all")
    sync_registered_plugins_to_db()
    PluginItem.objects.update(status="reserve", priority=5)
    result = sync_registered_plugins_to_db()
    assert (result.pruned_items, result.pruned_types, result.items_found) == (0, 0, 1)
    assert (get_item("console").status, get_item("console").priority) == ("reserve", 5)


def test_an_item_whose_code_comes_back_is_as_it_was(db: None, declared: Registry) -> None:
    """An item with a configured instance outlives its code, is shown as missing, and serves again afterwards."""
    del db
    declare_type()
    declare_item(ProviderSms)
    sync_registered_plugins_to_db()
    row = add_instance()
    before = read_raw(row.pk)
    declared.items.clear()
    declared.types.clear()
    result = sync_registered_plugins_to_db()
    assert (result.pruned_items, result.pruned_types) == (0, 0)
    assert (get_item().is_registered, get_item().config_schema) == (False, None)
    declare_type()
    declare_item(ProviderSms)
    sync_registered_plugins_to_db()
    assert read_raw(row.pk) == before
    assert PluginInstance.objects.get().reason_unusable() is None


def test_an_instance_with_another_name_keeps_its_item(console: PluginItem) -> None:
    """Somebody named that instance, so somebody wants it, although it has no configuration."""
    PluginInstance.objects.update(name="mine")
    assert sync_registered_plugins_to_db().pruned_items == 0
    console.refresh_from_db()


def test_a_users_choice_keeps_an_item(console: PluginItem) -> None:
    """A row of a project's own many-to-many field keeps an item."""
    Person.objects.create(name="Ada").channels.add(console)
    result = sync_registered_plugins_to_db()
    assert (result.pruned_items, result.pruned_types) == (0, 0)
    assert [item.name for item in Person.objects.get().channels.all()] == ["console"]


def test_a_users_foreign_key_keeps_an_item(console: PluginItem) -> None:
    """A row that points at an item keeps it; one that points nowhere keeps nothing."""
    person = Person.objects.create(name="Ada", favourite=console)
    assert sync_registered_plugins_to_db().pruned_items == 0
    person.favourite = None
    person.save()
    assert sync_registered_plugins_to_db().pruned_items == 1
    assert Person.objects.exists()


def test_a_users_use_of_the_default_instance_keeps_it(console: PluginItem) -> None:
    """A default instance that a project's own row points at is not taken along with its item."""
    person = Person.objects.create(name="Ada", sender=console.instances.get())
    assert sync_registered_plugins_to_db().pruned_items == 0
    person.refresh_from_db()
    assert person.sender == console.instances.get()


def test_a_type_stays_for_the_items_it_still_has(console: PluginItem) -> None:
    """A type without code outlives one item as long as another one needs it."""
    console.plugin_type.pluginitem_set.create(name="kept", module="django.contrib.auth")
    result = sync_registered_plugins_to_db()
    assert (result.pruned_items, result.pruned_types) == (1, 0)
    assert [item.name for item in PluginItem.objects.all()] == ["kept"]
