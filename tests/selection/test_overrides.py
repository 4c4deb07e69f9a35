"""A type's own get_plugin callable: what it may return, and what selection makes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from django_plugin_system import (
    NoPluginAvailable,
    explain_selection,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugin_class,
    get_plugin_instance,
    get_plugins,
)
from django_plugin_system.exceptions import InvalidPluginChoice
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.registry import temporary_registry
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import (
    AbstractSms,
    ConsoleSms,
    FragileSms,
    ProviderSms,
    declare_item,
    declare_type,
)
from tests.support.rows import add_instance, get_item, write_raw

pytestmark = pytest.mark.django_db

NAMES = ("sms", "apps.sms")


class Chooser:
    """A get_plugin callable that returns what a test puts into it, and remembers what it was asked."""

    def __init__(self) -> None:
        """Choose nothing yet."""
        self.choice: PluginItem | PluginInstance | None = None
        self.asked: list[Any] = []

    def __call__(self, plugin_type: PluginType, *args: Any, **kwargs: Any) -> PluginItem | PluginInstance | None:
        """Return the choice."""
        self.asked.append((plugin_type.name, args, kwargs))
        return self.choice


@pytest.fixture
def chooser(db: None) -> Chooser:
    """Return the callable of a type with three items: the console first, then two providers, then the fragile one."""
    del db
    made = Chooser()
    FragileSms.fails = True
    declare_type(get_plugin=made)
    declare_item(ConsoleSms, "console", priority=-1)
    declare_item(ProviderSms)
    declare_item(FragileSms, "fragile", priority=1)
    sync_registered_plugins_to_db()
    add_instance("second", priority=2)
    add_instance("first", priority=1)
    return made


def test_it_may_choose_an_item(chooser: Chooser) -> None:
    """The best usable instance of that item is used, although another item comes first."""
    chooser.choice = get_item()
    assert get_plugin(AbstractSms).plugin_instance.name == "first"  # type: ignore[attr-defined]
    assert get_plugin(AbstractSms, name="second").plugin_instance.name == "second"  # type: ignore[attr-defined]
    PluginInstance.objects.filter(name="first").update(status="disable")
    assert get_plugin(AbstractSms).plugin_instance.name == "second"  # type: ignore[attr-defined]
    assert chooser.asked[0] == ("sms", (), {})


def test_it_may_choose_an_instance(chooser: Chooser) -> None:
    """Exactly that instance is used, if it can be and has the name that was asked for."""
    chooser.choice = PluginInstance.objects.get(name="second")
    assert get_plugin(AbstractSms).plugin_instance.name == "second"  # type: ignore[attr-defined]
    assert "second (provider) is used" in str(explain_selection(AbstractSms))
    with pytest.raises(NoPluginAvailable, match="named first"):
        get_plugin(AbstractSms, name="first")


def test_it_may_choose_nothing(chooser: Chooser) -> None:
    """None means that there is no plugin, as in 1.1.0."""
    assert chooser.choice is None
    with pytest.raises(NoPluginAvailable):
        get_plugin(AbstractSms)
    assert explain_selection(AbstractSms).chosen is None
    assert get_plugin_instance(*NAMES) is None
    assert get_plugin_class(*NAMES) is None


def test_its_choice_must_be_of_the_type(chooser: Chooser) -> None:
    """An item or instance of another type, or something else altogether, is a TypeError that says what to return."""
    other = PluginType.objects.create(name="other", manager="apps.other", description="")
    item = PluginItem.objects.create(plugin_type=other, module="apps.items", name="foreign")
    for choice in (item, PluginInstance(item=item, name="stray"), "console", ConsoleSms):
        chooser.choice = choice  # type: ignore[assignment] # what a careless author returns
        for ask in (get_plugin, explain_selection, lambda ref: next(iter(failover(ref)))):
            with pytest.raises(InvalidPluginChoice, match=r"of plugin type sms \(apps.sms\) returned") as wrong:
                ask(AbstractSms)
            assert wrong.value.choice is choice
    assert "returned ConsoleSms: return an item or an instance of this very type, or None." in str(wrong.value)


def test_its_choice_must_be_usable(chooser: Chooser) -> None:
    """A disabled, broken or unbuildable choice is no plugin; selection goes to no other item behind its back."""
    row = PluginInstance.objects.get(name="second")
    for choice, columns in ((row, {"status": "disable"}), (row, {"status": "active", "config": {}})):
        write_raw(row.pk, **columns)
        chooser.choice = PluginInstance.objects.get(pk=choice.pk)
        with pytest.raises(NoPluginAvailable):
            get_plugin(AbstractSms)
        assert get_plugin_instance(*NAMES) is None
    chooser.choice = get_item("fragile")
    with pytest.raises(NoPluginAvailable, match="constructor raised OSError"):
        get_plugin(AbstractSms)
    assert explain_selection(AbstractSms).chosen is None


def test_it_rules_the_legacy_helpers(chooser: Chooser) -> None:
    """get_plugin_instance() and get_plugin_class() ask it; an item or an instance will do, configurable or not."""
    chooser.choice = get_item("console")
    assert isinstance(get_plugin_instance(*NAMES), ConsoleSms)
    for choice in (get_item(), PluginInstance.objects.get(name="first")):
        chooser.choice = choice
        plugin = get_plugin_instance(*NAMES)
        assert (type(plugin), plugin.plugin_instance.name) == (ProviderSms, "first")
        assert get_plugin_class(*NAMES)().plugin_instance.name == "first"
        assert issubclass(get_plugin_class(*NAMES), ProviderSms)
    chooser.choice = get_item("fragile").instances.get()
    assert get_plugin_instance(*NAMES) is None


def test_an_instance_without_code_is_no_plugin(chooser: Chooser, declared: Any) -> None:
    """The legacy helpers return None for a chosen instance whose class is gone."""
    chooser.choice = PluginInstance.objects.get(name="first")
    del declared.items["provider", "apps.items", NAMES]
    assert get_plugin_class(*NAMES) is None


def test_get_single_plugin_hands_its_arguments_on(chooser: Chooser) -> None:
    """The callable gets the type's row, and whatever get_single_plugin() was called with."""
    chooser.choice = get_item()
    assert PluginType.objects.get().get_single_plugin(1, two=3) == chooser.choice
    assert chooser.asked == [("sms", (1,), {"two": 3})]


def test_it_is_asked_at_every_call(chooser: Chooser) -> None:
    """No choice of a callable is remembered."""
    for choice, expected in ((get_item("console"), ConsoleSms), (get_item(), ProviderSms)):
        chooser.choice = choice
        assert isinstance(get_plugin(AbstractSms), expected)


def test_it_has_its_say_over_lists_but_not_over_ids(chooser: Chooser) -> None:
    """get_plugins() gives what it picks, all usable instances of an item; get_plugin_by_id() goes by the row."""
    assert get_plugins(AbstractSms) == []
    row = PluginInstance.objects.get(name="second")
    for choice, expected in ((get_item(), ["first", "second"]), (row, ["second"])):
        chooser.choice = choice
        plugins: list[Any] = get_plugins(AbstractSms)
        assert [plugin.plugin_instance.name for plugin in plugins] == expected
    chooser.asked.clear()
    assert isinstance(get_plugin_by_id(AbstractSms, row.pk), ProviderSms)
    assert chooser.asked == []


def test_it_is_told_the_name_if_it_takes_one(chooser: Chooser) -> None:
    """A callable with a parameter ``name`` gets it, and what it picks then counts, whatever that is called."""
    told: list[str | None] = []

    def choose(plugin_type: PluginType, *, name: str | None = None) -> PluginInstance:
        told.append(name)
        return plugin_type.pluginitem_set.get(name="provider").instances.get(name="second")

    with temporary_registry():
        declare_type(get_plugin=choose)
        for ask in (get_plugin, lambda *args, **options: get_plugins(*args, **options)[0]):
            plugin: Any = ask(AbstractSms, name="marketing")
            assert plugin.plugin_instance.name == "second"
        assert "second (provider) is used" in str(explain_selection(AbstractSms))
        attempt = next(iter(failover(AbstractSms, name="mail")))
        assert attempt.instance.name == "second"
        assert explain_selection(AbstractSms, name="first").chosen == attempt.instance
    assert told == ["marketing", "marketing", None, "mail", "first"]
    del chooser


@pytest.mark.parametrize("choose", [max, lambda *rows: min(rows), lambda name: name.pluginitem_set.get(name="console")])
def test_it_need_not_take_a_name(chooser: Chooser, choose: Any) -> None:
    """A builtin, one that takes anything, and one that calls the type so are given the type alone."""
    with temporary_registry():
        declare_type(get_plugin=choose)
        with suppress(InvalidPluginChoice, TypeError):  # what comes of max() and min() is none
            assert isinstance(get_plugin(AbstractSms), ConsoleSms)
    del chooser


def test_its_refusals_give_reasons(chooser: Chooser) -> None:
    """Who could be used, but is not what it picked, is not called usable by the error."""
    for choice in (None, PluginInstance.objects.get(name="second")):
        chooser.choice = choice
        with pytest.raises(NoPluginAvailable) as refused:
            get_plugin(AbstractSms, name="first")
        assert "first (provider): not what the type's get_plugin chose" in str(refused.value)
        assert "usable" not in str(refused.value).replace("No usable instance of", "")
        assert not any(candidate.usable for candidate in refused.value.candidates)


def test_a_type_without_a_row_has_nothing_to_choose(chooser: Chooser) -> None:
    """Before the first sync there is no row to ask it about, so there is no plugin."""
    PluginInstance.objects.all().delete()
    PluginItem.objects.all().delete()
    PluginType.objects.all().delete()
    with pytest.raises(NoPluginAvailable, match="there is none"):
        get_plugin(AbstractSms)
    assert chooser.asked == []
