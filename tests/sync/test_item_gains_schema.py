"""A class gains a configuration, and loses it again: rows and old call sites live on, and nothing is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system import NoPluginAvailable, explain_selection, get_plugin, get_plugin_class, get_plugin_instance
from django_plugin_system.exceptions import InvalidConfig
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import (
    SECRET,
    VALID,
    AbstractSms,
    ConsoleSms,
    LenientSms,
    ProviderSms,
    declare_item,
    declare_type,
)
from tests.support.rows import add_instance, assert_sealed, get_item, read_raw

if TYPE_CHECKING:
    from django.db import models

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db

NAMES = ("sms", "apps.sms")

every_sync = pytest.mark.parametrize(
    "options",
    [{"mode": mode, "prune": prune} for mode in ("create", "update") for prune in (True, False)],
    ids=["create and prune", "create", "update and prune", "update"],
)


@pytest.fixture
def item(declared: Registry) -> PluginItem:
    """Return the row of an item that takes no configuration, as operators left it; its default instance is there."""
    del declared
    declare_type()
    declare_item(ConsoleSms, priority=3)
    sync_registered_plugins_to_db()
    PluginItem.objects.update(priority=17, description="Ours")
    return get_item()


def deploy(registry: Registry, plugin_class: type, options: dict[str, Any]) -> None:
    """Start the next release: the item's name stands for another class; sync."""
    registry.items.clear()
    declare_item(plugin_class, priority=3)
    sync_registered_plugins_to_db(**options)


def read_ids() -> dict[type[models.Model], set[object]]:
    """Return the ids of all rows."""
    tables: tuple[type[models.Model], ...] = (PluginType, PluginItem, PluginInstance)
    return {model: set(model._default_manager.values_list("pk", flat=True)) for model in tables}


def call_as_110() -> list[Any]:
    """Return what the old call sites get, each of them."""
    plugin_type = PluginType.objects.get()
    chosen = plugin_type.get_single_plugin()
    named = plugin_type.get_plugin_by_name("provider")
    assert chosen is not None
    assert named is not None
    classes: list[Any] = [chosen.load_class(), named.load_class(), get_plugin_class(*NAMES)]
    return [get_plugin_instance(*NAMES), *(plugin_class() for plugin_class in classes)]


@every_sync
def test_a_class_gains_required_fields(item: PluginItem, declared: Registry, options: dict[str, Any]) -> None:
    """Its rows stay, the default instance says that it needs configuration; once it has one, old calls work."""
    before = read_ids()
    deploy(declared, ProviderSms, options)
    assert read_ids() == before
    default = PluginInstance.objects.get()
    missing = "config invalid: account: Field required; token: Field required"
    assert [str(each) for each in explain_selection(AbstractSms).candidates] == [
        f"default (provider): needs configuration ({missing})"
    ]
    assert get_plugin_instance(*NAMES) is None
    assert get_plugin_class(*NAMES) is None
    with pytest.raises(NoPluginAvailable, match="needs configuration"):
        get_plugin(AbstractSms)
    default.set_config(VALID)
    default.save()
    assert_sealed(default)
    assert {plugin.send("hi") for plugin in call_as_110()} == {f"hi by AC1 with {SECRET}"}
    assert get_item() == item


@every_sync
def test_a_class_gains_fields_with_defaults(item: PluginItem, declared: Registry, options: dict[str, Any]) -> None:
    """Its default instance fits as it is, and serves old and new calls at once."""
    before = read_ids()
    deploy(declared, LenientSms, options)
    assert read_ids() == before
    assert {plugin.send("hi") for plugin in [*call_as_110(), get_plugin(AbstractSms)]} == {"hi with 3 retries"}
    assert get_item() == item


@every_sync
def test_a_class_loses_its_fields(item: PluginItem, declared: Registry, options: dict[str, Any]) -> None:
    """What operators configured is kept as it is stored, serves without it, and fits when the fields are back."""
    deploy(declared, ProviderSms, options)
    add_instance(priority=1)
    PluginInstance.objects.filter(name="default").delete()
    before, stored = read_ids(), read_raw(PluginInstance.objects.get().pk)
    deploy(declared, ConsoleSms, options)
    assert [str(each) for each in explain_selection(AbstractSms).candidates] == ["main (provider): usable"]
    assert {type(plugin) for plugin in [*call_as_110(), get_plugin(AbstractSms)]} == {ConsoleSms}
    row = PluginInstance.objects.get()
    row.description = "Edited meanwhile"
    row.save()
    assert (read_ids(), read_raw(row.pk)) == (before, stored)
    deploy(declared, ProviderSms, options)
    assert (read_ids(), read_raw(row.pk)) == (before, stored)
    assert {plugin.send("hi") for plugin in call_as_110()} == {f"hi by AC1 with {SECRET}"}
    assert get_item() == item


def test_nothing_new_is_stored_for_a_class_without_fields(item: PluginItem) -> None:
    """A configuration for a class that takes none is refused, whatever the row held before."""
    with pytest.raises(InvalidConfig, match="ConsoleSms takes no configuration"):
        add_instance(item=item)
