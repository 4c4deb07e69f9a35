"""Whose an instance is: who asks in a scope gets what is of that scope, then what is everybody's, and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.db.models.functions import Lower
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_plugin_system import (
    aget_plugin,
    aget_plugin_by_id,
    aget_plugins,
    explain_selection,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugins,
    refresh_plugins,
)
from django_plugin_system.exceptions import (
    AllPluginsFailed,
    ConfigWriteRefused,
    NoPluginAvailable,
    PluginInstanceNotFound,
    PluginUnavailable,
    SecretError,
)
from django_plugin_system.helpers import get_plugin_instance
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem
from django_plugin_system.selection import cache
from django_plugin_system.sync import sync_registered_plugins_to_db
from django_plugin_system.testing import override_plugin
from tests.support.plugins import AbstractSms, ConsoleSms, LenientSms, ProviderSms, declare_item, declare_type
from tests.support.rows import add_instance, reload, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

TYPE: Any = AbstractSms
objects: Any = PluginInstance.objects


@pytest.fixture
def shared(provider: PluginItem) -> PluginInstance:
    """Return an instance that is everybody's, and the best by its priority; one of acme's stands beside it."""
    add_instance("main", provider, scope="acme", priority=9, config={"account": "AC-acme", "token": "t"})
    add_instance("main", provider, scope="other", priority=1, config={"account": "AC-other", "token": "t"})
    return add_instance("main", provider, priority=0, config={"account": "AC-all", "token": "t"})


def get_account(plugin: Any) -> str:
    """Return whose plugin it is."""
    account: str = plugin.config.account
    return account.removeprefix("AC-")


def serve(**wanted: Any) -> str:
    """Let a failover find a plugin."""
    for attempt in failover(TYPE, **wanted):
        with attempt as sms:
            served = get_account(sms)
    return served


def fail(**wanted: Any) -> None:
    """Let each plugin that a failover offers fail, with its account for a reason."""
    for attempt in failover(TYPE, **wanted):
        with attempt as sms:
            raise PluginUnavailable(get_account(sms))


def explain(**wanted: Any) -> str:
    """Let the chosen one of an explanation be built."""
    chosen: Any = explain_selection(TYPE, **wanted).chosen
    return get_account(chosen.load_plugin())


ASKING: dict[str, Callable[..., str]] = {
    "get_plugin": lambda **wanted: get_account(get_plugin(TYPE, **wanted)),
    "get_plugins": lambda **wanted: get_account(get_plugins(TYPE, **wanted)[0]),
    "aget_plugin": lambda **wanted: get_account(async_to_sync(aget_plugin)(TYPE, **wanted)),
    "aget_plugins": lambda **wanted: get_account(async_to_sync(aget_plugins)(TYPE, **wanted)[0]),
    "explain": explain,
    "failover": serve,
}
each_way = pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)


@each_way
@pytest.mark.parametrize("name", [None, "main"])
@pytest.mark.usefixtures("shared")
def test_own_ones_come_first_then_everybodys(ask: Callable[..., str], name: str | None) -> None:
    """Whatever the priorities: a scope's own, else everybody's; without a scope never what has one."""
    for _again in range(2):  # what is remembered counts, too
        assert ask(scope="acme", name=name) == "acme"
        assert ask(scope="other", name=name) == "other"
        assert ask(scope="nobody", name=name) == "all"
        assert ask(name=name) == ask(scope=None, name=name) == ask(scope="", name=name) == "all"
        assert ask(scope="", shared=False, name=name) == "all"
    objects.filter(scope="acme").update(status="disable")
    assert ask(scope="acme", name=name) == "all"
    objects.filter(scope="other").update(status="reserve")
    assert ask(scope="other", name=name) == "other"


@each_way
@pytest.mark.parametrize("name", [None, "main"])
def test_nothing_of_one_scope_is_in_the_answer_to_another(
    shared: PluginInstance, ask: Callable[..., str], name: str | None
) -> None:
    """Where nothing is everybody's, or it is not wanted, a scope without an instance of its own has none."""
    assert ask(scope="acme", shared=False, name=name) == "acme"
    refused = (LookupError, IndexError, AttributeError)
    with pytest.raises(refused):
        ask(scope="nobody", shared=False, name=name)
    shared.delete()
    for scope in ("nobody", None, "", "acm", "acme ", "ACME", "%", "_cme"):
        with pytest.raises(refused):
            ask(scope=scope, name=name)
    assert ask(scope="acme", name=name) == "acme"


def test_lists_and_explanations_hold_both(shared: PluginInstance) -> None:
    """The order is that of the tries: all of the scope's own, then everybody's; the texts name the scope."""
    add_instance("spare", shared.item, scope="acme", status="reserve", config={"account": "AC-spare", "token": "t"})
    assert [get_account(one) for one in get_plugins(TYPE, scope="acme")] == ["acme", "spare", "all"]
    assert [get_account(one) for one in get_plugins(TYPE, scope="acme", shared=False)] == ["acme", "spare"]
    assert str(explain_selection(TYPE, scope="acme")) == (
        "sms (apps.sms) in scope acme: main (provider) of acme is used\n"
        "1. main (provider) of acme: used\n"
        "2. spare (provider) of acme: usable, but comes later\n"
        "3. main (provider): usable, but comes later"
    )
    objects.update(status="disable")
    with pytest.raises(NoPluginAvailable) as refused:
        get_plugin(TYPE, name="main", scope="acme")
    assert str(refused.value) == (
        "No usable instance of sms (apps.sms) named main in scope acme:\n"
        "- main (provider) of acme: disabled\n"
        "- main (provider): disabled"
    )
    rows = objects.all()
    assert [row.scope for row in rows.in_scope("acme").in_order()] == ["acme", "acme", ""]
    assert [row.scope for row in rows.in_scope("acme", shared=False)] == ["acme", "acme"]
    assert [row.scope for row in rows.in_scope(None)] == [row.scope for row in rows.in_scope("")] == [""]
    assert [row.scope for row in rows.in_order()] == ["acme", "acme", "other", ""]


def test_one_row_by_its_id(shared: PluginInstance) -> None:
    """Exactly that row, whosever it is; with a scope it is refused unless it is that scope's, or everybody's."""
    own = objects.get(scope="acme")
    asks: list[Any] = [get_plugin_by_id, async_to_sync(aget_plugin_by_id)]
    for ask in asks:
        for _again in range(2):
            assert get_account(ask(TYPE, own.pk)) == "acme"
            assert get_account(ask(TYPE, own.pk, scope="acme")) == "acme"
            assert get_account(ask(TYPE, shared.pk, scope="acme")) == "all"
        for scope in ("other", "", "acme\0"):
            with pytest.raises(PluginInstanceNotFound, match="has no instance with id"):
                ask(TYPE, own.pk, scope=scope)
        with pytest.raises(PluginInstanceNotFound, match="in scope acme has no instance"):
            ask(TYPE, shared.pk, scope="acme", shared=False)


def test_a_failover_goes_on_to_everybodys(shared: PluginInstance) -> None:
    """What fails is put into a cooldown for itself; then, and meanwhile, everybody's serve, and no other scope's."""
    served = []
    for attempt in failover(TYPE, scope="acme"):
        with attempt as sms:
            served.append(get_account(sms))
            if served[-1] == "acme":
                raise PluginUnavailable("down")
    assert served == ["acme", "all"]
    assert serve(scope="acme") == "all"
    assert serve(scope="other") == "other"
    assert reload(shared).unavailable_until is None
    with pytest.raises(AllPluginsFailed, match="in scope acme failed") as failed:
        fail(scope="acme", shared=False)
    assert [str(error) for error in failed.value.exceptions] == ["acme"]  # of its own, the one that is back first


def test_a_scope_is_text() -> None:
    """A number, an object or a list is refused by its type: it might be anybody's; its text is never asked for."""

    class Nasty:
        __str__: Any = None  # a call would be another TypeError
        __repr__: Any = None

    declare_type()
    asks: list[Any] = [get_plugin, get_plugins, failover, explain_selection]
    scopes: list[Any] = [5, 0, True, b"acme", ["acme"], Nasty(), str]
    for scope in scopes:
        for ask in asks:
            with pytest.raises(TypeError, match=r"scope must be text|unhashable"):
                ask(TYPE, scope=scope)
            with pytest.raises(TypeError, match=r"scope must be text|unhashable"):
                ask(TYPE, name="a\0", scope=scope)
        with pytest.raises(TypeError, match="scope must be text"):
            objects.in_scope(scope)


@pytest.mark.parametrize("scope", ["a\0", "\ud800", "x" * 101, "x" * 200_000], ids=["NUL", "surrogate", "101", "long"])
def test_a_scope_that_no_row_can_have(shared: PluginInstance, scope: str) -> None:
    """It is one without instances of its own: everybody's serve, and nothing is kept for it."""
    cache.forget_selections()
    for ask in ASKING.values():
        assert ask(scope=scope) == "all"
        with pytest.raises((LookupError, IndexError, AttributeError)):
            ask(scope=scope, shared=False)
    with pytest.raises(NoPluginAvailable) as refused:
        get_plugin(TYPE, scope=scope, shared=False)
    assert len(str(refused.value)) < 300
    assert not [key for key in cache._entries if scope in str(key)]  # noqa: SLF001 - as above
    assert list(objects.in_scope(scope)) == [shared]


def test_a_name_is_unique_for_its_item_and_scope(shared: PluginInstance) -> None:
    """The same name may stand in each scope once."""
    with pytest.raises(IntegrityError), transaction.atomic():
        add_instance("main", shared.item, scope="acme")
    add_instance("main", shared.item, scope="third")


def test_a_row_moves_to_another_scope(shared: PluginInstance) -> None:
    """By each way that writes it, the next selection knows, and the index of who cools down follows."""
    row = objects.get(scope="acme")
    assert get_account(get_plugin(TYPE, scope="acme")) == "acme"

    def save() -> None:
        row.scope = "saved"
        row.save()

    def update() -> None:
        objects.filter(pk=row.pk).update(scope="updated")

    def update_in_bulk() -> None:
        row.scope = "bulk"
        objects.bulk_update([row], ["scope"])

    def update_with_config() -> None:
        row.scope = "config"
        objects.bulk_update([row], ["scope", "config"])

    for move in (save, update, update_in_bulk, update_with_config):
        row.refresh_from_db()
        before = row.scope
        move()
        now = reload(row).scope
        assert now != before
        assert PluginHealth.objects.get(pk=row.pk).scope == now
        assert get_account(get_plugin(TYPE, scope=now)) == "acme"
        assert get_account(get_plugin(TYPE, scope=before)) == "all"
        PluginHealth.objects.filter(pk=row.pk).update(unavailable_until=timezone.now() + dt.timedelta(hours=1))
        assert get_account(get_plugin(TYPE, scope=now)) == "all"
        PluginHealth.objects.filter(pk=row.pk).update(unavailable_until=None)
    assert shared.get_health().scope == ""


def test_sql_moves_a_row_to_another_scope(shared: PluginInstance) -> None:
    """What only the table of health calls acme's is not given to acme, and its secrets open for nobody else."""
    best = add_instance("best", shared.item, scope="acme", priority=-1, config={"account": "AC-best", "token": "t"})
    PluginHealth.objects.filter(pk=best.pk).update(unavailable_until=timezone.now() + dt.timedelta(hours=1))
    row = PluginInstance.objects.get(scope="acme", name="main")
    write_raw(row.pk, scope="elsewhere")
    assert get_account(get_plugin(TYPE, scope="acme")) == "all"
    shared.delete()
    assert serve(scope="acme") == "best"
    refresh_plugins()
    assert PluginHealth.objects.get(pk=row.pk).scope == "elsewhere"
    with pytest.raises(NoPluginAvailable, match="does not belong here or was altered"):
        get_plugin(TYPE, scope="elsewhere")
    write_raw(row.pk, scope="acme")
    refresh_plugins()
    assert get_account(get_plugin_by_id(TYPE, row.pk)) == "acme"


def test_an_update_of_scopes_moves_all_rows_or_none(shared: PluginInstance) -> None:
    """It encrypts their secrets anew, with the other columns that are given; a row that cannot be read stops it."""
    objects.filter(scope="other").update(name="second")
    assert objects.exclude(scope="").update(scope="both", priority=4, last_error="down") == 2
    assert set(objects.values_list("scope", "priority", "last_error")) == {("", 0, ""), ("both", 4, "down")}
    assert {get_account(get_plugin_by_id(TYPE, row.pk, scope="both")) for row in objects.filter(scope="both")} == {
        "acme",
        "other",
    }
    write_raw(shared.pk, config={"account": "AC-x", "token": {"$secret": "dps1.00000000." + "A" * 60}})
    with pytest.raises(SecretError):
        objects.update(scope="all")
    assert set(objects.values_list("scope", flat=True)) == {"", "both"}
    with pytest.raises(ConfigWriteRefused, match="scope"):
        objects.update(scope=Lower("scope"))


def test_warm_calls_cost_one_query(shared: PluginInstance) -> None:
    """Whatever the scope, with instances of its own or without: what is known is checked by one query."""
    for scope in ("acme", "nobody", None):
        get_plugin(TYPE, scope=scope)
        get_plugins(TYPE, scope=scope)
        get_plugin_by_id(TYPE, shared.pk, scope=scope)
        asks: list[Any] = [get_plugin, get_plugins, lambda ref, **wanted: get_plugin_by_id(ref, shared.pk, **wanted)]
        for ask in asks:
            with CaptureQueriesContext(connection) as queries:
                ask(TYPE, scope=scope)
            assert len(queries) == 1


def test_cooldowns_of_other_scopes_cost_nothing(provider: PluginItem) -> None:
    """However many scopes' instances cool down or do not, one scope's answer takes the same few queries."""
    rows = [
        PluginInstance(item=provider, name="main", scope=f"s{n}", config={"account": "AC-x", "token": "t"})
        for n in range(300)
    ]
    objects.bulk_create(rows)
    add_instance("main", provider, scope="acme", config={"account": "AC-acme", "token": "t"})
    add_instance("best", provider, scope="acme", priority=-1)
    later = timezone.now() + dt.timedelta(hours=1)
    objects.filter(name="best").update(unavailable_until=later)
    with CaptureQueriesContext(connection) as queries:
        assert get_account(get_plugin(TYPE, scope="acme")) == "acme"
    assert len(queries) <= 8
    objects.update(unavailable_until=later)
    with pytest.raises(NoPluginAvailable, match="cooling down"):
        get_plugin(TYPE, scope="acme")
    objects.filter(scope="s7").update(unavailable_until=timezone.now() + dt.timedelta(minutes=1))
    assert serve(scope="acme") in {"acme", "AC1"}


@pytest.mark.usefixtures("declared")
def test_a_types_own_choice_stays_in_the_scope() -> None:
    """It is told the scope if it takes it; an instance of another scope that it picks is no answer."""
    told: list[Any] = []
    picked: dict[str, Any] = {}

    def choose(_row: Any, *, scope: str | None = None) -> Any:
        told.append(scope)
        return picked["row"]

    declare_type(get_plugin=choose)
    declare_item(ProviderSms, "provider")
    sync_registered_plugins_to_db()
    item = PluginItem.objects.get(name="provider")
    own = add_instance("own", item, scope="acme", config={"account": "AC-acme", "token": "t"})
    everybodys = add_instance("all", item, config={"account": "AC-all", "token": "t"})
    picked["row"] = own
    assert get_account(get_plugin(TYPE, scope="acme")) == "acme"
    for scope in (None, "other", ""):
        with pytest.raises(NoPluginAvailable):
            get_plugin(TYPE, scope=scope)
    assert get_plugin_instance("sms", "apps.sms") is None
    picked["row"] = everybodys
    assert get_account(get_plugin(TYPE, scope="acme")) == "all"
    picked["row"] = item
    assert get_account(get_plugin(TYPE, scope="acme")) == "acme"
    assert get_account(get_plugin(TYPE)) == "all"
    assert {"acme", "other", "", None} == set(told)


def test_legacy_calls_know_no_scope(provider: PluginItem) -> None:
    """Code of 1.1.0 gets what is everybody's, or nothing."""
    add_instance("main", provider, scope="acme", config={"account": "AC-acme", "token": "t"})
    assert get_plugin_instance("sms", "apps.sms") is None
    with pytest.raises(NoPluginAvailable):
        provider.load_class()()  # type: ignore[misc]
    add_instance("main", provider, priority=9, config={"account": "AC-all", "token": "t"})
    assert get_account(get_plugin_instance("sms", "apps.sms")) == "all"


def test_a_fake_may_stand_in_for_one_scope(shared: PluginInstance) -> None:
    """A fake with a scope answers who asks for it, and no other."""
    with override_plugin(TYPE, ConsoleSms, scope="acme"):
        assert isinstance(get_plugin(TYPE, scope="acme"), ConsoleSms)
        assert isinstance(objects.get(scope="acme").load_plugin(), ConsoleSms)
        assert get_account(get_plugin(TYPE, scope="other")) == "other"
        assert get_account(get_plugin(TYPE)) == "all"
    with override_plugin(TYPE, ConsoleSms, scope=""):
        assert isinstance(get_plugin(TYPE), ConsoleSms)
        assert isinstance(shared.load_plugin(), ConsoleSms)
        assert get_account(get_plugin(TYPE, scope="acme")) == "acme"


@pytest.mark.usefixtures("declared")
def test_the_default_instance_is_everybodys() -> None:
    """An item whose only instance has a scope cannot be deleted: that is no untouched default one."""
    declare_type()
    declare_item(LenientSms, "lenient")
    sync_registered_plugins_to_db()
    item = PluginItem.objects.get(name="lenient")
    objects.update(scope="acme")
    with pytest.raises(ProtectedError):
        item.delete()
