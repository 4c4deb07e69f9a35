"""Choosing a plugin: by type, by name, by id; what is skipped and why; what is said when nothing is left."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from django_plugin_system import (
    NoPluginAvailable,
    PluginTypeNotFound,
    aget_plugin,
    aget_plugin_by_id,
    aget_plugins,
    explain_selection,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugins,
)
from django_plugin_system.exceptions import PluginBuildError, PluginInstanceNotFound, UnknownKey
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem
from django_plugin_system.selection import cache
from tests.support.plugins import SECRET, VALID, AbstractSms, ConsoleSms, FragileSms, LenientSms, ProviderSms
from tests.support.rows import add_instance, write_raw

if TYPE_CHECKING:
    from uuid import UUID

    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

NAMES = ("sms", "apps.sms")


def name_of(plugin: Any) -> str:
    """Return the name of the row that a plugin was built from."""
    return str(plugin.plugin_instance.name)


def test_the_best_of_a_name(provider: PluginItem) -> None:
    """A name narrows the choice; without one, all instances count."""
    add_instance("marketing", provider, priority=1, config={**VALID, "account": "AC2"})
    add_instance("transactional", provider, priority=2)
    assert get_plugin(AbstractSms).send("hi") == f"hi by AC2 with {SECRET}"
    assert get_plugin(AbstractSms, name="transactional").send("hi") == f"hi by AC1 with {SECRET}"
    assert get_plugin(*NAMES, name="transactional").send("hi") == f"hi by AC1 with {SECRET}"
    assert [name_of(plugin) for plugin in get_plugins(*NAMES)] == ["marketing", "transactional"]
    assert [name_of(plugin) for plugin in get_plugins(AbstractSms, name="marketing")] == ["marketing"]
    assert get_plugins(AbstractSms, name="unknown") == []


def test_a_name_may_stand_with_several_items(all_kinds: dict[str, PluginItem]) -> None:
    """Of the instances called "default", that of the best item is used."""
    assert isinstance(get_plugin(AbstractSms, name="default"), ConsoleSms)
    PluginItem.objects.filter(name="lenient").update(priority=-1)
    assert isinstance(get_plugin(AbstractSms, name="default"), LenientSms)
    del all_kinds


def test_each_call_gives_a_new_plugin_with_a_config_of_its_own(provider: PluginItem) -> None:
    """What one caller does to a plugin, its config or its row is not seen by the next."""
    add_instance(item=provider, config={**VALID, "spare": ["one"]})
    for _again in range(2):
        plugin: Any = get_plugin(AbstractSms)
        assert (plugin.config.account, len(plugin.config.spare), plugin.plugin_instance.status) == ("AC1", 1, "active")
        plugin.config.account = "changed"
        plugin.config.spare.clear()
        plugin.plugin_instance.status = "changed"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"status": "disable"}, "disabled"),
        ({"config": {}}, "config invalid: account: Field required; token: Field required"),
        ({"config": [1]}, "config invalid: (root): Input should be an object"),
        ({"config": None}, "config invalid: (root): Input should be an object"),
        ({"config": {"account": {"$secret": "x"}}}, "secret unreadable: account: the stored secret is malformed"),
        ({"config_version": 5}, "stored by a newer version (5, this code knows 1)"),
        ({"unavailable_until": timezone.now() + dt.timedelta(hours=1)}, "cooling down until 20"),
    ],
    ids=["disabled", "invalid", "list", "null", "unreadable", "newer", "cooling down"],
)
def test_a_row_that_cannot_serve_is_skipped(
    provider: PluginItem, caplog: pytest.LogCaptureFixture, columns: dict[str, Any], reason: str
) -> None:
    """One broken row never breaks a selection: the next one is used, and the reason is shown and logged."""
    broken = add_instance("broken", provider, priority=1)
    add_instance("good", provider, priority=2)
    write_raw(broken.pk, **columns)
    with caplog.at_level(logging.WARNING, "django_plugin_system"):
        assert name_of(get_plugin(AbstractSms)) == "good"
        assert [name_of(plugin) for plugin in get_plugins(AbstractSms)] == ["good"]
    explained = explain_selection(AbstractSms)
    assert str(explained.chosen) == "good (provider)"
    assert sum(candidate.usable for candidate in explained.candidates) == 1
    reasons = {str(candidate.instance): candidate.reason for candidate in explained.candidates}
    assert reasons["good (provider)"] is None
    assert str(reasons["broken (provider)"]).startswith(reason)
    if {"config", "config_version"} & columns.keys():
        assert reason in caplog.text


def test_a_disabled_item_takes_its_instances_out(provider: PluginItem) -> None:
    """The status of the item counts for all of its instances."""
    add_instance(item=provider)
    PluginItem.objects.update(status="disable")
    with pytest.raises(NoPluginAvailable, match=r"main \(provider\): its item is disabled"):
        get_plugin(AbstractSms)


def test_a_missing_class_is_skipped(all_kinds: dict[str, PluginItem], declared: Any) -> None:
    """Rows whose code is gone are skipped, and named."""
    add_instance("lost", all_kinds["provider"])
    del declared.items["provider", "apps.items", NAMES]
    assert isinstance(get_plugin(AbstractSms), ConsoleSms)
    assert "1. lost (provider): class not registered: is its app installed?" in str(explain_selection(AbstractSms))


def test_a_constructor_that_fails_is_skipped(
    all_kinds: dict[str, PluginItem], caplog: pytest.LogCaptureFixture
) -> None:
    """A plugin that cannot be built gives way to the next one; its error is named, its text is not."""
    PluginItem.objects.filter(name="fragile").update(priority=-1)
    assert isinstance(get_plugin(AbstractSms), ConsoleSms)
    assert [type(plugin).__name__ for plugin in get_plugins(AbstractSms)] == ["ConsoleSms", "LenientSms"]
    explained = str(explain_selection(AbstractSms))
    assert "1. default (fragile): FragileSms could not be built: its constructor raised OSError." in explained
    assert SECRET not in caplog.text + explained
    assert "default (fragile)" in caplog.text
    FragileSms.fails = False
    sent = [plugin.send("hi") for plugin in get_plugins(AbstractSms)]
    assert sent == ["hi, at last", "hi to the console", "hi with 3 retries"]
    del all_kinds


def test_a_constructor_may_fail_before_a_broken_row(all_kinds: dict[str, PluginItem]) -> None:
    """The search for the next one that can be built goes past rows that cannot be read."""
    PluginItem.objects.filter(name="fragile").update(priority=-2)
    PluginItem.objects.filter(name="provider").update(priority=-1)
    write_raw(add_instance("broken", all_kinds["provider"]).pk, config={})
    assert isinstance(get_plugin(AbstractSms), ConsoleSms)


def test_all_constructors_may_fail(all_kinds: dict[str, PluginItem]) -> None:
    """If nothing can be built, the error lists what each constructor raised, by class."""
    PluginInstance.objects.exclude(item=all_kinds["fragile"]).delete()
    with pytest.raises(NoPluginAvailable, match="its constructor raised OSError") as failed:
        get_plugin(AbstractSms)
    assert SECRET not in str(failed.value)
    with pytest.raises(PluginBuildError):
        get_plugin_by_id(AbstractSms, PluginInstance.objects.get().pk)


def test_the_error_lists_every_candidate(provider: PluginItem) -> None:
    """NoPluginAvailable is a LookupError that says for each instance why it was not used, in order."""
    add_instance("b", provider, status="disable")
    write_raw(add_instance("a", provider).pk, config={})
    with pytest.raises(LookupError) as failed:
        get_plugin(AbstractSms)
    assert str(failed.value) == (
        "No usable instance of sms (apps.sms):"
        "\n- a (provider): config invalid: account: Field required; token: Field required"
        "\n- b (provider): disabled"
    )
    with pytest.raises(NoPluginAvailable, match=r"sms \(apps.sms\) named c: there is none. Add one in the admin"):
        get_plugin(AbstractSms, name="c")


def test_the_error_stays_short(provider: PluginItem) -> None:
    """Of very many candidates the first twenty are listed."""
    for number in range(23):
        add_instance(f"n{number}", provider, status="disable")
    with pytest.raises(NoPluginAvailable, match="- and more") as failed:
        get_plugin(AbstractSms)
    assert len(failed.value.candidates) == 20


def test_a_type_that_nobody_registered(provider: PluginItem) -> None:
    """PluginTypeNotFound is a LookupError that names close matches, from every function."""
    for ask in (get_plugin, get_plugins, explain_selection):
        with pytest.raises(PluginTypeNotFound, match=r"Did you mean sms \(apps.sms\)"):
            ask("smss", "apps.sms")
    for row_id in (provider.pk, "1"):
        with pytest.raises(LookupError):
            get_plugin_by_id(ConsoleSms, row_id)


def test_the_explanation_reads_well(all_kinds: dict[str, PluginItem]) -> None:
    """Its text has a line for each candidate, in order: used, not needed, or why not."""
    add_instance("main", all_kinds["provider"], status="disable")
    assert str(explain_selection(AbstractSms)) == (
        "sms (apps.sms): default (console) is used\n"
        "1. default (console): used\n"
        "2. default (lenient): usable, but comes later\n"
        "3. default (fragile): usable, but comes later\n"
        "4. main (provider): disabled"
    )
    assert str(explain_selection(*NAMES, name="x")) == "sms (apps.sms) named x: nothing is used"
    assert str(explain_selection(AbstractSms).candidates[0]) == "default (console): usable"


@pytest.mark.parametrize("form", [lambda pk: pk, str, lambda pk: pk.hex])
def test_a_plugin_by_id(provider: PluginItem, form: Any) -> None:
    """Exactly that row is used, whatever its place in the order, and although it is cooling down."""
    row = add_instance("worst", provider, priority=99)
    add_instance("best", provider)
    write_raw(row.pk, unavailable_until=timezone.now() + dt.timedelta(hours=1))
    pk: UUID = row.pk
    assert name_of(get_plugin_by_id(AbstractSms, form(pk))) == "worst"
    assert name_of(get_plugin_by_id(*NAMES, form(pk))) == "worst"


def test_an_id_that_cannot_serve(all_kinds: dict[str, PluginItem], settings: Any) -> None:
    """A disabled row, an unreadable one, another type's and none at all are each refused by name."""
    row = add_instance(item=all_kinds["provider"], status="disable")
    with pytest.raises(NoPluginAvailable, match=r"main \(provider\): disabled"):
        get_plugin_by_id(AbstractSms, row.pk)
    for unknown in (uuid.uuid4(), "no id", 7):
        with pytest.raises(PluginInstanceNotFound, match=r"sms \(apps.sms\) has no instance with id"):
            get_plugin_by_id(AbstractSms, unknown)  # type: ignore[arg-type]
    PluginInstance.objects.update(status="active")
    settings.SECRET_KEY = "another key, so that the stored secrets cannot be read any more"
    with pytest.raises(UnknownKey):
        get_plugin_by_id(AbstractSms, row.pk)


def test_asynchronous_code_gets_the_same(provider: PluginItem) -> None:
    """aget_plugin, aget_plugins and aget_plugin_by_id give what their twins give."""
    row = add_instance(item=provider)

    async def ask() -> list[Any]:
        return [
            await aget_plugin(AbstractSms, name="main"),
            *await aget_plugins(*NAMES),
            await aget_plugin_by_id(AbstractSms, row.pk),
            await aget_plugin_by_id(*NAMES, row.pk),
        ]

    plugins = async_to_sync(ask)()
    assert [type(plugin) for plugin in plugins] == [ProviderSms] * 4
    assert {name_of(plugin) for plugin in plugins} == {"main"}


def test_a_call_takes_one_query(provider: PluginItem, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """The first call reads the token and one row; each further one the token only, by whatever function."""
    for number in range(30):
        row = add_instance(f"n{number:02}", provider)
    for ask, first in (
        (lambda: get_plugin(AbstractSms), 2),
        (lambda: get_plugin(AbstractSms, name="n05"), 2),
        (lambda: get_plugins(AbstractSms), 2),
        (lambda: get_plugin_by_id(AbstractSms, row.pk), 2),
    ):
        with django_assert_num_queries(first):
            ask()
        with django_assert_num_queries(1):
            ask()


def test_broken_rows_are_read_in_growing_pages(
    provider: PluginItem, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """However many rows cannot serve, the first one that can is found with few queries."""
    for number in range(25):
        write_raw(add_instance(f"n{number:02}", provider).pk, config={})
    add_instance("zz", provider)
    with django_assert_num_queries(9):
        assert name_of(get_plugin(AbstractSms)) == "zz"


IMPOSSIBLE = ["a\0", "\ud800", "x" * 200_000, "two\nlines\0", 5, b"main"]


@pytest.mark.parametrize("name", IMPOSSIBLE, ids=["NUL", "half a character", "long", "lines", "number", "bytes"])
def test_a_name_that_cannot_exist_is_not_found(provider: PluginItem, name: Any) -> None:
    """No database is asked for it, nothing is kept for it, and the error is short and can be written out."""
    add_instance(item=provider)
    for _again in range(2):
        with pytest.raises(NoPluginAvailable) as failed:
            get_plugin(AbstractSms, name=name)
        assert len(str(failed.value).encode()) < 300
        assert "\n" not in str(failed.value)
        assert get_plugins(AbstractSms, name=name) == []
        assert explain_selection(AbstractSms, name=name).candidates == ()
        with pytest.raises(NoPluginAvailable):
            next(iter(failover(AbstractSms, name=name)))
    assert not cache._entries  # noqa: SLF001 - memory has no public face


def test_an_instance_without_health_is_usable(provider: PluginItem) -> None:
    """What raw SQL made has no row of health yet."""
    row = add_instance(item=provider)
    PluginHealth.objects.all().delete()
    for plugin in (get_plugin(AbstractSms), get_plugin(AbstractSms, name="main")):
        assert (name_of(plugin), plugin.plugin_instance.last_error) == (row.name, "")  # type: ignore[attr-defined]


def test_a_list_is_not_taken_for_an_instance(provider: PluginItem) -> None:
    """An id from an address may be any text: also a word that is part of how results are kept."""
    add_instance(item=provider)
    assert len(get_plugins(AbstractSms)) == 1
    for text in ("all", "id", "", "0", "a\n\0", "\ud800", "x" * 200_000):
        with pytest.raises(PluginInstanceNotFound) as failed:
            get_plugin_by_id(AbstractSms, text)
        assert str(failed.value).isprintable()
        assert len(str(failed.value)) < 200
