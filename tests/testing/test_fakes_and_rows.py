"""Fakes and the guard where there are rows: what is built from an instance, by whatever way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system import (
    explain_selection,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugin_class,
    get_plugin_instance,
    get_plugins,
)
from django_plugin_system.exceptions import NoPluginAvailable, PluginBlocked
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.testing import allow_plugins, override_plugin
from tests.apps.preferences.models import Person
from tests.support.plugins import AbstractSms, ConsoleSms, FragileSms, LenientSms, ProviderSms
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db

NAMES = ("sms", "apps.sms")


class FakeSms(AbstractSms):
    """What tests send with."""

    def send(self, text: str) -> Any:
        """Send nothing."""


def fail_over() -> object:
    """Return the plugin of the one attempt."""
    tried: list[object] = []
    for attempt in failover(AbstractSms):
        with attempt as plugin:
            tried.append(plugin)
    return tried.pop()


def ask_for_class() -> object:
    """Build what the legacy helper returns."""
    return get_plugin_class(*NAMES)()


def load_class() -> Any:
    """Build what the item's legacy method returns."""
    found: Any = PluginItem.objects.get(name="provider").load_class()
    return found()


WAYS: dict[str, Callable[[], object]] = {
    "get_plugin": lambda: get_plugin(AbstractSms),
    "by name": lambda: get_plugin(AbstractSms, name="main"),
    "get_plugins": lambda: get_plugins(AbstractSms)[0],
    "by id": lambda: get_plugin_by_id(AbstractSms, PluginInstance.objects.get(name="main").pk),
    "failover": fail_over,
    "load_plugin": lambda: PluginInstance.objects.get(name="main").load_plugin(),
    "legacy helper": lambda: get_plugin_instance(*NAMES),
    "legacy class": ask_for_class,
    "load_class": load_class,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture
def main(provider: PluginItem) -> PluginInstance:
    """Store the one instance."""
    return add_instance("main", provider)


@every_way
def test_no_way_leads_around_a_fake(main: PluginInstance, way: Callable[[], object]) -> None:
    """Whoever gets a plugin of the type gets the fake; before and after, the real one."""
    fake = FakeSms()
    assert isinstance(way(), ProviderSms)
    with override_plugin(AbstractSms, fake):
        assert way() is fake
    assert isinstance(way(), ProviderSms)
    main.refresh_from_db()
    assert (main.unavailable_until, main.last_error) == (None, "")


@every_way
def test_no_way_leads_around_a_fake_by_name(main: PluginInstance, way: Callable[[], object]) -> None:
    """What comes from the row of that name is the fake, too, even if nobody asked by name."""
    with override_plugin(AbstractSms, FakeSms, name="main"):
        assert isinstance(way(), FakeSms)
    with override_plugin(AbstractSms, FakeSms, name="other"):
        assert isinstance(way(), ProviderSms)
    assert isinstance(main.load_plugin(), ProviderSms)


def test_other_rows_stay_real(main: PluginInstance) -> None:
    """In a list, only the instances of the overridden name are fakes."""
    add_instance("other", main.item, priority=5)
    with override_plugin(AbstractSms, FakeSms, name="main"):
        assert [type(plugin) for plugin in get_plugins(AbstractSms)] == [FakeSms, ProviderSms]
        assert isinstance(get_plugin(AbstractSms, name="other"), ProviderSms)


@pytest.mark.parametrize("staleness", [0, 3600])
def test_a_fake_is_never_remembered(
    main: PluginInstance, settings: Settings, staleness: float, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Whatever was selected before, the fake comes without a query, and leaves nothing in the memory of selections."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
    for _again in range(2):
        assert get_plugin(AbstractSms, name="main").plugin_instance == main  # type: ignore[attr-defined] # a ProviderSms
        assert len(get_plugins(AbstractSms)) == 1
        with override_plugin(AbstractSms, FakeSms), django_assert_num_queries(0):
            assert isinstance(get_plugin(AbstractSms, name="main"), FakeSms)
            assert isinstance(get_plugins(AbstractSms)[0], FakeSms)
            assert isinstance(get_plugin_by_id(AbstractSms, main.pk), FakeSms)
    assert isinstance(get_plugin_by_id(AbstractSms, main.pk), ProviderSms)


@every_way
def test_no_way_leads_around_the_guard(main: PluginInstance, settings: Settings, way: Callable[[], Any]) -> None:
    """With BLOCK_IN_TESTS, every way to a real plugin ends in an error that is not taken for a failed provider."""
    settings.PLUGIN_SYSTEM = {"BLOCK_IN_TESTS": True}
    with pytest.raises(PluginBlocked, match="ProviderSms"):
        way()
    with allow_plugins(ProviderSms):
        assert isinstance(way(), ProviderSms)
    with override_plugin(AbstractSms, FakeSms):
        assert isinstance(way(), FakeSms)
    main.refresh_from_db()
    assert (main.unavailable_until, main.last_error) == (None, "")


def test_an_explanation_is_not_blocked(main: PluginInstance, settings: Settings) -> None:
    """To say what would be used builds nothing in earnest."""
    settings.PLUGIN_SYSTEM = {"BLOCK_IN_TESTS": True}
    assert explain_selection(AbstractSms).chosen == main


def test_plain_classes_are_guarded(all_kinds: dict[str, PluginItem], settings: Settings) -> None:
    """The legacy calls give classes without a configuration in a form that asks the guard when it is called."""
    PluginInstance.objects.exclude(item=all_kinds["console"]).delete()
    PluginItem.objects.exclude(name="console").update(status="disable")
    assert get_plugin_class(*NAMES) is all_kinds["console"].load_class() is ConsoleSms
    settings.PLUGIN_SYSTEM = {"BLOCK_IN_TESTS": True}
    classes: list[Any] = [get_plugin_class(*NAMES), all_kinds["console"].load_class()]
    for found in classes:
        assert issubclass(found, ConsoleSms)
        with pytest.raises(PluginBlocked):
            found()
        with allow_plugins(AbstractSms):
            assert type(found()) is ConsoleSms
    with pytest.raises(PluginBlocked):
        get_plugin_instance(*NAMES)


def test_a_class_without_code_has_no_stand_in(all_kinds: dict[str, PluginItem]) -> None:
    """load_class() of an item whose code is gone stays None."""
    lost = PluginItem(name="lost", module="apps.items", plugin_type=all_kinds["console"].plugin_type)
    with override_plugin(AbstractSms, FakeSms()):
        assert lost.load_class() is None
        assert issubclass(all_kinds["fragile"].load_class(), AbstractSms)  # type: ignore[arg-type] # it is there
    assert {LenientSms, FragileSms} <= {item.plugin_class for item in all_kinds.values()}


@pytest.mark.django_db(transaction=True)
def test_the_row_of_a_fake_can_be_referred_to(provider: PluginItem) -> None:
    """Code that writes down which instance served does so in a test as well; no selection ever finds that row."""
    for _again in range(2):
        with override_plugin(AbstractSms, ConsoleSms):
            for attempt in failover(AbstractSms):
                with attempt:
                    person = Person.objects.create(name="by object", sender=attempt.instance)
                    Person.objects.create(name="by id", sender_id=attempt.instance.pk)
            for attempt in failover(AbstractSms, scope="acme"):
                with attempt:
                    Person.objects.create(name="in a scope", sender=attempt.instance)
            Person.objects.create(name="none")
            person.refresh_from_db()
            assert not person.sender.get_health().last_error  # type: ignore[union-attr]
    assert Person.objects.exclude(sender=None).count() == 6
    assert not provider.instances.exists()
    with pytest.raises(NoPluginAvailable):
        get_plugin(AbstractSms)
