"""Every place that shows or changes a row asks for the right on that very row; a stale list changes nothing unseen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.utils.html import strip_tags

from django_plugin_system.admin import PluginInstanceAdmin
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from tests.admin.helpers import get_row, make_user_client, read_form, url
from tests.admin.sample import make_instance

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.test import Client

Items = dict[str, PluginItem]


HIDDEN_FROM = {"view": {"hidden"}, "change": {"frozen", "hidden"}}


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a project's own rules: what is frozen may be looked at only, what is hidden is seen by nobody."""

    def restrict(right: str, names: set[str]) -> None:
        allowed = getattr(PluginInstanceAdmin, f"has_{right}_permission")

        def ask(self: Any, request: HttpRequest, obj: Any = None) -> bool:
            return allowed(self, request, obj) and (obj is None or obj.name not in names)

        monkeypatch.setattr(PluginInstanceAdmin, f"has_{right}_permission", ask)

    for right, names in HIDDEN_FROM.items():
        restrict(right, names)


ACTIONS = ["mark_active", "mark_reserved", "mark_disabled", "raise_priority", "lower_priority"]


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_changes_what_the_user_may_change(admin_client: Client, items: Items, action: str) -> None:
    """Of the selected rows those are changed that the user may change, and the others are named."""
    status = PluginStatus.DISABLED if action == "mark_active" else PluginStatus.ACTIVE
    rows = [make_instance(items["twilio"], name, status=status, priority=3) for name in ("free", "frozen")]
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    page = admin_client.post(url("changelist"), data, follow=True).content.decode()
    free, frozen = map(get_row, rows)
    assert (frozen.status, frozen.priority) == (status, 3)
    assert (free.status, free.priority) != (status, 3)
    assert free.updated_at > frozen.updated_at
    assert "You may not change: frozen (twilio)." in page
    assert "1 changed. free (twilio): " in page


@pytest.mark.usefixtures("rules")
def test_a_list_offers_what_the_user_may_change(admin_client: Client, items: Items) -> None:
    """Inputs of a frozen row are locked, and what is posted for them changes nothing; a hidden row is not there."""
    frozen, hidden = make_instance(items["twilio"], "frozen"), make_instance(items["twilio"], "hidden")
    page = admin_client.get(url("changelist"))
    assert [row.name for row in page.context["cl"].result_list] == ["frozen"]
    assert "hidden (twilio)" not in page.content.decode()
    inputs = re.findall(r'<[^>]* aria-label="Status: frozen[^>]*>', page.content.decode())
    assert [" disabled" in text for text in inputs] in ([True], [])  # Django 6.1 shows none for such a row
    for row in (frozen, hidden):
        form = {**read_form(page), "form-0-id": str(row.pk), "form-0-status": "disable", "_save": "Save"}
        admin_client.post(url("changelist"), form)
        assert get_row(row).status == "active"


PAGES = [
    ("changelist", "plugintype"),
    ("change", "plugintype"),
    ("delete", "plugintype"),
    ("changelist", "pluginitem"),
    ("change", "pluginitem"),
    ("delete", "pluginitem"),
    ("add", "plugininstance"),
]


def open_page(client: Client, item: PluginItem, page: str, model: str) -> str:
    """Return the text of a page of an item or its type."""
    pk = [{"plugintype": item.plugin_type_id, "pluginitem": item.pk}[model]] if page in {"change", "delete"} else []
    return " ".join(strip_tags(client.get(url(page, *pk, model=model)).content.decode()).split())


RIGHTS = [f"{right}_{model}" for right in ("view", "delete") for model in ("plugintype", "pluginitem")]


@pytest.mark.parametrize(("page", "model"), PAGES)
def test_who_may_not_see_instances(items: Items, page: str, model: str) -> None:
    """No page names or counts instances for those who may not see them, whatever else they may do."""
    PluginInstance.objects.bulk_create(
        PluginInstance(item=items["console"], name=f"customer-{number}") for number in range(41)
    )
    client = make_user_client(*RIGHTS, "add_plugininstance", "delete_plugininstance")
    shown = open_page(client, items["console"], page, model)
    assert "console" in shown or "sms" in shown
    assert "customer" not in shown
    assert "41" not in shown.split()
    assert ("instances that you may not see" in shown) is (page == "delete")


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize("page", ["change", "delete"])
def test_a_hidden_row_is_named_nowhere(admin_client: Client, items: Items, page: str) -> None:
    """A project's rule for single rows holds on the pages of items, too."""
    make_instance(items["twilio"], "plain")
    make_instance(items["twilio"], "hidden")
    shown = open_page(admin_client, items["twilio"], page, "pluginitem")
    assert "plain (twilio)" in shown
    assert "hidden" not in shown


def test_who_may_not_see_items(items: Items) -> None:
    """The list of types counts no items for those who may not see them."""
    client = make_user_client("view_plugintype")
    assert "active_items" not in client.get(url("changelist", model="plugintype")).content.decode()
    assert items


# Two people at one list


def test_a_row_that_nobody_edited_stays_as_it_is(admin_client: Client, items: Items) -> None:
    """Somebody disables a row while the list is open; a save of another row of that list leaves it disabled."""
    first, second = make_instance(items["twilio"], "first"), make_instance(items["twilio"], "second", priority=1)
    form = read_form(admin_client.get(url("changelist")))
    PluginInstance.objects.filter(pk=first.pk).update(status=PluginStatus.DISABLED, priority=7)
    PluginInstance.objects.filter(pk=second.pk).update(status=PluginStatus.RESERVED)
    response = admin_client.post(url("changelist"), {**form, "form-1-priority": "8", "_save": "Save"}, follow=True)
    assert "1 plugin instance was changed" in response.content.decode()
    assert (get_row(first).status, get_row(first).priority) == ("disable", 7)
    assert (get_row(second).status, get_row(second).priority) == ("reserve", 8)


@pytest.mark.parametrize(
    ("edited", "meanwhile", "now"),
    [
        ({"form-0-status": "reserve"}, {"status": "disable"}, "Disabled"),
        ({"form-0-priority": "8"}, {"priority": 7}, "7"),
        ({"form-0-priority": "8"}, {"priority": None}, "empty"),
    ],
)
def test_one_cell_edited_twice(
    admin_client: Client, items: Items, edited: dict[str, str], meanwhile: dict[str, Any], now: str
) -> None:
    """Who edits what somebody else changed meanwhile is told what it is now, and nothing of the list is saved."""
    row, other = make_instance(items["twilio"], "a", priority=3), make_instance(items["twilio"], "b", priority=3)
    form = {**read_form(admin_client.get(url("changelist"))), **edited, "form-1-priority": "9", "_save": "Save"}
    PluginInstance.objects.filter(pk=row.pk).update(**meanwhile)
    page = admin_client.post(url("changelist"), form).content.decode()
    assert f"Someone else changed this meanwhile. It is now: {now}." in page
    assert [getattr(get_row(row), name) for name in meanwhile] == list(meanwhile.values())
    assert get_row(other).priority == 3
    again = {**read_form(admin_client.get(url("changelist"))), **edited, "_save": "Save"}
    admin_client.post(url("changelist"), again)
    assert [str(getattr(get_row(row), name)) for name in meanwhile] == list(edited.values())


def test_a_row_that_was_deleted_meanwhile(admin_client: Client, items: Items) -> None:
    """The list says so, and nothing of it is saved."""
    row, other = make_instance(items["twilio"], "a"), make_instance(items["twilio"], "b", priority=3)
    form = {**read_form(admin_client.get(url("changelist"))), "form-1-priority": "9", "_save": "Save"}
    row.delete()
    page = admin_client.post(url("changelist"), form)
    assert (page.status_code, get_row(other).priority) == (200, 3)
    assert "correct the error" in page.content.decode()


def test_the_list_of_items(admin_client: Client, items: Items) -> None:
    """The same holds for items."""
    form = read_form(admin_client.get(url("changelist", model="pluginitem")))
    PluginItem.objects.filter(name="console").update(status=PluginStatus.DISABLED)
    PluginItem.objects.filter(name="twilio").update(priority=7)
    places = {form[f"form-{place}-id"]: place for place in range(3)}
    edited = {f"form-{places[str(items['gone'].pk)]}-priority": "8", "_save": "Save"}
    admin_client.post(url("changelist", model="pluginitem"), {**form, **edited})
    assert get_row(items["console"]).status == PluginStatus.DISABLED
    assert (get_row(items["twilio"]).priority, get_row(items["gone"]).priority) == (7, 8)
    edited = {f"form-{places[str(items['twilio'].pk)]}-priority": "8", "_save": "Save"}
    page = admin_client.post(url("changelist", model="pluginitem"), {**form, **edited}).content.decode()
    assert "It is now: 7." in page
    assert get_row(items["twilio"]).priority == 7
