"""The way of 1.1.0: every import path and method of it works, on plain and on configurable classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps

import django_plugin_system.storage
from django_plugin_system import get_plugin_class, get_plugin_instance
from django_plugin_system.exceptions import NoPluginAvailable
from django_plugin_system.helpers import get_plugin_instance as instance_of_helpers
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from django_plugin_system.register import (
    load_plugin_item,
    load_plugin_type,
    register_plugin_item,
    register_plugin_type,
)
from django_plugin_system.registry import PluginItemRegistry, PluginTypeRegistry
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import (
    SECRET,
    AbstractSms,
    ConsoleSms,
    FragileSms,
    LenientSms,
    ProviderConfig,
    ProviderSms,
    declare_item,
)
from tests.support.rows import add_instance, get_item, write_raw

if TYPE_CHECKING:
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db

NAMES = ("sms", "apps.sms")


def only(name: str) -> PluginItem:
    """Disable all items but one, and return that one."""
    PluginItem.objects.exclude(name=name).update(status="disable")
    return get_item(name)


def test_the_names_of_110_are_where_they_were() -> None:
    """Statuses, registration dicts and helpers are found under their old paths."""
    assert [(status.name, str(status)) for status in PluginStatus] == [
        ("ACTIVE", "active"),
        ("RESERVED", "reserve"),
        ("DISABLED", "disable"),
    ]
    assert django_plugin_system.storage.PluginTypeRegistry is PluginTypeRegistry
    assert django_plugin_system.storage.PluginItemRegistry is PluginItemRegistry
    assert instance_of_helpers is get_plugin_instance
    assert apps.get_app_config("django_plugin_system").get_model("PluginItem") is PluginItem


def test_registered_dicts_can_be_loaded_back() -> None:
    """The load functions return what was registered; an unknown name is a KeyError."""
    register_plugin_type({"name": "sms", "manager": "otp_manager", "interface": AbstractSms, "description": "Texts"})
    item: PluginItemRegistry = {
        "name": "console",
        "module": "apps.console",
        "type_name": "sms",
        "manager_name": "otp_manager",
        "plugin_class": ConsoleSms,
        "priority": 5,
        "description": "Prints",
    }
    register_plugin_item(item)
    assert load_plugin_item("console", "apps.console", "sms") == item
    loaded = load_plugin_type("sms", "otp_manager")
    assert (loaded["interface"], loaded["description"], loaded["get_plugin"]) == (AbstractSms, "Texts", None)
    with pytest.raises(KeyError):
        load_plugin_type("sms", "other")
    with pytest.raises(KeyError, match="console"):
        load_plugin_item("console", "apps.console", "other")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({"console": "active", "lenient": "active"}, "console"),
        ({"console": "reserve", "lenient": "active"}, "lenient"),
        ({"console": "reserve", "lenient": "reserve"}, "console"),
        ({"console": "disable", "lenient": "reserve"}, "lenient"),
        ({"console": "disable", "lenient": "disable"}, None),
    ],
)
def test_the_single_plugin(all_kinds: dict[str, PluginItem], statuses: dict[str, str], expected: str | None) -> None:
    """The first active item by priority, else the first reserve one, else None; instances have no say in it."""
    PluginItem.objects.exclude(name__in=statuses).update(status="disable")
    for name, status in statuses.items():
        PluginItem.objects.filter(name=name).update(status=status)
    for chosen in (
        all_kinds["console"].plugin_type.get_single_plugin(),
        PluginItem.default_get_single_plugin(all_kinds["console"].plugin_type),
    ):
        assert (chosen.name if chosen else None) == expected


def test_an_unregistered_type_has_no_single_plugin(all_kinds: dict[str, PluginItem], declared: Registry) -> None:
    """Where code no longer declares the type, get_single_plugin() is None, and so are the helpers."""
    declared.types.clear()
    assert all_kinds["console"].plugin_type.get_single_plugin() is None
    assert get_plugin_instance(*NAMES) is None
    assert get_plugin_class(*NAMES) is None


def test_lists_by_status_and_priority(all_kinds: dict[str, PluginItem]) -> None:
    """The methods get_active_plugins(), get_all_plugins() and get_plugin_by_name() read as in 1.1.0."""
    plugin_type = all_kinds["console"].plugin_type
    PluginItem.objects.filter(name="fragile").update(priority=-1)
    PluginItem.objects.filter(name="lenient").update(status="disable")
    active = [get_item(name) for name in ("fragile", "provider", "console")]
    assert plugin_type.get_active_plugins() == PluginItem.get_available_plugins(plugin_type) == active
    grouped = {"active": active, "disable": [get_item("lenient")]}
    assert plugin_type.get_all_plugins() == PluginItem.get_all_plugins(plugin_type) == grouped
    assert plugin_type.get_plugin_by_name("console") == get_item("console")
    assert plugin_type.get_plugin_by_name("lenient") is None
    assert plugin_type.get_plugin_by_name("unknown") is None


def test_a_plain_class_is_given_as_it_is(all_kinds: dict[str, PluginItem]) -> None:
    """For a class without configuration, nothing stands between the caller and the class."""
    item = only("console")
    assert item.load_class() is get_plugin_class(*NAMES) is ConsoleSms
    assert type(get_plugin_instance(*NAMES)) is ConsoleSms
    PluginInstance.objects.all().delete()
    assert type(get_plugin_instance(*NAMES)) is ConsoleSms
    del all_kinds


def test_a_configurable_class_builds_its_best_instance(provider: PluginItem) -> None:
    """Callers that know nothing of instances get a configured plugin by each of the three ways."""
    add_instance("second", provider, priority=2)
    add_instance("first", provider, priority=1)
    ways: list[Any] = [lambda: get_plugin_instance(*NAMES), get_plugin_class(*NAMES), provider.load_class()]
    for build in ways:
        plugin = build()
        assert (type(plugin), plugin.plugin_instance.name) == (ProviderSms, "first")
        assert plugin.send("hi") == f"hi by AC1 with {SECRET}"


def test_a_loaded_class_is_still_that_class(provider: PluginItem) -> None:
    """It is a subclass with the same name that takes a config by hand, and that no registry of subclasses hears of."""
    heard: list[type] = []

    class Registering(ProviderSms):
        def __init_subclass__(cls, **kwargs: Any) -> None:
            heard.append(cls)

    class Heard(Registering):
        pass

    declare_item(Heard, "heard")
    sync_registered_plugins_to_db()
    assert get_item("heard").load_class() is not Heard
    assert heard == [Heard]
    add_instance(item=provider)
    loaded: Any = provider.load_class()
    assert loaded is not None
    assert issubclass(loaded, ProviderSms)
    assert (loaded.__name__, loaded.__module__) == ("ProviderSms", ProviderSms.__module__)
    assert loaded(ProviderConfig(accountName="AC9", token=SECRET)).config.account == "AC9"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "columns", [None, {"status": "disable"}, {"config": {}}, {"unavailable_until": "2999-01-01 00:00:00+00"}]
)
def test_without_a_usable_instance_there_is_no_plugin(provider: PluginItem, columns: dict[str, Any] | None) -> None:
    """The helpers give None; the class of load_class() raises when it is called, and says why."""
    if columns is not None:
        write_raw(add_instance(item=provider).pk, **columns)
    assert get_plugin_instance(*NAMES) is None
    assert get_plugin_class(*NAMES) is None
    loaded = provider.load_class()
    assert loaded is not None
    with pytest.raises(NoPluginAvailable, match=r"No usable instance of plugin item provider \(apps.items\)"):
        loaded()


def test_a_constructor_that_fails_gives_none(all_kinds: dict[str, PluginItem]) -> None:
    """A configurable class that cannot be built gives None from the helper; the next instance is tried first."""
    item = only("fragile")
    assert get_plugin_instance(*NAMES) is None
    loaded = item.load_class()
    assert loaded is not None
    with pytest.raises(NoPluginAvailable, match=r"- default \(fragile\): could not be built"):
        loaded()
    FragileSms.fails = False
    assert isinstance(get_plugin_instance(*NAMES), FragileSms)
    del all_kinds


def test_an_item_that_the_caller_chose_serves_whatever_its_status(all_kinds: dict[str, PluginItem]) -> None:
    """A project may keep a disabled item in its own table; load_class() works for it, as in 1.1.0."""
    PluginItem.objects.update(status="disable")
    loaded = get_item("lenient").load_class()
    assert loaded is not None
    assert isinstance(loaded(), LenientSms)
    del all_kinds


def test_what_is_not_there_is_none(provider: PluginItem, declared: Registry) -> None:
    """An unknown type, and an item whose code is gone, give None."""
    assert get_plugin_instance("unknown", "apps.sms") is None
    assert get_plugin_class("sms", "unknown") is None
    declared.items.clear()
    assert provider.load_class() is None
    assert get_plugin_class(*NAMES) is None
    assert get_plugin_instance(*NAMES) is None
