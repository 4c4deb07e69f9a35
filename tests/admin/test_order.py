"""The order of selection on the page of a type: what it shows, and how it is changed there."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_plugin_system.admin.types import find_first_rows
from django_plugin_system.config.keyring import make_key
from django_plugin_system.helpers import explain_selection, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus, PluginType
from django_plugin_system.registry import TypeSpec, registry
from tests.admin.helpers import get_row, make_user_client, read_form, url
from tests.admin.sample import CONFIG, SECRET, AbstractSms, make_instance
from tests.support.health import set_health

if TYPE_CHECKING:
    from django.test import Client

Items = dict[str, PluginItem]


@pytest.fixture
def address(items: Items) -> str:
    """Return the address of the page of the sample type."""
    return url("change", items["twilio"].plugin_type_id, model="plugintype")


@pytest.fixture
def target(items: Items) -> str:
    """Return the address that the table is posted to."""
    return url("order", items["twilio"].plugin_type_id, model="plugintype")


def get_states(response: Any) -> dict[str, str]:
    """Return what the table says about each instance, in its order."""
    return {line.instance.name: line.state for line in response.context["order"].lines}


def read_order(client: Client, address: str) -> dict[str, str]:
    """Return what a browser would post of the table if nothing was edited."""
    fields = read_form(client.get(address))
    return {key: value for key, value in fields.items() if key.endswith(("-mark", "-status", "-priority"))}


def test_every_candidate_with_its_reason(admin_client: Client, items: Items, address: str, settings: Any) -> None:
    """The table says the same as explain_selection: which one is used, and why each other is not."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    make_instance(items["twilio"], "lost-key", priority=0)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    make_instance(items["twilio"], "off", status=PluginStatus.DISABLED)
    make_instance(items["twilio"], "cooling", priority=1, unavailable_until=timezone.now() + timedelta(hours=1))
    make_instance(items["twilio"], "best", priority=2)
    make_instance(items["twilio"], "next", priority=3)
    PluginInstance.objects.create(item=items["console"], name="best", priority=4)
    PluginInstance.objects.bulk_create([PluginInstance(item=items["console"], name="gone", priority=5)])
    PluginInstance.objects.filter(name="gone").update(status=PluginStatus.RESERVED)
    response = admin_client.get(address)
    lines = response.context["order"].lines
    selection = explain_selection("sms", "apps.sms")
    assert [line.instance for line in lines] == [candidate.instance for candidate in selection.candidates]
    skipped = {line.instance: line.state for line in lines if line.kind == "skipped"}
    assert skipped == {c.instance: c.reason for c in selection.candidates if c.reason}
    assert {reason.partition(" ")[0] for reason in skipped.values()} == {"secret", "cooling", "disabled"}
    assert [line.state for line in lines if line.kind != "skipped"] == [
        "Used",
        "Used for “next”",
        "Usable, comes later",
        "Used for “gone”",
    ]
    assert selection.chosen == next(line.instance for line in lines if line.state == "Used")
    assert SECRET not in response.content.decode()


def test_one_name(admin_client: Client, items: Items, address: str) -> None:
    """With a name, the table shows what selection does for that name alone."""
    make_instance(items["twilio"], "a", priority=1)
    make_instance(items["twilio"], "b", priority=2)
    PluginInstance.objects.create(item=items["console"], name="b", priority=3)
    response = admin_client.get(f"{address}?name=b")
    assert [line.state for line in response.context["order"].lines] == ["Used", "Usable, comes later"]
    assert response.context["order"].names == ["a", "b"]
    assert "There is no instance named “z”." in admin_client.get(f"{address}?name=z").content.decode()


def test_nothing_to_select(admin_client: Client, items: Items, address: str) -> None:
    """A type without instances, or without code, says so."""
    assert "There are no instances yet." in admin_client.get(address).content.decode()
    make_instance(items["twilio"])
    PluginType.objects.update(name="unknown")
    assert "is gone, so nothing is selected" in admin_client.get(address).content.decode()


def test_constructor_that_raises(admin_client: Client, items: Items, address: str, monkeypatch: Any) -> None:
    """An instance that cannot be built is not shown as used, whether for any name or for its own."""
    make_instance(items["twilio"], "a", priority=1)
    make_instance(items["twilio"], "b", priority=3)
    PluginInstance.objects.create(item=items["console"], name="b", priority=4)
    PluginInstance.objects.create(item=items["console"], name="c", priority=2)

    def fail(_plugin: Any, _config: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(registry.get_item("twilio", "apps.twilio", ("sms", "apps.sms")).plugin_class, "__init__", fail)
    lines = admin_client.get(address).context["order"].lines
    assert [line.kind for line in lines] == ["skipped", "used", "later", "used"]
    assert lines[1].state == "Used"


def test_type_that_chooses_by_itself(admin_client: Client, items: Items, address: str) -> None:
    """Where a type picks by itself, the table shows its pick, and no guess for other names."""
    make_instance(items["twilio"], "a", priority=1)
    picked = make_instance(items["twilio"], "b", priority=2)
    registry.types[("sms", "apps.sms")] = TypeSpec("sms", "apps.sms", AbstractSms, "", get_plugin=lambda _row: picked)
    assert get_states(admin_client.get(address)) == {"a": "Usable, comes later", "b": "Used"}


def test_change_status_and_priority(admin_client: Client, items: Items, address: str, target: str) -> None:
    """What was edited is written, with history; the next selection sees it; what was not stays as it was."""
    first = make_instance(items["twilio"], "first", priority=1)
    second = make_instance(items["twilio"], "second", priority=2)
    third = make_instance(items["twilio"], "third")
    before = get_row(third).updated_at
    assert get_plugin("sms", "apps.sms").plugin_instance == first
    form = read_order(admin_client, address)
    form |= {f"{first.pk}-status": "disable", f"{second.pk}-priority": ""}
    response = admin_client.post(target, form, follow=True)
    assert "2 instances changed: " in response.content.decode()
    assert get_row(first).status == PluginStatus.DISABLED
    assert get_row(second).priority is None
    assert get_row(third).updated_at == before
    assert get_plugin("sms", "apps.sms").plugin_instance == second
    entries = {entry.object_id: entry.get_change_message() for entry in LogEntry.objects.all()}
    assert entries == {str(first.pk): "Changed Status.", str(second.pk): "Changed Priority."}
    assert get_row(first).load_config().auth_token.get_secret_value() == SECRET


def test_use_again_now(admin_client: Client, items: Items, address: str, target: str) -> None:
    """An instance that is cooling down can be used again at once; its last error stays to be read."""
    until = timezone.now() + timedelta(hours=1)
    row = make_instance(items["twilio"], unavailable_until=until, last_error="Timeout: 5 s")
    assert "Use again now" in admin_client.get(address).content.decode()
    admin_client.post(target, {**read_order(admin_client, address), f"{row.pk}-wake": "on"})
    assert (get_row(row).unavailable_until, get_row(row).last_error) == (None, "Timeout: 5 s")
    assert LogEntry.objects.get().get_change_message() == "Changed Use again now."
    page = admin_client.get(address)
    assert "Use again now" not in page.content.decode()
    assert get_states(page) == {"transactional": "Used"}


def test_nothing_edited(admin_client: Client, items: Items, address: str, target: str) -> None:
    """Saving an untouched table writes nothing, even if somebody else wrote meanwhile."""
    row = make_instance(items["twilio"], priority=1)
    form = read_order(admin_client, address)
    PluginInstance.objects.update(priority=7)
    response = admin_client.post(target, {**form, "stray-mark": "x", "no-uuid-mark": "y"}, follow=True)
    assert "Nothing was changed." in response.content.decode()
    assert get_row(row).priority == 7
    assert not LogEntry.objects.exists()


def test_refused_value_saves_nothing(admin_client: Client, items: Items, address: str, target: str) -> None:
    """A wrong value is reported at its row, what was typed is still there, and no other row is written, either."""
    good = make_instance(items["twilio"], "good", priority=1)
    bad = make_instance(items["twilio"], "bad", priority=2)
    other = make_instance(items["twilio"], "other", priority=3)
    form = read_order(admin_client, address)
    form |= {f"{good.pk}-priority": "9", f"{bad.pk}-priority": "many"}
    response = admin_client.post(target, form)
    page = response.content.decode()
    assert "Nothing was saved." in page
    assert page.count("Enter a whole number.") == 1
    too_low = admin_client.post(target, form | {f"{bad.pk}-priority": "-32769"}).content.decode()
    assert "greater than or equal to -32768" in too_low
    again = read_form(response)
    assert (again[f"{good.pk}-priority"], again[f"{bad.pk}-priority"], again[f"{other.pk}-priority"]) == (
        "9",
        "many",
        "3",
    )
    assert get_row(good).priority == 1
    admin_client.post(target, {**again, f"{bad.pk}-priority": "4"})
    assert (get_row(good).priority, get_row(bad).priority) == (9, 4)


def test_concurrent_change_is_not_written_over_unseen(
    admin_client: Client, items: Items, address: str, target: str
) -> None:
    """Who edits a row that somebody else changed meanwhile is told, sees the change, and may save again."""
    row = make_instance(items["twilio"], priority=1)
    form = {**read_order(admin_client, address), f"{row.pk}-priority": "5"}
    PluginInstance.objects.update(status=PluginStatus.RESERVED, priority=None)
    response = admin_client.post(target, form)
    assert "It is now: Reserved, the item&#x27;s priority." in response.content.decode()
    assert (get_row(row).status, get_row(row).priority) == ("reserve", None)
    admin_client.post(target, read_form(response))
    assert (get_row(row).status, get_row(row).priority) == ("active", 5)


def test_change_of_the_health_is_no_conflict(admin_client: Client, items: Items, address: str, target: str) -> None:
    """A failure that is noted meanwhile does not stand in the way, and is not written over."""
    row = make_instance(items["twilio"], priority=1)
    form = {**read_order(admin_client, address), f"{row.pk}-priority": "5"}
    until = timezone.now() + timedelta(hours=1)
    set_health(unavailable_until=until)
    admin_client.post(target, form)
    assert (get_row(row).priority, get_row(row).unavailable_until) == (5, until)


def test_row_that_is_gone(admin_client: Client, items: Items, address: str, target: str) -> None:
    """A row that was deleted, or belongs to another type, is reported, and nothing is saved."""
    row = make_instance(items["twilio"], "kept", priority=1)
    gone = make_instance(items["twilio"], "gone", priority=2)
    form = {**read_order(admin_client, address), f"{gone.pk}-priority": "5"}
    gone.delete()
    response = admin_client.post(target, form, follow=True)
    assert "not there any more" in response.content.decode()
    response = admin_client.post(target, {**form, f"{row.pk}-priority": "8"})
    assert "not there any more" in response.content.decode()
    assert get_row(row).priority == 1
    other = PluginType.objects.create(name="other", manager="m", description="")
    form = {f"{row.pk}-mark": "active 1", f"{row.pk}-status": "disable", f"{row.pk}-priority": "1"}
    admin_client.post(url("order", other.pk, model="plugintype"), form)
    assert get_row(row).status == "active"


VIEWERS = [
    ("view_plugintype",),
    ("view_plugintype", "change_plugintype"),
    ("view_plugintype", "view_plugininstance"),
]


@pytest.mark.parametrize("permissions", VIEWERS)
def test_without_the_change_permission(items: Items, address: str, target: str, permissions: tuple[str, ...]) -> None:
    """Who may not change instances sees the table only; a forged post is refused."""
    row = make_instance(items["twilio"], unavailable_until=timezone.now() + timedelta(hours=1))
    client = make_user_client(*permissions)
    page = client.get(address).content.decode()
    assert "cooling down until" in page
    assert f"{row.pk}-status" not in page
    assert "Use again now" not in page
    assert (url("change", row.pk) in page) is ("view_plugininstance" in permissions)
    form = {f"{row.pk}-mark": "active ", f"{row.pk}-status": "disable", f"{row.pk}-priority": ""}
    assert client.post(target, form).status_code == 403
    assert get_row(row).status == "active"


def test_with_the_change_permission_on_instances_alone(items: Items, address: str, target: str) -> None:
    """Who may change instances, and types only look at, edits the order and nothing else."""
    row = make_instance(items["twilio"])
    client = make_user_client("view_plugintype", "view_plugininstance", "change_plugininstance")
    form = read_order(client, address)
    client.post(target, {**form, f"{row.pk}-status": "reserve"})
    assert get_row(row).status == "reserve"
    assert client.post(address, {"description": "x"}).status_code == 403


def test_row_that_the_user_may_not_change(
    admin_client: Client, items: Items, address: str, target: str, monkeypatch: Any
) -> None:
    """A project's own rule for single instances is kept."""
    row = make_instance(items["twilio"])
    form = {**read_order(admin_client, address), f"{row.pk}-status": "reserve"}
    rule = type(admin.site._registry[PluginInstance])  # noqa: SLF001 - no public way before Django 5.0
    monkeypatch.setattr(rule, "has_change_permission", lambda _admin, _request, obj=None: obj is None)
    assert admin_client.post(target, form).status_code == 403
    assert get_row(row).status == "active"


def test_project_without_the_admin_of_instances(admin_client: Client, items: Items, address: str, target: str) -> None:
    """A project that took the admin of instances away still sees the order, read-only."""
    make_instance(items["twilio"])
    registered = admin.site._registry[PluginInstance]  # noqa: SLF001 - as above
    admin.site.unregister(PluginInstance)
    try:
        assert get_states(admin_client.get(address)) == {"transactional": "Used"}
        assert admin_client.post(target, {}).status_code == 403
    finally:
        admin.site._registry[PluginInstance] = registered  # noqa: SLF001 - as above


def test_address_of_the_order(admin_client: Client, items: Items, address: str, target: str) -> None:
    """Who opens the address that tables are posted to lands on the type's page; an unknown type is not found."""
    assert admin_client.get(f"{target}?name=a").url == f"{address}?name=a#order"  # type: ignore[attr-defined]
    assert admin_client.get(url("order", items["twilio"].pk, model="plugintype")).status_code == 404


def test_forged_post_from_another_site(items: Items, target: str) -> None:
    """A post without the CSRF token is refused."""
    row = make_instance(items["twilio"])
    client = make_user_client("view_plugintype", "change_plugininstance")
    client.handler.enforce_csrf_checks = True
    form = {f"{row.pk}-mark": "active ", f"{row.pk}-status": "disable", f"{row.pk}-priority": ""}
    assert client.post(target, form).status_code == 403
    assert get_row(row).status == "active"


def test_a_thousand_instances(admin_client: Client, items: Items, address: str, target: str) -> None:
    """The table shows the first hundred, in no more queries than for ten; the list has them all."""
    counts = []
    for total in (10, 1000):
        have = PluginInstance.objects.count()
        PluginInstance.objects.bulk_create(
            PluginInstance(item=items["console"], name=f"i{i:04}", priority=i) for i in range(have, total)
        )
        admin_client.get(address)
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(address)
        counts.append(len(queries))
    assert counts[0] >= counts[1]
    assert "The first 100 instances are shown." in response.content.decode()
    everything = f"{url('changelist')}?item__plugin_type__id__exact={items['twilio'].plugin_type_id}"
    assert f'href="{everything}"' in response.content.decode()
    assert [line.instance.name for line in response.context["order"].lines] == [f"i{i:04}" for i in range(100)]
    row = response.context["order"].lines[99].instance
    form = {**read_order(admin_client, address), f"{row.pk}-priority": "0"}
    with CaptureQueriesContext(connection) as queries:
        admin_client.post(target, form)
    assert len(queries) < 15
    assert get_row(row).priority == 0


def test_first_rows_of_all_tiers(items: Items) -> None:
    """Whatever tiers, priorities and names: the table shows what selection would try first."""
    PluginItem.objects.filter(pk=items["console"].pk).update(status=PluginStatus.RESERVED, priority=1)
    rows = [
        PluginInstance(item=item, name=f"i{i}", status=status, priority=priority)
        for item in (items["console"], items["twilio"])
        for i, (status, priority) in enumerate(product(PluginStatus, (None, 3, 5, 7, None)))
    ]
    for row in rows:
        row.set_config(CONFIG if row.item_id == items["twilio"].pk else {})
    PluginInstance.objects.bulk_create(rows)
    kind = items["console"].plugin_type
    ordered = list(PluginInstance.objects.for_type(kind.name, kind.manager).in_order())
    for count in (1, 4, 7, 15, 29, 30, 31):
        assert find_first_rows(kind, "", count) == ordered[:count]
