"""The sync mirrors what code declares, and leaves what operators typed."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydantic import BaseModel, Field, SecretStr, model_validator

from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.register import plugin_item, plugin_type
from django_plugin_system.registry import temporary_registry
from django_plugin_system.services import sync_registered_plugins_to_db as sync_of_services
from django_plugin_system.services.sync import sync_registered_plugins_to_db as sync_of_services_sync
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import ConsoleSms, ProviderSmsV2, declare_item, declare_type
from tests.support.rows import add_instance, reload, write_raw

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


def test_a_sync_creates_what_is_missing(provider: PluginItem, all_kinds: dict[str, PluginItem]) -> None:
    """Types and items get rows with what code says; only items that need no configuration get an instance."""
    assert (provider.plugin_type.name, provider.plugin_type.manager) == ("sms", "apps.sms")
    assert provider.plugin_type.description == "Text messages"
    assert [(row.name, row.module, row.status, row.priority) for row in PluginItem.objects.order_by("priority")] == [
        ("provider", "apps.items", "active", 0),
        ("console", "apps.items", "active", 1),
        ("lenient", "apps.items", "active", 2),
        ("fragile", "apps.items", "active", 3),
    ]
    assert {str(row): row.priority for row in PluginInstance.objects.all()} == {
        f"default ({name})": None for name in all_kinds if name != "provider"
    }
    assert all(row.is_untouched for row in PluginInstance.objects.all())


def test_a_second_sync_changes_nothing(
    all_kinds: dict[str, PluginItem], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """What is there is found, and nothing is created, updated or pruned."""
    before = [list(model.objects.values()) for model in (PluginType, PluginItem, PluginInstance)]
    locks = connection.vendor == "postgresql"
    with django_assert_num_queries(4 + locks):  # the change, all types, all items, what has no row of health
        result = sync_registered_plugins_to_db(mode="update")
    assert {key: count for key, count in result.items() if count} == {"types_found": 1, "items_found": len(all_kinds)}
    assert [list(model.objects.values()) for model in (PluginType, PluginItem, PluginInstance)] == before


def test_an_id_that_is_taken_is_not_given_again(all_kinds: dict[str, PluginItem]) -> None:
    """Rows that got another name, or item, since a sync made them keep their ids; what is made anew gets others."""
    PluginItem.objects.filter(name="lenient").update(name="renamed")
    moved = PluginInstance.objects.get(item__name="console")
    moved.item, moved.name = all_kinds["fragile"], "moved"
    moved.save()
    result = sync_registered_plugins_to_db(prune=False)
    assert (result.items_created, result.instances_created) == (1, 2)
    names = PluginItem.objects.values_list("name", flat=True)
    assert {*names} == {*all_kinds, "renamed"}
    assert PluginInstance.objects.filter(item__name="console").count() == 1
    assert PluginInstance.objects.filter(item__name="lenient").count() == 1


def test_the_result_reads_as_the_dict_of_110(db: None) -> None:
    """The keys of 1.1.0 can be looked up, iterated and compared as before."""
    del db
    declare_type()
    declare_item(ConsoleSms)
    result = sync_registered_plugins_to_db()
    keys = ("types_created", "types_found", "items_created", "items_found", "pruned_types", "pruned_items")
    assert [result[key] for key in keys] == [1, 0, 1, 0, 0, 0]
    assert dict(result)["items_created"] == result.items_created == result.get("items_created") == 1
    assert len(result) == len(list(result)) == 11
    with pytest.raises(KeyError):
        result["unknown"]


def test_create_keeps_what_operators_typed(provider: PluginItem) -> None:
    """Mode create touches neither status, priority nor description of a row that is there."""
    PluginItem.objects.update(status="disable", priority=9, description="typed")
    PluginType.objects.update(description="typed")
    sync_registered_plugins_to_db(mode="create")
    provider.refresh_from_db()
    assert (provider.status, provider.priority, provider.description) == ("disable", 9, "typed")
    assert PluginType.objects.get().description == "typed"


def test_update_refreshes_from_code_but_keeps_the_status(provider: PluginItem) -> None:
    """Mode update brings description and priority back to what code says; the status stays."""
    PluginItem.objects.update(status="disable", priority=9, description="typed")
    PluginType.objects.update(description="typed")
    result = sync_registered_plugins_to_db(mode="update")
    provider.refresh_from_db()
    assert (provider.status, provider.priority, provider.description) == ("disable", 0, "")
    assert PluginType.objects.get().description == "Text messages"
    assert (result.types_updated, result.items_updated) == (1, 1)


def test_an_item_with_an_instance_gets_no_default(all_kinds: dict[str, PluginItem]) -> None:
    """Whoever has an instance of any name keeps just that."""
    PluginInstance.objects.all().delete()
    add_instance("mine", all_kinds["console"], config={})
    sync_registered_plugins_to_db()
    assert [row.name for row in all_kinds["console"].instances.all()] == ["mine"]
    assert [row.name for row in all_kinds["lenient"].instances.all()] == ["default"]


class Made(BaseModel):
    """A configuration that nobody has to type, another one each time."""

    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    key: SecretStr = Field(default_factory=lambda: SecretStr(uuid.uuid4().hex))


class Unstorable(BaseModel):
    """The same, of a text that no database holds."""

    text: str = Field(default_factory=lambda: f"\0{uuid.uuid4()}")


def test_what_a_factory_makes_for_a_default_instance_is_stored(db: None) -> None:
    """The same at each reading; what cannot be stored is left to the reading."""
    del db
    declare_type()

    for schema in (Made, Unstorable):

        class MadeSms(ConfigurablePlugin[schema], ConsoleSms):  # type: ignore[valid-type]
            pass

        declare_item(MadeSms, schema.__name__)
    sync_registered_plugins_to_db()
    made, odd = PluginInstance.objects.order_by("item__name")
    assert made.load_config() == made.load_config() == reload(made).load_config()
    assert set(made.config) == {"id", "key"}
    assert set(made.config["key"]) == {"$secret"}
    assert odd.config == {}


def test_a_default_instance_counts_as_current(db: None) -> None:
    """The default instance of a class with a newer config version is stored with that version."""
    del db
    declare_type()
    declare_item(type("Newer", (ConsoleSms,), {"config_version": 3}))
    sync_registered_plugins_to_db()
    assert PluginInstance.objects.get().config_version == 3


def test_update_writes_older_configs_in_their_new_form(provider: PluginItem, declared: Registry) -> None:
    """Mode update migrates what it can, counts what it cannot, and leaves that as it is; mode create does neither."""
    good, bad = add_instance("good", provider), add_instance("bad", provider)
    write_raw(bad.pk, config={})
    declared.items.clear()
    declare_item(ProviderSmsV2)
    assert sync_registered_plugins_to_db(mode="create").configs_upgraded == 0
    assert reload(good).config_version == 1
    result = sync_registered_plugins_to_db(mode="update")
    assert (result.configs_upgraded, result.configs_failed) == (1, 1)
    assert (reload(good).config_version, reload(good).config["region"]) == (2, "eu")
    assert (reload(bad).config_version, reload(bad).config) == (1, {})


def test_several_classes_may_have_older_configs(provider: PluginItem, declared: Registry) -> None:
    """Only rows that are older than their own class are touched."""
    declare_item(type("Newer", (ConsoleSms,), {"config_version": 3}), "newer")
    sync_registered_plugins_to_db()
    add_instance(item=provider)
    declared.items.clear()
    declare_item(ProviderSmsV2)
    declare_item(type("Newest", (ConsoleSms,), {"config_version": 4}), "newer")
    result = sync_registered_plugins_to_db(mode="update")
    assert (result.configs_upgraded, result.configs_failed) == (2, 0)
    assert sorted(PluginInstance.objects.values_list("config_version", flat=True)) == [2, 4]


@pytest.mark.parametrize("mode", ["create", "update"])
def test_a_dry_run_writes_nothing(provider: PluginItem, declared: Registry, mode: Any) -> None:
    """A dry run counts what a sync would do, and sends no statement but SELECT."""
    add_instance(item=provider)
    write_raw(add_instance("unreadable", provider).pk, config={})
    provider.plugin_type.pluginitem_set.create(name="gone", module="apps.gone")
    PluginItem.objects.update(priority=9)
    declared.items.clear()
    declare_item(ProviderSmsV2)
    declare_item(ConsoleSms, "console")
    with CaptureQueriesContext(connection) as queries:
        promised = sync_registered_plugins_to_db(mode=mode, dry_run=True)
    assert all(query["sql"].lstrip().startswith("SELECT") for query in queries)
    assert promised == sync_registered_plugins_to_db(mode=mode)


def _declare_many(count: int) -> None:
    class Interface(ABC):
        @abstractmethod
        def run(self) -> None: ...

    class Item(Interface):
        def run(self) -> None: ...

    plugin_type(name=f"many{count}", manager="apps.many")(Interface)
    for number in range(count):
        plugin_item(Interface, name=f"item{number}", module="apps.many")(type("Item", (Item,), {}))


@pytest.mark.parametrize("mode", ["create", "update"])
def test_queries_do_not_grow_with_the_items(db: None, mode: Any) -> None:
    """1,000 items are found with as many queries as 10 are, and are created and changed in batches."""
    del db
    counts = []
    for items in (10, 1000):
        with temporary_registry(empty=True):
            _declare_many(items)
            created, found = _count_queries(mode), _count_queries(mode)
            PluginItem.objects.update(priority=5)
            counts.append((created, found, _count_queries(mode)))
            assert PluginInstance.objects.count() == items
        sync_registered_plugins_to_db()
    (few, found, some), (many, found_too, more) = counts
    assert found == found_too <= few <= 10
    assert (many <= 1000 // 20, more - some <= 1000 // 100) == (True, True)


def _count_queries(mode: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        sync_registered_plugins_to_db(mode=mode)
    return len(queries)


def test_the_import_paths_of_110_hand_on_the_sync() -> None:
    """Both older import paths give the one sync."""
    assert sync_of_services is sync_of_services_sync is sync_registered_plugins_to_db


def test_a_schema_that_raises_needs_a_config(db: None) -> None:
    """A schema that cannot even judge an empty config gets no default instance, and stops no sync."""
    del db

    class Explosive(BaseModel):
        @model_validator(mode="before")
        @classmethod
        def explode(cls, data: object) -> object:
            raise OSError(data)

    class Odd(ConfigurablePlugin[Explosive], ConsoleSms):
        pass

    declare_type()
    declare_item(Odd)
    assert sync_registered_plugins_to_db().instances_created == 0
